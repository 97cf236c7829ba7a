"""Takes reach object storage whole, and leave the disk only then."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import obstore
import pytest
from obstore.store import LocalStore, MemoryStore

from core.storage import Storage
from media.recording.frames import MANIFEST_NAME, SUFFIX, JournalError, Manifest
from media.recording.journal import JournalWriter, read_take
from media.recording.sealing import Seal, write_seal
from media.recording.upload import KeyMissing, Uploader
from tests.media.recording.test_journal import START_US
from tests.media.recording.test_journal import write_take as write_bare_take
from tests.media.sfu.support import fetched, sealed_bytes

SEAL = Seal(key="f1", secret="07" * 32)


def write_take(folder: Path) -> JournalWriter:
    """A take with the key that its call was given."""
    writer = write_bare_take(folder, call=folder.parent.name)
    write_seal(folder, SEAL)
    return writer


def uploading(store: MemoryStore | LocalStore) -> Uploader:
    return Uploader(Storage(store))


def keys(store: MemoryStore | LocalStore) -> list[str]:
    return sorted(item["path"] for batch in obstore.list(store) for item in batch)


@pytest.fixture
def most_in_memory(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """How many segments were on their way to the store at once, until now."""
    put = Uploader._put
    under_way, most = 0, 0

    async def watched_put(self: Uploader, sealing: Storage, key: str, data: bytes) -> None:
        nonlocal under_way, most
        segment = key.endswith(SUFFIX)
        under_way += segment
        most = max(most, under_way)
        await asyncio.sleep(0.01)
        await put(self, sealing, key, data)
        under_way -= segment

    monkeypatch.setattr(Uploader, "_put", watched_put)
    return lambda: most


async def test_segments_that_end_together_are_in_memory_two_at_a_time(
    tmp_path: Path, most_in_memory: Callable[[], int]
) -> None:
    uploader = uploading(MemoryStore())
    rolled = []
    for number in range(6):
        writer = write_take(tmp_path / f"call-{number}" / "t1")
        path = writer.roll_if_due(START_US + 60_000_000)
        assert path is not None
        rolled.append(path)
    stored = await asyncio.gather(*(uploader.upload_segment(path) for path in rolled))
    assert len(set(stored)) == 6
    assert most_in_memory() == 2


async def test_calls_that_end_together_are_in_memory_two_segments_at_a_time(
    tmp_path: Path, most_in_memory: Callable[[], int]
) -> None:
    store = MemoryStore()
    uploader = uploading(store)
    folders = [tmp_path / f"call-{number}" / "t1" for number in range(6)]
    for folder in folders:
        write_take(folder).seal("call_closed")
    await asyncio.gather(*(uploader.finish(folder) for folder in folders))
    assert len([key for key in keys(store) if SUFFIX in key]) == 6
    assert most_in_memory() == 2


def test_a_take_is_uploaded_while_it_runs_and_removed_after_its_manifest_is_stored(
    tmp_path: Path,
) -> None:
    store = LocalStore(tmp_path / "store", mkdir=True)
    uploader = uploading(store)
    folder = tmp_path / "journal" / "call-1" / "t1"
    writer = write_take(folder)

    async def run() -> str:
        rolled = writer.roll_if_due(START_US + 60_000_000)
        assert rolled is not None
        assert await uploader.upload_segment(rolled) == "recordings/call-1/t1/00001.zjr"
        assert await uploader.upload_segment(rolled) == "recordings/call-1/t1/00001.zjr"
        assert rolled.exists()
        writer.waiting.put(1, START_US + 61_000_000, b"the last word")
        writer.seal("call_closed")
        return await uploader.finish(folder)

    assert asyncio.run(run()) == "recordings/call-1/t1/manifest.json"
    assert not folder.exists()
    assert not folder.parent.exists()
    key = "recordings/call-1/t1/manifest.json"
    take = read_take(asyncio.run(fetched(tmp_path / "store", key, SEAL)))
    assert (take.packets, take.damage, take.missing) == (41, [], [])


def test_an_unsealed_or_altered_take_stays_on_the_disk(tmp_path: Path) -> None:
    store = MemoryStore()
    folder = tmp_path / "journal" / "call-1" / "t1"
    writer = write_take(folder)
    with pytest.raises(FileNotFoundError):
        asyncio.run(uploading(store).finish(folder))
    writer.seal("call_closed")
    segment = folder / "00001.zjr"
    segment.write_bytes(segment.read_bytes()[:-1])
    with pytest.raises(JournalError, match="manifest"):
        asyncio.run(uploading(store).finish(folder))
    assert segment.exists()
    assert keys(store) == []


def test_recovery_seals_uploads_and_removes_what_a_dead_worker_left(tmp_path: Path) -> None:
    store = MemoryStore()
    journal = tmp_path / "journal"
    torn = journal / "call-1" / "t1"
    write_take(torn).let_go()
    path = torn / "00001.zjr"
    path.write_bytes(path.read_bytes()[:-3])
    write_take(journal / "call-1" / "t2")
    garbage = journal / "call-2" / "t3"
    garbage.mkdir(parents=True)
    (garbage / "00001.zjr").write_bytes(b"nonsense")

    found = asyncio.run(uploading(store).recover(journal, live=frozenset({"t2"})))
    assert found == ["recordings/call-1/t1/manifest.json"]
    assert not torn.exists()
    assert (journal / "call-1" / "t2").exists()
    assert (journal / "call-2" / "t3.unreadable").exists()
    raw = asyncio.run(sealed_bytes(Storage(store), found[0], SEAL))
    assert Manifest.from_json(raw).reason == "recovered"
    assert asyncio.run(uploading(store).recover(journal, live=frozenset({"t2"}))) == []


def test_a_take_that_another_worker_writes_is_left_alone(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    writer = write_take(journal / "call-1" / "t1")
    assert asyncio.run(uploading(MemoryStore()).recover(journal)) == []
    assert writer.path.exists()
    writer.let_go()
    found = asyncio.run(uploading(MemoryStore()).recover(journal))
    assert found == ["recordings/call-1/t1/manifest.json"]


def test_a_removal_that_was_cut_short_is_repeated(tmp_path: Path) -> None:
    store = MemoryStore()
    folder = tmp_path / "journal" / "call-1" / "t1"
    write_take(folder).seal("call_closed")
    manifest = (folder / MANIFEST_NAME).read_bytes()
    asyncio.run(uploading(store).finish(folder))
    folder.mkdir(parents=True)
    (folder / MANIFEST_NAME).write_bytes(manifest)
    asyncio.run(uploading(store).recover(tmp_path / "journal"))
    assert not folder.exists()
    assert keys(store) == [
        "recordings/call-1/t1/00001.zjr.sealed",
        "recordings/call-1/t1/manifest.json.sealed",
    ]


async def test_a_segment_without_a_key_is_not_even_read(tmp_path: Path) -> None:
    folder = tmp_path / "call-1" / "t1"
    folder.mkdir(parents=True)
    with pytest.raises(KeyMissing):
        await uploading(MemoryStore()).upload_segment(folder / "never-written.zjr")
