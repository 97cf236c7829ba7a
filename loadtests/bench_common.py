"""What the benchmarks share: places, processor time, memory, percentiles, the machine."""

from __future__ import annotations

import os
import platform
import socket
import statistics
import subprocess
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PEERS = ROOT / "loadtests" / "peers"
TICK = os.sysconf("SC_CLK_TCK")


@cache
def cores() -> tuple[set[int], set[int]]:
    """The core of the server, and that of everything else (the same one on a small machine).

    Asked once: who has moved to the core of everything else would take it for the only one.
    """
    have = sorted(os.sched_getaffinity(0))
    return {have[0]}, set(have[1:2]) or {have[0]}


def cpu_seconds(pid: int) -> float:
    """User and system time of a process, all its threads together."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def resident_kb(pid: int) -> int:
    """Resident memory of a process, in KB."""
    fields = Path(f"/proc/{pid}/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


def percentiles(seconds: Iterable[float]) -> dict[str, float]:
    """p50, p99, p99.9 and the worst, in milliseconds; zeros for nothing."""
    ordered = sorted(seconds)
    if not ordered:
        return dict.fromkeys(("p50", "p99", "p99_9", "max", "mean"), 0.0)
    last = len(ordered) - 1
    points = {"p50": 0.5, "p99": 0.99, "p99_9": 0.999, "max": 1.0}
    found = {name: ordered[int(last * share)] * 1000 for name, share in points.items()}
    return {name: round(value, 3) for name, value in found.items()} | {
        "mean": round(statistics.fmean(ordered) * 1000, 3)
    }


def machine(pinned: Mapping[str, set[int]]) -> dict[str, Any]:
    """Where this is measured, and what else is going on. ``pinned`` names what has which core."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":", 1)[1].strip() for line in lines if "model name" in line), "?")
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "pinned": {name: sorted(where) for name, where in pinned.items()},
        "load_before": os.getloadavg(),
        "kernel": platform.release(),
        "at": datetime.now(UTC).isoformat(),
    }


def free_port(host: str = "127.0.0.1") -> int:
    with socket.socket() as found:
        found.bind((host, 0))
        port: int = found.getsockname()[1]
        return port


def end(process: subprocess.Popen[bytes], patience: float = 15.0) -> None:
    """Ask a process to end; make it, when it does not."""
    process.terminate()
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
