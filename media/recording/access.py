"""Who may see recordings: the people of the room, and who supervises the hospital.

Staff see what was recorded in rooms in which they are members; a patient does where the hospital
shares recordings; supervisors and administrators see all of their hospital. For everybody else a
recording does not exist.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select

from core import settings
from core.access import READ, Action, Field, Mask, Scope, allow, declare, find_grant, grant
from core.errors import NotFound
from core.holds import held_of
from core.identity.caller import Caller
from core.identity.roles import Role
from core.personal_data import RecordClass, keep_until
from core.storage.owners import tell_owners, uuid_in
from core.uow import UnitOfWork
from media.calls import access as calls
from media.recording.errors import RecordingNotShared
from media.recording.layouts import Layout
from media.recording.models import (
    RecordingFileRow,
    RecordingOutlineRow,
    RecordingRow,
    RecordingTakeRow,
)
from media.recording.rules import FileKind, Note, RecordingState
from media.recording.schemas import (
    GapView,
    KeepingView,
    LoudnessView,
    MomentView,
    PersonView,
    RecordingFileView,
    RecordingPage,
    RecordingView,
)
from media.recording.settings import PATIENT_MAY_WATCH
from realtime import access as rooms
from realtime.models import RoomRow
from realtime.schemas import MessagePage
from realtime.veil import shown

#: Messages in one answer.
MESSAGES = 200

OVERSEERS: frozenset[Role] = frozenset({Role.SUPERVISOR, Role.ADMINISTRATOR})
WATCHERS: frozenset[Role] = OVERSEERS | {
    Role.DOCTOR,
    Role.NURSE,
    Role.PHARMACIST,
    Role.PATIENT,
}

ARRANGERS: frozenset[Role] = OVERSEERS | {Role.DOCTOR}
#: Having a recording composed again in another layout.
ARRANGE = "arrange"

RECORDING = declare(
    "recording",
    "录制",
    area="诊疗",
    here=RoomRow.hospital_id,
    actions={
        READ: Action("查看与回放", tuple(sorted(WATCHERS))),
        ARRANGE: Action("重新合成画面", tuple(sorted(ARRANGERS))),
    },
    scopes={Scope.ROOMS: rooms.is_member, Scope.HOSPITAL: None},
    only={Scope.HOSPITAL: tuple(sorted(OVERSEERS))},
    fields=[Field("files.name", "参与者姓名", Mask.NAME, "patient:name")],
    defaults=[
        *(allow(role, Scope.ROOMS, READ) for role in sorted(WATCHERS - OVERSEERS)),
        *(allow(role, Scope.HOSPITAL, READ, ARRANGE) for role in sorted(OVERSEERS)),
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
    if caller.role is Role.PATIENT and not await settings.get(
        uow, PATIENT_MAY_WATCH, hospital_id=caller.hospital_id
    ):
        raise RecordingNotShared


async def recordings_of(uow: UnitOfWork, caller: Caller, room_id: UUID) -> list[RecordingView]:
    """The recordings of a room, oldest first. Raises like `require_room`."""
    await require_room(uow, caller, room_id)
    rows = await uow.session.scalars(
        select(RecordingRow)
        .where(RecordingRow.room_id == room_id, RecordingRow.hospital_id == caller.hospital_id)
        .order_by(RecordingRow.started_at)
    )
    allowed = await grant(uow, caller, RECORDING)
    return [allowed.shown(_view(row, await files_of(uow, row.id))) for row in rows]


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
    await require_room(uow, caller, recording.room_id)
    return recording, file


async def recording_for(uow: UnitOfWork, caller: Caller, recording_id: UUID) -> RecordingRow:
    """A recording that the caller may watch. Raises like `require_room`."""
    row = await uow.session.scalar(
        select(RecordingRow).where(
            RecordingRow.id == recording_id, RecordingRow.hospital_id == caller.hospital_id
        )
    )
    if row is None:
        raise NotFound
    await require_room(uow, caller, row.room_id)
    return row


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


async def page_of(uow: UnitOfWork, caller: Caller, recording_id: UUID) -> RecordingPage:
    """All that a player shows of a recording. Raises like `require_room`."""
    row = await recording_for(uow, caller, recording_id)
    room = await uow.session.get_one(RoomRow, row.room_id)
    outline = await uow.session.get(RecordingOutlineRow, row.id)
    found = outline.content["outline"] if outline is not None else {}
    arranging = await find_grant(uow, caller, RECORDING, ARRANGE)
    allowed = await grant(uow, caller, RECORDING)
    people = await calls.people_of(uow, row.call_id)
    held = await held_of(uow, row.hospital_id, {row.room_id, room.ref_id, *people})
    page = RecordingPage(
        recording=allowed.shown(_view(row, await files_of(uow, row.id))),
        room_id=row.room_id,
        consultation_id=room.ref_id if room.ref_type == "consultation" else None,
        origin_at=outline.origin_at if outline is not None else None,
        layout=Layout(outline.layout) if outline is not None else None,
        arranging=row.arranging,
        may_arrange=bool(arranging) and outline is not None,
        people=[
            PersonView(user_id=user_id, role=each.role, name=each.name)
            for user_id, each in people.items()
        ],
        moments=[MomentView(**each) for each in found.get("moments", [])],
        gaps=[GapView(**each) for each in found.get("gaps", [])],
        loudness=[
            LoudnessView(user=UUID(user), bars=bars)
            for user, bars in found.get("loudness", {}).items()
        ],
        keeping=KeepingView(
            until=keep_until(RecordClass.COMMUNICATION, (row.ended_at or row.started_at).date()),
            held=bool(held),
        ),
    )
    return shown(await rooms.veil_for(uow, caller), page)


async def names_shown(uow: UnitOfWork, caller: Caller, row: RecordingRow) -> dict[UUID, str]:
    """The names of who was in the call, as the caller may read them."""
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
    room = await rooms.room_for(uow, caller, row.room_id)
    outline = await uow.session.get(RecordingOutlineRow, row.id)
    since = outline.origin_at if outline is not None else row.started_at
    length = timedelta(milliseconds=row.duration_ms or 0)
    until = since + length if outline is not None else row.ended_at or uow.now
    page = await rooms.messages_during(uow, row.room_id, since, until, after or 0, MESSAGES)
    return shown(room.veil, page)


async def files_of(uow: UnitOfWork, recording_id: UUID) -> list[RecordingFileRow]:
    found = await uow.session.scalars(
        select(RecordingFileRow)
        .where(RecordingFileRow.recording_id == recording_id)
        .order_by(RecordingFileRow.position)
    )
    return list(found)


def _view(row: RecordingRow, files: list[RecordingFileRow]) -> RecordingView:
    return RecordingView(
        id=row.id,
        call_id=row.call_id,
        state=RecordingState(row.state),
        note=Note(row.note) if row.note else None,
        progress=row.progress,
        started_at=row.started_at,
        ended_at=row.ended_at,
        duration_ms=row.duration_ms,
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
            for each in files
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
