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
import json
import os
import resource
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import uvloop

from loadtests import bench_media_browser
from loadtests.bench_awake import cores_awake
from loadtests.bench_common import ROOT, cores, machine
from loadtests.bench_group import as_a_service
from loadtests.bench_media_caller import PROFILE
from loadtests.bench_media_floor import floor
from loadtests.bench_media_loss import loss, told
from loadtests.bench_media_plan import (
    FULL,
    HALF,
    QUICK,
    ROOMS,
    VIEWERS,
    Budget,
    Plan,
    shown,
)
from loadtests.bench_media_report import headline, table, versions
from loadtests.bench_media_scene import measure_by_turns, measure_together, storm
from loadtests.bench_media_signalling import Recorded
from loadtests.bench_media_world import (
    OWN_CORE,
    SERVER_CORE,
    NotPossible,
    enter_namespace,
    interrupt_on_terminate,
    janus_version,
    prefer,
    serve,
)

OUTPUT = ROOT / "var" / "bench" / "media.json"
SERVERS = ("zhenjian", "zhenjian-interpreted", "janus", "janus-loop", "relay")
#: Measured when nothing is said.
USUAL = tuple(kind for kind in SERVERS if kind != "zhenjian-interpreted")
PARTS = ("rooms", "fanout", "conference", "storm", "recording", "loss", "picture", "floor")


def middle(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The run with the median processor time per packet."""
    return sorted(runs, key=lambda run: float(run["us_per_packet"]))[(len(runs) - 1) // 2]


async def turns(
    folder: Path, kinds: Sequence[str], shape: tuple[int, int, int], plan: Plan, budget: Budget
) -> dict[str, Any]:
    """The middle run of every server, and all of them."""
    runs = await measure_by_turns(folder, kinds, shape, plan, budget)
    return {kind: {**middle(found), "runs": found} for kind, found in runs.items()}


async def recording(folder: Path, plan: Plan, budget: Budget) -> dict[str, Any] | None:
    """What a journal costs, and one that is stored: beside the same rooms without, at the same
    time and on the same core. Segments are closed and stored every ten seconds, so a turn takes a
    multiple of that.
    """
    plan = replace(plan, seconds=plan.recorded)
    ways: tuple[Recorded, ...] = ("journal", "stored")
    pairs: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    for turn in range(plan.pairs):
        for way in ways:
            if budget.allows(f"recording, turn {turn + 1}"):
                pair: tuple[Recorded, ...] = ("no", way) if turn % 2 == 0 else (way, "no")
                found = await measure_together(folder, (ROOMS, 2, 0), plan, pair)
                us = {each: run["us_per_packet"] for each, run in zip(pair, found, strict=True)}
                pairs[way].append((us["no"], us[way]))
    if not all(pairs.values()):
        return None
    journal, stored = (statistics.median(on / off for off, on in pairs[way]) for way in ways)
    return {
        "us": pairs,
        "overhead": round(journal - 1, 3),
        "overhead_stored": round(stored - 1, 3),
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
    with (
        tempfile.TemporaryDirectory(prefix="bench-media-") as name,
        as_a_service() as grouped,
        cores_awake(set().union(*cores())),
    ):
        report["machine"]["control_group"] = grouped
        folder = Path(name)
        await _quoted(folder, report, plan, parts, sfus, budget)
        await _others(folder, report, shown(plan), parts, servers, budget)
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
        report["loss"] = await loss(folder, warm=3.0, seconds=plan.bad)
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


async def _floor(folder: Path, report: dict[str, Any], plan: Plan, budget: Budget) -> None:
    try:
        report["floor"] = await floor(folder, plan.rooms, plan.seconds)
    except NotPossible as problem:
        budget.left_out.append(f"floor ({problem})")


async def _others(
    folder: Path,
    report: dict[str, Any],
    plan: Plan,
    parts: Sequence[str],
    servers: Sequence[str],
    budget: Budget,
) -> None:
    sfus = [kind for kind in servers if kind != "relay"]
    if "floor" in parts and budget.allows("floor"):
        await _floor(folder, report, plan, budget)
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


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="shorter, the quoted sizes only")
    parser.add_argument("--only", action="append", choices=PARTS)
    parser.add_argument("--server", action="append", choices=SERVERS)
    parser.add_argument("--turns", type=int, help="how often the quoted sizes are measured")
    given = parser.parse_args()
    parts, servers = given.only or PARTS, given.server or USUAL
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
