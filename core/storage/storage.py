"""Object storage: a local folder or any S3, behind one small class (obstore).

Keys are slash-separated paths without a leading slash (`files/2026/11/<id>/original`). The bytes of
a key never change once written: a new version is a new key. What lies in the store is sealed in
chunks (`core.crypto.container`) under the key with `.sealed` behind it, so that a listing tells
what is encrypted; sizes and positions here are those of the plaintext.

Objects of the time before stored files were encrypted lie in the clear under their key. They are
read only while `reads_plain` is set, which is while their conversion is pending.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final, TypedDict, TypeVar
from urllib.parse import unquote, urlsplit
from uuid import UUID

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import LocalStore, MemoryStore, ObjectStore, from_url

from core.crypto.container import (
    CHUNK,
    HEADER_BYTES,
    SEALED_CHUNK,
    Cipher,
    FileKeys,
    Header,
    KeyringFileKeys,
    chunk_count,
    plain_size,
    seal_whole,
)
from core.crypto.sm import DecryptionError
from core.storage.errors import ObjectDamaged, ObjectMissing, StorageError, translated

CHUNK_BYTES: Final = 4 * CHUNK
SUFFIX: Final = ".sealed"
#: What is sealed at once while a file is written.
_BLOCK: Final = 16 * CHUNK
_SMALL: Final = CHUNK
#: What is written at once to a folder: where the kernel holds files in large pages, megabytes in
#: one call cost several times as much as the same bytes in such pieces.
_PIECE: Final = 8 * CHUNK
_FAILURES = (BaseError, OSError)
# One file after the other: several at once are no faster together (with OpenSSL each holds the
# interpreter's lock), and whoever else works in the process would wait for each of them.
_SEALING: Final = ThreadPoolExecutor(1, "seal")
_Result = TypeVar("_Result")


class _Pieces(TypedDict, total=False):
    """How obstore cuts what it writes; by default whole, or in what S3 takes at least."""

    use_multipart: bool
    chunk_size: int
    max_concurrency: int


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What the storage knows of one object: `size` in bytes of plaintext."""

    key: str
    size: int
    modified_at: datetime


@dataclass(frozen=True, slots=True)
class _Opened:
    """An object that is being read. `cipher` is None for one that lies in the clear."""

    key: str
    cipher: Cipher | None
    raw_size: int
    modified_at: datetime

    @property
    def size(self) -> int:
        return self.raw_size if self.cipher is None else plain_size(self.raw_size)

    @property
    def chunks(self) -> int:
        return chunk_count(self.raw_size)


class Storage:
    """One bucket or folder. Safe to share by all tasks of a process."""

    def __init__(self, store: ObjectStore, keys: FileKeys | None = None) -> None:
        """`keys` seal and open; by default those of the process's keyring."""
        self.store = store
        self.keys: FileKeys = keys or KeyringFileKeys()
        self.reads_plain = False

    @classmethod
    def open(cls, url: str, keys: FileKeys | None = None) -> "Storage":
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
            return cls(LocalStore(folder), keys)
        if parts.scheme == "memory":
            return cls(MemoryStore(), keys)
        try:
            return cls(from_url(url), keys)
        except BaseError as error:
            raise ValueError(f"The storage address cannot be used: {error}") from error

    def with_keys(self, keys: FileKeys) -> "Storage":
        """The same store, sealed and opened with other keys."""
        return Storage(self.store, keys)

    async def put(self, key: str, data: bytes | Path, hospital_id: UUID | None = None) -> None:
        """Write one object, complete or not at all; a path is streamed from disk.

        It is sealed with the key of the hospital, or of `sealing_for`, or of the group.
        """
        if isinstance(data, Path):
            await self.put_stream(key, _blocks(data), hospital_id)
            return
        try:
            sealed = await self._seal_whole(key, data, hospital_id)
            large = len(sealed) > _PIECE
            await obstore.put_async(self.store, key + SUFFIX, sealed, **self._in_pieces(large))
        except _FAILURES as error:
            raise StorageError(f"Writing '{key}' failed: {error}") from error

    async def put_stream(
        self, key: str, pieces: AsyncIterator[bytes], hospital_id: UUID | None = None
    ) -> None:
        """Write one object out of pieces of any size, complete or not at all.

        Whatever the pieces raise is raised, and nothing is written then.
        """
        failure: list[Exception] = []
        sealed = self._sealed(key, pieces, hospital_id, failure)
        try:
            await obstore.put_async(self.store, key + SUFFIX, sealed, **self._in_pieces(True))
        except _FAILURES as error:
            if failure:
                raise failure[0] from error
            raise StorageError(f"Writing '{key}' failed: {error}") from error

    def _in_pieces(self, large: bool) -> _Pieces:
        if large and isinstance(self.store, LocalStore):
            return {"use_multipart": True, "chunk_size": _PIECE, "max_concurrency": 1}
        return {}

    async def _seal_whole(self, key: str, data: bytes, hospital_id: UUID | None) -> bytes:
        if len(data) <= _SMALL:
            return seal_whole(self.keys, key, data, hospital_id)
        return await _sealing(partial(seal_whole, self.keys, key, data, hospital_id))

    async def _sealed(
        self,
        key: str,
        pieces: AsyncIterator[bytes],
        hospital_id: UUID | None,
        failure: list[Exception],
    ) -> AsyncIterator[bytes]:
        key_id, folder_key = self.keys.to_write(key, hospital_id)
        header = Header.fresh(key_id)
        cipher = Cipher(header, key, folder_key)
        number = 0
        yield header.to_bytes()
        try:
            # Whether a block is the last is known only once the next one is there.
            block: bytes | None = None
            async for following in _regular(pieces):
                if block is not None:
                    yield await _sealing(partial(cipher.seal_run, number, block, last=False))
                    number += _BLOCK // CHUNK
                block = following
        except Exception as error:
            # The store would wrap it; the caller wants to know what it was.
            failure.append(error)
            raise
        yield await _sealing(partial(cipher.seal_run, number, block or b"", last=True))

    async def get(self, key: str) -> bytes:
        """Read a whole small object; raises `ObjectMissing` or `ObjectDamaged`."""
        return b"".join([piece async for piece in self.stream(key)])

    async def range(self, key: str, start: int, length: int) -> bytes:
        """Read `length` bytes from `start`, fewer at the end; raises `ObjectMissing`."""
        if length <= 0:
            return b""
        return b"".join([piece async for piece in self.stream(key, start, start + length)])

    async def stream(
        self, key: str, start: int = 0, end: int | None = None
    ) -> AsyncIterator[bytes]:
        """Yield the bytes `start` (inclusive) to `end` (exclusive) in bounded pieces.

        Only the chunks that hold them are read.
        """
        opened = await self._open(key)
        stop = opened.size if end is None else min(end, opened.size)
        place = start
        while place < stop:
            upto = min(stop, (place // CHUNK_BYTES + 1) * CHUNK_BYTES)
            try:
                piece = await self._read(opened, place, upto)
            except (DecryptionError, ObjectMissing) as error:
                # It may have been sealed, or sealed anew with another key, since it was opened.
                again = await self._open(key)
                if not _differ(opened, again):
                    raise ObjectDamaged(f"'{key}' does not open: {error}") from error
                opened = again
                continue
            if not piece:
                raise StorageError(f"'{key}' ended early at byte {place}.")
            place += len(piece)
            yield piece

    async def _read(self, opened: _Opened, start: int, end: int) -> bytes:
        """The bytes from `start` to `end`, which lie within a few chunks."""
        if opened.cipher is None:
            return await self._raw(opened.key, start, end)
        first, last = start // CHUNK, (end - 1) // CHUNK
        raw = await self._raw(
            opened.key + SUFFIX,
            HEADER_BYTES + first * SEALED_CHUNK,
            min(HEADER_BYTES + (last + 1) * SEALED_CHUNK, opened.raw_size),
        )
        ends = last == opened.chunks - 1
        plain = await asyncio.to_thread(opened.cipher.open_run, first, raw, last=ends)
        return plain[start - first * CHUNK : end - first * CHUNK]

    async def _raw(self, path: str, start: int, end: int) -> bytes:
        try:
            found = await obstore.get_range_async(self.store, path, start=start, end=end)
        except _FAILURES as error:
            raise translated(path.removesuffix(SUFFIX), error) from error
        return bytes(found)

    async def _open(self, key: str) -> _Opened:
        """Look at an object: its header and size, with one request for a sealed one."""
        try:
            result = await obstore.get_async(
                self.store, key + SUFFIX, options={"range": (0, HEADER_BYTES)}
            )
            raw = bytes(await result.bytes_async())
        except (NotFoundError, FileNotFoundError):
            return await self._open_plain(key)
        except _FAILURES as error:
            raise translated(key, error) from error
        try:
            header = Header.parse(raw)
            cipher = Cipher(header, key, self.keys.to_read(key, header.key_id))
            size = result.meta["size"]
            plain_size(size)
            opened = _Opened(key, cipher, size, result.meta["last_modified"])
            if opened.size == 0:
                # Nothing will be read of it, so its one chunk is looked at here.
                rest = await self._raw(key + SUFFIX, HEADER_BYTES, size)
                cipher.open(0, rest, last=True)
        except DecryptionError as error:
            raise ObjectDamaged(f"'{key}' does not open: {error}") from error
        return opened

    async def _open_plain(self, key: str) -> _Opened:
        try:
            meta = await obstore.head_async(self.store, key)
        except _FAILURES as error:
            raise translated(key, error) from error
        if not self.reads_plain:
            raise ObjectDamaged(f"'{key}' lies in the clear, which nobody expects any more.")
        return _Opened(key, None, meta["size"], meta["last_modified"])

    async def download(self, key: str, path: Path) -> None:
        """Copy one object to a local file."""
        with path.open("wb") as file:
            async for chunk in self.stream(key):
                file.write(chunk)

    async def head(self, key: str) -> ObjectInfo:
        """Size and time of one object; raises `ObjectMissing`. Needs no key."""
        try:
            meta = await obstore.head_async(self.store, key + SUFFIX)
            return ObjectInfo(key, plain_size(meta["size"]), meta["last_modified"])
        except (NotFoundError, FileNotFoundError):
            opened = await self._open_plain(key)
            return ObjectInfo(key, opened.size, opened.modified_at)
        except DecryptionError as error:
            raise ObjectDamaged(f"'{key}' does not open: {error}") from error
        except _FAILURES as error:
            raise translated(key, error) from error

    async def delete(self, key: str) -> None:
        """Remove one object; one that is gone already is fine."""
        for path in (key + SUFFIX, key):
            try:
                await obstore.delete_async(self.store, path)
            except (NotFoundError, FileNotFoundError):
                continue
            except _FAILURES as error:
                raise StorageError(f"Deleting '{key}' failed: {error}") from error

    async def list(self, prefix: str) -> list[ObjectInfo]:
        """All objects whose key lies below the folder `prefix`, in key order."""
        found: dict[str, ObjectInfo] = {}
        try:
            async for page in obstore.list(self.store, prefix=prefix):
                for meta in page:
                    info = self._info(meta["path"], meta["size"], meta["last_modified"])
                    # While an object is converted both are there; the sealed one counts.
                    if info is not None and (meta["path"] != info.key or info.key not in found):
                        found[info.key] = info
        except _FAILURES as error:
            raise StorageError(f"Listing '{prefix}' failed: {error}") from error
        return [found[key] for key in sorted(found)]

    def _info(self, path: str, size: int, at: datetime) -> ObjectInfo | None:
        if not path.endswith(SUFFIX):
            return ObjectInfo(path, size, at) if self.reads_plain else None
        try:
            return ObjectInfo(path.removesuffix(SUFFIX), plain_size(size), at)
        except DecryptionError:
            # Reading it will tell; a listing must not fail for one damaged object.
            return ObjectInfo(path.removesuffix(SUFFIX), 0, at)

    async def check(self) -> None:
        """Write, read and remove a small object; raises `StorageError` with the cause.

        It needs no keys, because it is asked before they are there.
        """
        key, probe = "health/probe", b"zhenjian"
        try:
            await obstore.put_async(self.store, key, probe)
            found = await obstore.get_async(self.store, key)
            if bytes(await found.bytes_async()) != probe:
                raise StorageError("The storage returned other bytes than were written.")
            await obstore.delete_async(self.store, key)
        except _FAILURES as error:
            raise StorageError(f"The storage does not take a small object: {error}") from error


async def _sealing(work: Callable[[], _Result]) -> _Result:
    # With the caller's context: it says whose the file is.
    context = copy_context()
    return await asyncio.get_running_loop().run_in_executor(_SEALING, lambda: context.run(work))


def _differ(before: _Opened, now: _Opened) -> bool:
    if before.cipher is None or now.cipher is None:
        return before.cipher is not now.cipher
    return before.cipher.header != now.cipher.header


async def _blocks(path: Path) -> AsyncIterator[bytes]:
    with await asyncio.to_thread(path.open, "rb") as file:
        while block := await asyncio.to_thread(file.read, _BLOCK):
            yield block


async def _regular(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in blocks of one size, the last one shorter."""
    gathered = bytearray()
    async for piece in pieces:
        if not gathered and len(piece) == _BLOCK:
            # A file comes like that: nothing of it is copied.
            yield piece
            continue
        gathered += piece
        while len(gathered) >= _BLOCK:
            yield bytes(gathered[:_BLOCK])
            del gathered[:_BLOCK]
    if gathered:
        yield bytes(gathered)
