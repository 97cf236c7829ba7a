"""A media worker as a process of its own: prints its ports as one JSON line and runs on.

SIGUSR1 makes it print how many tasks its loop has. Packets go the compiled way where
ZHENJIAN_TEST_COMPILED names the folder that has it.
"""

import asyncio
import gc
import json
import os
import signal
import sys
from pathlib import Path

import uvloop

if "ZHENJIAN_TEST_COMPILED" in os.environ:
    import tests.support.compiled_packets  # noqa: F401  before anything imports what is compiled

from media.sfu.engine import EngineSettings
from media.worker import Worker, WorkerConfig, run_worker


def announce(worker: Worker) -> None:
    print(json.dumps({"udp": worker.engine.port.number, "control": worker.control_port}))
    sys.stdout.flush()


def count() -> None:
    gc.collect()
    print(json.dumps({"tasks": len(asyncio.all_tasks())}), flush=True)


async def main() -> None:
    folder, secret, control = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, count)
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    config = WorkerConfig(
        secret=secret,
        data_dir=folder,
        storage_url=(folder / "storage").as_uri(),
        engine=EngineSettings(codecs=tuple(sys.argv[4].split(",")), consent=15.0),
        control_port=control,
    )
    await run_worker(config, stop, announce)


if __name__ == "__main__":
    # The loop that the installed program runs on, and how it collects.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
