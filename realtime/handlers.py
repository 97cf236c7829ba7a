"""What rooms and inboxes do about the news of others."""

from sqlalchemy import select

from core.alarms.access import officers_of
from core.alarms.events import AlarmRaised, AlarmSettled
from core.identity.events import LoggedIn
from core.runtime import Runtime
from realtime import inbox
from realtime.models import InboxItemRow
from realtime.notices import WECHAT_THEN_SMS, Category, declare

declare(
    "alarm",
    Category.SECURITY,
    "安全告警",
    staff=True,
    outside="有新的安全告警，请登录处理",
    channels=WECHAT_THEN_SMS,
    urgent=True,
)
for _code, _title, _outside in (
    ("service_waiting", "客服咨询待接入", "有新的咨询等待接入，请登录处理"),
    ("room_invited", "邀请加入诊间", "同事邀请您加入，请登录查看"),
    ("reply_overdue", "患者等待回复", "有患者在等您回复，请登录处理"),
    ("room_handed_over", "诊间转交", "有工作转交给您，请登录处理"),
):
    declare(
        _code,
        Category.WORK,
        _title,
        staff=True,
        outside=_outside,
        channels=WECHAT_THEN_SMS,
        urgent=True,
    )
# The text message of a login is sent by identity itself, at once and whoever is connected.
declare("login", Category.SECURITY, "新设备登录")


async def tell_the_officers(runtime: Runtime, event: AlarmRaised) -> None:
    """A new alarm stands in the inbox of every officer, once, however often this is tried."""
    async with runtime.unit_of_work() as uow:
        officers = set(await officers_of(uow, event.hospital_id))
        told = await uow.session.scalars(
            select(InboxItemRow.user_id).where(
                InboxItemRow.user_id.in_(officers),
                InboxItemRow.hospital_id == event.hospital_id,
                InboxItemRow.at >= event.occurred_at,
                InboxItemRow.ref_type == "alarm",
                InboxItemRow.ref_id == str(event.aggregate_id),
            )
        )
        await inbox.notify(
            uow,
            officers - set(told),
            hospital_id=event.hospital_id,
            type="alarm",
            title=f"安全告警：{event.title}",
            text="请到“安全告警”查看并处理",
            ref=("alarm", event.aggregate_id),
        )


async def refresh_the_count(runtime: Runtime, event: AlarmSettled) -> None:
    """The number of open alarms on the officers' screens is stale."""
    async with runtime.unit_of_work() as uow:
        officers = await officers_of(uow, event.hospital_id)
    payload = {
        "code": "alarms_changed",
        "text": "安全告警有变化",
        "ref": {"type": "alarm", "id": str(event.aggregate_id)},
        "state": event.state,
    }
    for user_id in officers:
        await runtime.realtime.to_user(user_id, "notice", payload, hospital_id=event.hospital_id)


async def tell_of_a_new_login(runtime: Runtime, event: LoggedIn) -> None:
    """A login from a new device or place stands in the own inbox, once."""
    if not (event.new_device or event.new_place):
        return
    async with runtime.unit_of_work() as uow:
        told = await uow.session.scalar(
            select(InboxItemRow.user_id).where(
                InboxItemRow.user_id == event.aggregate_id,
                InboxItemRow.hospital_id == event.hospital_id,
                InboxItemRow.ref_type == "session",
                InboxItemRow.ref_id == str(event.session_id),
            )
        )
        if told is not None:
            return
        where = "新设备" if event.new_device else "新地点"
        await inbox.notify(
            uow,
            [event.aggregate_id],
            hospital_id=event.hospital_id,
            type="login",
            title=f"账号在{where}登录",
            text=f"{event.device_name or '一台设备'}刚刚登录了您的账号。不是本人？请立即处理",
            ref=("session", event.session_id),
        )


AFTER_COMMIT = {
    AlarmRaised: [tell_the_officers],
    AlarmSettled: [refresh_the_count],
    LoggedIn: [tell_of_a_new_login],
}
