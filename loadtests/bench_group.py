"""A control group of the scheduler's for a benchmark and all that it starts, as services have one.

Outside of one, Linux may group processes by session (`kernel.sched_autogroup_enabled`), for
desktops: a process that wakes up then waits, now and then, for the scheduler's next tick (4 ms at
250 Hz) although its core has nothing better to do. Each of PostgreSQL's processes is a session.
A service of systemd's knows nothing of that, and what is measured here is to run as a service does.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

#: Ten times the usual weight: what else runs on the machine weighs less.
_WEIGHTS: Final = (("cpu.shares", "10240"), ("cpu.weight", "1000"))


@contextmanager
def as_a_service() -> Iterator[bool]:
    """Be in such a group; what is started meanwhile is in it too, and is to end before it.

    False where we are in none, and none can be made.
    """
    above, path = _present(
        Path("/proc/self/cgroup").read_text(), Path("/proc/self/mounts").read_text()
    )
    if above is None or path != "/":
        yield above is not None
        return
    group = above / f"zhenjian-bench-{os.getpid()}"
    try:
        group.mkdir()
        _move(group)
    except OSError:
        with suppress(OSError):
            group.rmdir()
        yield False
        return
    for name, weight in _WEIGHTS:
        # The name differs between the two versions of control groups.
        if (group / name).exists():
            (group / name).write_text(weight)
    try:
        yield True
    finally:
        _move(above)
        with suppress(OSError):
            # Something in it outlived us: it keeps its group.
            group.rmdir()


def _move(group: Path) -> None:
    (group / "cgroup.procs").write_text(str(os.getpid()))


def _present(own: str, mounts: str) -> tuple[Path | None, str]:
    """The folder and the path of the group in which the scheduler has us; no folder for none.

    ``own`` and ``mounts`` are what the kernel says (cgroups(7), proc(5)).
    """
    paths = {}
    for line in own.splitlines():
        _, controllers, path = line.split(":", 2)
        paths |= dict.fromkeys(controllers.split(","), path)
    for line in mounts.splitlines():
        _, point, kind, options, *_ = line.split()
        if kind == "cgroup" and "cpu" in options.split(",") and "cpu" in paths:
            return Path(point + paths["cpu"]), paths["cpu"]
        if kind == "cgroup2" and "cpu" not in paths and _shares(Path(point), paths.get("", "/")):
            return Path(point + paths[""]), paths[""]
    return None, "/"


def _shares(top: Path, path: str) -> bool:
    """Whether the processor is shared out among the groups at this level."""
    level = top if path == "/" else (top / path[1:]).parent
    try:
        return "cpu" in (level / "cgroup.subtree_control").read_text().split()
    except OSError:
        return False
