"""How much media a worker forwards, beside Janus' VideoRoom and aiortc's MediaRelay, in one run.

    make bench-media                             everything, less than twenty minutes
    python -m loadtests.bench_media --quick      a look, a few minutes
    python -m loadtests.bench_media --only rooms --server zhenjian --server janus --quick

Needs root (or user namespaces) for a network namespace of its own, and Debian's package `janus`.
Prints a table and writes `var/bench/media.json`: machine, versions, every raw figure, `headline`.
Explained in docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import platform
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import uvloop

from loadtests import bench_media_browser
from loadtests.bench_awake import cores_awake
from loadtests.bench_common import ROOT, cpu_seconds, machine, percentiles, resident_kb
from loadtests.bench_media_caller import PROFILE, Traffic
from loadtests.bench_media_loss import loss, told
from loadtests.bench_media_signalling import (
    Participant,
    Recorded,
    Signalling,
    signalling,
)
from loadtests.bench_media_world import (
    HOST,
    OWN_CORE,
    SERVER_CORE,
    NotPossible,
    Server,
    enter_namespace,
    interrupt_on_terminate,
    janus_version,
    prefer,
    serve,
)

OUTPUT = ROOT / "var" / "bench" / "media.json"
SERVERS = ("zhenjian", "janus", "janus-loop", "relay")
PARTS = ("rooms", "fanout", "conference", "storm", "recording", "loss", "picture")
#: A generator that is later than this says nothing about the server.
LATEST_SEND_MS = 20.0
#: The sizes that are quoted: rooms at full and at half load, and viewers of one publisher.
ROOMS, HALF, VIEWERS = 20, 10, 50
JOINS_PER_SECOND, STAY_SECONDS, STORM_ROOMS = 10.0, 2.0, 20


@dataclass(frozen=True)
class Plan:
    """How long and how much. ``turns`` is how often the quoted scenarios are measured; after
    ``minutes`` nothing is begun any more. ``recorded`` seconds is a turn of the recording.
    """

    warm: float
    seconds: float
    recorded: float
    turns: int
    rooms: tuple[int, ...]
    viewers: tuple[int, ...]
    joins: int
    pictures: int
    minutes: float


FULL = Plan(2.0, 6.0, 20.0, 3, (5, HALF, ROOMS, 40), (10, VIEWERS, 200), 100, 30, 18.0)
QUICK = Plan(1.0, 4.0, 10.0, 1, (HALF, ROOMS), (VIEWERS,), 30, 10, 10.0)


class Budget:
    """The time that there is. What is quoted comes first, so that it is never what is left out."""

    def __init__(self, minutes: float) -> None:
        self._until = time.monotonic() + minutes * 60
        self.left_out: list[str] = []

    def allows(self, what: str) -> bool:
        """Whether there is time for another measurement; one that there is none for is named."""
        if time.monotonic() < self._until:
            return True
        if what not in self.left_out:
            self.left_out.append(what)
        return False


@dataclass
class Scene:
    """A server with its callers, while it is measured."""

    server: Server
    signalling: Signalling
    traffic: Traffic
    people: list[Participant] = field(default_factory=list)
    empty_kb: int = 0

    async def room(
        self,
        name: str,
        publishers: int,
        viewers: int,
        *,
        record: Recorded = "no",
        places: int = 0,
    ) -> None:
        """A room in which everybody is connected to everybody who publishes.

        ``places`` is how many may publish, when more are to come.
        """
        await self.signalling.room(name, places or publishers, record=record)
        here = [
            await self.signalling.join(name, f"{name}-{number}", publish=number < publishers)
            for number in range(publishers + viewers)
        ]
        for someone in here:
            await self.signalling.subscribe(someone)
        self.people += here

    def send(self) -> None:
        """Let everybody who publishes send."""
        self.traffic.start([each.sends for each in self.people if each.sends is not None])


@asynccontextmanager
async def scene(folder: Path, kind: str, host: str = HOST) -> AsyncIterator[Scene]:
    """A fresh server, and its memory once the first call has come and gone."""
    server = await serve(folder, kind, host)
    traffic = Traffic()
    signals = signalling(server, kind, traffic, host)
    try:
        await signals.open()
        found = Scene(server, signals, traffic)
        await found.room("first", 2, 0)
        await signals.end_room("first")
        found.people.clear()
        await asyncio.sleep(0.5)
        found.empty_kb = resident_kb(server.pid)
        yield found
    finally:
        traffic.stop()
        for someone in found.people:
            for connection in someone.connections:
                await connection.close()
        await signals.close()
        server.stop()
        gc.collect()


async def watch(scene: Scene, warm: float, seconds: float) -> dict[str, Any]:
    """Count for a while what is sent, what arrives where, and whose processor does it."""
    scene.send()
    await asyncio.sleep(warm)
    gc.collect()
    gc.disable()
    # What was due meanwhile leaves in one burst, as nobody's packets do: it is over then.
    await asyncio.sleep(0.5)
    viewers = [each.receives for each in scene.people if each.receives is not None]
    publishers = [each.sends for each in scene.people if each.sends is not None]
    before = [each.received for each in viewers]
    sent = sum(each.sent for each in publishers)
    traffic = scene.traffic
    del traffic.delays[:], traffic.lags[:]
    traffic.listening = True
    used, own, began = cpu_seconds(scene.server.pid), time.process_time(), time.perf_counter()
    await asyncio.sleep(seconds)
    used = cpu_seconds(scene.server.pid) - used
    own, spent = time.process_time() - own, time.perf_counter() - began
    traffic.listening = False
    arrived = [each.received - first for each, first in zip(viewers, before, strict=True)]
    sent = sum(each.sent for each in publishers) - sent
    gc.enable()
    await asyncio.sleep(0.2)
    forwarded = sum(arrived)
    return {
        "participants": len(scene.people),
        "seconds": round(spent, 3),
        "sent": sent,
        "forwarded": forwarded,
        "fewest_per_viewer": min(arrived),
        "most_per_viewer": max(arrived),
        "cpu_s": round(used, 2),
        "forwarded_per_cpu_s": round(forwarded / max(used, 0.01)),
        "us_per_packet": round(1e6 * used / max(forwarded, 1), 2),
        "server_share": round(used / spent, 3),
        "generator_share": round(own / spent, 3),
        "delay_ms": percentiles(traffic.delays),
        "send_lag_ms": percentiles(traffic.lags),
        "refused_or_wrong": sum(c.failed for each in scene.people for c in each.connections),
        "kb_per_participant": round(
            (resident_kb(scene.server.pid) - scene.empty_kb) / len(scene.people), 1
        ),
    }


async def measure(
    folder: Path,
    kind: str,
    shape: tuple[int, int, int],
    plan: Plan,
    *,
    record: Recorded = "no",
    host: str = HOST,
) -> dict[str, Any]:
    """One run. ``shape`` is the number of rooms, their publishers and their mere viewers."""
    rooms, publishers, viewers = shape
    async with scene(folder, kind, host) as found:
        for number in range(rooms):
            await found.room(f"r{number}", publishers, viewers, record=record)
        figures = await watch(found, plan.warm, plan.seconds)
    each = publishers * (publishers - 1 + viewers) * rooms
    figures["expected"] = round(figures["sent"] / (publishers * rooms) * each)
    figures["delivered_share"] = round(figures["forwarded"] / max(figures["expected"], 1), 4)
    figures["load_was_late"] = figures["send_lag_ms"]["p99"] > LATEST_SEND_MS
    _tell(kind if record == "no" else f"{kind} {record}", shape, figures)
    return figures


def _tell(name: str, shape: tuple[int, int, int], figures: dict[str, Any]) -> None:
    rooms, publishers, viewers = shape
    print(
        f"  {name:18} {rooms:3}x({publishers}+{viewers:3}) {figures['forwarded_per_cpu_s']:7}/CPU s"
        f" {figures['us_per_packet']:6.1f} µs  core {figures['server_share']:4.0%}"
        f"  load {figures['generator_share']:4.0%}  arrived {figures['delivered_share']:7.2%}"
        f"  delay p50 {figures['delay_ms']['p50']:.2f} p99 {figures['delay_ms']['p99']:.2f} ms"
        f"  {figures['kb_per_participant']:.0f} KB"
        f"{'  load was late' if figures['load_was_late'] else ''}",
        flush=True,
    )


async def storm(
    folder: Path, kind: str, plan: Plan, *, host: str = HOST, rooms: int = STORM_ROOMS
) -> dict[str, Any]:
    """Joins at a steady rate into rooms where somebody talks; each leaves again soon."""
    async with scene(folder, kind, host) as found:
        for number in range(rooms):
            await found.room(f"s{number}", 1, 0, places=4)
        found.send()
        await asyncio.sleep(1.0)
        took: list[float] = []
        failures: list[str] = []

        async def one(number: int) -> None:
            room = f"s{number % rooms}"
            began = time.perf_counter()
            try:
                someone = await found.signalling.join(room, f"j{number}")
                await found.signalling.subscribe(someone)
                assert someone.receives is not None
                await asyncio.wait_for(someone.receives.arrived.wait(), 10)
            except (TimeoutError, ConnectionError, RuntimeError) as error:
                failures.append(repr(error))
                return
            took.append(someone.receives.first_media - began)
            await asyncio.sleep(STAY_SECONDS)
            await found.signalling.leave(someone)

        used, began = cpu_seconds(found.server.pid), time.perf_counter()
        tasks = []
        for number in range(plan.joins):
            await asyncio.sleep(max(0.0, began + number / JOINS_PER_SECOND - time.perf_counter()))
            tasks.append(asyncio.create_task(one(number)))
        await asyncio.gather(*tasks)
        figures = {
            "joins": plan.joins,
            "failed": failures,
            "first_rtp_ms": percentiles(took) | {"p95": _p95(took)},
            "cpu_s": round(cpu_seconds(found.server.pid) - used, 2),
        }
    print(f"  {kind:18} storm  first RTP {figures['first_rtp_ms']}", flush=True)
    return figures


def _p95(seconds: Sequence[float]) -> float:
    ordered = sorted(seconds)
    return round(ordered[int((len(ordered) - 1) * 0.95)] * 1000, 1) if ordered else 0.0


def middle(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The run with the median processor time per packet."""
    return sorted(runs, key=lambda run: float(run["us_per_packet"]))[(len(runs) - 1) // 2]


async def turns(
    folder: Path, kinds: Sequence[str], shape: tuple[int, int, int], plan: Plan, budget: Budget
) -> dict[str, Any]:
    """Every server in turn, forth and back, so that a busy minute hits them alike."""
    runs: dict[str, list[dict[str, Any]]] = {kind: [] for kind in kinds}
    for turn in range(plan.turns):
        for kind in kinds if turn % 2 == 0 else reversed(kinds):
            if budget.allows(f"{kind} {shape}, turn {turn + 1}"):
                runs[kind].append(await measure(folder, kind, shape, plan))
    return {kind: {**middle(found), "runs": found} for kind, found in runs.items() if found}


async def recording(folder: Path, plan: Plan, budget: Budget) -> dict[str, Any] | None:
    """The same rooms without a recording, with a journal alone, and with one that is stored, in
    turn. Segments are closed and stored every ten seconds, so a turn takes a multiple of that.
    """
    plan = replace(plan, seconds=plan.recorded)
    ways: tuple[Recorded, ...] = ("no", "journal", "stored")
    runs: dict[str, list[float]] = {way: [] for way in ways}
    for turn in range(plan.turns + 1):
        for way in ways if turn % 2 == 0 else reversed(ways):
            if budget.allows(f"recording, turn {turn + 1}"):
                figures = await measure(folder, "zhenjian", (ROOMS, 2, 0), plan, record=way)
                runs[way].append(figures["us_per_packet"])
    if not all(runs.values()):
        return None
    off, journal, stored = (statistics.median(runs[way]) for way in ways)
    return {
        "us": runs,
        "overhead": round(journal / off - 1, 3),
        "overhead_stored": round(stored / off - 1, 3),
    }


async def run(plan: Plan, parts: Sequence[str], servers: Sequence[str]) -> dict[str, Any]:
    """The parts that are wanted, of the servers that are wanted."""
    budget = Budget(plan.minutes)
    report: dict[str, Any] = {
        "machine": machine({"server": SERVER_CORE, "load": OWN_CORE}) | {"niceness": prefer()},
        "versions": versions(servers),
        "srtp_profile": PROFILE.openssl_profile.decode(),
        "rooms": {},
        "fanout": {},
        "storm": {},
    }
    os.sched_setaffinity(0, OWN_CORE)
    sfus = [kind for kind in servers if kind != "relay"]
    with tempfile.TemporaryDirectory(prefix="bench-media-") as name, cores_awake():
        folder = Path(name)
        await _quoted(folder, report, plan, parts, sfus, budget)
        await _others(folder, report, once(plan), parts, servers, budget)
    for part in ("rooms", "fanout"):
        report[part] = dict(sorted(report[part].items()))
    report["left_out"] = budget.left_out
    report["headline"] = headline(report)
    return report


async def _quoted(
    folder: Path,
    report: dict[str, Any],
    plan: Plan,
    parts: Sequence[str],
    sfus: Sequence[str],
    budget: Budget,
) -> None:
    if "rooms" in parts:
        for rooms in (ROOMS, HALF):
            report["rooms"][rooms] = await turns(folder, sfus, (rooms, 2, 0), plan, budget)
    if "fanout" in parts:
        report["fanout"][VIEWERS] = await turns(folder, sfus, (1, 1, VIEWERS), plan, budget)
    if "storm" in parts:
        for kind in sfus:
            if budget.allows(f"{kind} storm"):
                report["storm"][kind] = await storm(folder, kind, plan)
    if "recording" in parts and "zhenjian" in sfus:
        report["recording"] = await recording(folder, plan, budget)
    if "loss" in parts and "zhenjian" in sfus and budget.allows("loss"):
        report["loss"] = await loss(folder, warm=3.0, seconds=5 * plan.seconds)
        print("  " + told(report["loss"]), flush=True)
    if "picture" in parts and "zhenjian" in sfus and budget.allows("picture"):
        await _picture(folder, report, plan, budget)


async def _picture(folder: Path, report: dict[str, Any], plan: Plan, budget: Budget) -> None:
    server = await serve(folder, "zhenjian")
    try:
        report["picture"] = await bench_media_browser.first_pictures(server, plan.pictures)
    except NotPossible as problem:
        budget.left_out.append(f"picture ({problem})")
    finally:
        server.stop()


async def _others(
    folder: Path,
    report: dict[str, Any],
    plan: Plan,
    parts: Sequence[str],
    servers: Sequence[str],
    budget: Budget,
) -> None:
    sfus = [kind for kind in servers if kind != "relay"]
    if "conference" in parts:
        report["conference"] = await turns(folder, sfus, (1, 10, 0), plan, budget)
    if "rooms" in parts and "relay" in servers:
        # It decodes and encodes: one room is enough for a core.
        report["relay"] = await turns(folder, ["relay"], (1, 2, 0), plan, budget)
    if "rooms" in parts:
        for rooms in plan.rooms:
            if rooms not in report["rooms"]:
                report["rooms"][rooms] = await turns(folder, sfus, (rooms, 2, 0), plan, budget)
    if "fanout" in parts:
        for viewers in plan.viewers:
            if viewers not in report["fanout"]:
                shape = (1, 1, viewers)
                report["fanout"][viewers] = await turns(folder, sfus, shape, plan, budget)


def once(plan: Plan) -> Plan:
    """The plan for what is shown but not quoted."""
    return replace(plan, turns=1)


def versions(servers: Sequence[str]) -> dict[str, str]:
    names = ("aiortc", "pylibsrtp", "pyOpenSSL", "cryptography", "uvloop")
    found = {"python": platform.python_version(), **{name: version(name) for name in names}}
    if any(name.startswith("janus") for name in servers):
        found["janus"] = janus_version()
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
    if "zhenjian" not in found or peer not in found:
        return None
    return round(float(found["zhenjian"][what]) / float(found[peer][what]), 2)


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
    lines += ["", *(f"{key}: {value}" for key, value in report["headline"].items())]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="shorter, the quoted sizes only")
    parser.add_argument("--only", action="append", choices=PARTS)
    parser.add_argument("--server", action="append", choices=SERVERS)
    parser.add_argument("--turns", type=int, help="how often the quoted sizes are measured")
    given = parser.parse_args()
    parts, servers = given.only or PARTS, given.server or SERVERS
    try:
        if any(name.startswith("janus") for name in servers):
            janus_version()
        enter_namespace("loadtests.bench_media", sys.argv[1:])
    except NotPossible as problem:
        raise SystemExit(f"make bench-media: {problem}") from None
    interrupt_on_terminate()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    plan = QUICK if given.quick else FULL
    plan = replace(plan, turns=given.turns or plan.turns)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            report = runner.run(run(plan, parts, servers))
    except KeyboardInterrupt:
        raise SystemExit("Interrupted: nothing was written, everything was ended.") from None
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(report, indent=1) + "\n")
    print(table(report))


if __name__ == "__main__":
    main()
