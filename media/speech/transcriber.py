"""Recognises what waits, one thing at a time in a process, beside everything else it does."""

import asyncio
import shutil
import time
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import structlog
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from core.files.models import File
from core.runtime import Runtime
from core.storage import StorageError
from core.uow import UnitOfWork
from media.one_at_a_time import OneAtATime
from media.recording import access as recordings
from media.recording.rules import FileKind
from media.speech import service
from media.speech.gateway import Recogniser, RecognitionFailed
from media.speech.models import SpeechTextRow
from media.speech.rules import Segment, SpeechKind
from realtime.models import MessageRow

log = structlog.get_logger(__name__)

FOLDER = "recognising"
TELL_SECONDS = 2.0
BEAT_SECONDS = 15.0


class NothingToHear(Exception):
    """What was to be recognised is no longer there."""


class Transcriber(OneAtATime[SpeechTextRow]):
    """The recognition of one process."""

    verb = "recognise"

    async def _claim(self, uow: UnitOfWork) -> SpeechTextRow | None:
        return await service.claim(uow)

    async def poll(self) -> None:
        """Nothing where no engine recognises."""
        if Recogniser in self._runtime.ports:
            await super().poll()

    async def _guarded(self, row: SpeechTextRow) -> None:
        work = self._runtime.config.data_dir / FOLDER / str(row.id)
        teller = _Teller(self._runtime, row.id)
        beat = asyncio.create_task(teller.beat())
        try:
            recogniser = self._runtime.port(Recogniser)
            segments = await self._recognise(recogniser, row, work, teller)
            async with self._runtime.unit_of_work() as uow:
                await service.made(uow, row.id, recogniser.name, segments)
        except NothingToHear as error:
            await self._failed(row.id, str(error), final=True)
        except (RecognitionFailed, StorageError, OSError, SQLAlchemyError) as error:
            log.error("recognition_failed", text=str(row.id), error=repr(error))
            await self._failed(row.id, repr(error))
        finally:
            beat.cancel()
            await asyncio.gather(beat, return_exceptions=True)
            await asyncio.to_thread(shutil.rmtree, work, ignore_errors=True)

    async def _recognise(
        self, recogniser: Recogniser, row: SpeechTextRow, work: Path, teller: "_Teller"
    ) -> list[Segment]:
        sources = await self._sources(row)
        found: list[Segment] = []
        for index, (key, user) in enumerate(sources):
            folder = work / str(index)
            await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
            source = folder / f"source{Path(key).suffix}"
            await self._runtime.storage.download(key, source)
            teller.turn(index, len(sources))
            segments = await recogniser.recognise(source, folder, teller)
            found += [replace(each, user=user) for each in segments]
        return sorted(found, key=lambda each: each.from_ms)

    async def _sources(self, row: SpeechTextRow) -> list[tuple[str, str | None]]:
        """What is to be heard: the stored object, and who speaks in it where that is known."""
        async with self._runtime.unit_of_work() as uow:
            if row.kind == SpeechKind.RECORDING:
                files = await recordings.files_of(uow, row.subject_id)
                found: list[tuple[str, str | None]] = [
                    (each.storage_key, str(each.user_id) if each.user_id else None)
                    for each in files
                    if each.kind in (FileKind.SIDE, FileKind.UPLOADED)
                ]
            else:
                found = await self._voice(uow.session, row.subject_id)
        if not found:
            raise NothingToHear("there is no sound any more")
        return found

    @staticmethod
    async def _voice(session: AsyncSession, message_id: UUID) -> list[tuple[str, str | None]]:
        row = await session.execute(
            select(File.storage_key, MessageRow.sender_id)
            .join(MessageRow, MessageRow.id == File.scope_id)
            .where(MessageRow.id == message_id, MessageRow.recalled_at.is_(None))
        )
        return [(key, str(sender) if sender else None) for key, sender in row]

    async def _failed(self, text_id: UUID, error: str, *, final: bool = False) -> None:
        async with self._runtime.unit_of_work() as uow:
            await service.failed(uow, text_id, error, final=final)


class _Teller:
    """Stores the progress, every two seconds at most, and keeps the lease while nothing is told."""

    def __init__(self, runtime: Runtime, text_id: UUID) -> None:
        self._runtime = runtime
        self._text_id = text_id
        self._told = 0.0
        self._done = 0.0
        self._index, self._count = 0, 1

    def turn(self, index: int, count: int) -> None:
        """Which of how many sources comes now."""
        self._index, self._count = index, count

    async def __call__(self, done: float) -> None:
        self._done = (self._index + done) / self._count
        if time.monotonic() - self._told >= TELL_SECONDS:
            await self._tell()

    async def beat(self) -> None:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            await self._tell()

    async def _tell(self) -> None:
        self._told = time.monotonic()
        async with self._runtime.unit_of_work() as uow:
            await service.renew(uow, self._text_id, self._done)
