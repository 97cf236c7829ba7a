"""HTTP routes of resumable uploads: tus 1.0.0 (creation, checksum, expiration, termination).

https://tus.io/protocols/resumable-upload; our own is only the last call, which makes the file.
"""

from datetime import datetime
from email.utils import format_datetime
from uuid import UUID

import orjson
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from core.errors import FieldProblem, InvalidRequest, UnsupportedMediaType
from core.files.models import File
from core.files.resumable import service
from core.files.resumable.access import own_upload
from core.files.resumable.errors import UploadVersionUnsupported
from core.files.resumable.finishing import Finisher
from core.files.resumable.models import Upload, UploadState
from core.files.schemas import FileRef
from core.http import ANY_ROLE, Context, Routes
from core.http.routes import PREFIX

routes = Routes(tag="uploads", title="断点续传")
VERSION = "1.0.0"
CONTENT_TYPE = "application/offset+octet-stream"


class UploadView(BaseModel):
    """How far an upload is: bytes received of `length`, then the conversion's `percent`."""

    id: UUID
    state: UploadState
    offset: int
    length: int
    percent: int
    file: FileRef | None
    expires_at: datetime


@routes.post("/uploads", roles=ANY_ROLE, status=201, idempotent=True)
async def begin_upload(ctx: Context) -> Response:
    """Begin (tus creation): `Upload-Length` and `Upload-Metadata` (purpose, filename, sha256)."""
    _check_version(ctx.request)
    length = _number(ctx.request, "Upload-Length")
    metadata = service.read_metadata(ctx.request.headers.get("upload-metadata", ""))
    upload = await service.begin(ctx.uow, ctx.caller, length, metadata)
    return _answer(upload, 201, {"Location": f"{PREFIX}/uploads/{upload.id}"})


@routes.get("/uploads/{upload_id}", roles=ANY_ROLE)
async def upload_offset(ctx: Context, upload_id: UUID) -> Response:
    """Where it stands (tus HEAD): the header `Upload-Offset`, and the same as JSON."""
    _check_version(ctx.request)
    return _answer(await own_upload(ctx.uow, ctx.caller, upload_id), 200)


@routes.patch("/uploads/{upload_id}", roles=ANY_ROLE, transaction=False, max_body=0)
async def append_to_upload(ctx: Context, upload_id: UUID) -> Response:
    """Go on at `Upload-Offset` (tus PATCH), with `Upload-Checksum` all or nothing."""
    return await _append(ctx, upload_id)


@routes.post("/uploads/{upload_id}", roles=ANY_ROLE, transaction=False, max_body=0)
async def append_by_post(ctx: Context, upload_id: UUID) -> Response:
    """PATCH for clients that cannot send one, such as mini-programs."""
    return await _append(ctx, upload_id)


async def _append(ctx: Context, upload_id: UUID) -> Response:
    _check_version(ctx.request)
    if ctx.request.headers.get("content-type", "").partition(";")[0].strip() != CONTENT_TYPE:
        raise UnsupportedMediaType(f"请使用 {CONTENT_TYPE}。")
    offset = _number(ctx.request, "Upload-Offset")
    now = await service.append(ctx.runtime, ctx.caller, upload_id, offset, ctx.request)
    return Response(status_code=204, headers=_headers() | {"Upload-Offset": str(now)})


@routes.delete("/uploads/{upload_id}", roles=ANY_ROLE)
async def give_up_upload(ctx: Context, upload_id: UUID) -> Response:
    """Give it up (tus termination)."""
    await service.give_up(ctx.uow, ctx.caller, upload_id)
    return Response(status_code=204, headers=_headers())


@routes.post("/uploads/{upload_id}/file", roles=ANY_ROLE, transaction=False)
async def finish_upload(ctx: Context, upload_id: UUID) -> UploadView:
    """Make the file; answers within seconds. Ask again until `file` is there."""
    upload = await Finisher.of(ctx.runtime).finish(ctx.caller, upload_id)
    if upload.file_id is None:
        return _view(upload, None)
    async with ctx.unit_of_work() as uow:
        return _view(upload, await uow.session.get(File, upload.file_id))


def _view(upload: Upload, file: File | None) -> UploadView:
    return UploadView(
        id=upload.id,
        state=upload.state,
        offset=upload.received,
        length=upload.length,
        percent=upload.percent,
        file=file.ref() if file else None,
        expires_at=upload.expires_at,
    )


def _headers() -> dict[str, str]:
    return {"Tus-Resumable": VERSION, "Cache-Control": "no-store"}


def _answer(upload: Upload, status: int, more: dict[str, str] | None = None) -> Response:
    headers = {
        "Upload-Offset": str(upload.received),
        "Upload-Length": str(upload.length),
        "Upload-Expires": format_datetime(upload.expires_at, usegmt=True),
    }
    return Response(
        orjson.dumps(_view(upload, None).model_dump(mode="json")),
        status,
        headers=_headers() | headers | (more or {}),
        media_type="application/json",
    )


def _check_version(request: Request) -> None:
    """A client that names no version is taken to mean ours."""
    if request.headers.get("tus-resumable", VERSION) != VERSION:
        raise UploadVersionUnsupported(details={"version": VERSION})


def _number(request: Request, name: str) -> int:
    value = request.headers.get(name, "")
    if not (value.isascii() and value.isdigit() and len(value) < 16):
        raise InvalidRequest(fields=[FieldProblem(name, "应为非负整数")])
    return int(value)
