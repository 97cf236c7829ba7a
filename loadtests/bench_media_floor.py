"""What a datagram costs on this machine at least: `peers/floor.c`, which only takes and sends.

No server is cheaper than that in the same manner, whatever it is written in: it says what of a
server's time is the kernel's and the wake-up's, and what its own.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from loadtests.bench_common import PEERS, cpu_seconds, end
from loadtests.bench_media_caller import AUDIO_BYTES, AUDIO_RATE, VIDEO_BYTES, VIDEO_RATE
from loadtests.bench_media_world import HOST, NotPossible, begin

#: Milliseconds between two looks at the socket; 0: whenever something comes.
TICKS = (0.0, 0.3, 1.0, 4.0)
_SOCKETS = 40
_RTP = 0x80


async def floor(
    folder: Path, rooms: Sequence[int], seconds: float, *, host: str = HOST
) -> list[dict[str, Any]]:
    """Processor time a datagram, for what so many rooms of two send. Raises NotPossible without a
    C compiler that takes it.
    """
    program = folder / "floor"
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        raise NotPossible("There is no C compiler (Debian: gcc).")
    command = [compiler, "-O2", "-o", str(program), str(PEERS / "floor.c")]
    made = await asyncio.to_thread(subprocess.run, command, capture_output=True, check=False)
    if made.returncode:
        raise NotPossible(f"{program.name} was not compiled: {made.stderr.decode()[-300:]}")
    return [
        await asyncio.to_thread(_measure, program, host, count, tick, seconds)
        for count in rooms
        for tick in TICKS
    ]


def _measure(program: Path, host: str, rooms: int, tick: float, seconds: float) -> dict[str, Any]:
    process = subprocess.Popen(
        [str(program), host, str(round(1000 * tick))],
        stdout=subprocess.PIPE,
        process_group=0,
        preexec_fn=begin,
    )
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        rate = rooms * 2 * (AUDIO_RATE + VIDEO_RATE)
        _drive((host, port), rate, 0.3)
        used = cpu_seconds(process.pid)
        back = _drive((host, port), rate, seconds)
        used = cpu_seconds(process.pid) - used
    finally:
        end(process)
    return {
        "rooms": rooms,
        "datagrams_per_s": rate,
        "look_every_ms": tick,
        "arrived": back,
        "us_per_datagram": round(1e6 * used / max(back, 1), 1),
    }


def _drive(address: tuple[str, int], rate: int, seconds: float) -> int:
    """Send at a steady rate what rooms send, sound and pictures; how many came back."""
    share = AUDIO_RATE / (AUDIO_RATE + VIDEO_RATE)
    sound, picture = bytes([_RTP]) * AUDIO_BYTES, bytes([_RTP]) * VIDEO_BYTES
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(_SOCKETS)]
    try:
        for each in sockets:
            each.setblocking(False)
            each.connect(address)
        back, began = 0, time.perf_counter()
        for number in range(round(rate * seconds)):
            # It never rests: what comes back wakes nobody up, as on a network card.
            at = number
            while True:
                at += 1
                back += _heard(sockets[at % _SOCKETS])
                if time.perf_counter() >= began + number / rate:
                    break
            loud = number * share % 1 < share
            with suppress(BlockingIOError, ConnectionError):
                sockets[number % _SOCKETS].send(sound if loud else picture)
        time.sleep(0.05)
        return back + sum(_heard(each) for each in sockets)
    finally:
        for each in sockets:
            each.close()


def _heard(found: socket.socket) -> int:
    """How many datagrams waited there."""
    count = 0
    with suppress(BlockingIOError, ConnectionError):
        while True:
            found.recv(2048)
            count += 1
    return count
