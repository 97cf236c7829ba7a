"""`make soak`, second part: a long conference, and the worker grows no fatter by it.

Everybody receives everybody, the call is recorded, and every few seconds somebody leaves and
comes back with a fresh session.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from loadtests.bench_common import resident_kb
from loadtests.bench_media_caller import Traffic
from loadtests.bench_media_signalling import Ours, Participant
from media import compiled
from tests.media.sfu.support import SECRET, WorkerProcess

PEOPLE = 8
#: From here on the worker has seen everything that it will see.
WARM_SECONDS = 120.0
#: What resident memory may grow by after that, in KB. A recording waits in memory until it is
#: flushed and stored, which makes up to 4 MB from one look to the next; twelve octets for each
#: packet that is taken in ten minutes would be more than this, and so would 100 KB for each who
#: leaves.
GROWTH_KB = 8_000
#: Seconds from one who leaves to the next.
CHANGE_SECONDS = 5.0
SAMPLE_SECONDS = 10.0
#: A recording of ten minutes is sealed and stored after the end.
SETTLE_SECONDS = 120.0


@dataclass
class Outcome:
    """What a run found. ``resident_kb`` are pairs of seconds and KB; counts are of sockets and of
    tasks, before the call and after its end.
    """

    people: int
    warm: float
    resident_kb: list[tuple[float, int]] = field(default_factory=list)
    before: tuple[int, int] = (0, 0)
    after: tuple[int, int] = (0, 0)
    received: int = 0
    silent: list[str] = field(default_factory=list)
    changes: int = 0

    @property
    def growth_kb(self) -> int:
        """From the end of the warm time to the end of the call, each the mean of six samples."""
        late = [kb for at, kb in self.resident_kb if at >= self.warm]
        few = min(6, len(late))
        return round(sum(late[-few:]) / few - sum(late[:few]) / few)

    @property
    def problems(self) -> list[str]:
        found = []
        if self.growth_kb > GROWTH_KB:
            found.append(f"resident memory grew by {self.growth_kb} KB, {GROWTH_KB} are allowed")
        if self.after != self.before:
            found.append(f"sockets and tasks: {self.before} before, {self.after} after the call")
        if self.silent:
            found.append("nothing reached " + ", ".join(self.silent))
        return found

    def tell(self) -> str:
        first, last = self.resident_kb[0], self.resident_kb[-1]
        return (
            f"{self.people} people, {last[0]:.0f} s, {self.received} packets received, "
            f"{self.changes} times somebody left and came back; resident {first[1]} KB at "
            f"{first[0]:.0f} s, {last[1]} KB at the end, {self.growth_kb} KB more than after "
            f"{self.warm:.0f} s; sockets and tasks {self.before} before, {self.after} after"
        )


class Conference:
    """People in one recorded call of a worker."""

    def __init__(self, signals: Ours, traffic: Traffic) -> None:
        self._signals = signals
        self._traffic = traffic
        self.name = ""
        self.people: list[Participant] = []
        self.received = 0

    async def begin(self, name: str, people: int) -> None:
        self.name = name
        await self._signals.room(name, people, record=True)
        self.people = [await self._signals.join(name, f"{name}-{n}") for n in range(people)]
        self._send()

    async def change(self) -> None:
        """Who has been here longest leaves, and comes back."""
        gone = self.people.pop(0)
        self._traffic.stop()
        self.received += _received(gone)
        await self._signals.leave(gone)
        self.people.append(await self._signals.join(self.name, gone.name))
        self._send()

    async def end(self) -> None:
        self._traffic.stop()
        self.received += sum(_received(each) for each in self.people)
        await self._signals.end_room(self.name)

    def _send(self) -> None:
        self._traffic.start([each.sends for each in self.people if each.sends is not None])


def _received(someone: Participant) -> int:
    return sum(each.received for each in someone.connections)


@asynccontextmanager
async def running_worker(folder: Path) -> AsyncIterator[tuple[WorkerProcess, Conference]]:
    """A worker and nobody in it."""
    worker = WorkerProcess(folder)
    await worker.start()
    traffic = Traffic(rest=0.002)
    signals = Ours(worker, traffic, "127.0.0.1", SECRET)
    try:
        await signals.open()
        yield worker, Conference(signals, traffic)
    finally:
        traffic.stop()
        await signals.close()
        await worker.stop()


async def run(
    folder: Path,
    *,
    people: int = PEOPLE,
    seconds: float = 600.0,
    warm: float = WARM_SECONDS,
    sample: float = SAMPLE_SECONDS,
    change: float = CHANGE_SECONDS,
    say: Callable[[str], None] = lambda _: None,
) -> Outcome:
    """A conference of so many people for so long, watched. The worker's files lie in ``folder``."""
    found = Outcome(people, warm)
    async with running_worker(folder) as (worker, conference):
        # What is made once, is made now.
        await conference.begin("first", 2)
        await asyncio.sleep(1.0)
        await conference.end()
        found.before = await _settled(worker)
        await conference.begin("long", people)
        began = time.monotonic()
        changed = sampled = began
        while (now := time.monotonic()) < began + seconds:
            if now - changed >= change:
                changed = now
                found.changes += 1
                await conference.change()
            if now - sampled >= sample:
                sampled = now
                found.resident_kb.append((now - began, resident_kb(worker.pid)))
                say(f"{now - began:4.0f} s {found.resident_kb[-1][1]} KB")
            await asyncio.sleep(min(0.2, sample))
        found.silent = [each.name for each in conference.people if not _received(each)]
        await conference.end()
        found.received = conference.received
        found.after = await _settled(worker, found.before)
    return found


async def _settled(worker: WorkerProcess, wanted: tuple[int, int] | None = None) -> tuple[int, int]:
    """Sockets and tasks once they are as wanted, or stand still for a second; or as they are after
    a long wait.
    """
    until = time.monotonic() + SETTLE_SECONDS
    last: tuple[int, int] | None = None
    while True:
        now = (worker.sockets(), await worker.tasks())
        if now == (wanted or last) or time.monotonic() > until:
            return now
        last = now
        await asyncio.sleep(1.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--people", type=int, default=PEOPLE)
    parser.add_argument("--seconds", type=float, default=600.0)
    given = parser.parse_args()
    warm = min(WARM_SECONDS, given.seconds / 5)

    def say(line: str) -> None:
        print(line, flush=True)

    # What an installed worker would run.
    there = (compiled.FOLDER / compiled.digest()).is_dir()
    if there:
        os.environ["ZHENJIAN_TEST_COMPILED"] = str(compiled.FOLDER)
    say(f"packets go the {'compiled' if there else 'interpreted'} way")
    with tempfile.TemporaryDirectory(prefix="zhenjian-call-soak-") as folder:
        outcome = asyncio.run(
            run(Path(folder), people=given.people, seconds=given.seconds, warm=warm, say=say)
        )
    print(outcome.tell())
    for problem in outcome.problems:
        print(problem, file=sys.stderr)
    raise SystemExit(1 if outcome.problems else 0)


if __name__ == "__main__":
    main()
