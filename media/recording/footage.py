"""Recordings that came by upload: what a body recorder filmed, lectures.

The house's own uploads bring them in (`core.files`, purpose `recording`): checked by content,
scanned, and turned into what every client plays. Here such a file becomes a recording, with
everything that hangs on one: its seal, its words, its hold, its end.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import PurePath
from uuid import UUID

from core import audit, files
from core.files.models import File, Purpose
from core.identity.caller import Caller
from core.ids import new_id
from core.uow import UnitOfWork
from media.recording import service
from media.recording.errors import RecordedInTheFuture
from media.recording.models import (
    RecordingFileRow,
    RecordingOutlineRow,
    RecordingRow,
    RecordingUploadRow,
)
from media.recording.rules import SCOPE, FileKind, Origin, RecordingState
from realtime.models import RoomRow

#: A recorder's clock may be a little ahead.
AHEAD = timedelta(minutes=10)


@dataclass(frozen=True, kw_only=True)
class Footage:
    """What somebody says of an upload. `recorded_at` None: it is not known, so when it came."""

    file_id: UUID
    origin: Origin
    title: str
    room_id: UUID | None = None
    recorded_at: datetime | None = None


async def take_in(uow: UnitOfWork, caller: Caller, footage: Footage) -> RecordingRow:
    """Make a recording of an upload of the caller, who may see the room.

    Announces `RecordingReady`. Raises FileNotAttachable, FileTypeNotAllowed, RecordedInTheFuture.
    """
    began = footage.recorded_at or uow.now
    if began > uow.now + AHEAD:
        raise RecordedInTheFuture
    recording_id = new_id()
    await files.attach(
        uow, [footage.file_id], SCOPE, recording_id, caller, purposes=[Purpose.RECORDING]
    )
    file = await uow.session.get_one(File, footage.file_id)
    row = RecordingRow(
        id=recording_id,
        hospital_id=caller.hospital_id,
        room_id=footage.room_id,
        state=RecordingState.PROCESSING.value,
        started_at=began,
        ended_at=uow.now,
        duration_ms=file.duration_ms or 0,
        # There is no journal, and none to be waited for.
        journals_dropped_at=uow.now,
    )
    uow.session.add(row)
    await uow.session.flush()
    uow.session.add_all(_about(uow, caller, footage, file, row, await _patient(uow, row)))
    await uow.session.flush()
    await service.finish_work(uow, row)
    patient_id = await _patient(uow, row)
    detail = {"origin": footage.origin.value, "room": footage.room_id, "sha256": file.sha256}
    await audit.record(uow, caller, "recording.upload", "recording", row.id, patient_id, detail)
    return row


def _about(
    uow: UnitOfWork,
    caller: Caller,
    footage: Footage,
    file: File,
    row: RecordingRow,
    patient_id: UUID | None,
) -> list[RecordingUploadRow | RecordingFileRow | RecordingOutlineRow]:
    upload = RecordingUploadRow(
        recording_id=row.id,
        hospital_id=row.hospital_id,
        kind=footage.origin.value,
        title=footage.title,
        patient_id=patient_id,
        uploader_id=caller.user_id,
        file_id=file.id,
        source=file.source or {},
        chapters=[],
        created_at=uow.now,
    )
    # Like every recording's: the name of a file travels with downloads and names nobody.
    day = row.started_at.strftime("%Y%m%d-%H%M%S")
    playable = RecordingFileRow(
        id=new_id(),
        recording_id=row.id,
        kind=FileKind.UPLOADED.value,
        name=f"上传的录像-{day}{PurePath(file.name).suffix}",
        content_type=file.content_type,
        size=file.size,
        duration_ms=file.duration_ms or 0,
        sha256=file.sha256,
        storage_key=file.storage_key,
        position=0,
        created_at=uow.now,
    )
    outline = RecordingOutlineRow(
        recording_id=row.id,
        hospital_id=row.hospital_id,
        origin_at=row.started_at,
        layout="",
        content={"outline": {}, "sides": []},
    )
    return [upload, playable, outline]


async def write_chapters(
    uow: UnitOfWork, caller: Caller, row: RecordingUploadRow, chapters: list[tuple[int, str]]
) -> None:
    """Say where what begins: (milliseconds, title) in any order; they replace those before."""
    row.chapters = [{"at_ms": at_ms, "title": title} for at_ms, title in sorted(chapters)]
    await uow.session.flush()
    detail = {"chapters": len(chapters)}
    await audit.record(
        uow, caller, "recording.chapters", "recording", row.recording_id, row.patient_id, detail
    )


async def _patient(uow: UnitOfWork, row: RecordingRow) -> UUID | None:
    room = await uow.session.get(RoomRow, row.room_id) if row.room_id else None
    return await audit.patient_of(uow, room.ref_type, room.ref_id) if room else None
