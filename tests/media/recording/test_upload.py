"""Takes reach object storage whole, and leave the disk only then."""

import asyncio
from pathlib import Path

import obstore
import pytest
from obstore.store import LocalStore, MemoryStore

from media.recording.frames import MANIFEST_NAME, JournalError, Manifest
from media.recording.journal import read_take
from media.recording.upload import Uploader
from tests.media.recording.test_journal import START_US, write_take


def keys(store: MemoryStore | LocalStore) -> list[str]:
    return sorted(item["path"] for batch in obstore.list(store) for item in batch)


def test_a_take_is_uploaded_while_it_runs_and_removed_after_its_manifest_is_stored(
    tmp_path: Path,
) -> None:
    store = LocalStore(tmp_path / "store", mkdir=True)
    uploader = Uploader(store)
    folder = tmp_path / "journal" / "call-1" / "t1"
    writer = write_take(folder)

    async def run() -> str:
        rolled = writer.roll_if_due(START_US + 60_000_000)
        assert rolled is not None
        assert await uploader.upload_segment(rolled) == "recordings/call-1/t1/00001.zjr"
        assert await uploader.upload_segment(rolled) == "recordings/call-1/t1/00001.zjr"
        assert rolled.exists()
        writer.packet(1, START_US + 61_000_000, b"the last word")
        writer.seal("call_closed")
        return await uploader.finish(folder)

    assert asyncio.run(run()) == "recordings/call-1/t1/manifest.json"
    assert not folder.exists()
    assert not folder.parent.exists()
    stored = tmp_path / "store" / "recordings" / "call-1" / "t1"
    take = read_take(stored)
    assert (take.packets, take.damage, take.missing) == (41, [], [])


def test_an_unsealed_or_altered_take_stays_on_the_disk(tmp_path: Path) -> None:
    store = MemoryStore()
    folder = tmp_path / "journal" / "call-1" / "t1"
    writer = write_take(folder)
    with pytest.raises(FileNotFoundError):
        asyncio.run(Uploader(store).finish(folder))
    writer.seal("call_closed")
    segment = folder / "00001.zjr"
    segment.write_bytes(segment.read_bytes()[:-1])
    with pytest.raises(JournalError, match="manifest"):
        asyncio.run(Uploader(store).finish(folder))
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

    found = asyncio.run(Uploader(store).recover(journal, live=frozenset({"t2"})))
    assert found == ["recordings/call-1/t1/manifest.json"]
    assert not torn.exists()
    assert (journal / "call-1" / "t2").exists()
    assert (journal / "call-2" / "t3.unreadable").exists()
    raw = bytes(obstore.get(store, found[0]).bytes())
    assert Manifest.from_json(raw).reason == "recovered"
    assert asyncio.run(Uploader(store).recover(journal, live=frozenset({"t2"}))) == []


def test_a_take_that_another_worker_writes_is_left_alone(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    writer = write_take(journal / "call-1" / "t1")
    assert asyncio.run(Uploader(MemoryStore()).recover(journal)) == []
    assert writer.path.exists()
    writer.let_go()
    found = asyncio.run(Uploader(MemoryStore()).recover(journal))
    assert found == ["recordings/call-1/t1/manifest.json"]


def test_a_removal_that_was_cut_short_is_repeated(tmp_path: Path) -> None:
    store = MemoryStore()
    folder = tmp_path / "journal" / "call-1" / "t1"
    write_take(folder).seal("call_closed")
    manifest = (folder / MANIFEST_NAME).read_bytes()
    asyncio.run(Uploader(store).finish(folder))
    folder.mkdir(parents=True)
    (folder / MANIFEST_NAME).write_bytes(manifest)
    asyncio.run(Uploader(store).recover(tmp_path / "journal"))
    assert not folder.exists()
    assert keys(store) == [
        "recordings/call-1/t1/00001.zjr",
        "recordings/call-1/t1/manifest.json",
    ]
