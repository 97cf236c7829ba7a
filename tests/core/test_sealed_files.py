"""Stored files are sealed in chunks: any range reads back, and no damage goes unnoticed."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from obstore.store import MemoryStore

from core.crypto.container import (
    CHUNK,
    HEADER_BYTES,
    SEALED_CHUNK,
    FolderKey,
    KeyringFileKeys,
    open_whole,
    plain_size,
    seal_whole,
    sealed_size,
)
from core.crypto.keyring import Keyring
from core.crypto.keys import Purpose
from core.crypto.sm import DecryptionError
from core.ids import new_id
from core.storage import ObjectDamaged, ObjectMissing, Storage
from core.storage.storage import SUFFIX
from tests.conftest import TODAY

KEYS = KeyringFileKeys(Keyring.generate())
PATH = "files/2026/a/original"
#: Around every border of a chunk and of a read.
SIZES = st.one_of(
    st.integers(0, 3),
    st.integers(0, 5).flatmap(lambda n: st.integers(max(0, n * CHUNK - 2), n * CHUNK + 2)),
)
BYTES = os.urandom(6 * CHUNK)


@pytest.fixture
def storage() -> Storage:
    return Storage(MemoryStore(), KEYS)


async def raw(storage: Storage, path: str = PATH) -> bytes:
    result = await storage.store.get_async(path + SUFFIX)
    return bytes(await result.bytes_async())


async def replace(storage: Storage, data: bytes, path: str = PATH) -> None:
    await storage.store.put_async(path + SUFFIX, data)


@given(size=SIZES, start=st.integers(0, 6 * CHUNK), length=st.integers(0, 3 * CHUNK))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
async def test_any_range_of_any_size_reads_back(size: int, start: int, length: int) -> None:
    storage = Storage(MemoryStore(), KEYS)
    data = BYTES[:size]
    await storage.put(PATH, data)
    assert (await storage.head(PATH)).size == size
    assert await storage.get(PATH) == data
    assert await storage.range(PATH, start, length) == data[start : start + length]
    assert [info.size for info in await storage.list("files")] == [size]


@given(size=SIZES)
@settings(max_examples=40, deadline=None)
def test_sizes_of_plaintext_and_of_what_is_stored_agree(size: int) -> None:
    sealed = seal_whole(KEYS, PATH, BYTES[:size])
    assert len(sealed) == sealed_size(size)
    assert plain_size(len(sealed)) == size
    assert open_whole(KEYS, PATH, sealed) == BYTES[:size]


@given(size=SIZES, cut=st.integers(1, 2 * SEALED_CHUNK + 200))
@settings(max_examples=80, deadline=None)
def test_a_file_that_was_cut_short_does_not_open(size: int, cut: int) -> None:
    sealed = seal_whole(KEYS, PATH, BYTES[:size])
    with pytest.raises(DecryptionError):
        open_whole(KEYS, PATH, sealed[: max(0, len(sealed) - cut)])


@pytest.mark.requirement("S1-217")
async def test_the_store_sees_no_plaintext(storage: Storage) -> None:
    await storage.put(PATH, b"%PDF-" + bytes(3 * CHUNK))
    assert b"%PDF" not in await raw(storage)
    assert bytes(64) not in await raw(storage)


async def test_a_file_from_the_disk_is_streamed_and_reads_back(
    storage: Storage, tmp_path: Path
) -> None:
    for size in (0, 1, 16 * CHUNK, 16 * CHUNK + 1, 33 * CHUNK):
        data = os.urandom(size)
        (tmp_path / "source").write_bytes(data)
        await storage.put(PATH, tmp_path / "source")
        assert len(await raw(storage)) == sealed_size(size)
        await storage.download(PATH, tmp_path / "copy")
        assert (tmp_path / "copy").read_bytes() == data


async def test_chunks_that_were_swapped_repeated_or_cut_at_their_border_do_not_open(
    storage: Storage,
) -> None:
    await storage.put(PATH, BYTES[: 3 * CHUNK])
    whole = await raw(storage)
    head = whole[:HEADER_BYTES]
    one, two, three = (
        whole[HEADER_BYTES + n * SEALED_CHUNK : HEADER_BYTES + (n + 1) * SEALED_CHUNK]
        for n in range(3)
    )
    for pieces in ((two, one, three), (one, one, three), (one, two), (one, three), (three,)):
        await replace(storage, head + b"".join(pieces))
        with pytest.raises(ObjectDamaged):
            await storage.get(PATH)


async def test_one_changed_bit_anywhere_is_noticed(storage: Storage) -> None:
    await storage.put(PATH, BYTES[: CHUNK + 10])
    whole = await raw(storage)
    for place in (0, 8, 12, 60, 85, HEADER_BYTES, HEADER_BYTES + CHUNK, len(whole) - 1):
        changed = bytearray(whole)
        changed[place] ^= 1
        await replace(storage, bytes(changed))
        with pytest.raises(ObjectDamaged):
            await storage.get(PATH)


async def test_two_objects_cannot_be_exchanged(storage: Storage) -> None:
    other = "files/2026/b/original"
    await storage.put(PATH, b"one")
    await storage.put(other, b"two")
    first, second = await raw(storage), await raw(storage, other)
    await replace(storage, second)
    await replace(storage, first, other)
    for path in (PATH, other):
        with pytest.raises(ObjectDamaged):
            await storage.get(path)


async def test_an_empty_file_is_authentic_too(storage: Storage) -> None:
    await storage.put(PATH, b"")
    assert await storage.get(PATH) == b""
    await replace(storage, (await raw(storage))[:-1] + b"x")
    with pytest.raises(ObjectDamaged):
        await storage.get(PATH)


async def test_what_lies_in_the_clear_is_read_only_while_its_conversion_is_pending(
    storage: Storage,
) -> None:
    await storage.store.put_async(PATH, b"from before")
    with pytest.raises(ObjectDamaged, match="in the clear"):
        await storage.get(PATH)
    assert await storage.list("files") == []
    storage.reads_plain = True
    assert await storage.get(PATH) == b"from before"
    assert await storage.range(PATH, 5, 3) == b"bef"
    assert [info.size for info in await storage.list("files")] == [11]
    await storage.delete(PATH)
    with pytest.raises(ObjectMissing):
        await storage.get(PATH)


async def test_a_sealed_object_is_never_taken_for_a_plain_one(storage: Storage) -> None:
    storage.reads_plain = True
    await storage.put(PATH, b"sealed")
    await storage.store.put_async(PATH, b"planted")
    assert await storage.get(PATH) == b"sealed"
    assert [(info.key, info.size) for info in await storage.list("files")] == [(PATH, 6)]


async def test_a_reader_goes_on_when_the_object_is_sealed_anew_under_it(storage: Storage) -> None:
    data = BYTES[: 6 * CHUNK]
    await storage.put(PATH, data)
    stream = storage.stream(PATH)
    pieces = [await anext(stream)]
    await storage.put(PATH, data)
    pieces += [piece async for piece in stream]
    assert b"".join(pieces) == data


async def test_old_files_read_on_after_the_key_has_changed() -> None:
    keyring = Keyring.generate()
    store = MemoryStore()
    await Storage(store, KeyringFileKeys(keyring)).put(PATH, b"old")
    rotated = Storage(store, KeyringFileKeys(keyring.with_new_key(Purpose.FILE, TODAY)))
    assert await rotated.get(PATH) == b"old"
    await rotated.put(PATH, b"new")
    with pytest.raises(ObjectDamaged, match="not in the keyring"):
        await Storage(store, KeyringFileKeys(keyring)).get(PATH)


async def test_the_key_of_a_folder_opens_that_folder_alone(storage: Storage) -> None:
    call = f"recordings/{new_id()}"
    apart = storage.with_keys(FolderKey.of(call, None, KEYS))
    await apart.put(f"{call}/take/00001.zjr", b"packets")
    assert await storage.get(f"{call}/take/00001.zjr") == b"packets"
    assert await apart.get(f"{call}/take/00001.zjr") == b"packets"
    await storage.put(PATH, b"elsewhere")
    with pytest.raises(ObjectDamaged, match="not in the folder"):
        await apart.get(PATH)
    with pytest.raises(DecryptionError):
        await apart.put(PATH, b"elsewhere")


async def test_a_source_that_fails_leaves_nothing_behind_and_is_told_as_it_is(
    storage: Storage,
) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield BYTES
        raise ObjectMissing("the source is gone")

    with pytest.raises(ObjectMissing, match="source is gone"):
        await storage.put_stream(PATH, pieces())
    assert await storage.list("files") == []
