"""Anchors: the head of the chain written down outside the database.

Whoever holds the database can cut the chain's tail or put an older backup in its place, and what is
left fits together. An anchor knows how far the chain had come. Entries carry a MAC, are numbered
without gaps and are only ever appended.
"""

import asyncio
import fcntl
import json
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Protocol

from core.config import Config
from core.crypto.keyring import Keyring
from core.crypto.row_mac import row_mac, row_mac_matches
from core.storage import ObjectMissing, Storage, StorageError

_LABEL = "integrity_anchors"


class AnchorError(Exception):
    """An anchor cannot be read or written, or holds what is no entry; `entry` is its number."""

    def __init__(self, words: str, entry: int | None = None) -> None:
        super().__init__(words)
        self.entry = entry


@dataclass(frozen=True, kw_only=True)
class AnchorEntry:
    """Block `block` had the MAC `block_mac`; `restart` says why older entries no longer bind.

    Entries of one anchor are numbered from 1. A restart follows the lawful restoration of a backup.
    """

    number: int
    block: int
    block_mac: str
    last_seq: int
    at: str
    restart: str | None = None
    mac: str = ""

    def sealed(self, keyring: Keyring, anchor: str) -> "AnchorEntry":
        """The entry with its MAC."""
        return replace(self, mac=row_mac(keyring, _LABEL, self._covered(anchor)))

    def genuine(self, keyring: Keyring, anchor: str) -> bool:
        """Whether the entry is as it was written, at this anchor."""
        return row_mac_matches(keyring, _LABEL, self._covered(anchor), self.mac)

    def _covered(self, anchor: str) -> dict[str, Any]:
        values = asdict(self)
        del values["mac"]
        return {"anchor": anchor, **values}

    def dump(self) -> bytes:
        return json.dumps(asdict(self), ensure_ascii=False, sort_keys=True).encode()

    @classmethod
    def parse(cls, line: bytes, number: int) -> "AnchorEntry":
        """The entry of a line; raises `AnchorError` for what is none."""
        try:
            return cls(**json.loads(line))
        except (ValueError, TypeError) as error:
            raise AnchorError("这一条无法读取", number) from error


class Anchor(Protocol):
    """A place outside the database that keeps entries in order."""

    @property
    def name(self) -> str:
        """The name under which the database remembers how far this anchor has come."""

    async def last(self) -> AnchorEntry | None:
        """The newest entry; raises `AnchorError`."""

    async def append(self, entry: AnchorEntry) -> bool:
        """Keep an entry for good; False when its number is taken already. Raises `AnchorError`."""

    def entries(self) -> AsyncIterator[AnchorEntry]:
        """All entries, oldest first; raises `AnchorError` at one that cannot be read."""


class FileAnchor:
    """A file that only grows, one JSON entry a line, synced to disk with every entry.

    Put it on another disk or machine than the database. Processes of one machine share it.
    """

    def __init__(self, path: Path, name: str = "file") -> None:
        self._path = path
        self._name = name

    @property
    def name(self) -> str:
        return self._name

    async def last(self) -> AnchorEntry | None:
        return await asyncio.to_thread(self._last)

    async def append(self, entry: AnchorEntry) -> bool:
        return await asyncio.to_thread(self._append, entry)

    async def entries(self) -> AsyncIterator[AnchorEntry]:
        lines = await asyncio.to_thread(lambda: list(self._lines()))
        for number, line in enumerate(lines, 1):
            yield AnchorEntry.parse(line, number)

    def _last(self) -> AnchorEntry | None:
        try:
            with self._path.open("rb") as file:
                return _newest(file)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise AnchorError(f"{self._path}: {error.strerror}") from error

    def _append(self, entry: AnchorEntry) -> bool:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
            fresh = not self._path.exists()
            with self._path.open("a+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                newest = _newest(file)
                if newest is not None and newest.number >= entry.number:
                    return False
                file.truncate(_whole(file))
                file.write(entry.dump() + b"\n")
                file.flush()
                os.fsync(file.fileno())
            if fresh:
                _sync_folder(self._path.parent)
        except OSError as error:
            raise AnchorError(f"{self._path}: {error.strerror}") from error
        return True

    def _lines(self) -> Iterator[bytes]:
        try:
            with self._path.open("rb") as file:
                for line in file:
                    # A line without an end was being written when the machine stopped.
                    if line.endswith(b"\n"):
                        yield line
        except FileNotFoundError:
            return
        except OSError as error:
            raise AnchorError(f"{self._path}: {error.strerror}") from error


class StorageAnchor:
    """One object an entry below `anchors/`; a bucket with object lock makes them unremovable."""

    def __init__(self, storage: Storage, name: str = "storage") -> None:
        self._storage = storage
        self._name = name

    @property
    def name(self) -> str:
        return self._name

    async def last(self) -> AnchorEntry | None:
        numbers = await self._numbers()
        return await self._read(numbers[-1]) if numbers else None

    async def append(self, entry: AnchorEntry) -> bool:
        try:
            await self._storage.head(self._key(entry.number))
        except ObjectMissing:
            pass
        except StorageError as error:
            raise AnchorError(str(error)) from error
        else:
            return False
        try:
            await self._storage.put(self._key(entry.number), entry.dump())
        except StorageError as error:
            raise AnchorError(str(error)) from error
        return True

    async def entries(self) -> AsyncIterator[AnchorEntry]:
        for number in await self._numbers():
            yield await self._read(number)

    async def _numbers(self) -> list[int]:
        try:
            found = await self._storage.list(f"anchors/{self._name}")
        except StorageError as error:
            raise AnchorError(str(error)) from error
        names = [info.key.rpartition("/")[2].removesuffix(".json") for info in found]
        return sorted(int(name) for name in names if name.isdecimal())

    async def _read(self, number: int) -> AnchorEntry:
        try:
            return AnchorEntry.parse(await self._storage.get(self._key(number)), number)
        except StorageError as error:
            raise AnchorError(str(error), number) from error

    def _key(self, number: int) -> str:
        return f"anchors/{self._name}/{number:012d}.json"


@dataclass(frozen=True)
class Anchors:
    """The anchors of this installation, as a port of the runtime."""

    all: tuple[Anchor, ...]


def moment(at: datetime) -> str:
    """A time as entries write it."""
    return at.isoformat(timespec="microseconds")


def _newest(file: IO[bytes]) -> AnchorEntry | None:
    """The last whole line, read from the end."""
    end = _whole(file)
    if end == 0:
        return None
    start = max(0, end - 65_536)
    file.seek(start)
    line = file.read(end - start).rstrip(b"\n").rpartition(b"\n")[2]
    return AnchorEntry.parse(line, 0)


def _whole(file: IO[bytes]) -> int:
    """Where the last whole line ends, in bytes."""
    size = file.seek(0, os.SEEK_END)
    start = max(0, size - 65_536)
    file.seek(start)
    return start + file.read(size - start).rfind(b"\n") + 1


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_anchors(config: Config, storage: Storage) -> Anchors:
    """The anchors that the configuration names."""
    folder = config.anchor_folder or config.data_dir / "anchors"
    made: dict[str, Anchor] = {
        "file": FileAnchor(folder / "chain.jsonl", config.anchor_name),
        "storage": StorageAnchor(storage),
    }
    return Anchors(tuple(made[name] for name in made if name in config.anchors))
