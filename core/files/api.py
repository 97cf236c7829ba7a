"""HTTP routes of attachments."""

from uuid import UUID

from starlette.responses import Response

from core.errors import NotFound
from core.files import access, upload
from core.files.models import ONLY_SIDE, File
from core.files.schemas import FileLink, FileRef, LinkRequest
from core.http import ANY_ROLE, PUBLIC, Context, Routes
from core.http.content import stored_object_response
from core.http.routes import PREFIX
from core.identity import sessions
from core.tickets import issue_ticket, read_ticket

routes = Routes(tag="files", title="附件")
CONTENT, THUMBNAIL = "content", "thumbnail"


@routes.post("/files", roles=ANY_ROLE, status=201, transaction=False, max_body=0)
async def upload_file(ctx: Context) -> FileRef:
    """Take one file in (multipart: `file`, `purpose`)."""
    return (await upload.take_in(ctx.runtime, ctx.caller, ctx.request)).ref()


@routes.post("/files/links", roles=ANY_ROLE)
async def link_files(ctx: Context, body: LinkRequest) -> dict[UUID, FileLink]:
    """Addresses for files; those that the caller may not see are absent."""
    files = await access.visible_files(ctx.uow, ctx.caller, list(dict.fromkeys(body.ids)))
    return {file.id: _link(ctx, file) for file in files}


def _link(ctx: Context, file: File) -> FileLink:
    ticket, expires_at = issue_ticket(ctx.runtime.keyring, ctx.caller, f"file:{file.id}", ctx.now)
    base = f"{PREFIX}/files/{file.id}"
    return FileLink(
        url=f"{base}/{CONTENT}?ticket={ticket}",
        thumbnail_url=f"{base}/{THUMBNAIL}?ticket={ticket}" if file.thumbnail_key else None,
        expires_at=expires_at,
    )


@routes.get("/files/{file_id}/content", roles=PUBLIC, transaction=False)
async def file_content(ctx: Context, file_id: UUID, ticket: str) -> Response:
    """The bytes of a file, for the viewer that the ticket names. Ranges are supported."""
    file = await _opened(ctx, file_id, ticket)
    return stored_object_response(
        ctx.request,
        ctx.runtime.storage,
        file.storage_key,
        size=file.size,
        content_type=file.content_type,
        name=file.name,
        digest=file.sha256,
    )


@routes.get("/files/{file_id}/thumbnail", roles=PUBLIC, transaction=False)
async def file_thumbnail(
    ctx: Context, file_id: UUID, ticket: str, side: int = ONLY_SIDE
) -> Response:
    """The small picture of an image or video: the smallest whose longest side is `side` or more."""
    file = await _opened(ctx, file_id, ticket)
    kept = file.thumbnails()
    if not kept or file.thumbnail_type is None:
        raise NotFound()
    found = next((each for each in kept if each >= side), max(kept))
    info = await ctx.runtime.storage.head(kept[found])
    return stored_object_response(
        ctx.request,
        ctx.runtime.storage,
        kept[found],
        size=info.size,
        content_type=file.thumbnail_type,
        name="thumbnail.jpg",
        digest=f"t{found}-{file.sha256}",
    )


async def _opened(ctx: Context, file_id: UUID, ticket: str) -> File:
    """The file when ticket, session and access are good at this moment."""
    claimed = read_ticket(ctx.runtime.keyring, ticket, f"file:{file_id}", ctx.now)
    caller = await sessions.live_caller(ctx.runtime, claimed)
    async with ctx.unit_of_work() as uow:
        file = await access.visible_file(uow, caller, file_id)
    if file is None:
        raise NotFound()
    return file
