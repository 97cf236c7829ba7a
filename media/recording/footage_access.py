"""Who may see and upload recordings that did not come from a call.

Whoever uploaded one sees it, so do the people of its room, and who supervises the hospital;
lectures are there for all staff. A patient sees what lies in his rooms where the hospital shares
recordings. For everybody else they do not exist.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, select

from core import settings
from core.access import READ, Action, Scope, allow, declare, find_grant, grant
from core.errors import NotFound
from core.http import decode_cursor, encode_cursor
from core.identity.caller import Caller
from core.identity.models import User
from core.identity.roles import Role
from core.uow import UnitOfWork
from media.recording.errors import RecordingNotShared
from media.recording.models import RecordingRow, RecordingUploadRow
from media.recording.rules import Origin, RecordingState
from media.recording.schemas import UploadedPage, UploadedView
from media.recording.settings import PATIENT_MAY_WATCH
from realtime import access as rooms
from realtime.models import RoomRow

PAGE = 30
UPLOAD = "upload"
OVERSEERS: frozenset[Role] = frozenset({Role.SUPERVISOR, Role.ADMINISTRATOR})
UPLOADERS: frozenset[Role] = frozenset({Role.DOCTOR, Role.NURSE, Role.ADMINISTRATOR})
STAFF: frozenset[Role] = OVERSEERS | {Role.DOCTOR, Role.NURSE, Role.PHARMACIST}
VIEWERS: frozenset[Role] = STAFF | {Role.PATIENT}


def _own(caller: Caller) -> ColumnElement[bool]:
    return RecordingUploadRow.uploader_id == caller.user_id


def _open_to(caller: Caller) -> ColumnElement[bool]:
    """What lies in the caller's rooms; for staff also his own, and lectures."""
    in_rooms = RecordingUploadRow.recording_id.in_(
        select(RecordingRow.id)
        .join(RoomRow, RoomRow.id == RecordingRow.room_id)
        .where(rooms.is_member(caller))
    )
    if caller.role not in STAFF:
        return in_rooms
    return in_rooms | _own(caller) | (RecordingUploadRow.kind == Origin.LECTURE.value)


FOOTAGE = declare(
    "recording_upload",
    "上传的录像",
    area="诊疗",
    here=RecordingUploadRow.hospital_id,
    actions={
        READ: Action("查看与回放", tuple(sorted(VIEWERS))),
        UPLOAD: Action("上传与编辑章节", tuple(sorted(UPLOADERS))),
    },
    scopes={Scope.OWN: _own, Scope.ROOMS: _open_to, Scope.HOSPITAL: None},
    only={
        Scope.OWN: tuple(sorted(UPLOADERS)),
        Scope.HOSPITAL: tuple(sorted(OVERSEERS)),
    },
    defaults=[
        *(allow(role, Scope.OWN, UPLOAD) for role in sorted(UPLOADERS)),
        *(allow(role, Scope.ROOMS, READ) for role in sorted(VIEWERS - OVERSEERS)),
        *(allow(role, Scope.HOSPITAL, READ) for role in sorted(OVERSEERS)),
    ],
)


async def upload_for(
    uow: UnitOfWork, caller: Caller, recording_id: UUID, action: str = READ
) -> RecordingUploadRow:
    """What is known of an uploaded recording. Raises NotFound, NotPermitted."""
    allowed = await grant(uow, caller, FOOTAGE, action)
    row = await uow.session.scalar(
        select(RecordingUploadRow).where(
            RecordingUploadRow.recording_id == recording_id, allowed.condition
        )
    )
    if row is None:
        raise NotFound
    return row


async def require_shared(uow: UnitOfWork, caller: Caller) -> None:
    """Raises RecordingNotShared for a patient where the hospital does not share recordings."""
    if caller.role is Role.PATIENT and not await settings.get(
        uow, PATIENT_MAY_WATCH, hospital_id=caller.hospital_id
    ):
        raise RecordingNotShared


async def require_upload(uow: UnitOfWork, caller: Caller, room_id: UUID | None) -> None:
    """Raises NotPermitted for whoever may not upload, NotFound for a room that is not his."""
    await grant(uow, caller, FOOTAGE, UPLOAD)
    if room_id is not None:
        await rooms.room_for(uow, caller, room_id)


async def uploads_for(uow: UnitOfWork, caller: Caller, cursor: str | None) -> UploadedPage:
    """What the caller may see of what was uploaded, the latest first. Raises NotPermitted,
    RecordingNotShared.
    """
    allowed = await grant(uow, caller, FOOTAGE)
    await require_shared(uow, caller)
    query = (
        select(RecordingUploadRow, RecordingRow, User.name)
        .join(RecordingRow, RecordingRow.id == RecordingUploadRow.recording_id)
        .join(User, User.id == RecordingUploadRow.uploader_id)
        .where(allowed.condition, RecordingRow.state != RecordingState.REMOVED)
        .order_by(RecordingUploadRow.created_at.desc(), RecordingUploadRow.recording_id.desc())
    )
    after = decode_cursor(cursor, 2)
    if after is not None:
        at, last = datetime.fromisoformat(str(after[0])), UUID(str(after[1]))
        query = query.where(
            (RecordingUploadRow.created_at < at)
            | ((RecordingUploadRow.created_at == at) & (RecordingUploadRow.recording_id < last))
        )
    found = (await uow.session.execute(query.limit(PAGE + 1))).all()
    following = None
    if len(found) > PAGE:
        upload = found[PAGE - 1][0]
        following = encode_cursor(upload.created_at, upload.recording_id)
    return UploadedPage(
        items=[_view(upload, row, name) for upload, row, name in found[:PAGE]],
        next=following,
        may_upload=bool(await find_grant(uow, caller, FOOTAGE, UPLOAD)),
    )


def _view(upload: RecordingUploadRow, row: RecordingRow, name: str) -> UploadedView:
    return UploadedView(
        id=row.id,
        origin=Origin(upload.kind),
        title=upload.title,
        room_id=row.room_id,
        uploader=name,
        recorded_at=row.started_at,
        uploaded_at=upload.created_at,
        duration_ms=row.duration_ms or 0,
    )
