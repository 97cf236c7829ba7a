from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from media.sfu.engine import EngineSettings
from media.worker import Worker, WorkerConfig
from tests.media.sfu.support import CALL, ROOM, SECRET, Controls


@pytest.fixture
def engine_settings() -> EngineSettings:
    """Overridden by tests that cannot wait for the usual times."""
    return EngineSettings()


@pytest.fixture
async def worker(tmp_path: Path, engine_settings: EngineSettings) -> AsyncIterator[Worker]:
    """A worker inside this process, with free ports and its files below ``tmp_path``."""
    config = WorkerConfig(
        secret=SECRET,
        data_dir=tmp_path,
        storage_url=(tmp_path / "storage").as_uri(),
        engine=engine_settings,
    )
    worker = Worker(config)
    await worker.start()
    yield worker
    await worker.close()


@pytest.fixture
async def controls(worker: Worker) -> AsyncIterator[Controls]:
    """A connected controller with an open call."""
    controls = Controls(f"ws://127.0.0.1:{worker.control_port}/control")
    await controls.start()
    await controls.link.open_call(CALL, ROOM, record=False)
    yield controls
    await controls.workers.close()
