"""The verbs of a recording. Each runs in the caller's unit of work and never commits."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from core import audit, integrity
from core.identity.caller import Caller
from core.ids import new_id
from core.uow import UnitOfWork
from media.recording import retention
from media.recording.errors import RecordingNotReady
from media.recording.events import RecordingFailed, RecordingReady
from media.recording.layouts import Layout
from media.recording.models import (
    RecordingFileRow,
    RecordingOutlineRow,
    RecordingRow,
    RecordingTakeRow,
)
from media.recording.rules import (
    MAX_ATTEMPTS,
    FileKind,
    Note,
    RecordingState,
    TakeStatus,
    pause_after,
)
from realtime.models import RoomRow

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=60)
LOOK_AGAIN = timedelta(seconds=5)


async def begin(uow: UnitOfWork, *, hospital_id: UUID, room_id: UUID, call_id: UUID) -> None:
    """A recorded call was answered; repeating it does nothing."""
    values = {
        "id": new_id(),
        "hospital_id": hospital_id,
        "room_id": room_id,
        "call_id": call_id,
        "state": RecordingState.RECORDING.value,
        "started_at": uow.now,
    }
    await integrity.insert_once(uow.session, RecordingRow, values)


async def finish(uow: UnitOfWork, call_id: UUID) -> None:
    """The call is over: the recording waits for its takes and is composed."""
    row = await _locked(
        uow, RecordingRow.call_id == call_id, RecordingRow.state == RecordingState.RECORDING
    )
    if row is not None:
        row.state, row.ended_at = RecordingState.PROCESSING.value, uow.now
        await uow.session.flush()


async def hospital_of(uow: UnitOfWork, call_id: UUID) -> UUID | None:
    """The hospital of a recorded call; None for a call without a recording."""
    return await uow.session.scalar(
        select(RecordingRow.hospital_id).where(RecordingRow.call_id == call_id)
    )


async def take_started(uow: UnitOfWork, call_id: UUID, take: str) -> None:
    """A worker began a take; it will be waited for."""
    await _note_take(uow, call_id, take, None)


async def take_sealed(uow: UnitOfWork, call_id: UUID, take: str) -> None:
    """A take lies whole in the store. One that comes after the recording was composed without it
    (its worker was down) has the recording composed again.
    """
    recording_id = await _note_take(uow, call_id, take, uow.now)
    if recording_id is None:
        return
    row = await _locked(
        uow,
        RecordingRow.id == recording_id,
        RecordingRow.state.in_([RecordingState.READY, RecordingState.FAILED]),
        RecordingRow.note.in_([Note.TAKE_MISSING, Note.NOTHING_RECORDED]),
    )
    if row is not None:
        row.state, row.attempts = RecordingState.PROCESSING.value, 0
        row.not_before, row.progress, row.arranging = None, 0.0, False
        await uow.session.flush()


async def _locked(uow: UnitOfWork, *where: ColumnElement[bool]) -> RecordingRow | None:
    return await uow.session.scalar(
        select(RecordingRow)
        .where(*where)
        .with_for_update()
        .execution_options(populate_existing=True)
    )


async def _note_take(
    uow: UnitOfWork, call_id: UUID, take: str, sealed_at: datetime | None
) -> UUID | None:
    recording_id = await uow.session.scalar(
        select(RecordingRow.id).where(RecordingRow.call_id == call_id)
    )
    if recording_id is None:
        return None
    statement = insert(RecordingTakeRow).values(
        recording_id=recording_id, take=take, bytes=0, sealed_at=sealed_at
    )
    if sealed_at is None:
        statement = statement.on_conflict_do_nothing()
    else:
        statement = statement.on_conflict_do_update(
            index_elements=[RecordingTakeRow.recording_id, RecordingTakeRow.take],
            set_={"sealed_at": sealed_at},
        )
    await uow.session.execute(statement)
    return recording_id


# ---- composing -------------------------------------------------------------------------------


async def claim(uow: UnitOfWork) -> RecordingRow | None:
    """Take the oldest recording that waits to be composed; the lease runs for a minute."""
    row = await uow.session.scalar(
        select(RecordingRow)
        .where(
            RecordingRow.state == RecordingState.PROCESSING,
            or_(RecordingRow.not_before.is_(None), RecordingRow.not_before <= uow.now),
            or_(RecordingRow.claimed_until.is_(None), RecordingRow.claimed_until <= uow.now),
        )
        .order_by(RecordingRow.ended_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    if row is not None:
        row.claimed_until = uow.now + LEASE
        await uow.session.flush()
    return row


async def renew(uow: UnitOfWork, recording_id: UUID, progress: float) -> None:
    """Store how far the composition has come and keep the lease."""
    await uow.session.execute(
        update(RecordingRow)
        .where(RecordingRow.id == recording_id)
        .values(progress=progress, claimed_until=uow.now + LEASE)
    )


async def release(uow: UnitOfWork, recording_id: UUID) -> None:
    """Nothing to compose yet: look again in a few seconds."""
    await uow.session.execute(
        update(RecordingRow)
        .where(RecordingRow.id == recording_id)
        .values(claimed_until=None, not_before=uow.now + LOOK_AGAIN)
    )


async def known_takes(uow: UnitOfWork, recording_id: UUID) -> set[str]:
    """Takes that workers have announced."""
    found = await uow.session.scalars(
        select(RecordingTakeRow.take).where(RecordingTakeRow.recording_id == recording_id)
    )
    return set(found)


async def store_takes(
    uow: UnitOfWork, recording_id: UUID, takes: Sequence[TakeStatus], sizes: dict[str, int]
) -> None:
    """Note what was found in the store: bytes per take, and which are sealed."""
    for take in takes:
        sealed_at = uow.now if take.sealed else None
        statement = insert(RecordingTakeRow).values(
            recording_id=recording_id,
            take=take.take,
            bytes=sizes.get(take.take, 0),
            sealed_at=sealed_at,
        )
        changed: dict[str, object] = {"bytes": sizes.get(take.take, 0)}
        if sealed_at is not None:
            changed["sealed_at"] = sealed_at
        await uow.session.execute(
            statement.on_conflict_do_update(
                index_elements=[RecordingTakeRow.recording_id, RecordingTakeRow.take], set_=changed
            )
        )


@dataclass(frozen=True, kw_only=True)
class Outlined:
    """What the composition learned: the first moment, the layout made, outline and sides."""

    origin_at: datetime
    layout: str
    content: dict[str, Any]


async def made(
    uow: UnitOfWork,
    recording_id: UUID,
    files: Sequence[RecordingFileRow],
    duration_ms: int,
    note: Note | None,
    outline: Outlined,
) -> list[str]:
    """The files are in the store: they replace those of an earlier composition.

    Announces `RecordingReady`; returns the storage keys that are no longer used.
    """
    row = await uow.session.get_one(RecordingRow, recording_id, with_for_update=True)
    unused = await _replace(uow, row, files)
    known = await uow.session.get(RecordingOutlineRow, recording_id)
    if known is None:
        known = RecordingOutlineRow(recording_id=recording_id, hospital_id=row.hospital_id)
        uow.session.add(known)
    known.origin_at, known.layout = outline.origin_at, outline.layout
    known.content = outline.content
    row.duration_ms, row.note = duration_ms, note.value if note else None
    await finish_work(uow, row)
    return unused


async def arranged(
    uow: UnitOfWork, recording_id: UUID, file: RecordingFileRow, layout: str
) -> list[str]:
    """The composed file was made anew in another layout; the sides stay as they are."""
    row = await uow.session.get_one(RecordingRow, recording_id, with_for_update=True)
    unused = await _replace(uow, row, [file], RecordingFileRow.kind == FileKind.COMPOSED)
    outline = await uow.session.get_one(RecordingOutlineRow, recording_id)
    outline.layout = layout
    row.arranging = False
    await finish_work(uow, row)
    return unused


async def _replace(
    uow: UnitOfWork,
    row: RecordingRow,
    files: Sequence[RecordingFileRow],
    *which: ColumnElement[bool],
) -> list[str]:
    """Put the files in the place of the older ones; returns the keys of those that may go: none
    while a legal hold lies on the recording.
    """
    now_playing = RecordingFileRow.superseded_at.is_(None)
    condition = (RecordingFileRow.recording_id == row.id, now_playing, *which)
    unused: list[str] = []
    if await retention.is_held(uow, row):
        await uow.session.execute(
            update(RecordingFileRow).where(*condition).values(superseded_at=uow.now)
        )
    else:
        old = await uow.session.scalars(select(RecordingFileRow.storage_key).where(*condition))
        unused = list(old)
        await integrity.remove(uow.session, RecordingFileRow, *condition)
    uow.session.add_all(files)
    await uow.session.flush()
    return unused


async def finish_work(uow: UnitOfWork, row: RecordingRow) -> None:
    """Its files can be played. Announces `RecordingReady`."""
    row.state, row.progress = RecordingState.READY.value, 1.0
    row.ready_at, row.claimed_until, row.last_error = uow.now, None, None
    sizes = await uow.session.scalars(
        select(RecordingFileRow.size).where(
            RecordingFileRow.recording_id == row.id, RecordingFileRow.superseded_at.is_(None)
        )
    )
    uow.record(
        RecordingReady(
            hospital_id=row.hospital_id,
            aggregate_id=row.id,
            occurred_at=uow.now,
            room_id=row.room_id,
            call_id=row.call_id,
            duration_ms=row.duration_ms or 0,
            size=sum(sizes),
            note=row.note,
        )
    )


async def arrange(uow: UnitOfWork, caller: Caller, row: RecordingRow, layout: Layout) -> None:
    """Have a finished recording composed again in another layout; its files play meanwhile.

    Raises RecordingNotReady.
    """
    locked = await _locked(uow, RecordingRow.id == row.id)
    outline = await uow.session.get(RecordingOutlineRow, row.id)
    if locked is None or locked.state != RecordingState.READY or outline is None:
        raise RecordingNotReady
    locked.layout, locked.arranging = layout.value, True
    locked.state, locked.attempts = RecordingState.PROCESSING.value, 0
    locked.not_before, locked.progress = None, 0.0
    await uow.session.flush()
    detail = {"layout": layout.value}
    await audit.record(uow, caller, "recording.arrange", "recording", row.id, detail=detail)


async def failed(uow: UnitOfWork, recording_id: UUID, note: Note, error: str) -> None:
    """A composition failed: it is tried again a few times, then announced as `RecordingFailed`.

    Nothing recorded at all is final at once.
    """
    row = await uow.session.get_one(RecordingRow, recording_id, with_for_update=True)
    row.attempts += 1
    row.last_error, row.claimed_until = error[:2000], None
    if note is Note.COMPOSITION_FAILED and row.attempts < MAX_ATTEMPTS:
        row.not_before = uow.now + pause_after(row.attempts)
        return
    if row.arranging:
        # What was made before still plays.
        row.arranging, row.state, row.progress = False, RecordingState.READY.value, 1.0
        return
    row.state, row.note = RecordingState.FAILED.value, note.value
    uow.record(
        RecordingFailed(
            hospital_id=row.hospital_id,
            aggregate_id=row.id,
            occurred_at=uow.now,
            room_id=row.room_id,
            call_id=row.call_id,
            reason=note.value,
        )
    )


async def note_look(
    uow: UnitOfWork,
    caller: Caller,
    recording: RecordingRow,
    file: RecordingFileRow,
    *,
    taken: bool = False,
) -> None:
    """Every link is a look, a patient's own one too; `taken`: the file leaves the house."""
    detail = {
        "file": file.id,
        "kind": file.kind,
        "room": recording.room_id,
        "call": recording.call_id,
    }
    room = await uow.session.get(RoomRow, recording.room_id) if recording.room_id else None
    patient_id = await audit.patient_of(uow, room.ref_type, room.ref_id) if room else None
    action = "recording.download" if taken else "recording.look"
    await audit.record(uow, caller, action, "recording", recording.id, patient_id, detail)


async def note_check(uow: UnitOfWork, caller: Caller, recording: RecordingRow, whole: bool) -> None:
    """Who compared the files with their digests, and what came of it."""
    detail = {"whole": whole}
    await audit.record(uow, caller, "recording.check", "recording", recording.id, detail=detail)
