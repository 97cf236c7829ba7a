"""Carrying takes to object storage while the call runs, and away from the disk afterwards.

Keys are ``<prefix>/<call>/<take>/00001.zjr`` and, last, ``.../manifest.json``: whoever finds the
manifest finds every segment that it names. Everything here may be repeated at will.
"""

import asyncio
import hashlib
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import stamina

from core.storage import ObjectMissing, Storage, StorageError
from media.recording.disk import lock_folder
from media.recording.frames import MANIFEST_NAME, SUFFIX, JournalError, Manifest
from media.recording.sealing import read_seal
from media.recording.take import recover_take

UNREADABLE = ".unreadable"
#: Segments of a worker that are in memory at once. The calls of a busy hour began at the same time,
#: and their segments end together: all of them at once would be 7 MB a room.
AT_ONCE = 2
#: What a store may have passed over the next moment.
REFUSALS = (StorageError, OSError)


class StoreUnavailable(Exception):
    """The object store refused several times in a row; the files stay on the disk."""


class KeyMissing(StoreUnavailable):
    """Nobody has given the key of this take yet; it stays on the disk until somebody does."""

    def __init__(self, call: str, take: str) -> None:
        super().__init__(f"the take {take} of the call {call} has no key")
        self.call, self.take = call, take


@dataclass(frozen=True)
class Uploader:
    """Uploads the takes of one worker, each sealed with the key in its folder.

    ``keyless`` hears of takes without one while they are recovered.
    """

    storage: Storage
    prefix: str = "recordings"
    keyless: Callable[[KeyMissing], None] = lambda error: None
    _turn: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    def key(self, call: str, take: str, name: str) -> str:
        return f"{self.prefix}/{call}/{take}/{name}"

    async def upload_segment(self, path: Path) -> str:
        """Store a rolled segment (``<call>/<take>/<name>`` are its last folders); its key.

        A segment that is stored with the same size already is not sent again. Raises KeyMissing,
        StoreUnavailable, and OSError when the file cannot be read.
        """
        key = self.key(path.parent.parent.name, path.parent.name, path.name)
        # First the key: without one there is nothing to read those megabytes for.
        sealing = await self._sealing(path.parent)
        async with self._turn:
            data = await asyncio.to_thread(path.read_bytes)
            if await self._stored_size(key) != len(data):
                await self._put(sealing, key, data)
        return key

    async def finish(self, folder: Path) -> str:
        """Store what is left of a sealed take, the manifest last, then remove the folder.

        Returns the manifest's key. Raises JournalError when the take is not sealed or a segment
        is not what the manifest says, StoreUnavailable when the store refuses: nothing is
        removed then.
        """
        raw = await asyncio.to_thread((folder / MANIFEST_NAME).read_bytes)
        manifest = Manifest.from_json(raw)
        for segment in manifest.segments:
            path = folder / segment.name
            key = self.key(manifest.call, manifest.take, segment.name)
            if await self._stored_size(key) == segment.size:
                continue
            async with self._turn:
                data = await asyncio.to_thread(_read_segment, path)
                if hashlib.sha256(data).hexdigest() != segment.sha256:
                    raise JournalError(f"{path} is not what the manifest says")
                await self._put(await self._sealing(folder), key, data)
        key = self.key(manifest.call, manifest.take, MANIFEST_NAME)
        # A removal that was cut short may have left the manifest alone, without the key.
        if await self._stored_size(key) != len(raw):
            await self._put(await self._sealing(folder), key, raw)
        if await self._stored_size(key) != len(raw):
            raise StoreUnavailable(f"{key} was stored but cannot be found")
        await asyncio.to_thread(_remove, folder)
        return key

    async def recover(self, journal: Path, live: frozenset[str] = frozenset()) -> list[str]:
        """Seal, upload and remove every take in ``journal/<call>/<take>`` that nobody writes.

        ``live`` holds takes to leave alone; one that another worker writes is locked and left
        alone too. Returns the manifest keys. A take with
        nothing readable is set aside; one that cannot be uploaded stays for the next time, and the
        first such StoreUnavailable is raised after the others were tried.
        """
        keys: list[str] = []
        refused: StoreUnavailable | None = None
        for folder in await asyncio.to_thread(_abandoned, journal, live):
            lock = await asyncio.to_thread(_try_lock, folder)
            if lock is None:
                continue
            try:
                key = await self._recover_one(folder)
            except KeyMissing as error:
                self.keyless(error)
            except StoreUnavailable as error:
                refused = refused or error
            else:
                keys += [key] if key is not None else []
            finally:
                os.close(lock)
        if refused is not None:
            raise refused
        return keys

    async def _recover_one(self, folder: Path) -> str | None:
        try:
            await asyncio.to_thread(recover_take, folder)
        except JournalError:
            await asyncio.to_thread(_set_aside, folder)
            return None
        return await self.finish(folder)

    async def _sealing(self, folder: Path) -> Storage:
        """The store as it is written to with the key of a take. Raises KeyMissing."""
        call, take = folder.parent.name, folder.name
        seal = await asyncio.to_thread(read_seal, folder)
        if seal is None:
            raise KeyMissing(call, take)
        return self.storage.with_keys(seal.folder_key(f"{self.prefix}/{call}"))

    async def _put(self, sealing: Storage, key: str, data: bytes) -> None:
        try:
            async for attempt in stamina.retry_context(REFUSALS, attempts=6, wait_initial=0.2):
                with attempt:
                    await sealing.put(key, data)
        except REFUSALS as error:
            raise StoreUnavailable(f"{key} could not be stored: {error}") from error

    async def _stored_size(self, key: str) -> int | None:
        try:
            async for attempt in stamina.retry_context(REFUSALS, attempts=6, wait_initial=0.2):
                with attempt:
                    # Caught in here: what an attempt ends with waits, with all its frames, for
                    # the collector, and that of a worker runs seldom.
                    with suppress(ObjectMissing):
                        return (await self.storage.head(key)).size
                    return None
        except REFUSALS as error:
            raise StoreUnavailable(f"{key} could not be looked up: {error}") from error
        return None


def _read_segment(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise JournalError(f"{path} is neither stored nor on the disk") from error


def _abandoned(journal: Path, live: frozenset[str]) -> list[Path]:
    folders = (path for path in sorted(journal.glob("*/*")) if path.is_dir())
    return [path for path in folders if path.name not in live and path.suffix != UNREADABLE]


def _try_lock(folder: Path) -> int | None:
    try:
        return lock_folder(folder)
    except FileNotFoundError:
        return None  # Another worker has carried it away meanwhile.


def _set_aside(folder: Path) -> None:
    """Keep what cannot be read for a person to look at, out of the way of the next recovery."""
    folder.rename(folder.with_suffix(UNREADABLE))


def _remove(folder: Path) -> None:
    # The manifest goes last: a removal that is cut short is repeated from it.
    for path in folder.glob(f"*{SUFFIX}"):
        path.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):
        folder.parent.rmdir()
