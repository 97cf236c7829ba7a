"""Reminding whoever leads a room of a patient's word that nobody has answered in time."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import String, cast, exists, func, select

from core.identity.models import Hospital
from core.runtime import Runtime
from core.uow import UnitOfWork
from realtime import inbox, monitor
from realtime.models import InboxItemRow, RoomRow

Reference = tuple[str, UUID]
REPLY_OVERDUE = "reply_overdue"
#: Rooms in one run; the next run goes on.
AT_ONCE = 200


async def remind_of_overdue_replies(runtime: Runtime) -> None:
    """One reminder for each unanswered word, to whoever leads its room then; each room in a
    transaction of its own, so that inboxes are locked one by one.
    """
    async with runtime.unit_of_work() as uow:
        hospitals = list(await uow.session.scalars(select(Hospital.id).where(Hospital.enabled)))
    for hospital_id in hospitals:
        async with runtime.unit_of_work() as uow:
            limit = await monitor.reply_limit(uow, hospital_id)
            late = await _unreminded(uow, hospital_id, limit)
        for reference, lead_id in late:
            async with runtime.unit_of_work() as uow:
                await inbox.notify(
                    uow,
                    [lead_id],
                    hospital_id=hospital_id,
                    type=REPLY_OVERDUE,
                    title="患者在等您回复",
                    text="有患者的消息超过时限未回复，请及时处理",
                    ref=reference,
                )


async def _unreminded(
    uow: UnitOfWork, hospital_id: UUID, limit: timedelta
) -> list[tuple[Reference, UUID]]:
    """What the reminders are about, as inboxes name it, and to whom they go."""
    about = func.coalesce(RoomRow.ref_id, RoomRow.id)
    reminded = exists(
        select(InboxItemRow.cursor).where(
            InboxItemRow.user_id == RoomRow.lead_id,
            InboxItemRow.hospital_id == hospital_id,
            InboxItemRow.type == REPLY_OVERDUE,
            InboxItemRow.ref_id == cast(about, String),
            InboxItemRow.at >= monitor.waits_since(),
        )
    )
    rows = await uow.session.execute(
        select(func.coalesce(RoomRow.ref_type, "room"), about, RoomRow.lead_id)
        .where(
            *monitor.open_rooms(hospital_id),
            monitor.overdue(uow.now - limit),
            RoomRow.lead_id.is_not(None),
            ~reminded,
        )
        .order_by(RoomRow.id)
        .limit(AT_ONCE)
    )
    return [((kind, key), lead_id) for kind, key, lead_id in rows if lead_id is not None]
