"""Making the file out of a complete upload: once, by one node, whoever asks and however often."""

import asyncio
import contextlib
import hashlib
import tempfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Self
from uuid import UUID

import structlog
from anyio import to_thread
from sqlalchemy import delete, select, update
from sqlalchemy.exc import SQLAlchemyError

from core.errors import NotFound, ProblemError, ServiceUnavailable
from core.files.conversion import Pace
from core.files.errors import (
    FileContentMismatch,
    FileEmpty,
    FileTooLarge,
    FileTypeNotAllowed,
)
from core.files.limits import limits_for
from core.files.models import File, Purpose
from core.files.resumable.access import FOLDER, own_upload
from core.files.resumable.errors import ContentDigestMismatch, UploadIncomplete
from core.files.resumable.models import Upload, UploadPiece, UploadState
from core.files.scanning.errors import FileInfected
from core.files.upload import FOLDER as WORK_FOLDER
from core.files.upload import Received, keep
from core.ids import new_id
from core.storage import StorageError

if TYPE_CHECKING:
    from core.identity.caller import Caller
    from core.runtime import Runtime
    from core.uow import UnitOfWork

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=30)
BEAT_SECONDS = 5.0
#: An upload that brings the node down again and again is not tried for ever.
MOST_ATTEMPTS = 3
#: How long a request waits for the file before it says how far it is.
WAIT_SECONDS = 1.0
#: Longer than a request may wait: the sender sees how far it is meanwhile.
PACE = Pace(queue=1800.0, media=1800.0)
#: Hours of film, one after the other, within the life of an upload.
LONG_PACE = Pace(queue=6 * 3600.0, media=6 * 3600.0, long=True)

_REFUSALS: dict[str, type[ProblemError]] = {
    error.code: error
    for error in (
        FileTooLarge,
        FileTypeNotAllowed,
        FileContentMismatch,
        FileEmpty,
        FileInfected,
        ContentDigestMismatch,
    )
}


class ClaimLost(Exception):
    """The upload was given up, or another node has taken over: nothing may be kept."""


class Finisher:
    """The conversions of this process that belong to resumable uploads."""

    def __init__(self, runtime: "Runtime") -> None:
        self._runtime = runtime
        self._tasks: dict[UUID, asyncio.Task[None]] = {}

    @classmethod
    def of(cls, runtime: "Runtime") -> Self:
        """The one of this process, made on first use."""
        finisher = runtime.ports.get(cls)
        if finisher is None:
            finisher = runtime.ports[cls] = cls(runtime)
        return finisher

    async def finish(self, caller: "Caller", upload_id: UUID) -> Upload:
        """Begin to make the file, or look how far it is; returns the upload as it stands.

        Asking again changes nothing. Raises NotFound, UploadIncomplete, the refusal of the content,
        or ServiceUnavailable (try again).
        """
        claim = await self._claim(caller, upload_id)
        if claim is not None:
            work = asyncio.create_task(
                self._work(caller, upload_id, claim), name=f"upload-{upload_id}"
            )
            self._tasks[upload_id] = work
            work.add_done_callback(lambda done: self._forget(upload_id, done))
        task = self._tasks.get(upload_id)
        if task is not None:
            await asyncio.wait([task], timeout=WAIT_SECONDS)
            if task.done() and not task.cancelled():
                task.result()
        async with self._runtime.unit_of_work() as uow:
            return _refuse_failed(await own_upload(uow, caller, upload_id))

    async def aclose(self) -> None:
        """Stop what runs; the leases run out and other nodes take over."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _forget(self, upload_id: UUID, done: asyncio.Task[None]) -> None:
        if self._tasks.get(upload_id) is done:
            del self._tasks[upload_id]
        if not done.cancelled() and done.exception() is not None:
            log.warning("upload_not_finished", upload=str(upload_id), error=repr(done.exception()))

    async def _claim(self, caller: "Caller", upload_id: UUID) -> UUID | None:
        """Take the work on, or None when there is nothing to do or somebody does it."""
        async with self._runtime.unit_of_work() as uow:
            upload = await own_upload(uow, caller, upload_id, lock=True)
            if upload.state in (UploadState.DONE, UploadState.FAILED):
                return None
            if upload.received < upload.length:
                raise UploadIncomplete(details={"offset": upload.received})
            held = upload.claimed_until is not None and upload.claimed_until > uow.now
            if upload.state is UploadState.CONVERTING and held:
                return None
            if upload.attempts >= MOST_ATTEMPTS:
                upload.state, upload.problem = UploadState.FAILED, FileContentMismatch.code
                return None
            upload.state, upload.claim = UploadState.CONVERTING, new_id()
            upload.claimed_until, upload.percent = uow.now + LEASE, 0
            upload.attempts += 1
            return upload.claim

    async def _work(self, caller: "Caller", upload_id: UUID, claim: UUID) -> None:
        progress = _Progress(self._runtime, upload_id, claim)
        beat = asyncio.create_task(progress.beat())
        try:
            await self._make(caller, upload_id, claim, progress)
        except ClaimLost:
            log.info("upload_claim_lost", upload=str(upload_id))
        except ServiceUnavailable:
            # Not the file's fault: the next question tries again.
            await self._set_back(upload_id, claim)
            raise
        except (NotFound, StorageError):
            await self._set_back(upload_id, claim)
            raise
        except ProblemError as error:
            await self._refuse(upload_id, claim, error)
        finally:
            beat.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await beat

    async def _make(
        self, caller: "Caller", upload_id: UUID, claim: UUID, progress: "_Progress"
    ) -> None:
        runtime = self._runtime
        async with runtime.unit_of_work() as uow:
            limits = await limits_for(uow, caller)
            upload = await own_upload(uow, caller, upload_id)
            pieces = await uow.session.scalars(
                select(UploadPiece)
                .where(UploadPiece.upload_id == upload_id)
                .order_by(UploadPiece.start)
            )
            keys = [f"{FOLDER}/{upload_id}/{piece.object_id}" for piece in pieces]

        async def keep_upload(uow: "UnitOfWork", file: File) -> None:
            kept = await uow.session.execute(
                update(Upload)
                .where(Upload.id == upload_id, Upload.claim == claim)
                .values(state=UploadState.DONE, percent=100, file_id=file.id, claim=None)
                .returning(Upload.id)
            )
            if kept.scalar_one_or_none() is None:
                raise ClaimLost()

        parent = runtime.config.data_dir / WORK_FOLDER
        parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(dir=parent) as folder:
            path = Path(folder) / "received"
            digest = await self._assemble(keys, path)
            if upload.sha256 is not None and digest != upload.sha256:
                raise ContentDigestMismatch()
            received = Received(path, upload.name, upload.purpose, upload.length, digest)
            usual = LONG_PACE if upload.purpose is Purpose.RECORDING else PACE
            pace = replace(usual, hear=progress.hear)
            await keep(
                runtime, caller, received, limits, Path(folder), pace=pace, kept_with=keep_upload
            )
        await remove_pieces(runtime, upload_id)

    async def _assemble(self, keys: list[str], path: Path) -> str:
        """Write the pieces into one file; returns the digest of the whole."""
        digest = hashlib.sha256()
        with path.open("wb") as file:
            for key in keys:
                async for chunk in self._runtime.storage.stream(key):
                    digest.update(chunk)
                    await to_thread.run_sync(file.write, chunk)
        return digest.hexdigest()

    async def _set_back(self, upload_id: UUID, claim: UUID) -> None:
        async with self._runtime.unit_of_work() as uow:
            await uow.session.execute(
                update(Upload)
                .where(Upload.id == upload_id, Upload.claim == claim)
                .values(
                    state=UploadState.RECEIVING,
                    claim=None,
                    claimed_until=None,
                    attempts=Upload.attempts - 1,
                )
            )

    async def _refuse(self, upload_id: UUID, claim: UUID, error: ProblemError) -> None:
        async with self._runtime.unit_of_work() as uow:
            refused = await uow.session.execute(
                update(Upload)
                .where(Upload.id == upload_id, Upload.claim == claim)
                .values(
                    state=UploadState.FAILED,
                    claim=None,
                    problem=error.code,
                    problem_detail=(error.detail or "")[:200] or None,
                )
                .returning(Upload.id)
            )
        if refused.scalar_one_or_none() is not None:
            await remove_pieces(self._runtime, upload_id)


def _refuse_failed(upload: Upload) -> Upload:
    """Raises the refusal of an upload whose content was not taken, and NotFound without a file."""
    if upload.state is UploadState.FAILED:
        refusal = _REFUSALS.get(upload.problem or "", FileContentMismatch)
        raise refusal(upload.problem_detail)
    if upload.state is UploadState.DONE and upload.file_id is None:
        raise NotFound()
    return upload


class _Progress:
    """Keeps the lease and writes how far the conversion is, every few seconds."""

    def __init__(self, runtime: "Runtime", upload_id: UUID, claim: UUID) -> None:
        self._runtime, self._upload_id, self._claim = runtime, upload_id, claim
        self._percent = 0
        self._news = asyncio.Event()

    def hear(self, progress: float) -> None:
        self._percent = round(progress * 100)
        self._news.set()

    async def beat(self) -> None:
        """Runs until it is cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(BEAT_SECONDS):
                    await self._news.wait()
            self._news.clear()
            try:
                await self._write()
            except SQLAlchemyError as error:
                # The lease lasts for several beats.
                log.warning("upload_beat_failed", upload=str(self._upload_id), error=repr(error))
            # Not more often than somebody looks.
            await asyncio.sleep(0.5)

    async def _write(self) -> None:
        async with self._runtime.unit_of_work() as uow:
            await uow.session.execute(
                update(Upload)
                .where(Upload.id == self._upload_id, Upload.claim == self._claim)
                .values(percent=self._percent, claimed_until=uow.now + LEASE)
            )


async def remove_pieces(runtime: "Runtime", upload_id: UUID) -> None:
    """Delete what was received: the objects first, also those that were never counted."""
    for info in await runtime.storage.list(f"{FOLDER}/{upload_id}"):
        await runtime.storage.delete(info.key)
    async with runtime.unit_of_work() as uow:
        await uow.session.execute(delete(UploadPiece).where(UploadPiece.upload_id == upload_id))
