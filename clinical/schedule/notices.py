"""Who hears of what in the schedule: inbox items that stay, and hints to open pages."""

from collections.abc import Iterable
from uuid import UUID

from clinical.schedule.models import Booking, Shift
from clinical.schedule.states import BookingState
from core.alarms.access import officers_of
from core.uow import UnitOfWork
from realtime.notices import WECHAT, WECHAT_THEN_SMS, Category, Kind, Parameter, declare

AT = Parameter("at", "就诊时间", Kind.MOMENT)

declare(
    "queue_called",
    Category.CONSULTATION,
    "叫号提醒",
    outside="已叫到您的号，请立即进入诊间",
    channels=WECHAT_THEN_SMS,
    urgent=True,
)
declare(
    "queue_passed",
    Category.CONSULTATION,
    "过号提醒",
    outside="您已过号，请登录查看",
    channels=WECHAT_THEN_SMS,
    urgent=True,
)
declare(
    "appointment_soon",
    Category.CONSULTATION,
    "就诊前提醒",
    outside="您预约的就诊将于{at}开始，请提前准备",
    channels=WECHAT_THEN_SMS,
    parameters=(AT,),
)
declare(
    "shift_soon",
    Category.CONSULTATION,
    "开诊提醒",
    staff=True,
    outside="您的线上门诊将于{at}开始",
    channels=WECHAT,
    parameters=(AT,),
)
declare(
    "appointment_moved",
    Category.CONSULTATION,
    "改约通知",
    staff=True,
    outside="有患者更改了预约时间，请登录查看",
    channels=WECHAT,
)

_LISTENING = frozenset(BookingState) - {BookingState.DONE, BookingState.RELEASED}


async def tell_planners(uow: UnitOfWork, hospital_id: UUID, doctors: Iterable[UUID]) -> None:
    """After the commit, hint to the doctors and to those who plan that the schedule changed."""
    _hint(
        uow,
        hospital_id,
        {*doctors, *await officers_of(uow, hospital_id)},
        {"code": "schedule_changed", "text": "排班有变化"},
    )


async def tell_queue(uow: UnitOfWork, shift: Shift, queue: Iterable[Booking]) -> None:
    """After the commit, hint to the doctor, the planners and everybody in the queue that it moved.

    The hint names the shift and nobody; each page asks for what its reader may see.
    """
    waiting = {each.payer_id for each in queue if each.state in _LISTENING}
    _hint(
        uow,
        shift.hospital_id,
        {*waiting, shift.doctor_id, *await officers_of(uow, shift.hospital_id)},
        {
            "code": "queue_changed",
            "text": "候诊队列有变化",
            "ref": {"type": "shift", "id": str(shift.id)},
        },
    )


def _hint(
    uow: UnitOfWork, hospital_id: UUID, people: set[UUID], payload: dict[str, object]
) -> None:
    async def hint() -> None:
        for user_id in people:
            await uow.runtime.realtime.to_user(user_id, "notice", payload, hospital_id=hospital_id)

    uow.after_commit(hint)
