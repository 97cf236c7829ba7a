"""How fast the rooms are, beside Node's Socket.IO and stock python-socketio, in one run.

    make bench-chat                          everything, about ten minutes
    python -m loadtests.bench_chat --quick   a look, about a minute
    python -m loadtests.bench_chat --only zhenjian --quick

Prints a table and writes `var/bench/chat.json`: machine, versions, every raw figure and `headline`.
Explained in docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import resource
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import uvloop

from loadtests import bench_chat_ceiling
from loadtests.bench_awake import cores_awake
from loadtests.bench_chat_world import (
    Generator,
    Server,
    World,
    found,
    running_redis,
    serve,
)
from loadtests.bench_common import PEERS, ROOT, cores, machine
from loadtests.bench_disk import LONGEST_MS, DiskWatch, disk_watched
from loadtests.bench_group import as_a_service

OUTPUT = ROOT / "var" / "bench" / "chat.json"
SERVERS = ("zhenjian", "node", "node-sql", "stock-sql")
PARTS = (*SERVERS, "nodes", "crowd", "ceiling")
#: A step counts as sustained up to this acknowledgement time, and if this share was delivered.
LONGEST_P99_MS, LEAST_DELIVERED = 250.0, 0.995
#: Turns at half of the best.
HALF_TURNS = 5
#: How often a step is tried that was too much while the disk was away.
TRIES = 3
#: A run in which the load itself was late says nothing about the server.
LATEST_SEND_MS, BUSIEST_GENERATOR = 20.0, 0.9


@dataclass(frozen=True)
class Plan:
    """How long and how much."""

    connections: int
    idle: int
    probe_seconds: float
    step_seconds: float
    half_seconds: float
    steps: int


FULL = Plan(2000, 5000, 4.0, 8.0, 10.0, 8)
QUICK = Plan(1000, 1000, 2.0, 3.0, 2.0, 3)


async def measure_server(world: World, load: Generator, kind: str, plan: Plan) -> dict[str, Any]:
    """Find the rate that a server sustains, then look at its latency at half of it."""
    await world.empty_rooms()
    server = await serve(world, kind)
    try:
        return await _measure(world, load, [server], plan)
    finally:
        server.stop()


async def measure_nodes(world: World, load: Generator, plan: Plan) -> dict[str, Any]:
    """Two nodes with a Redis between them, the members of each room on different nodes.

    Both have the server's core between them, so that the work is compared, not the cores.
    """
    await world.empty_rooms()
    with running_redis(world.folder) as url:
        nodes: list[Server] = []
        try:
            for _ in range(2):
                nodes.append(await serve(world, "zhenjian", {"ZHENJIAN_REDIS_URL": url}))
            return await _measure(world, load, nodes, plan)
        finally:
            for node in nodes:
                node.stop()


async def _measure(
    world: World, load: Generator, nodes: Sequence[Server], plan: Plan
) -> dict[str, Any]:
    people, ports = world.people(plan.connections), [node.port for node in nodes]

    async def connect() -> None:
        await load.do("connect", ports=ports, people=people)

    await connect()
    with disk_watched(world.folder) as disk:
        run = partial(_step, load, nodes, disk)
        steps = await _climb(load, run, plan, connect)
        good = [step for step in steps if step["sustained"]]
        best = max(good or steps, key=lambda step: step["rate"])
        # What the host takes away for a tenth of a second is a turn's whole 99th percentile, of
        # any server: the turn in the middle counts, and all are kept.
        halves = [await run(best["rate"] / 2, plan.half_seconds) for _ in range(HALF_TURNS)]
    await load.do("disconnect")
    half = middle(halves)
    steady = [step for step in halves if step["disk_longest_ms"] <= LONGEST_MS]
    return {
        "best": best,
        "half": half,
        "half_of_steady_disk": middle(steady) if steady else None,
        "halves": halves,
        "steps": steps,
    }


def middle(steps: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The step in the middle by the 99th percentile of its acknowledgements, or the one above."""
    return sorted(steps, key=lambda step: float(step["ack_ms"]["p99"]))[len(steps) // 2]


Run = Callable[[float, float], Awaitable[dict[str, Any]]]


async def _climb(
    load: Generator, run: Run, plan: Plan, connect: Callable[[], Awaitable[None]]
) -> list[dict[str, Any]]:
    """Steps towards the rate at which the server's core is full."""
    probe = await run(300.0, plan.probe_seconds)
    steps = [probe]
    rate = 0.85 * probe["rate"] / max(probe["server_share"], 0.02)
    for _ in range(plan.steps):
        for _ in range(TRIES):
            step = await run(rate, plan.step_seconds)
            steps.append(step)
            if step["lines_lost"]:
                await load.do("disconnect")
                await connect()
            if step["sustained"] or step["disk_longest_ms"] <= LONGEST_MS:
                break
        if step["sustained"] and step["server_share"] < 0.97:
            # Work per message falls as groups grow, so the share promises less than there is.
            rate *= min(1.6, max(1.05, 0.98 / step["server_share"]))
        elif step["sustained"]:
            rate *= 1.05
        else:
            lower = max(
                (s["rate"] for s in steps if s["sustained"] and s["rate"] < rate), default=0
            )
            rate = (rate + lower) / 2 if lower else rate * 0.7
    return steps


async def _step(
    load: Generator, nodes: Sequence[Server], disk: DiskWatch, rate: float, seconds: float
) -> dict[str, Any]:
    watch = {f"node-{number}": node.pid for number, node in enumerate(nodes, start=1)}
    disk.told()
    figures = await load.do(
        "run", rate=rate, warm=min(2.0, seconds / 2), seconds=seconds, watch=watch
    )
    figures |= disk.told()
    used = figures["cpu"]["server"] = sum(figures["cpu"][name] for name in watch)
    share = used / figures["seconds"]
    sent = max(1, figures["sent"])
    figures["server_share"] = share
    figures["generator_share"] = figures["cpu"]["generator"] / figures["seconds"]
    figures["delivered_per_cpu_s"] = figures["delivered"] / max(used, 0.01)
    figures["us_per_message"] = 1e6 * used / max(1, figures["acknowledged"])
    figures["load_was_late"] = (
        figures["send_lag_p99_ms"] > LATEST_SEND_MS
        or figures["generator_share"] > BUSIEST_GENERATOR
    )
    # What was sent in the last moments may still be on its way.
    settled = sent - rate * LONGEST_P99_MS / 1000
    figures["sustained"] = (
        figures["delivered"] >= 2 * settled * LEAST_DELIVERED
        and figures["ack_ms"]["p99"] <= LONGEST_P99_MS
        and not figures["refused"]
    )
    print(
        f"  {nodes[0].name:10} {rate:8.0f}/s  core {share:4.0%}"
        f"  load {figures['generator_share']:4.0%}"
        f"  {figures['us_per_message']:6.1f} µs  ack p50 {figures['ack_ms']['p50']:.1f}"
        f" p99 {figures['ack_ms']['p99']:.1f} ms  late {figures['send_lag_p99_ms']:.1f} ms"
        f"  disk {figures['disk_longest_ms']:.0f} ms"
        f"{'' if figures['sustained'] else '  too much'}",
        flush=True,
    )
    return figures


async def measure_crowd(world: World, load: Generator, plan: Plan) -> dict[str, Any]:
    """Memory of idle connections; all of them cut at once; all of them back."""
    server = await serve(world, "zhenjian")
    try:
        # What a first connection loads does not belong to the others.
        await load.do("connect", ports=[server.port], people=world.people(200))
        await load.do("disconnect")
        await asyncio.sleep(2)
        empty = server.resident_kb()
        arrived = await load.do("connect", ports=[server.port], people=world.people(plan.idle))
        await asyncio.sleep(10)
        full = server.resident_kb()
        await load.do("run", rate=500.0, warm=0.0, seconds=plan.idle / 250, watch={})
        people = world.people(plan.idle)
        await server.longest_stall_ms()
        await load.do("drop")
        await asyncio.sleep(3)
        stall = await server.longest_stall_ms()
        back = await load.do("resync", missed=3, people=people)
        return {
            "connections": plan.idle,
            "resident_kb_before": empty,
            "resident_kb_after": full,
            "kb_per_idle_connection": (full - empty) / plan.idle,
            "connect_all_s": arrived["seconds"],
            "drop_longest_stall_ms": stall,
            "resync_s": back["seconds"],
            "resync_longest_stall_ms": await server.longest_stall_ms(),
        }
    finally:
        await load.do("disconnect")
        server.stop()


def headline(report: dict[str, Any]) -> dict[str, float | None]:
    """The figures that are quoted."""
    servers, crowd = report["servers"], report.get("crowd", {})

    def ratio(peer: str) -> float | None:
        if "zhenjian" not in servers or peer not in servers:
            return None
        ours, theirs = (servers[name]["best"]["delivered_per_cpu_s"] for name in ("zhenjian", peer))
        return round(ours / theirs, 2)

    ours = servers.get("zhenjian")
    steady = ours["half_of_steady_disk"] if ours else None
    at_5000 = crowd.get("connections") == FULL.idle
    return {
        "delivered_per_cpu_vs_node": ratio("node"),
        "delivered_per_cpu_vs_node_sql": ratio("node-sql"),
        "delivered_per_cpu_vs_stock": ratio("stock-sql"),
        "ack_p99_ms": ours["half"]["ack_ms"]["p99"] if ours else None,
        "ack_p99_ms_of_steady_disk": steady["ack_ms"]["p99"] if steady else None,
        "kb_per_idle_connection": _rounded(crowd.get("kb_per_idle_connection")),
        "longest_stall_ms": _rounded(crowd.get("drop_longest_stall_ms")),
        "resync_5000_s": _rounded(crowd.get("resync_s")) if at_5000 else None,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def versions() -> dict[str, str]:
    node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False)
    lock = json.loads((PEERS / "package-lock.json").read_text())["packages"]
    names = ("python-socketio", "python-engineio", "uvicorn", "uvloop", "websockets", "asyncpg")
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in names},
        "node": node.stdout.strip(),
        "socket.io": lock["node_modules/socket.io"]["version"],
        "pg": lock["node_modules/pg"]["version"],
    }


def table(report: dict[str, Any]) -> str:
    """The report as a person reads it."""
    lines = [
        f"{'':11}{'sustained':>11}{'delivered':>11}{'µs per':>9}{'at half: ack ms':>24}"
        f"{'end to end ms':>24}",
        f"{'':11}{'messages/s':>11}{'per CPU s':>11}{'message':>9}{'p50/p99/p99.9':>24}"
        f"{'p50/p99/p99.9':>24}",
    ]
    for name, found_ in report["servers"].items():
        best, half = found_["best"], found_["half"]
        times = [
            "/".join(f"{half[kind][point]:.1f}" for point in ("p50", "p99", "p99_9"))
            for kind in ("ack_ms", "end_to_end_ms")
        ]
        lines.append(
            f"{name:11}{best['rate']:11.0f}{best['delivered_per_cpu_s']:11.0f}"
            f"{best['us_per_message']:9.1f}{times[0]:>24}{times[1]:>24}"
        )
    if ceiling := report.get("ceiling"):
        lines.append(f"{ceiling['by']}, one message a commit: {ceiling['one_per_s']:.0f}/s")
        lines.append(f"{ceiling['groups_by']}, groups of 64: {ceiling['groups_of_64_per_s']:.0f}/s")
    lines += [f"{key}: {value}" for key, value in (report.get("crowd") or {}).items()]
    lines += ["", *(f"{key}: {value}" for key, value in report["headline"].items())]
    return "\n".join(lines)


async def _ceiling(world: World, plan: Plan) -> dict[str, Any] | None:
    """What PostgreSQL does without a server; nothing else is lost when it cannot be measured."""
    try:
        return await bench_chat_ceiling.measure(world, plan.step_seconds)
    except bench_chat_ceiling.CeilingUnknown as error:
        print(error, file=sys.stderr)
        return None


async def run(plan: Plan, wanted: Sequence[str]) -> dict[str, Any]:
    """The parts of the benchmark that are wanted."""
    servers = [name for name in SERVERS if name in wanted]
    report: dict[str, Any] = {
        "machine": machine({"server": cores()[0], "postgres and load": cores()[1]}),
        "versions": versions(),
        "servers": {},
    }
    if not (PEERS / "node_modules").exists() and any(name.startswith("node") for name in servers):
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=PEERS, check=True)  # noqa: ASYNC221
    with (
        tempfile.TemporaryDirectory(prefix="bench-chat-") as folder,
        as_a_service() as grouped,
        cores_awake(cores()[0]),
    ):
        report["machine"]["control_group"] = grouped
        world = await found(Path(folder), max(plan.connections, plan.idle))
        load = await Generator.start()
        try:
            for kind in servers:
                report["servers"][kind] = await measure_server(world, load, kind, plan)
            if "nodes" in wanted:
                report["servers"]["two nodes"] = await measure_nodes(world, load, plan)
            if "crowd" in wanted:
                report["crowd"] = await measure_crowd(world, load, plan)
            if "ceiling" in wanted:
                report["ceiling"] = await _ceiling(world, plan)
        finally:
            await load.stop()
            await world.runtime.engine.dispose()
            world.postgres.remove()
    report["headline"] = headline(report)
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer connections, shorter steps")
    parser.add_argument("--only", action="append", choices=PARTS)
    given = parser.parse_args()
    wanted = given.only or PARTS
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        report = runner.run(run(QUICK if given.quick else FULL, wanted))
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(report, indent=1) + "\n")
    print(table(report))


if __name__ == "__main__":
    main()
