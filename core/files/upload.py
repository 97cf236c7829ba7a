"""Taking a file in: received to disk, recognised, converted, stored, and only then known."""

import hashlib
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from anyio import to_thread
from sqlalchemy import func, select
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from core.errors import FieldProblem, InvalidRequest, RateLimited
from core.files.conversion import Converted, Converter, Pace
from core.files.errors import FileEmpty, FileTooLarge, FileTypeNotAllowed, UploadMalformed
from core.files.limits import Limits, limits_for
from core.files.models import File, Purpose
from core.files.recognise import Recognised, recognise
from core.files.scanning.service import let_pass
from core.files.schemas import FileKind
from core.http.body import paced, refuse_encoded
from core.ids import new_id
from core.storage import StorageError

if TYPE_CHECKING:
    from core.identity.caller import Caller
    from core.runtime import Runtime
    from core.uow import UnitOfWork

log = structlog.get_logger(__name__)

#: What else happens in the transaction that makes the row of a file.
KeptWith = Callable[["UnitOfWork", File], Awaitable[None]]

# Boundaries, headers and the other fields of the form.
FORM_OVERHEAD = 64 * 1024
LONGEST_NAME = 120
#: Below the data folder: where uploads lie until they are stored.
FOLDER = "uploads"


@dataclass(frozen=True, slots=True)
class Received:
    """An upload on the local disk, as it came."""

    path: Path
    name: str
    purpose: Purpose
    size: int
    #: SHA-256 of what came, where it is known already.
    digest: str | None = None


async def take_in(runtime: "Runtime", caller: "Caller", request: Request) -> File:
    """Receive the multipart form of one upload and store its file.

    Raises FileTooLarge, FileEmpty, FileTypeNotAllowed, FileContentMismatch, UploadMalformed,
    InvalidRequest (purpose), RateLimited (too many unused uploads), FileInfected, ScanUnavailable.
    """
    async with runtime.unit_of_work() as uow:
        limits = await limits_for(uow, caller)
        await refuse_hoarding(uow, caller, limits)
    parent = runtime.config.data_dir / FOLDER
    parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory(dir=parent) as folder:
        received = await _receive(request, limits, Path(folder))
        return await keep(runtime, caller, received, limits, Path(folder))


async def refuse_hoarding(uow: "UnitOfWork", caller: "Caller", limits: Limits) -> None:
    """Raises RateLimited while the caller has too many uploads that hang on nothing."""
    unused = await uow.session.scalar(
        select(func.count())
        .select_from(File)
        .where(File.uploader_id == caller.user_id, File.scope.is_(None))
    )
    if (unused or 0) >= limits.unused_files:
        raise RateLimited("未使用的附件过多，请稍后再上传", retry_after=3600)


async def take_in_local(runtime: "Runtime", caller: "Caller", path: Path, purpose: Purpose) -> File:
    """Store a file that lies on this machine as if ``caller`` had uploaded it, with all checks."""
    async with runtime.unit_of_work() as uow:
        limits = await limits_for(uow, caller)
    with tempfile.TemporaryDirectory() as folder:
        size = (await to_thread.run_sync(path.stat)).st_size
        received = Received(path, path.name, purpose, size)
        return await keep(runtime, caller, received, limits, Path(folder))


async def keep(
    runtime: "Runtime",
    caller: "Caller",
    received: Received,
    limits: Limits,
    folder: Path,
    *,
    pace: Pace | None = None,
    kept_with: KeptWith | None = None,
) -> File:
    """Check, convert and store what was received; `folder` takes the working files.

    `kept_with` runs in the transaction that makes the row. Raises as `take_in` does.
    """
    # Before any decoder touches the content, and long before somebody else may see it.
    await let_pass(runtime, caller, received.path)
    recognised = await to_thread.run_sync(recognise, received.path, received.name)
    converted = await _convert(runtime, received, recognised, limits, folder, pace)
    return await _store(runtime, caller, received, converted, recognised, kept_with)


async def _receive(request: Request, limits: Limits, folder: Path) -> Received:
    content_type = request.headers.get("content-type", "")
    if not content_type.lower().startswith("multipart/form-data"):
        raise UploadMalformed("请使用 multipart/form-data 上传。")
    refuse_encoded(request)
    most = limits.largest(None) + FORM_OVERHEAD
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > most:
        raise FileTooLarge()
    parser = MultiPartParser(
        request.headers, _bounded(request, most), max_files=1, max_fields=4, max_part_size=4096
    )
    try:
        form = await parser.parse()
    # A missing boundary surfaces as a KeyError of the parser.
    except (MultiPartException, KeyError, UnicodeDecodeError, ClientDisconnect) as error:
        raise UploadMalformed() from error
    try:
        return await _read_form(form, limits, folder)
    finally:
        await form.close()


async def _bounded(request: Request, most: int) -> AsyncGenerator[bytes, None]:
    size = 0
    async for chunk in paced(request):
        size += len(chunk)
        if size > most:
            raise FileTooLarge()
        yield chunk


async def _read_form(form: FormData, limits: Limits, folder: Path) -> Received:
    purpose = read_purpose(form.get("purpose"))
    upload = form.get("file")
    if not isinstance(upload, UploadFile):
        raise InvalidRequest(fields=[FieldProblem("file", "请选择要上传的文件")])
    if not upload.size:
        raise FileEmpty()
    if upload.size > limits.largest(purpose):
        raise FileTooLarge()
    path = folder / "received"
    with path.open("wb") as file:
        while chunk := await upload.read(1024 * 1024):
            await to_thread.run_sync(file.write, chunk)
    return Received(path, clean_name(upload.filename or ""), purpose, upload.size)


def read_purpose(value: object) -> Purpose:
    """What an upload is for. Raises InvalidRequest."""
    try:
        return Purpose(str(value))
    except ValueError as error:
        raise InvalidRequest(fields=[FieldProblem("purpose", "上传用途不正确")]) from error


def clean_name(name: str) -> str:
    """The last part of a path without control characters, short enough to show; may be empty."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    # Bidirectional overrides make "exe.jpg" look like "gpj.exe", and the other way round.
    kept = "".join(char for char in last if char.isprintable()).strip(" .")
    if len(kept) > LONGEST_NAME:
        stem, dot, extension = kept.rpartition(".")
        short = LONGEST_NAME - len(extension) - 1
        kept = f"{stem[:short]}.{extension}" if dot and short > 0 else kept[:LONGEST_NAME]
    return kept


async def _convert(
    runtime: "Runtime",
    received: Received,
    recognised: Recognised,
    limits: Limits,
    folder: Path,
    pace: Pace | None,
) -> Converted:
    kinds = [FileKind.VOICE, FileKind.VIDEO] if recognised.media else [recognised.kind]
    allowed = [limits.allowed(received.purpose, kind) for kind in kinds]
    known = [limit for limit in allowed if limit is not None]
    if not known:
        raise FileTypeNotAllowed()
    if received.size > max(known):
        raise FileTooLarge()
    if recognised.kind is FileKind.FILE:
        return Converted(
            kind=FileKind.FILE, content_type=recognised.content_type, file=received.path
        )
    target = folder / "converted"
    target.mkdir()
    converted = await Converter.of(runtime).convert(
        received.path,
        recognised,
        target,
        square=received.purpose is Purpose.AVATAR,
        ink=received.purpose is Purpose.SIGNATURE,
        max_seconds=limits.seconds(received.purpose),
        everywhere=received.purpose is Purpose.RECORDING,
        pace=pace or Pace(),
    )
    # Only now is it known whether the container held a video.
    limit = limits.allowed(received.purpose, converted.kind)
    if limit is None:
        raise FileTypeNotAllowed()
    if received.size > limit:
        raise FileTooLarge()
    return converted


_EXTENSIONS = {
    "image/jpeg": "jpg",
    "image/png": "png",
    "audio/mpeg": "mp3",
    "video/mp4": "mp4",
    "video/webm": "webm",
}
_DEFAULT_NAMES = {
    FileKind.IMAGE: "图片",
    FileKind.VOICE: "语音",
    FileKind.VIDEO: "视频",
    FileKind.FILE: "文件",
}


async def _store(
    runtime: "Runtime",
    caller: "Caller",
    received: Received,
    converted: Converted,
    recognised: Recognised,
    kept_with: KeptWith | None,
) -> File:
    file_id, now = new_id(), runtime.clock.now()
    base = f"files/{now:%Y/%m}/{file_id}"
    digest, size = await to_thread.run_sync(_digest, converted.file)
    came = received.digest
    if came is None:
        came, _ = await to_thread.run_sync(_digest, received.path)
    hospital_id = caller.hospital_id
    await runtime.storage.put(f"{base}/original", converted.file, hospital_id)
    for side, path in converted.thumbnails.items():
        await runtime.storage.put(f"{base}/thumbnail-{side}", path, hospital_id)
    row = File(
        id=file_id,
        hospital_id=hospital_id,
        uploader_id=caller.user_id,
        purpose=received.purpose,
        kind=converted.kind,
        name=_shown_name(received.name, converted, recognised),
        content_type=converted.content_type,
        size=size,
        sha256=digest,
        width=converted.width,
        height=converted.height,
        duration_ms=converted.duration_ms,
        waveform=converted.waveform,
        storage_key=f"{base}/original",
        thumbnail_key=f"{base}/thumbnail" if converted.thumbnails else None,
        thumbnail_type=converted.thumbnail_type,
        thumbnail_sides=sorted(converted.thumbnails) or None,
        source={"sha256": came, "size": received.size, **converted.source},
        created_at=now,
    )
    stored = False
    try:
        async with runtime.unit_of_work() as uow:
            uow.session.add(row)
            await uow.session.flush()
            if kept_with is not None:
                await kept_with(uow, row)
        stored = True
    finally:
        if not stored:
            await _discard(runtime, row)
    return row


async def _discard(runtime: "Runtime", file: File) -> None:
    """The row was not kept, so nobody would ever find the objects again."""
    try:
        for key in (file.storage_key, *file.thumbnails().values()):
            await runtime.storage.delete(key)
    except StorageError as error:
        log.warning("upload_not_discarded", file=str(file.id), error=str(error))


def _digest(path: Path) -> tuple[str, int]:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), path.stat().st_size


def _shown_name(name: str, converted: Converted, recognised: Recognised) -> str:
    """The uploader's name with the extension of what is stored now."""
    extension = _EXTENSIONS.get(converted.content_type, recognised.extension)
    stem = name.rpartition(".")[0] or name or _DEFAULT_NAMES[converted.kind]
    return f"{stem}.{extension}"
