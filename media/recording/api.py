"""Listing recordings, links to their files, and the files themselves."""

import hashlib
from datetime import timedelta
from uuid import UUID

from starlette.responses import Response

from core.http import PUBLIC, Context, Routes
from core.http.content import stored_object_response
from core.http.routes import PREFIX
from core.identity import sessions
from core.storage import StorageError
from core.tickets import issue_ticket, read_ticket
from media.recording import access, endings, footage, footage_access, pages, service
from media.recording.models import RecordingFileRow
from media.recording.rules import Origin
from media.recording.schemas import (
    Arrangement,
    Chapters,
    EndingPage,
    FileCheck,
    RecordingLink,
    RecordingPage,
    RecordingView,
    UploadedPage,
    UploadInput,
)
from realtime.schemas import MessagePage

#: A player fetches pieces all through a consultation's length and a pause or two.
LINK_LIFE = timedelta(hours=2)

routes = Routes(tag="recordings", title="录像")


@routes.get(
    "/rooms/{room_id}/recordings",
    roles=sorted(access.WATCHERS),
    summary="Recordings of a room, oldest first",
)
async def list_recordings(ctx: Context, room_id: UUID) -> list[RecordingView]:
    return await access.recordings_of(ctx.uow, ctx.caller, room_id)


@routes.get(
    "/recordings/uploads",
    roles=sorted(footage_access.VIEWERS),
    summary="Recordings that were uploaded, the latest first",
)
async def list_uploads(ctx: Context, cursor: str | None = None) -> UploadedPage:
    return await footage_access.uploads_for(ctx.uow, ctx.caller, cursor)


@routes.post(
    "/recordings/uploads",
    roles=sorted(footage_access.UPLOADERS),
    status=201,
    idempotent=True,
    summary="Make a recording of a finished upload",
)
async def take_in(ctx: Context, body: UploadInput) -> RecordingPage:
    await footage_access.require_upload(ctx.uow, ctx.caller, body.room_id)
    row = await footage.take_in(
        ctx.uow,
        ctx.caller,
        footage.Footage(
            file_id=body.file_id,
            origin=Origin(body.origin),
            title=body.title,
            room_id=body.room_id,
            recorded_at=body.recorded_at,
        ),
    )
    return await pages.page_of(ctx.uow, ctx.caller, row.id)


@routes.put(
    "/recordings/{recording_id}/chapters",
    roles=sorted(footage_access.UPLOADERS),
    summary="Say where what begins in a recording that the caller has uploaded",
)
async def write_chapters(ctx: Context, recording_id: UUID, body: Chapters) -> RecordingPage:
    row = await footage_access.upload_for(ctx.uow, ctx.caller, recording_id, footage_access.UPLOAD)
    await footage.write_chapters(
        ctx.uow, ctx.caller, row, [(each.at_ms, each.title) for each in body.chapters]
    )
    return await pages.page_of(ctx.uow, ctx.caller, recording_id)


@routes.get(
    "/recordings/endings",
    roles=sorted(access.OVERSEERS),
    summary="Recordings whose time is over soon: nothing is removed by looking",
)
async def list_endings(ctx: Context, days: int = 30, cursor: str | None = None) -> EndingPage:
    return await endings.endings_for(ctx.uow, ctx.caller, min(max(days, 0), 3650), cursor)


@routes.get(
    "/recordings/{recording_id}",
    roles=sorted(access.WATCHERS),
    summary="A recording with what a player shows beside the picture",
)
async def show(ctx: Context, recording_id: UUID) -> RecordingPage:
    return await pages.page_of(ctx.uow, ctx.caller, recording_id)


@routes.get(
    "/recordings/{recording_id}/messages",
    roles=sorted(access.WATCHERS),
    summary="What was said in the room while it recorded, oldest first",
)
async def messages(ctx: Context, recording_id: UUID, after: int | None = None) -> MessagePage:
    return await access.messages_during(ctx.uow, ctx.caller, recording_id, after)


@routes.put(
    "/recordings/{recording_id}/layout",
    roles=sorted(access.ARRANGERS),
    summary="Have the recording composed again in another layout; what is there plays meanwhile",
)
async def arrange(ctx: Context, recording_id: UUID, body: Arrangement) -> RecordingPage:
    row = await access.recording_to_arrange(ctx.uow, ctx.caller, recording_id)
    await service.arrange(ctx.uow, ctx.caller, row, body.layout)
    return await pages.page_of(ctx.uow, ctx.caller, recording_id)


@routes.post(
    "/recordings/{recording_id}/files/{file_id}/link",
    roles=sorted(access.WATCHERS),
    summary="An address that plays a file; the look is audited",
)
async def link(ctx: Context, recording_id: UUID, file_id: UUID) -> RecordingLink:
    recording, file = await access.file_for(ctx.uow, ctx.caller, file_id, recording_id)
    await service.note_look(ctx.uow, ctx.caller, recording, file)
    ticket, expires_at = issue_ticket(
        ctx.runtime.keyring, ctx.caller, _subject(file_id), ctx.now, LINK_LIFE
    )
    return RecordingLink(
        url=f"{PREFIX}/recordings/files/{file_id}/content?ticket={ticket}", expires_at=expires_at
    )


@routes.post(
    "/recordings/{recording_id}/files/{file_id}/download",
    roles=sorted(access.ARRANGERS),
    summary="An address that saves a file; who took it is in the audit",
)
async def download(ctx: Context, recording_id: UUID, file_id: UUID) -> RecordingLink:
    recording, file = await access.file_to_download(ctx.uow, ctx.caller, file_id, recording_id)
    await service.note_look(ctx.uow, ctx.caller, recording, file, taken=True)
    ticket, expires_at = issue_ticket(
        ctx.runtime.keyring, ctx.caller, _subject(file_id, taken=True), ctx.now
    )
    return RecordingLink(
        url=f"{PREFIX}/recordings/files/{file_id}/content?ticket={ticket}&download=true",
        expires_at=expires_at,
    )


@routes.get(
    "/recordings/files/{file_id}/content",
    roles=PUBLIC,
    transaction=False,
    summary="The bytes of a file, for the viewer that the ticket names; ranges are supported",
)
async def content(ctx: Context, file_id: UUID, ticket: str, download: bool = False) -> Response:
    subject = _subject(file_id, taken=download)
    claimed = read_ticket(ctx.runtime.keyring, ticket, subject, ctx.now)
    caller = await sessions.live_caller(ctx.runtime, claimed)
    async with ctx.unit_of_work() as uow:
        find = access.file_to_download if download else access.file_for
        _, file = await find(uow, caller, file_id)
    return stored_object_response(
        ctx.request,
        ctx.runtime.storage,
        file.storage_key,
        size=file.size,
        content_type=file.content_type,
        name=file.name,
        digest=file.sha256,
        attachment=download,
    )


@routes.post(
    "/recordings/{recording_id}/check",
    roles=sorted(access.OVERSEERS),
    transaction=False,
    summary="Read the stored files and compare their digests with those that were sealed",
)
async def check(ctx: Context, recording_id: UUID) -> list[FileCheck]:
    async with ctx.unit_of_work() as uow:
        row = await access.recording_for(uow, ctx.caller, recording_id)
        files = await access.files_of(uow, row.id)
    found = [await _checked(ctx, each) for each in files]
    async with ctx.unit_of_work() as uow:
        await service.note_check(uow, ctx.caller, row, all(each.whole for each in found))
    return found


async def _checked(ctx: Context, file: RecordingFileRow) -> FileCheck:
    digest = hashlib.sha256()
    try:
        async for chunk in ctx.runtime.storage.stream(file.storage_key):
            digest.update(chunk)
    except StorageError:
        # Gone, or no longer what its seal in the store says.
        return FileCheck(id=file.id, whole=False)
    return FileCheck(id=file.id, whole=digest.hexdigest() == file.sha256)


def _subject(file_id: UUID, *, taken: bool = False) -> str:
    return f"recording-download:{file_id}" if taken else f"recording:{file_id}"
