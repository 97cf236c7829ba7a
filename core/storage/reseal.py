"""Sealing stored files anew: with the current key of their hospital, or for the first time.

An object is read and written as a stream, and takes the place of its predecessor in one step of
the store. One that lies in the clear is sealed beside itself, read back and compared, and only then
removed.
"""

import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from uuid import UUID

import obstore
import structlog
from obstore.exceptions import BaseError

from core.crypto.container import HEADER_BYTES, Header
from core.crypto.keyring import Keyring
from core.crypto.keys import Purpose, UnknownKeyError
from core.crypto.sm import DecryptionError
from core.storage.errors import ObjectDamaged, ObjectMissing, StorageError, translated
from core.storage.storage import SUFFIX, Storage

log = structlog.get_logger(__name__)


@dataclass
class Resealed:
    """How many objects were looked at, sealed anew, and could not be."""

    seen: int = 0
    changed: int = 0
    failed: int = 0


async def all_paths(storage: Storage) -> list[str]:
    """Every path in the store, in order; sealed objects end with the suffix."""
    found: list[str] = []
    try:
        async for page in obstore.list(storage.store):
            found += [meta["path"] for meta in page]
    except (BaseError, OSError) as error:
        raise StorageError(f"Listing the storage failed: {error}") from error
    return sorted(found)


async def header_of(storage: Storage, path: str) -> Header | None:
    """The header of a sealed object; None when it is gone. Raises `ObjectDamaged`."""
    try:
        raw = await obstore.get_range_async(storage.store, path, start=0, length=HEADER_BYTES)
        return Header.parse(bytes(raw))
    except (BaseError, OSError) as error:
        failure = translated(path, error)
        if isinstance(failure, ObjectMissing):
            return None
        raise failure from error
    except DecryptionError as error:
        raise ObjectDamaged(f"'{path}' is no sealed file.") from error


async def reseal_objects(
    storage: Storage,
    keyring: Keyring,
    paths: Sequence[str],
    owners: dict[str, UUID],
    only: UUID | None,
) -> Resealed:
    """Bring these objects onto the current keys; `only` those of one hospital."""
    outcome = Resealed()
    for path in paths:
        outcome.seen += 1
        try:
            changed = await _one(storage, keyring, path, owners, only)
        except StorageError as error:
            log.error("file_not_sealed_anew", path=path, error=str(error))
            outcome.failed += 1
        else:
            outcome.changed += changed
    return outcome


async def _one(
    storage: Storage, keyring: Keyring, path: str, owners: dict[str, UUID], only: UUID | None
) -> bool:
    key = path.removesuffix(SUFFIX)
    owner = owners.get(key)
    if path == key:
        if only is not None and owner != only:
            return False
        await _convert(storage, key, owner)
        return True
    header = await header_of(storage, path)
    if header is None:
        return False
    try:
        held = keyring.find(Purpose.FILE, header.key_id)
    except UnknownKeyError as error:
        raise ObjectDamaged(f"'{key}' is sealed with an unknown key.") from error
    owner = owner or held.hospital_id
    if only is not None and owner != only:
        return False
    if keyring.current(Purpose.FILE, owner).id == header.key_id:
        return False
    await storage.put_stream(key, storage.stream(key), owner)
    return True


async def _convert(storage: Storage, key: str, owner: UUID | None) -> None:
    """Seal an object that lies in the clear."""
    written = hashlib.sha256()

    async def plain() -> AsyncIterator[bytes]:
        result = await obstore.get_async(storage.store, key)
        async for piece in result.stream(1024 * 1024):
            written.update(piece)
            yield bytes(piece)

    try:
        await storage.put_stream(key, plain(), owner)
    except ObjectMissing:
        return
    read = hashlib.sha256()
    async for piece in storage.stream(key):
        read.update(piece)
    if read.digest() != written.digest():
        raise StorageError(f"'{key}' reads back differently; the original is kept.")
    try:
        await obstore.delete_async(storage.store, key)
    except (BaseError, OSError) as error:
        raise StorageError(f"Removing the original of '{key}' failed: {error}") from error
