"""The demo hospital's templates at the simulated WeChat, and a system that sends messages."""

from admin.demo.accounts import ADMINISTRATOR
from admin.demo.people import Town
from admin.demo.present import Today
from clinical.notifications import sending, service
from clinical.notifications.notices import CRITICAL_VALUE, HOSPITAL_MESSAGE
from clinical.notifications.schemas import ApplicationPolicy, TemplateInput
from clinical.notifications.states import Audience
from core.identity.roles import Role
from core.runtime import Runtime
from realtime import notices
from realtime.notices import Channel

#: Ids of the simulated back offices (`clinical/sandbox/wechat/messages.py`).
TEMPLATES = {Channel.WECHAT_MINI: "SIM-notice", Channel.WECHAT_SERVICE: "SIM-service-notice"}

#: For sentences with parameters, which are longer than a keyword may be.
PLAIN = "您有一条新的提醒，请登录查看"


async def word_notices(runtime: Runtime, town: Town, today: Today) -> None:
    """A template of each WeChat channel for every notice that may leave the house."""
    caller = today.caller(town.figures[ADMINISTRATOR.login], Role.ADMINISTRATOR)
    async with runtime.unit_of_work() as uow:
        for notice in notices.declared():
            for channel in notice.channels:
                if channel not in TEMPLATES:
                    continue
                text = notice.outside or PLAIN
                wanted = TemplateInput(
                    base_version=0,
                    provider_template=TEMPLATES[channel],
                    fields={"thing1": PLAIN if "{" in text else text, "time2": "{time}"},
                )
                await service.reword(uow, caller, notice.code, channel, wanted)
        policy = ApplicationPolicy(
            name="检验信息系统",
            codes=[CRITICAL_VALUE, HOSPITAL_MESSAGE],
            audiences=[Audience.STAFF, Audience.PATIENTS],
            addresses=["10.2.8.0/24"],
        )
        await sending.make_application(uow, caller, policy)
