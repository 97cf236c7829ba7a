"""Object storage: a local folder or any S3, behind one small class (obstore).

Keys are slash-separated paths without a leading slash (`files/2026/11/<id>/original`). The bytes of
a key never change once written: a new version is a new key.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import LocalStore, MemoryStore, ObjectStore, from_url

CHUNK_BYTES = 256 * 1024


class StorageError(Exception):
    """The storage did not do what was asked; trying again may help."""


class ObjectMissing(StorageError):
    """There is no object under this key."""


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What the storage knows of one object: `size` in bytes."""

    key: str
    size: int
    modified_at: datetime


class Storage:
    """One bucket or folder. Safe to share by all tasks of a process."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    @classmethod
    def open(cls, url: str) -> "Storage":
        """Open `file:///folder` (made when missing), `s3://bucket/prefix` or `memory:///`.

        S3 takes endpoint, region and credentials from the usual `AWS_*` variables. Raises
        `ValueError` for an address that cannot be used.
        """
        parts = urlsplit(url)
        if parts.scheme == "file":
            folder = Path(unquote(parts.path))
            if not folder.is_absolute():
                raise ValueError("The storage folder must be an absolute path.")
            folder.mkdir(parents=True, exist_ok=True, mode=0o750)
            return cls(LocalStore(folder))
        if parts.scheme == "memory":
            return cls(MemoryStore())
        try:
            return cls(from_url(url))
        except BaseError as error:
            raise ValueError(f"The storage address cannot be used: {error}") from error

    async def put(self, key: str, data: bytes | Path) -> None:
        """Write one object, complete or not at all; a path is streamed from disk."""
        try:
            await obstore.put_async(self._store, key, data)
        except (BaseError, OSError) as error:
            raise StorageError(f"Writing '{key}' failed: {error}") from error

    async def get(self, key: str) -> bytes:
        """Read a whole small object; raises `ObjectMissing`."""
        try:
            result = await obstore.get_async(self._store, key)
            return bytes(await result.bytes_async())
        except BaseError as error:
            raise _translated(key, error) from error
        except OSError as error:
            raise _translated(key, error) from error

    async def range(self, key: str, start: int, length: int) -> bytes:
        """Read `length` bytes from `start`, fewer at the end; raises `ObjectMissing`."""
        if length <= 0:
            return b""
        try:
            return bytes(
                await obstore.get_range_async(self._store, key, start=start, length=length)
            )
        except (BaseError, OSError) as error:
            raise _translated(key, error) from error

    async def stream(
        self, key: str, start: int = 0, end: int | None = None
    ) -> AsyncIterator[bytes]:
        """Yield the bytes `start` (inclusive) to `end` (exclusive) in bounded chunks."""
        size = (await self.head(key)).size
        place, stop = start, size if end is None else min(end, size)
        while place < stop:
            chunk = await self.range(key, place, min(CHUNK_BYTES, stop - place))
            if not chunk:
                raise StorageError(f"'{key}' ended early at byte {place}.")
            place += len(chunk)
            yield chunk

    async def download(self, key: str, path: Path) -> None:
        """Copy one object to a local file."""
        with path.open("wb") as file:
            async for chunk in self.stream(key):
                file.write(chunk)

    async def head(self, key: str) -> ObjectInfo:
        """Size and time of one object; raises `ObjectMissing`."""
        try:
            meta = await obstore.head_async(self._store, key)
        except (BaseError, OSError) as error:
            raise _translated(key, error) from error
        return ObjectInfo(key, meta["size"], meta["last_modified"])

    async def delete(self, key: str) -> None:
        """Remove one object; one that is gone already is fine."""
        try:
            await obstore.delete_async(self._store, key)
        except (NotFoundError, FileNotFoundError):
            return
        except (BaseError, OSError) as error:
            raise StorageError(f"Deleting '{key}' failed: {error}") from error

    async def list(self, prefix: str) -> list[ObjectInfo]:
        """All objects whose key lies below the folder `prefix`, in key order."""
        found: list[ObjectInfo] = []
        try:
            async for page in obstore.list(self._store, prefix=prefix):
                found += [
                    ObjectInfo(meta["path"], meta["size"], meta["last_modified"]) for meta in page
                ]
        except (BaseError, OSError) as error:
            raise StorageError(f"Listing '{prefix}' failed: {error}") from error
        return sorted(found, key=lambda info: info.key)

    async def check(self) -> None:
        """Write, read and remove a small object; raises `StorageError` with the cause."""
        key = "health/probe"
        await self.put(key, b"zhenjian")
        if await self.get(key) != b"zhenjian":
            raise StorageError("The storage returned other bytes than were written.")
        await self.delete(key)


def _translated(key: str, error: Exception) -> StorageError:
    if isinstance(error, NotFoundError | FileNotFoundError):
        return ObjectMissing(f"There is no object '{key}'.")
    return StorageError(f"Reading '{key}' failed: {error}")
