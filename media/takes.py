"""The journals of a worker's calls: written while a call runs, sealed and carried away after.

A take that could not be sealed or stored stays on the disk and is tried again every minute and
at the next start, so nothing is lost by a broken store or a killed worker.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
from collections import deque
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

from core.ids import new_id
from core.storage import Storage
from media.recording.journal import JournalError, JournalWriter, wall_us
from media.recording.sealing import Seal, write_seal
from media.recording.upload import KeyMissing, StoreUnavailable, Uploader

log = structlog.get_logger(__name__)

FLUSH_SECONDS = 0.1
RETRY_SECONDS = 60.0
REMEMBERED = 500


class Takes:
    """Opens, flushes, rolls and seals journals below ``folder``; ``emit`` hears ``recording.*``."""

    def __init__(
        self, folder: Path, storage: Storage, emit: Callable[[dict[str, Any]], None]
    ) -> None:
        self._folder = folder
        self._uploader = Uploader(storage, keyless=self._keyless)
        self._emit = emit
        self._again = asyncio.Event()
        self._open: dict[str, JournalWriter] = {}
        self._live: set[str] = set()
        self._refused: dict[str, str] = {}
        self._uploads: dict[str, set[asyncio.Task[None]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._timers: list[asyncio.Task[None]] = []
        self._done: deque[dict[str, Any]] = deque(maxlen=REMEMBERED)

    def start(self) -> None:
        """Begin to flush, and to look after takes that an earlier life left behind."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o750)
        loop = asyncio.get_running_loop()
        self._timers = [loop.create_task(self._flush()), loop.create_task(self._recover())]

    def open(self, call: str, seal: Seal | None = None) -> JournalWriter:
        """The journal of a call; a fresh take when none is open. Raises OSError.

        ``seal`` is the key with which the take will be stored; it can be given later too.
        """
        writer = self._open.get(call)
        if writer is not None:
            return writer
        take = new_id().hex
        now = datetime.now(UTC)
        writer = JournalWriter(self._folder / call / take, call, take, now)
        if seal is not None:
            try:
                write_seal(writer.folder, seal)
            except OSError:
                writer.abandon()
                raise
        self._open[call] = writer
        self._live.add(take)
        self._emit({"event": "recording.started", "call": call, "take": take, "at": _iso(now)})
        return writer

    def give_key(self, call: str, seal: Seal) -> None:
        """Lay a key beside the takes of a call that have none, and store them. Raises OSError."""
        for take in (self._folder / call).glob("*"):
            if take.is_dir():
                write_seal(take, seal)
        self._again.set()

    def is_open(self, call: str) -> bool:
        return call in self._open

    def sealed(self) -> list[dict[str, Any]]:
        """The latest ``recording.sealed`` events, for a controller that was away meanwhile."""
        return list(self._done)

    @property
    def dropped(self) -> int:
        """Packets that open journals could not take because the disk refused."""
        return sum(writer.dropped for writer in self._open.values())

    @property
    def refused(self) -> int:
        """Open journals that the disk takes nothing of at present."""
        return len(self._refused)

    def seal(self, call: str, reason: str) -> None:
        """End a call's take; sealing and storing it goes on in the background."""
        self._refused.pop(call, None)
        writer = self._open.pop(call, None)
        if writer is not None:
            self._spawn(self._seal(writer, reason), self._tasks)

    async def close(self, reason: str, patience: float = 10.0) -> None:
        """Seal what is open and wait for what is on its way."""
        for call in list(self._open):
            self.seal(call, reason)
        for timer in self._timers:
            timer.cancel()
        await asyncio.gather(*self._timers, return_exceptions=True)
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=patience)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _flush(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            now = wall_us()
            for writer in self._open.values():
                rolled = writer.roll_if_due(now)
                self._watch(writer)
                if rolled is not None:
                    uploads = self._uploads.setdefault(writer.take, set())
                    self._spawn(self._upload(writer, rolled), uploads)

    def _watch(self, writer: JournalWriter) -> None:
        """Tell when the disk begins to refuse a journal, and when it takes it again. The call goes
        on, and so does the recording with what comes after.
        """
        problem = _problem(writer.failed) if writer.failed is not None else None
        if self._refused.get(writer.call) == problem:
            return
        event = {"call": writer.call, "take": writer.take, "dropped": writer.dropped}
        if problem is None:
            del self._refused[writer.call]
            log.warning("the disk takes the journal again", **event)
            self._emit({"event": "recording.relieved"} | event)
            return
        self._refused[writer.call] = problem
        log.error("the disk refuses the journal", problem=problem, **event)
        self._emit({"event": "recording.refused", "problem": problem} | event)

    async def _upload(self, writer: JournalWriter, path: Path) -> None:
        try:
            size = (await asyncio.to_thread(path.stat)).st_size
            key = await self._uploader.upload_segment(path)
        except (StoreUnavailable, OSError) as error:
            log.warning("segment not stored yet", call=writer.call, error=str(error))
            return
        self._emit(
            {
                "event": "recording.segment",
                "call": writer.call,
                "take": writer.take,
                "key": key,
                "bytes": size,
            }
        )

    async def _seal(self, writer: JournalWriter, reason: str) -> None:
        try:
            await asyncio.to_thread(writer.seal, reason)
            await asyncio.gather(*self._uploads.pop(writer.take, ()))
            key = await self._uploader.finish(writer.folder)
        except (StoreUnavailable, JournalError, OSError) as error:
            log.error("take not stored yet", call=writer.call, take=writer.take, error=str(error))
            return
        finally:
            self._live.discard(writer.take)
        self._sealed(writer.call, writer.take, key)

    async def _recover(self) -> None:
        while True:
            try:
                keys = await self._uploader.recover(self._folder, frozenset(self._live))
            except (StoreUnavailable, OSError) as error:
                log.warning("takes of an earlier life are not stored yet", error=str(error))
                keys = []
            for key in keys:
                call, take = key.split("/")[-3:-1]
                log.info("take recovered", call=call, take=take)
                self._sealed(call, take, key)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RETRY_SECONDS):
                    await self._again.wait()
            self._again.clear()

    def _keyless(self, error: KeyMissing) -> None:
        log.warning("take without a key", call=error.call, take=error.take)
        self._emit({"event": "recording.keyless", "call": error.call, "take": error.take})

    def _sealed(self, call: str, take: str, key: str) -> None:
        event = {"event": "recording.sealed", "call": call, "take": take, "manifest_key": key}
        self._done.append(event)
        self._emit(event)

    def _spawn(self, work: Coroutine[Any, Any, None], group: set[asyncio.Task[None]]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        group.add(task)
        task.add_done_callback(group.discard)


def _problem(error: OSError) -> str:
    return "disk_full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "disk_failed"


def _iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
