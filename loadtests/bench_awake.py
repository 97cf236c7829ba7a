"""Cores that never halt while something is measured.

A virtual machine gives a halted core back to its host, and on the shared hosts that we know it
comes back late and with cold caches: the same wake-up then costs several times as much processor
time, in every server, and most in those that are woken most often. What is compared would be the
host. So a loop of the lowest class of the scheduler (`SCHED_IDLE`: it gives way at once to anything
else) keeps each core going, for all servers alike, as the boot option `idle=poll` would.

Where the kernel groups processes by session (autogroup) the class counts within a session only: a
server in another one than the loop's waits, now and then, for the scheduler's next tick (4 ms at
250 Hz). So the loops, and the servers beside them, are of the benchmark's own session. PostgreSQL
makes a session for itself: who measures it leaves its core alone.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from loadtests.bench_common import ROOT

#: Turns of the loop between looks at whether it is still wanted: some ten milliseconds.
TURNS = 200_000


@contextmanager
def cores_awake(wanted: Iterable[int]) -> Iterator[None]:
    """Keep these cores from halting; the loops end with us."""
    loops = [
        subprocess.Popen(
            [sys.executable, "-m", "loadtests.bench_awake", str(core), str(os.getpid())],
            cwd=ROOT,
            # A Ctrl-C is for the benchmark, which ends them.
            process_group=0,
        )
        for core in sorted(wanted)
    ]
    try:
        yield
    finally:
        for each in loops:
            each.kill()
            each.wait()


def main() -> None:
    core, parent = int(sys.argv[1]), int(sys.argv[2])
    os.sched_setaffinity(0, {core})
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    while os.getppid() == parent:
        for _ in range(TURNS):
            pass


if __name__ == "__main__":
    main()
