"""The disk of a media worker is full while it records: the call goes on, and the gap is named."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from media.errors import RecordingUnavailable, WorkerFull
from media.recording import journal
from media.recording.orders import Order
from media.recording.production import produce
from media.recording.rules import Note, note_of
from media.sfu.engine import EngineSettings
from media.worker import Worker, WorkerConfig
from tests.faults.test_disk_full import fill
from tests.media.sfu.clients import Client
from tests.media.sfu.support import CALL, ROOM, SEAL, SECRET, Controls, fetched


@pytest.fixture
def volume(tmp_path: Path) -> AsyncIterator[Path]:
    """A small file system for the journals."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small volume")
    folder = tmp_path / "volume"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False).returncode != 0:
        pytest.skip("a volume cannot be mounted here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
async def worker(volume: Path, tmp_path: Path) -> AsyncIterator[Worker]:
    storage = (tmp_path / "storage").as_uri()
    worker = Worker(WorkerConfig(SECRET, volume, storage, EngineSettings(), least_free=1024 * 1024))
    await worker.start()
    yield worker
    await worker.close()


async def test_a_worker_without_room_takes_no_call_and_leaves_nothing_of_one_it_cannot_record(
    worker: Worker, volume: Path
) -> None:
    controls = Controls(f"ws://127.0.0.1:{worker.control_port}/control")
    await controls.start()
    try:
        assert not (await controls.link.refresh()).full
        ballast = fill(volume)
        assert (await controls.link.refresh()).full
        with pytest.raises(WorkerFull):
            controls.workers.choose()
        with pytest.raises(RecordingUnavailable):
            await controls.link.open_call(CALL, ROOM, record=True, seal=SEAL)
        assert list((volume / "journal" / CALL).iterdir()) == []
        ballast.unlink()
        assert not (await controls.link.refresh()).full
        await controls.link.open_call(CALL, ROOM, record=True, seal=SEAL)
        assert worker.takes.is_open(CALL)
    finally:
        await controls.workers.close()


@pytest.mark.slow
async def test_a_full_disk_costs_the_recording_a_stretch_and_the_call_nothing(
    worker: Worker, volume: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What waits in memory for room would last a minute otherwise.
    monkeypatch.setattr(journal, "MAX_BUFFER_BYTES", 32 * 1024)
    controls = Controls(f"ws://127.0.0.1:{worker.control_port}/control")
    await controls.start()
    await controls.link.open_call(CALL, ROOM, record=True, seal=SEAL)
    anna, bert = Client(controls, "anna"), Client(controls, "bert")

    async def follow(event: dict[str, Any]) -> None:
        await asyncio.gather(anna.follow(event), bert.follow(event))

    controls.on_event = follow
    try:
        await anna.join()
        await bert.join()
        await asyncio.gather(anna.receives(50, 20), bert.receives(50, 20))

        ballast = fill(volume)
        refused = await controls.event("recording.refused")
        assert (refused["call"], refused["problem"]) == (CALL, "disk_full")
        while not worker.takes.dropped:
            await asyncio.gather(anna.receives(25, 10), bert.receives(25, 10))
        assert worker.stats()["recording_refused"] == 1
        assert controls.having("peer.gone")() == []

        ballast.unlink()
        await controls.event("recording.relieved")
        await asyncio.gather(anna.receives(50, 20), bert.receives(50, 20))
        assert len(controls.having("recording.refused")()) == 1
        await controls.link.close_call(CALL, "ended")
        sealed = await controls.event("recording.sealed")
    finally:
        await anna.close()
        await bert.close()
        await controls.workers.close()
    take = await fetched(tmp_path / "storage", sealed["manifest_key"])
    order = Order(
        takes=str(take.parent), out=str(tmp_path / "out"), names={"anna": "a", "bert": "b"}
    )
    made = await asyncio.to_thread(produce, order)
    assert made.damaged == 0
    assert note_of(made.damaged, made.dropped) is Note.NO_ROOM
    # Before and after the gap, at their own times.
    assert made.duration_ms > 3000
    assert {product.user for product in made.products} == {None, "anna", "bert"}
