"""What rooms and inboxes do about the news of others."""

from sqlalchemy import select

from core.alarms.access import officers_of
from core.alarms.events import AlarmRaised, AlarmSettled
from core.runtime import Runtime
from realtime import inbox
from realtime.models import InboxItemRow


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


AFTER_COMMIT = {AlarmRaised: [tell_the_officers], AlarmSettled: [refresh_the_count]}
