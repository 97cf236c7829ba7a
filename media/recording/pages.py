"""What a player shows of a recording beside the picture, for somebody who may watch it."""

from uuid import UUID

from core.access import NotPermitted, find_grant
from core.errors import NotFound
from core.identity.caller import Caller
from core.uow import UnitOfWork
from media.calls import access as calls
from media.recording import access, footage_access, retention
from media.recording.layouts import Layout
from media.recording.models import RecordingOutlineRow, RecordingRow, RecordingUploadRow
from media.recording.schemas import (
    CameView,
    ChapterView,
    GapView,
    KeepingView,
    LoudnessView,
    MomentView,
    PersonView,
    RecordingPage,
)
from realtime import access as rooms
from realtime.models import RoomRow
from realtime.veil import shown


async def page_of(uow: UnitOfWork, caller: Caller, recording_id: UUID) -> RecordingPage:
    """All that a player shows of a recording. Raises like `require_room`."""
    row = await access.recording_for(uow, caller, recording_id)
    room = await uow.session.get(RoomRow, row.room_id) if row.room_id else None
    upload = await uow.session.get(RecordingUploadRow, row.id)
    outline = await uow.session.get(RecordingOutlineRow, row.id)
    found = outline.content["outline"] if outline is not None else {}
    page = RecordingPage(
        recording=(await find_grant(uow, caller, access.RECORDING)).shown(
            await access.view_of(uow, row)
        ),
        room_id=row.room_id,
        consultation_id=room.ref_id if room and room.ref_type == "consultation" else None,
        came=_came(upload),
        origin_at=outline.origin_at if outline is not None else None,
        layout=Layout(outline.layout) if outline is not None and outline.layout else None,
        arranging=row.arranging,
        may_download=await access.may_download(uow, caller, row),
        may_arrange=await _may_arrange(uow, caller, outline),
        people=await _people(uow, row, upload),
        moments=[MomentView(**each) for each in found.get("moments", [])],
        gaps=[GapView(**each) for each in found.get("gaps", [])],
        loudness=[
            LoudnessView(user=UUID(user), bars=bars)
            for user, bars in found.get("loudness", {}).items()
        ],
        chapters=[ChapterView(**each) for each in (upload.chapters if upload else [])],
        may_edit_chapters=await _may_edit(uow, caller, upload),
        keeping=KeepingView(
            until=await retention.kept_until(uow, row), held=await retention.is_held(uow, row)
        ),
    )
    return shown(await rooms.veil_for(uow, caller), page)


def _came(upload: RecordingUploadRow | None) -> CameView | None:
    if upload is None:
        return None
    return CameView(uploaded_at=upload.created_at, **upload.source)


async def _may_arrange(
    uow: UnitOfWork, caller: Caller, outline: RecordingOutlineRow | None
) -> bool:
    if outline is None or not outline.layout:
        return False
    return bool(await find_grant(uow, caller, access.RECORDING, access.ARRANGE))


async def _may_edit(uow: UnitOfWork, caller: Caller, upload: RecordingUploadRow | None) -> bool:
    if upload is None:
        return False
    try:
        await footage_access.upload_for(uow, caller, upload.recording_id, footage_access.UPLOAD)
    except (NotFound, NotPermitted):
        return False
    return True


async def _people(
    uow: UnitOfWork, row: RecordingRow, upload: RecordingUploadRow | None
) -> list[PersonView]:
    """Who was in the call; nobody is known to be in an upload."""
    if row.call_id is None or upload is not None:
        return []
    return [
        PersonView(user_id=user_id, role=each.role, name=each.name)
        for user_id, each in (await calls.people_of(uow, row.call_id)).items()
    ]
