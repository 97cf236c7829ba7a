"""What the media benchmark says in the end: the figures that are quoted, and the table."""

from __future__ import annotations

import platform
import statistics
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from loadtests.bench_media_loss import told
from loadtests.bench_media_plan import HALF, ROOMS, VIEWERS
from loadtests.bench_media_world import janus_version
from media import compiled


def versions(servers: Sequence[str]) -> dict[str, str]:
    names = ("aiortc", "pylibsrtp", "pyOpenSSL", "cryptography", "uvloop")
    found = {"python": platform.python_version(), **{name: version(name) for name in names}}
    if any(name.startswith("janus") for name in servers):
        found["janus"] = janus_version()
    found["packets"] = (
        "compiled" if (compiled.FOLDER / compiled.digest()).is_dir() else "interpreted"
    )
    return found


def headline(report: dict[str, Any]) -> dict[str, float | None]:
    """The figures that are quoted; None for what was not measured."""
    at_20 = report["rooms"].get(ROOMS, {})
    at_50 = report["fanout"].get(VIEWERS, {})
    at_10 = report["rooms"].get(HALF, {})
    storms = report["storm"]
    record, picture = report.get("recording"), report.get("picture")
    ours = at_20.get("zhenjian")
    return {
        "packets_per_cpu_vs_janus": _ratio(at_20, "janus", "forwarded_per_cpu_s"),
        "packets_per_cpu_vs_janus_event_loop": _ratio(at_20, "janus-loop", "forwarded_per_cpu_s"),
        "fanout_per_cpu_vs_janus": _ratio(at_50, "janus", "forwarded_per_cpu_s"),
        "fanout_per_cpu_vs_janus_event_loop": _ratio(at_50, "janus-loop", "forwarded_per_cpu_s"),
        "latency_p99_vs_janus": _latency(at_10),
        "latency_p99_ms_at_full_load": ours["delay_ms"]["p99"] if ours else None,
        "recording_cpu_overhead": record["overhead"] if record else None,
        "recording_cpu_overhead_stored": record["overhead_stored"] if record else None,
        "join_p95_ms": storms["zhenjian"]["first_rtp_ms"]["p95"] if "zhenjian" in storms else None,
        "kb_per_participant": ours["kb_per_participant"] if ours else None,
        "first_picture_p95_ms": picture["first_picture_ms"]["p95"] if picture else None,
    }


def _ratio(found: dict[str, Any], peer: str, what: str) -> float | None:
    """Ours over theirs: the median of the turns, each beside the other's next to it."""
    if "zhenjian" not in found or peer not in found:
        return None
    turns = zip(found["zhenjian"]["runs"], found[peer]["runs"], strict=False)
    return round(statistics.median(float(ours[what]) / theirs[what] for ours, theirs in turns), 2)


def _latency(found: dict[str, Any]) -> float | None:
    """Ours over Janus' at half load, each the median of its runs: one long pause of the machine is
    no answer.
    """
    if "zhenjian" not in found or "janus" not in found:
        return None
    ours, theirs = (
        statistics.median(run["delay_ms"]["p99"] for run in found[kind]["runs"])
        for kind in ("zhenjian", "janus")
    )
    return round(float(ours / theirs), 2)


def table(report: dict[str, Any]) -> str:
    """The report as a person reads it."""
    lines = [
        f"{'':28}{'forwarded':>11}{'µs per':>9}{'server':>8}{'delay p50/p99':>16}{'KB per':>8}",
        f"{'':28}{'per CPU s':>11}{'packet':>9}{'core':>8}{'ms':>16}{'person':>8}",
    ]
    groups = [
        *((f"{count} rooms", found) for count, found in report["rooms"].items()),
        *((f"1 to {count}", found) for count, found in report["fanout"].items()),
        ("10 x 10", report.get("conference", {})),
        ("1 room", report.get("relay", {})),
    ]
    for name, found in groups:
        for kind, figures in found.items():
            delay = "{p50:.1f}/{p99:.1f}".format(**figures["delay_ms"])
            lines.append(
                f"{name:14}{kind:14}{figures['forwarded_per_cpu_s']:11}"
                f"{figures['us_per_packet']:9.1f}{figures['server_share']:8.0%}{delay:>16}"
                f"{figures['kb_per_participant']:8.0f}"
            )
    for kind, figures in report["storm"].items():
        joined = "p50 {p50:.0f}, p95 {p95:.0f} ms".format(**figures["first_rtp_ms"])
        lines.append(f"{'join storm':14}{kind:14} first packet {joined}")
    if "picture" in report:
        shown = "p50 {p50:.0f}, p95 {p95:.0f} ms".format(**report["picture"]["first_picture_ms"])
        lines.append(f"{'Chromium':14}{'zhenjian':14} first picture {shown}")
    if "loss" in report:
        lines.append(f"{'bad network':14}{'zhenjian':14} {told(report['loss'])}")
    for floor in report.get("floor", []):
        look = f"every {floor['look_every_ms']:g} ms" if floor["look_every_ms"] else "at once"
        lines.append(
            f"{str(floor['rooms']) + ' rooms':14}{'floor':14} looked at {look:14}"
            f"{floor['us_per_datagram']:6.1f} µs"
        )
    lines += ["", *(f"{key}: {value}" for key, value in report["headline"].items())]
    return "\n".join(lines)
