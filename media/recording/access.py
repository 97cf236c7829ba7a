"""Who may see recordings: the people of the room, and who supervises the hospital.

Staff see what was recorded in rooms in which they are members; a patient does where the hospital
shares recordings; supervisors and administrators see all of their hospital. For everybody else a
recording does not exist.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, func, select

from core.access import (
    READ,
    Action,
    Field,
    Grant,
    Mask,
    Scope,
    allow,
    declare,
    find_grant,
    grant,
)
from core.errors import NotFound
from core.identity.caller import Caller
from core.identity.roles import Role
from core.storage.owners import tell_owners, uuid_in
from core.uow import UnitOfWork
from media.calls import access as calls
from media.recording import footage_access
from media.recording.models import (
    RecordingFileRow,
    RecordingOutlineRow,
    RecordingRow,
    RecordingTakeRow,
    RecordingUploadRow,
)
from media.recording.rules import FileKind, Note, Origin, RecordingState
from media.recording.schemas import (
    RecordingFileView,
    RecordingView,
)
from realtime import access as rooms
from realtime.models import RoomRow
from realtime.schemas import MessagePage
from realtime.veil import shown

#: Messages in one answer.
MESSAGES = 200

OVERSEERS = footage_access.OVERSEERS
WATCHERS: frozenset[Role] = OVERSEERS | {
    Role.DOCTOR,
    Role.NURSE,
    Role.PHARMACIST,
    Role.PATIENT,
}

ARRANGERS: frozenset[Role] = OVERSEERS | {Role.DOCTOR}
#: Having a recording composed again in another layout.
ARRANGE = "arrange"
#: Taking a file out of the house.
DOWNLOAD = "download"

RECORDING = declare(
    "recording",
    "录制",
    area="诊疗",
    here=RoomRow.hospital_id,
    actions={
        READ: Action("查看与回放", tuple(sorted(WATCHERS))),
        ARRANGE: Action("重新合成画面", tuple(sorted(ARRANGERS))),
        DOWNLOAD: Action("下载文件", tuple(sorted(ARRANGERS))),
    },
    scopes={Scope.ROOMS: rooms.is_member, Scope.HOSPITAL: None},
    only={Scope.HOSPITAL: tuple(sorted(OVERSEERS))},
    fields=[Field("files.name", "参与者姓名", Mask.NAME, "patient:name")],
    defaults=[
        *(allow(role, Scope.ROOMS, READ) for role in sorted(WATCHERS - OVERSEERS)),
        *(allow(role, Scope.HOSPITAL, READ, ARRANGE, DOWNLOAD) for role in sorted(OVERSEERS)),
        allow(Role.DOCTOR, Scope.ROOMS, ARRANGE),
    ],
)


async def require_room(uow: UnitOfWork, caller: Caller, room_id: UUID) -> None:
    """Raises NotFound for a room whose recordings the caller may not see, NotPermitted where the
    policies give none, RecordingNotShared for a patient where the hospital does not share them.
    """
    allowed = await grant(uow, caller, RECORDING)
    found = await uow.session.scalar(
        select(RoomRow.id).where(RoomRow.id == room_id, allowed.condition)
    )
    if found is None:
        raise NotFound
    await footage_access.require_shared(uow, caller)


async def _require(uow: UnitOfWork, caller: Caller, row: RecordingRow) -> None:
    """Raises like `require_room`, for recordings of calls and for those that were uploaded."""
    if row.call_id is None or row.room_id is None:
        await footage_access.upload_for(uow, caller, row.id)
        await footage_access.require_shared(uow, caller)
    else:
        await require_room(uow, caller, row.room_id)


async def recordings_of(uow: UnitOfWork, caller: Caller, room_id: UUID) -> list[RecordingView]:
    """The recordings of a room, oldest first. Raises like `require_room`."""
    await require_room(uow, caller, room_id)
    rows = await uow.session.scalars(
        select(RecordingRow)
        .where(RecordingRow.room_id == room_id, RecordingRow.hospital_id == caller.hospital_id)
        .order_by(RecordingRow.started_at)
    )
    allowed = await grant(uow, caller, RECORDING)
    return [allowed.shown(await view_of(uow, row)) for row in rows]


async def file_for(
    uow: UnitOfWork, caller: Caller, file_id: UUID, recording_id: UUID | None = None
) -> tuple[RecordingRow, RecordingFileRow]:
    """A file that the caller may play. Raises NotFound alike for unknown and foreign ones."""
    query = (
        select(RecordingRow, RecordingFileRow)
        .join(RecordingFileRow, RecordingFileRow.recording_id == RecordingRow.id)
        .where(RecordingFileRow.id == file_id, RecordingRow.hospital_id == caller.hospital_id)
    )
    if recording_id is not None:
        query = query.where(RecordingRow.id == recording_id)
    found = (await uow.session.execute(query)).one_or_none()
    if found is None:
        raise NotFound
    recording, file = found
    await _require(uow, caller, recording)
    if recording.state == RecordingState.REMOVED or file.superseded_at is not None:
        raise NotFound
    return recording, file


async def file_to_download(
    uow: UnitOfWork, caller: Caller, file_id: UUID, recording_id: UUID | None = None
) -> tuple[RecordingRow, RecordingFileRow]:
    """A file that the caller may watch and take away. Raises NotFound, NotPermitted."""
    allowed = await grant(uow, caller, RECORDING, DOWNLOAD)
    recording, file = await file_for(uow, caller, file_id, recording_id)
    if not await _reaches(uow, allowed, recording):
        raise NotFound
    return recording, file


async def may_download(uow: UnitOfWork, caller: Caller, row: RecordingRow) -> bool:
    """Whether the caller, who may watch it, may take its files away."""
    return await _reaches(uow, await find_grant(uow, caller, RECORDING, DOWNLOAD), row)


async def _reaches(uow: UnitOfWork, allowed: Grant, row: RecordingRow) -> bool:
    """Whether a grant over rooms reaches a recording; one without a room where it is the whole
    hospital's.
    """
    if row.room_id is None:
        return Scope.HOSPITAL in allowed.scopes
    found = await uow.session.scalar(
        select(RoomRow.id).where(RoomRow.id == row.room_id, allowed.condition)
    )
    return found is not None


async def recording_for(uow: UnitOfWork, caller: Caller, recording_id: UUID) -> RecordingRow:
    """A recording that the caller may watch. Raises like `require_room`."""
    row = await uow.session.scalar(
        select(RecordingRow).where(
            RecordingRow.id == recording_id, RecordingRow.hospital_id == caller.hospital_id
        )
    )
    if row is None:
        raise NotFound
    await _require(uow, caller, row)
    return row


async def watchable(uow: UnitOfWork, caller: Caller) -> ColumnElement[bool]:
    """A condition on `RecordingRow`: what the caller may watch. Raises NotPermitted where the
    policies give nothing, RecordingNotShared.
    """
    allowed = await grant(uow, caller, RECORDING)
    uploads = await find_grant(uow, caller, footage_access.FOOTAGE)
    await footage_access.require_shared(uow, caller)
    in_rooms = RecordingRow.room_id.in_(select(RoomRow.id).where(allowed.condition))
    uploaded = RecordingRow.id.in_(select(RecordingUploadRow.recording_id).where(uploads.condition))
    return (
        (RecordingRow.hospital_id == caller.hospital_id)
        & (RecordingRow.state != RecordingState.REMOVED)
        & ((RecordingRow.call_id.is_not(None) & in_rooms) | uploaded)
    )


async def title_of(uow: UnitOfWork, row: RecordingRow) -> str | None:
    """What an upload is called; None for the recording of a call."""
    upload = await uow.session.get(RecordingUploadRow, row.id)
    return upload.title if upload is not None else None


async def recording_to_arrange(uow: UnitOfWork, caller: Caller, recording_id: UUID) -> RecordingRow:
    """A recording that the caller may have composed again. Raises NotFound, NotPermitted."""
    allowed = await grant(uow, caller, RECORDING, ARRANGE)
    row = await recording_for(uow, caller, recording_id)
    found = await uow.session.scalar(
        select(RoomRow.id).where(RoomRow.id == row.room_id, allowed.condition)
    )
    if found is None:
        raise NotFound
    return row


async def names_shown(uow: UnitOfWork, caller: Caller, row: RecordingRow) -> dict[UUID, str]:
    """The names of who was in the call, as the caller may read them."""
    if row.call_id is None:
        return {}
    veil = await rooms.veil_for(uow, caller)
    return {
        user_id: veil.name(each.name) if veil and each.role is Role.PATIENT else each.name
        for user_id, each in (await calls.people_of(uow, row.call_id)).items()
    }


async def messages_during(
    uow: UnitOfWork, caller: Caller, recording_id: UUID, after: int | None
) -> MessagePage:
    """What was said in the room while it recorded, above a number. Raises like `require_room`, and
    NotFound for whoever may watch but not read the room; a supervisor's look is in the audit.
    """
    row = await recording_for(uow, caller, recording_id)
    if row.room_id is None:
        return MessagePage(messages=[], has_more=False)
    room = await rooms.room_for(uow, caller, row.room_id)
    outline = await uow.session.get(RecordingOutlineRow, row.id)
    since = outline.origin_at if outline is not None else row.started_at
    length = timedelta(milliseconds=row.duration_ms or 0)
    until = since + length if outline is not None else row.ended_at or uow.now
    page = await rooms.messages_during(uow, row.room_id, since, until, after or 0, MESSAGES)
    return shown(room.veil, page)


async def files_of(uow: UnitOfWork, recording_id: UUID) -> list[RecordingFileRow]:
    """The files that play now, in their order."""
    found = await uow.session.scalars(
        select(RecordingFileRow)
        .where(
            RecordingFileRow.recording_id == recording_id,
            RecordingFileRow.superseded_at.is_(None),
        )
        .order_by(RecordingFileRow.position)
    )
    return list(found)


async def view_of(uow: UnitOfWork, row: RecordingRow) -> RecordingView:
    """A recording with the files that play."""
    upload = await uow.session.get(RecordingUploadRow, row.id)
    removed = row.state == RecordingState.REMOVED
    return RecordingView(
        id=row.id,
        call_id=row.call_id,
        origin=Origin(upload.kind) if upload else Origin.CALL,
        title=upload.title if upload else None,
        state=RecordingState(row.state),
        note=Note(row.note) if row.note else None,
        progress=row.progress,
        started_at=row.started_at,
        ended_at=row.ended_at,
        duration_ms=row.duration_ms,
        removed_at=row.removed_at,
        removed_rule=row.removed_rule,
        files=[
            RecordingFileView(
                id=each.id,
                kind=FileKind(each.kind),
                user_id=each.user_id,
                name=each.name,
                content_type=each.content_type,
                size=each.size,
                duration_ms=each.duration_ms,
                sha256=each.sha256,
            )
            for each in ([] if removed else await files_of(uow, row.id))
        ],
    )


@dataclass(frozen=True)
class StoredRecordings:
    """`bytes` in the object store: finished files and journals that are still kept."""

    recordings: int
    minutes: int
    bytes: int


async def stored(
    uow: UnitOfWork, hospital_id: UUID | None = None, until: datetime | None = None
) -> StoredRecordings:
    """What recordings of a hospital (or of all) occupy (S0-N-022); `until`: started before."""
    chosen = select(RecordingRow.id)
    if hospital_id is not None:
        chosen = chosen.where(RecordingRow.hospital_id == hospital_id)
    if until is not None:
        chosen = chosen.where(RecordingRow.started_at < until)
    # What was removed lies nowhere any more.
    chosen = chosen.where(RecordingRow.state != RecordingState.REMOVED)
    count, length = (
        await uow.session.execute(
            select(func.count(), func.coalesce(func.sum(RecordingRow.duration_ms), 0)).where(
                RecordingRow.id.in_(chosen)
            )
        )
    ).one()
    files = await uow.session.scalar(
        select(func.coalesce(func.sum(RecordingFileRow.size), 0)).where(
            RecordingFileRow.recording_id.in_(chosen)
        )
    )
    journals = await uow.session.scalar(
        select(func.coalesce(func.sum(RecordingTakeRow.bytes), 0)).where(
            RecordingTakeRow.recording_id.in_(chosen)
        )
    )
    return StoredRecordings(
        count, -(-int(length or 0) // 60_000), int(files or 0) + int(journals or 0)
    )


async def begun(uow: UnitOfWork, hospital_id: UUID, since: datetime, until: datetime) -> int:
    """How many recordings of a hospital began in [since, until)."""
    found = await uow.session.scalar(
        select(func.count())
        .select_from(RecordingRow)
        .where(
            RecordingRow.hospital_id == hospital_id,
            RecordingRow.started_at >= since,
            RecordingRow.started_at < until,
        )
    )
    return int(found or 0)


async def _hospitals(uow: UnitOfWork, keys: Sequence[str]) -> dict[str, UUID]:
    """Whose the stored objects are: `recordings/<call>/…`."""
    calls = {key: uuid_in(key, 1) for key in keys}
    rows = await uow.session.execute(
        select(RecordingRow.call_id, RecordingRow.hospital_id).where(
            RecordingRow.call_id.in_(set(calls.values()) - {None})
        )
    )
    hospitals = {call_id: hospital_id for call_id, hospital_id in rows}
    return {key: hospitals[call] for key, call in calls.items() if call in hospitals}


tell_owners("recordings", _hospitals)
