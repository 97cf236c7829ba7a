"""Cores that never halt while something is measured.

A virtual machine gives a halted core back to its host, and on the shared hosts that we know it
comes back late and with cold caches: the same wake-up then costs several times as much processor
time, in every server, and most in those that are woken most often. What is compared would be the
host. So a loop of the lowest class of the scheduler (`SCHED_IDLE`: it gives way at once to anything
else) keeps each core going, for all servers alike, as the boot option `idle=poll` would.

Where the kernel groups processes by session (autogroup) it does not give way: the class counts
within its session only. On Linux 6.18 PostgreSQL, which has a session of its own, waited seconds
for the core beside such a loop. There the cores are left alone.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from loadtests.bench_common import ROOT, cores

#: Turns of the loop between looks at whether it is still wanted: some ten milliseconds.
TURNS = 200_000
AUTOGROUP = Path("/proc/sys/kernel/sched_autogroup_enabled")


def sessions_are_grouped() -> bool:
    """Whether the scheduler shares out by session before it looks at classes."""
    try:
        return AUTOGROUP.read_text().strip() == "1"
    except OSError:
        return False


@contextmanager
def cores_awake() -> Iterator[None]:
    """Keep the cores of the server and of the load from halting; the loops end with us."""
    if sessions_are_grouped():
        yield
        return
    loops = [
        subprocess.Popen(
            [sys.executable, "-m", "loadtests.bench_awake", str(core), str(os.getpid())], cwd=ROOT
        )
        for core in sorted(set().union(*cores()))
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
