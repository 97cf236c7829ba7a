"""A worker on a machine with two networks: run in a network namespace of its own, prints JSON.

By the routes alone, whoever asks one of the addresses from the other network is answered from the
wrong one, and does not take the answer. Every caller here takes answers from whom it asked alone.
"""

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from loadtests.bench_media_caller import Traffic
from loadtests.bench_media_signalling import Ours
from media.sfu.counters import Counters
from media.sfu.engine import EngineSettings
from media.sfu.port import Port
from media.sfu.wire import ROOM, Taken, octets
from media.worker import Worker, WorkerConfig

#: RFC 2544 and RFC 4193: for tests, and for nobody else.
HERE, THERE = "198.18.0.1", "198.19.0.1"
HERE_SIX, THERE_SIX = "fd00::1", "fd01::1"
SECRET = "a secret of this test"
ANY, ANY_SIX = "0.0.0.0", "::"


def make_networks() -> None:
    """Two, each with an address of ours in both families."""
    commands = ["link set lo up"]
    for name, four, six in (("one", HERE, HERE_SIX), ("two", THERE, THERE_SIX)):
        commands += [
            f"link add {name} type veth peer name {name}-far",
            f"addr add {four}/24 dev {name}",
            f"addr add {six}/64 dev {name} nodad",
            f"link set {name} up",
            f"link set {name}-far up",
        ]
    for command in commands:
        subprocess.run(["ip", *command.split()], check=True)


async def answered(host: str, own: str, asked: str) -> int:
    """How many of five datagrams are answered from the address that they went to."""
    port: Port | None = None

    def answer(batch: Iterable[Taken], _: float) -> None:
        assert port is not None
        for place, (size,), (name,), _head in batch:
            port.send(octets[ROOM * place : ROOM * place + size], port.wire.source(name))

    port = Port(host, 0, answer, Counters())
    family = socket.AF_INET6 if ":" in own else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as caller:
        caller.setblocking(False)
        caller.bind((own, 0))
        caller.connect((asked, port.number))
        for number in range(5):
            caller.send(bytes([number]))
        count = 0
        for _ in range(100):
            await asyncio.sleep(0.01)
            try:
                while caller.recv(9):
                    count += 1
            except BlockingIOError:
                pass
            if count == 5:
                break
    port.close()
    return count


async def call(folder: Path, host: str) -> list[int]:
    """What two callers, one in each network, receive of each other in a second."""
    config = WorkerConfig(
        secret=SECRET,
        data_dir=folder,
        storage_url=(folder / "storage").as_uri(),
        engine=EngineSettings(host=host, announced=(THERE, HERE)),
    )
    worker = Worker(config)
    await worker.start()
    traffic = Traffic(rest=0.002)
    control = Control(worker.control_port)
    people = []
    # Both ask the address that is announced first.
    for own in (HERE, THERE):
        signals = Ours(control, traffic, own, SECRET)
        await signals.open()
        await signals.room("call", 2)
        people.append((signals, await signals.join("call", own)))
    sends = [each.sends for _, each in people if each.sends is not None]
    traffic.start(sends)
    await asyncio.sleep(1.0)
    traffic.stop()
    found = [each.received for each in sends]
    for signals, someone in people:
        await signals.leave(someone)
        await signals.close()
    await worker.close()
    return found


class Control:
    """Where the worker is controlled."""

    def __init__(self, control: int) -> None:
        self.control = control


async def main(folder: Path) -> None:
    make_networks()
    ways = [
        (ANY, HERE, THERE),
        (ANY, THERE, HERE),
        (ANY_SIX, HERE, THERE),
        (ANY_SIX, HERE_SIX, THERE_SIX),
        (ANY_SIX, THERE_SIX, HERE_SIX),
    ]
    counts = [await answered(*way) for way in ways]
    calls = [await call(folder / name, host) for name, host in (("four", ANY), ("six", ANY_SIX))]
    print(json.dumps({"answered": counts, "calls": calls}))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
