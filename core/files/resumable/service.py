"""Beginning a resumable upload, adding to it, giving it up."""

import base64
import binascii
import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import structlog
from sqlalchemy import func, select, text
from starlette.requests import ClientDisconnect, Request

from core.errors import (
    BodyTooLarge,
    BodyTooSlow,
    FieldProblem,
    InvalidRequest,
    NotFound,
    RateLimited,
)
from core.files.errors import FileEmpty, FileTooLarge, UploadMalformed
from core.files.limits import limits_for
from core.files.models import Purpose
from core.files.resumable.access import FOLDER, own_upload
from core.files.resumable.errors import ChecksumMismatch, UploadOffsetConflict
from core.files.resumable.models import Upload, UploadPiece, UploadState
from core.files.upload import clean_name, read_purpose, refuse_hoarding
from core.http.body import paced, refuse_encoded
from core.ids import new_id

if TYPE_CHECKING:
    from core.identity.caller import Caller
    from core.runtime import Runtime
    from core.uow import UnitOfWork

log = structlog.get_logger(__name__)

#: What is not finished, or finished and not fetched, a day after it began is given up.
LIFETIME = timedelta(hours=24)
#: How much of a body is stored at once. What is cut off loses nothing that was stored before.
PIECE_BYTES = 4 * 1024 * 1024
#: A piece with a checksum is held in memory until it is verified.
CHECKED_BYTES = 8 * 1024 * 1024
ALGORITHMS = ("sha256", "sha1")


def read_metadata(header: str) -> dict[str, str]:
    """The fields of `Upload-Metadata`: `name base64, name base64, …`. Raises UploadMalformed."""
    found = {}
    for pair in filter(None, (part.strip() for part in header.split(","))):
        name, _, value = pair.partition(" ")
        try:
            found[name] = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            raise UploadMalformed("Upload-Metadata 格式不正确。") from error
    return found


async def begin(
    uow: "UnitOfWork", caller: "Caller", length: int, metadata: dict[str, str]
) -> Upload:
    """Start an upload of `length` bytes. Metadata: `purpose`, `filename`, `sha256` (hexadecimal).

    Raises InvalidRequest, FileEmpty, FileTooLarge, RateLimited (too many or too large unfinished
    ones, too many unused files).
    """
    purpose = read_purpose(metadata.get("purpose"))
    digest = metadata.get("sha256", "").lower() or None
    if digest is not None and not (len(digest) == 64 and set(digest) <= set("0123456789abcdef")):
        raise InvalidRequest(fields=[FieldProblem("sha256", "应为 64 位十六进制数")])
    if length == 0:
        raise FileEmpty()
    await _refuse_beyond_limits(uow, caller, purpose, length)
    upload = Upload(
        id=new_id(),
        hospital_id=caller.hospital_id,
        uploader_id=caller.user_id,
        purpose=purpose,
        name=clean_name(metadata.get("filename", "")),
        length=length,
        received=0,
        sha256=digest,
        state=UploadState.RECEIVING,
        percent=0,
        attempts=0,
        created_at=uow.now,
        expires_at=uow.now + LIFETIME,
    )
    uow.session.add(upload)
    return upload


async def _refuse_beyond_limits(
    uow: "UnitOfWork", caller: "Caller", purpose: Purpose, length: int
) -> None:
    limits = await limits_for(uow, caller)
    if length > limits.largest(purpose):
        raise FileTooLarge()
    # Two that begin at the same moment must not both be the last one allowed.
    await uow.session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"),
        {"key": f"uploads:{caller.user_id}"},
    )
    await refuse_hoarding(uow, caller, limits)
    count, size = (
        await uow.session.execute(
            select(func.count(), func.coalesce(func.sum(Upload.length), 0)).where(
                Upload.uploader_id == caller.user_id,
                Upload.state.in_([UploadState.RECEIVING, UploadState.CONVERTING]),
                Upload.expires_at > uow.now,
            )
        )
    ).one()
    # A recording is larger than anything else; one of them may always be under way.
    most = limits.open_bytes
    if purpose is Purpose.RECORDING:
        most = max(most, limits.recording_bytes)
    if count >= limits.open_uploads or size + length > most:
        raise RateLimited("未完成的上传过多，请等待或取消其中一些", retry_after=60)


async def append(
    runtime: "Runtime", caller: "Caller", upload_id: UUID, offset: int, request: Request
) -> int:
    """Add the body at `offset` and return where the upload stands then.

    What came before the connection broke is kept, except where `Upload-Checksum` asks for all or
    nothing. Raises NotFound, UploadOffsetConflict, FileTooLarge (more than announced),
    ChecksumMismatch, UploadMalformed, BodyTooLarge (of a piece with a checksum), BodyTooSlow.
    """
    refuse_encoded(request)
    async with runtime.unit_of_work() as uow:
        upload = await own_upload(uow, caller, upload_id)
        _refuse_elsewhere(upload, offset)
        room = upload.length - offset
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > room:
        raise FileTooLarge("内容超过声明的文件大小")
    checksum = request.headers.get("upload-checksum")
    if checksum is not None:
        data = await _checked(request, checksum, room)
        return await _add(runtime, caller, upload_id, offset, data) if data else offset
    return await _stream(runtime, caller, upload_id, offset, request, room)


def _refuse_elsewhere(upload: Upload, offset: int) -> None:
    if upload.state is not UploadState.RECEIVING or offset != upload.received:
        raise UploadOffsetConflict(details={"offset": upload.received})


async def _stream(
    runtime: "Runtime",
    caller: "Caller",
    upload_id: UUID,
    offset: int,
    request: Request,
    room: int,
) -> int:
    pending = bytearray()
    end = offset + room
    try:
        async for chunk in paced(request):
            pending += chunk
            if offset + len(pending) > end:
                raise FileTooLarge("内容超过声明的文件大小")
            while len(pending) >= PIECE_BYTES:
                piece = bytes(pending[:PIECE_BYTES])
                offset = await _add(runtime, caller, upload_id, offset, piece)
                del pending[:PIECE_BYTES]
    except (ClientDisconnect, BodyTooSlow) as error:
        if pending:
            offset = await _add(runtime, caller, upload_id, offset, bytes(pending))
        log.info("upload_interrupted", upload=str(upload_id), offset=offset)
        if isinstance(error, BodyTooSlow):
            raise
        # Nobody hears the answer, but nothing went wrong either.
        return offset
    return await _add(runtime, caller, upload_id, offset, bytes(pending)) if pending else offset


async def _checked(request: Request, checksum: str, room: int) -> bytes:
    """The whole body once its checksum is right; nothing when the connection broke before."""
    algorithm, _, encoded = checksum.strip().partition(" ")
    if algorithm not in ALGORITHMS:
        raise UploadMalformed("不支持此校验算法。")
    try:
        expected = base64.b64decode(encoded, validate=True)
    except binascii.Error as error:
        raise UploadMalformed("Upload-Checksum 格式不正确。") from error
    digest, data = hashlib.new(algorithm, usedforsecurity=False), bytearray()
    try:
        async for chunk in paced(request):
            data += chunk
            if len(data) > room:
                raise FileTooLarge("内容超过声明的文件大小")
            if len(data) > CHECKED_BYTES:
                raise BodyTooLarge()
            digest.update(chunk)
    except ClientDisconnect:
        return b""
    if digest.digest() != expected:
        raise ChecksumMismatch()
    return bytes(data)


async def _add(
    runtime: "Runtime", caller: "Caller", upload_id: UUID, offset: int, data: bytes
) -> int:
    """Store bytes and count them, unless somebody else has gone on from here meanwhile."""
    object_id = new_id()
    key = f"{FOLDER}/{upload_id}/{object_id}"
    await runtime.storage.put(key, data, caller.hospital_id)
    counted = False
    try:
        async with runtime.unit_of_work() as uow:
            upload = await own_upload(uow, caller, upload_id, lock=True)
            _refuse_elsewhere(upload, offset)
            uow.session.add(
                UploadPiece(upload_id=upload_id, start=offset, size=len(data), object_id=object_id)
            )
            upload.received = offset + len(data)
        counted = True
    finally:
        if not counted:
            await runtime.storage.delete(key)
    return offset + len(data)


async def give_up(uow: "UnitOfWork", caller: "Caller", upload_id: UUID) -> None:
    """Forget an upload of the caller; its pieces are deleted by the job. Again is fine."""
    try:
        upload = await own_upload(uow, caller, upload_id, lock=True)
    except NotFound:
        return
    # A file that was made already stays, and is collected like any other that hangs on nothing.
    upload.state, upload.claim = UploadState.REMOVED, None
