"""One run of the media benchmark: a server with its callers, and what is counted meanwhile."""

from __future__ import annotations

import asyncio
import gc
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loadtests.bench_common import cpu_seconds, percentiles, resident_kb
from loadtests.bench_media_caller import Traffic
from loadtests.bench_media_plan import Budget, Plan
from loadtests.bench_media_signalling import Participant, Recorded, Signalling, signalling
from loadtests.bench_media_world import HOST, Server, serve

#: A generator that is later than this says nothing about the server.
LATEST_SEND_MS = 20.0
JOINS_PER_SECOND, STAY_SECONDS, STORM_ROOMS = 10.0, 2.0, 20


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
        server.go_on()
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


async def measure_by_turns(
    folder: Path,
    kinds: Sequence[str],
    shape: tuple[int, int, int],
    plan: Plan,
    budget: Budget,
    *,
    host: str = HOST,
) -> dict[str, list[dict[str, Any]]]:
    """Several servers in short turns, forth and back: all have their rooms all the time, and one of
    them has packets. So what the host does in a minute it does to all. The others rest meanwhile,
    but ours: who controls it would take it for dead.

    ``shape`` is the number of rooms, their publishers and their mere viewers.
    """
    runs: dict[str, list[dict[str, Any]]] = {}
    async with AsyncExitStack() as stack:
        scenes: dict[str, Scene] = {}
        for kind in kinds:
            if budget.allows(f"{kind} {shape}"):
                scenes[kind] = await stack.enter_async_context(scene(folder, kind, host))
                await _fill(scenes[kind], shape)
                runs[kind] = []
                _rest(scenes[kind], kind)
        for turn in range(plan.turns):
            for kind in scenes if turn % 2 == 0 else reversed(scenes):
                if budget.allows(f"{kind} {shape}, turn {turn + 1}"):
                    scenes[kind].server.go_on()
                    figures = await watch(scenes[kind], plan.warm, plan.seconds)
                    scenes[kind].traffic.stop()
                    _rest(scenes[kind], kind)
                    runs[kind].append(_judged(kind, shape, figures))
    return {kind: found for kind, found in runs.items() if found}


def _rest(found: Scene, kind: str) -> None:
    if not kind.startswith("zhenjian"):
        found.server.rest()


async def measure_together(
    folder: Path,
    shape: tuple[int, int, int],
    plan: Plan,
    ways: Sequence[Recorded],
    *,
    host: str = HOST,
) -> list[dict[str, Any]]:
    """One run of several servers of ours at the same time, which share the server's core: one for
    each way of recording, each with rooms of this shape. What the host does to one it does to all.
    """
    async with AsyncExitStack() as stack:
        scenes = []
        for way in ways:
            place = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=folder)))
            found = await stack.enter_async_context(scene(place, "zhenjian", host))
            await _fill(found, shape, way)
            scenes.append(found)
        watched = await asyncio.gather(*(watch(found, plan.warm, plan.seconds) for found in scenes))
    return [
        _judged("zhenjian" if way == "no" else f"zhenjian {way}", shape, figures)
        for way, figures in zip(ways, watched, strict=True)
    ]


async def _fill(found: Scene, shape: tuple[int, int, int], record: Recorded = "no") -> None:
    rooms, publishers, viewers = shape
    for number in range(rooms):
        await found.room(f"r{number}", publishers, viewers, record=record)


def _judged(name: str, shape: tuple[int, int, int], figures: dict[str, Any]) -> dict[str, Any]:
    """With what should have arrived beside what did, and said aloud."""
    rooms, publishers, viewers = shape
    each = publishers * (publishers - 1 + viewers) * rooms
    figures["expected"] = round(figures["sent"] / (publishers * rooms) * each)
    figures["delivered_share"] = round(figures["forwarded"] / max(figures["expected"], 1), 4)
    figures["load_was_late"] = figures["send_lag_ms"]["p99"] > LATEST_SEND_MS
    _tell(name, shape, figures)
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
