"""The faults, one after the other, while people talk; and what came of it."""

from __future__ import annotations

import asyncio
import math
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.faults.world import World
from tests.support.history import Violation

Fault = Callable[[World], Awaitable[None]]


async def kill_a_web_node(world: World) -> None:
    node = _next_node(world)
    await node.kill()
    await asyncio.sleep(0.5)
    await node.start()


async def stop_a_web_node_in_order(world: World) -> None:
    node = _next_node(world)
    await node.stop()
    await node.start()


async def pause_a_web_node(world: World) -> None:
    node = _next_node(world)
    node.pause()
    await asyncio.sleep(2)
    node.resume()


async def kill_redis(world: World) -> None:
    await world.redis.kill()
    await asyncio.sleep(1)
    await world.redis.start()


async def pause_redis(world: World) -> None:
    world.redis.pause()
    await asyncio.sleep(2)
    world.redis.resume()


async def kill_postgres(world: World) -> None:
    world.database.kill()
    await asyncio.sleep(0.5)
    await world.database.start()


async def pause_postgres(world: World) -> None:
    world.database.stop_the_world(signal.SIGSTOP)
    await asyncio.sleep(1.5)
    world.database.stop_the_world(signal.SIGCONT)


async def lose_acknowledgements(world: World) -> None:
    """What clients say arrives; what the server answers does not, until the lines break."""
    world.front.swallow_down = True
    await asyncio.sleep(0.5)
    world.front.cut()
    world.front.swallow_down = False


async def half_open_lines(world: World) -> None:
    """Nothing passes in either way while both ends believe in the line."""
    world.front.swallow_up = world.front.swallow_down = True
    await asyncio.sleep(1)
    world.front.cut()
    world.front.swallow_up = world.front.swallow_down = False


async def clients_vanish(world: World) -> None:
    """The clients' ends break and come back, the server is never told."""
    world.front.strand()
    await asyncio.sleep(0.5)


FAULTS: tuple[Fault, ...] = (
    kill_a_web_node,
    lose_acknowledgements,
    kill_redis,
    kill_postgres,
    half_open_lines,
    pause_a_web_node,
    clients_vanish,
    pause_redis,
    stop_a_web_node_in_order,
    pause_postgres,
)


def _next_node(world: World):  # type: ignore[no-untyped-def]
    """The nodes take turns."""
    world.nodes.append(world.nodes.pop(0))
    return world.nodes[-1]


@dataclass
class Outcome:
    """The counts of a run, and what was wrong with it."""

    acknowledged: int
    answered_twice: int
    refused: dict[str, int]
    faults: Counter[str]
    connections: int
    seconds: float
    violations: list[Violation]
    crashes: list[str]

    def tell(self) -> str:
        """As printed by `make soak`."""
        wrong = Counter(each.kind for each in self.violations)
        lines = [
            f"acknowledged messages   {self.acknowledged}",
            f"acknowledged again      {self.answered_twice}",
            f"lost                    {wrong['lost']}",
            f"doubled                 {wrong['doubled']}",
            f"reordered               {wrong['reordered'] + wrong['overtaken']}",
            f"all broken promises     {dict(wrong) or 0}",
            f"refused                 {self.refused or 0}",
            f"crashed commands        {len(self.crashes)}",
            f"connections             {self.connections}",
            f"seconds                 {self.seconds:.0f}",
            "faults",
            *(f"  {name:<24} {count}" for name, count in sorted(self.faults.items())),
        ]
        return "\n".join(lines)


async def run(
    world: World,
    *,
    messages: int,
    faults: tuple[Fault, ...] = FAULTS,
    pause: float = 0.02,
    calm: float = 1.0,
    seconds: float = math.inf,
    say: Callable[[str], None] = lambda _: None,
) -> Outcome:
    """Talk until so many messages are acknowledged and every fault has happened, or time is up."""
    began, happened = time.monotonic(), Counter[str]()

    def late() -> bool:
        return time.monotonic() - began > seconds

    async def trouble() -> None:
        turn = 0
        while (turn < len(faults) or world.acknowledged < messages) and not late():
            await asyncio.sleep(calm)
            fault = faults[turn % len(faults)]
            say(f"{time.monotonic() - began:6.0f} s  {world.acknowledged:7}  {fault.__name__}")
            await fault(world)
            happened[fault.__name__] += 1
            turn += 1
        world.talking = False

    async with asyncio.TaskGroup() as group:
        group.create_task(trouble())
        for device in world.devices:
            group.create_task(world.talk(device, pause))
    await world.settle()
    return Outcome(
        world.acknowledged,
        world.twice,
        world.refused,
        happened,
        sum(device.room.client.connects for device in world.devices),
        time.monotonic() - began,
        await world.judge(),
        [line for node in world.nodes for line in node.crashes()],
    )
