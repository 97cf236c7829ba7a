"""Cores that never halt while something is measured.

A virtual machine gives a halted core back to its host, and on the shared hosts that we know it
comes back late and with cold caches: the same wake-up then costs several times as much processor
time, in every server, and most in those that are woken most often. What is compared would be the
host. So a loop of the lowest class of the scheduler (`SCHED_IDLE`: it gives way at once to anything
else) keeps each core going, for all servers alike, as the boot option `idle=poll` would.

Where the kernel groups processes by session (autogroup) the class counts within a session only, so
each loop is a session of its own, of the least weight. Who measures PostgreSQL leaves its core
alone all the same: on Linux 6.18 it waited seconds beside a loop in the session of the load.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from loadtests.bench_common import ROOT

#: Turns of the loop between looks at whether it is still wanted: some ten milliseconds.
TURNS = 200_000
#: The weight of our session, as a niceness.
AUTOGROUP = Path("/proc/self/autogroup")


@contextmanager
def cores_awake(wanted: Iterable[int]) -> Iterator[None]:
    """Keep these cores from halting; the loops end with us."""
    loops = [
        subprocess.Popen(
            [sys.executable, "-m", "loadtests.bench_awake", str(core), str(os.getpid())], cwd=ROOT
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
    os.setsid()
    with suppress(OSError):
        # Not there where sessions are not grouped.
        AUTOGROUP.write_text("19")
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    while os.getppid() == parent:
        for _ in range(TURNS):
            pass


if __name__ == "__main__":
    main()
