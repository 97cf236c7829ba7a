"""Removing recordings whose time is over.

A recording is kept for the years that its hospital has set, counted from its end. Then its files,
its outline, its words (`RecordingRemoved`) and its journals go; what stays is a tombstone that says
when and by which rule, with the digests of the files, so that its seal still can be verified.
Nothing under a legal hold is touched.
"""

from collections.abc import Sequence
from datetime import date, datetime, time
from uuid import UUID
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import ColumnElement, delete, func, select, update

from core import audit, integrity, settings
from core.files.service import give_up
from core.holds import held_of
from core.identity.models import Hospital
from core.runtime import Runtime
from core.uow import UnitOfWork
from media.calls import access as calls
from media.recording.events import RecordingRemoved
from media.recording.models import (
    RecordingFileRow,
    RecordingOutlineRow,
    RecordingRow,
    RecordingTakeRow,
    RecordingUploadRow,
)
from media.recording.rules import PREFIX, SCOPE, RecordingState, ended_before, last_day
from media.recording.settings import KEEP_YEARS
from realtime.models import RoomRow
from realtime.retention import held_rooms

log = structlog.get_logger(__name__)

BATCH = 50
#: Recordings whose journals are looked at in one transaction.
PAGE = 200

ended = func.coalesce(RecordingRow.ended_at, RecordingRow.started_at)


async def kept_until(uow: UnitOfWork, row: RecordingRow) -> date:
    """The last day on which a recording must still be there."""
    zone = await _zone(uow, row.hospital_id)
    years = await settings.get(uow, KEEP_YEARS, hospital_id=row.hospital_id)
    return last_day((row.ended_at or row.started_at).astimezone(zone).date(), years)


async def is_held(uow: UnitOfWork, row: RecordingRow) -> bool:
    """Whether a legal hold lies on it, its room, its patient or anybody who was in it; holds wait
    for the commit.
    """
    upload = await uow.session.get(RecordingUploadRow, row.id)
    about: set[UUID | None] = {row.id, row.call_id}
    if row.call_id is not None:
        about |= set(await calls.people_of(uow, row.call_id))
    if upload is not None:
        about |= {upload.patient_id, upload.uploader_id}
    if await held_of(uow, row.hospital_id, about):
        return True
    room = await uow.session.get(RoomRow, row.room_id) if row.room_id else None
    return room is not None and bool(await held_rooms(uow, row.hospital_id, [room]))


async def over(uow: UnitOfWork, hospital_id: UUID, today: date) -> ColumnElement[bool]:
    """A condition on `RecordingRow`: what of a hospital is there and over on its day `today`."""
    years = await settings.get(uow, KEEP_YEARS, hospital_id=hospital_id)
    zone = await _zone(uow, hospital_id)
    limit = datetime.combine(ended_before(today, years), time(), zone)
    return (
        (RecordingRow.hospital_id == hospital_id)
        & (RecordingRow.state != RecordingState.REMOVED)
        & (ended < limit)
    )


async def today_at(uow: UnitOfWork, hospital_id: UUID) -> date:
    """The day that a hospital writes now."""
    return uow.now.astimezone(await _zone(uow, hospital_id)).date()


async def remove_what_is_over(runtime: Runtime) -> None:
    """Remove every recording whose time is over, each in its own transaction, then its bytes.

    Repeating does no harm; bytes that a dead process left behind go at the next turn.
    """
    async with runtime.unit_of_work() as uow:
        hospitals = list(await uow.session.scalars(select(Hospital.id)))
    for hospital_id in hospitals:
        after: UUID | None = None
        while True:
            async with runtime.unit_of_work() as uow:
                ids = await _over(uow, hospital_id, after)
            for recording_id in ids:
                async with runtime.unit_of_work() as uow:
                    await _remove(uow, recording_id)
            if len(ids) < BATCH:
                break
            after = ids[-1]
    await _empty(runtime)


async def _over(uow: UnitOfWork, hospital_id: UUID, after: UUID | None) -> Sequence[UUID]:
    query = select(RecordingRow.id).where(
        await over(uow, hospital_id, await today_at(uow, hospital_id))
    )
    if after is not None:
        query = query.where(RecordingRow.id > after)
    return (await uow.session.scalars(query.order_by(RecordingRow.id).limit(BATCH))).all()


async def _remove(uow: UnitOfWork, recording_id: UUID) -> None:
    row = await uow.session.get_one(RecordingRow, recording_id, with_for_update=True)
    if row.state == RecordingState.REMOVED:
        return
    if await is_held(uow, row):
        log.info("recording_held", recording=str(row.id))
        return
    years = await settings.get(uow, KEEP_YEARS, hospital_id=row.hospital_id)
    size = await size_of(uow, row.id)
    row.state, row.removed_at = RecordingState.REMOVED.value, uow.now
    row.removed_rule = f"{KEEP_YEARS.key}={years}"
    row.arranging, row.claimed_until = False, None
    await uow.session.execute(
        delete(RecordingOutlineRow).where(RecordingOutlineRow.recording_id == row.id)
    )
    upload = await uow.session.get(RecordingUploadRow, row.id)
    if upload is not None:
        upload.chapters = []
        await give_up(uow, SCOPE, [row.id])
    await uow.session.flush()
    room = await uow.session.get(RoomRow, row.room_id) if row.room_id else None
    patient_id = await audit.patient_of(uow, room.ref_type, room.ref_id) if room else None
    uow.record(
        RecordingRemoved(
            hospital_id=row.hospital_id,
            aggregate_id=row.id,
            occurred_at=uow.now,
            room_id=row.room_id,
            call_id=row.call_id,
        )
    )
    detail = {"rule": row.removed_rule, "ended_at": row.ended_at, "bytes": size}
    await audit.record(
        uow, None, "recording.remove", "recording", row.id, patient_id, detail,
        hospital_id=row.hospital_id,
    )  # fmt: skip


async def size_of(uow: UnitOfWork, recording_id: UUID) -> int:
    """Bytes of the files of a recording."""
    found = await uow.session.scalar(
        select(func.coalesce(func.sum(RecordingFileRow.size), 0)).where(
            RecordingFileRow.recording_id == recording_id
        )
    )
    return int(found or 0)


async def _empty(runtime: Runtime) -> None:
    """Delete the bytes of removed recordings; those of uploads go with their attachments."""
    async with runtime.unit_of_work() as uow:
        rows = (
            await uow.session.scalars(
                select(RecordingRow).where(
                    RecordingRow.state == RecordingState.REMOVED, RecordingRow.emptied_at.is_(None)
                )
            )
        ).all()
    for row in rows:
        if row.call_id is not None:
            for info in await runtime.storage.list(f"{PREFIX}/{row.call_id}"):
                await runtime.storage.delete(info.key)
        async with runtime.unit_of_work() as uow:
            await uow.session.execute(
                delete(RecordingTakeRow).where(RecordingTakeRow.recording_id == row.id)
            )
            await uow.session.execute(
                update(RecordingRow).where(RecordingRow.id == row.id).values(emptied_at=uow.now)
            )


async def drop_superseded(runtime: Runtime) -> None:
    """Delete files that were composed anew while a legal hold kept the older ones, once it is
    lifted.
    """
    async with runtime.unit_of_work() as uow:
        waiting = (
            await uow.session.scalars(
                select(RecordingFileRow.recording_id)
                .join(RecordingRow, RecordingRow.id == RecordingFileRow.recording_id)
                .where(
                    RecordingFileRow.superseded_at.is_not(None),
                    RecordingRow.state != RecordingState.REMOVED,
                )
                .distinct()
            )
        ).all()
    for recording_id in waiting:
        async with runtime.unit_of_work() as uow:
            row = await uow.session.get_one(RecordingRow, recording_id)
            if await is_held(uow, row):
                continue
            old = (
                RecordingFileRow.recording_id == recording_id,
                RecordingFileRow.superseded_at.is_not(None),
            )
            keys = (
                await uow.session.scalars(select(RecordingFileRow.storage_key).where(*old))
            ).all()
            await integrity.remove(uow.session, RecordingFileRow, *old)
        # What a process that dies here leaves behind goes with the recording.
        for key in keys:
            await runtime.storage.delete(key)


async def journals_to_drop(
    uow: UnitOfWork, before: datetime, after: UUID | None
) -> list[RecordingRow]:
    """Whole recordings that were ready before a moment and whose journals are still kept, a page in
    the order of their ids, from behind `after`.
    """
    query = select(RecordingRow).where(
        RecordingRow.state == RecordingState.READY,
        RecordingRow.note.is_(None),
        RecordingRow.ready_at < before,
        RecordingRow.journals_dropped_at.is_(None),
    )
    if after is not None:
        query = query.where(RecordingRow.id > after)
    return list(await uow.session.scalars(query.order_by(RecordingRow.id).limit(PAGE)))


async def give_up_journals(uow: UnitOfWork, recording: RecordingRow) -> None:
    """Let go of the journals of a recording, unless a legal hold lies on it."""
    if await is_held(uow, recording):
        log.info("journals_held", recording=str(recording.id))
        return
    await uow.session.execute(
        update(RecordingRow)
        .where(RecordingRow.id == recording.id)
        .values(journals_dropped_at=uow.now)
    )


async def journals_given_up(uow: UnitOfWork) -> list[RecordingRow]:
    """Recordings whose journals were given up and may still lie in the store."""
    kept = select(RecordingTakeRow.recording_id).where(RecordingTakeRow.bytes > 0)
    found = await uow.session.scalars(
        select(RecordingRow).where(
            RecordingRow.journals_dropped_at.is_not(None), RecordingRow.id.in_(kept)
        )
    )
    return list(found)


async def journals_dropped(uow: UnitOfWork, recording_id: UUID) -> None:
    """The journals are out of the store."""
    await uow.session.execute(
        update(RecordingTakeRow)
        .where(RecordingTakeRow.recording_id == recording_id)
        .values(bytes=0)
    )


async def _zone(uow: UnitOfWork, hospital_id: UUID) -> ZoneInfo:
    hospital = await uow.session.get_one(Hospital, hospital_id)
    return ZoneInfo(hospital.time_zone)
