"""Removing what was said when its time is over.

A closed room is cleared as a whole, counted from its last entry. Every number of its log stays: a
message becomes a tombstone (`{"removed": true}`), so that the sequence has no hole and a retry
still finds its place. The frame stays as it was: who was in the room and when it opened and closed
belongs to the record of treatment. Files hung on messages and transcripts go as well. Nothing under
a legal hold is touched.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import select, update

from core import audit, settings
from core.clock import Clock
from core.crypto.scope import ForHospital
from core.files.service import give_up
from core.holds import held_of
from core.identity.models import Hospital
from core.runtime import Runtime
from core.uow import UnitOfWork
from realtime.attachments import SCOPE
from realtime.entries import OWN_ENTRIES
from realtime.models import MessageRow, ParticipantRow, RoomRow, TranscriptRow
from realtime.rules import ATTACHMENT_KINDS, MessageKind, RoomState
from realtime.settings import KEEP_YEARS

log = structlog.get_logger(__name__)

BATCH = 50
TOMBSTONE: dict[str, Any] = {"removed": True}
REMOVED_TEXT = "内容已过保存期限"


async def clear_what_is_over(runtime: Runtime) -> None:
    """Clear every room whose time is over, a batch in each transaction; repeating does no harm."""
    async with runtime.unit_of_work() as uow:
        hospitals = list(await uow.session.scalars(select(Hospital.id)))
        limits = {each: await _limit(uow, each, runtime.clock) for each in hospitals}
    for hospital_id, limit in limits.items():
        after: UUID | None = None
        while True:
            async with runtime.unit_of_work() as uow:
                rows = await _over(uow, hospital_id, limit, after)
                await _clear_all(uow, hospital_id, rows)
            if len(rows) < BATCH:
                break
            after = rows[-1].id


async def _limit(uow: UnitOfWork, hospital_id: UUID, clock: Clock) -> datetime:
    """Rooms in which nothing happened since then may go: whole days, of the last time zone."""
    years = await settings.get(uow, KEEP_YEARS, hospital_id=hospital_id)
    today = (clock.now() - timedelta(days=1)).astimezone(UTC).date()
    day = min(today.day, 28) if today.month == 2 else today.day
    return datetime(today.year - years, today.month, day, tzinfo=UTC)


async def _over(
    uow: UnitOfWork, hospital_id: UUID, limit: datetime, after: UUID | None
) -> Sequence[RoomRow]:
    query = select(RoomRow).where(
        RoomRow.hospital_id == hospital_id,
        RoomRow.state == RoomState.CLOSED.value,
        RoomRow.cleared_at.is_(None),
        RoomRow.last_at < limit,
    )
    if after is not None:
        query = query.where(RoomRow.id > after)
    query = query.order_by(RoomRow.id).limit(BATCH).with_for_update(skip_locked=True)
    return (await uow.session.scalars(query)).all()


async def _clear_all(uow: UnitOfWork, hospital_id: UUID, rows: Sequence[RoomRow]) -> None:
    held = await held_rooms(uow, hospital_id, rows)
    for row in rows:
        if row.id in held:
            log.info("room_held", room=str(row.id))
        else:
            await _clear(uow, row)


async def held_rooms(uow: UnitOfWork, hospital_id: UUID, rows: Sequence[RoomRow]) -> set[UUID]:
    """Those of the rooms of a hospital of which nothing may be removed; holds wait for the commit.

    For everything that came about in a room: a hold may lie on the room itself, on what it is
    about, on its patient, or on anybody who was in it.
    """
    about: dict[UUID, set[UUID]] = {row.id: {row.id} for row in rows}
    people = await uow.session.execute(
        select(ParticipantRow.room_id, ParticipantRow.user_id).where(
            ParticipantRow.room_id.in_(list(about))
        )
    )
    for room_id, user_id in people:
        about[room_id].add(user_id)
    for row in rows:
        patient_id = await audit.patient_of(uow, row.ref_type, row.ref_id)
        about[row.id] |= {each for each in (row.ref_id, patient_id) if each is not None}
    held = await held_of(uow, hospital_id, set().union(*about.values()))
    return {room_id for room_id, things in about.items() if things & held}


async def _clear(uow: UnitOfWork, row: RoomRow) -> None:
    session = uow.session
    with_files = await session.scalars(
        select(MessageRow.id).where(
            MessageRow.room_id == row.id,
            MessageRow.kind.in_([kind.value for kind in ATTACHMENT_KINDS]),
        )
    )
    files = await give_up(uow, SCOPE, list(with_files))
    said = await session.execute(
        update(MessageRow)
        .where(MessageRow.room_id == row.id, MessageRow.kind != MessageKind.SYSTEM.value)
        .values(body=ForHospital(row.hospital_id, TOMBSTONE))
        .execution_options(synchronize_session=False)
    )
    for entry in await session.scalars(
        select(MessageRow).where(
            MessageRow.room_id == row.id, MessageRow.kind == MessageKind.SYSTEM.value
        )
    ):
        event = entry.body.get("event")
        if event not in OWN_ENTRIES:
            entry.body = {**TOMBSTONE, "event": event, "text": REMOVED_TEXT}
    await session.execute(
        update(TranscriptRow)
        .where(TranscriptRow.room_id == row.id, TranscriptRow.expires_at.is_not(None))
        .values(expires_at=uow.now)
    )
    row.cleared_at = uow.now
    await session.flush()
    await audit.record(
        uow,
        None,
        "room.clear",
        "room",
        row.id,
        await audit.patient_of(uow, row.ref_type, row.ref_id),
        # The number of rows is known to every driver of PostgreSQL.
        {"messages": getattr(said, "rowcount", None), "files": files, "last_at": row.last_at},
        hospital_id=row.hospital_id,
    )
