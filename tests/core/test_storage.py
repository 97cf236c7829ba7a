"""Object storage on a local folder, through the same class that speaks S3."""

from pathlib import Path

import pytest

from core.crypto.container import KeyringFileKeys
from core.crypto.keyring import Keyring
from core.storage import CHUNK_BYTES, ObjectMissing, Storage


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    keys = KeyringFileKeys(Keyring.generate())
    return Storage.open((tmp_path / "a folder").as_uri(), keys)


async def test_what_was_put_is_read_whole_and_in_ranges(storage: Storage, tmp_path: Path) -> None:
    data = bytes(range(256)) * (CHUNK_BYTES // 128)
    (tmp_path / "source").write_bytes(data)
    await storage.put("files/a/original", tmp_path / "source")
    assert await storage.get("files/a/original") == data
    assert await storage.range("files/a/original", 10, 5) == data[10:15]
    streamed = [chunk async for chunk in storage.stream("files/a/original", 1, len(data) - 1)]
    assert b"".join(streamed) == data[1:-1]
    assert max(map(len, streamed)) <= CHUNK_BYTES
    await storage.download("files/a/original", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == data


async def test_a_large_object_lies_in_the_folder_whole_and_alone(
    storage: Storage, tmp_path: Path
) -> None:
    data = bytes(range(251)) * 12_000
    await storage.put("recordings/a/t/1", data)
    assert await storage.get("recordings/a/t/1") == data
    assert [info.size for info in await storage.list("recordings")] == [len(data)]
    files = [path for path in (tmp_path / "a folder").rglob("*") if path.is_file()]
    assert [path.name for path in files] == ["1.sealed"]


async def test_a_missing_object_is_a_named_error_and_may_be_deleted(storage: Storage) -> None:
    with pytest.raises(ObjectMissing):
        await storage.get("nothing")
    with pytest.raises(ObjectMissing):
        await storage.head("nothing")
    with pytest.raises(ObjectMissing):
        await storage.range("nothing", 0, 1)
    await storage.delete("nothing")


async def test_objects_are_listed_below_a_folder(storage: Storage) -> None:
    for key in ("b/2", "b/1", "bb/3"):
        await storage.put(key, b"x")
    assert [info.key for info in await storage.list("b")] == ["b/1", "b/2"]
    await storage.delete("b/1")
    assert [info.size for info in await storage.list("b")] == [1]


async def test_a_key_cannot_leave_the_folder(storage: Storage, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"no")
    with pytest.raises(Exception, match=r"(?i)path|no object|failed"):
        await storage.get("../secret")


async def test_the_check_of_a_healthy_storage_passes(storage: Storage) -> None:
    await storage.check()
    with pytest.raises(ValueError, match="storage"):
        Storage.open("nonsense://x")
