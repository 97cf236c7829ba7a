"""What other processes are told of a commit: the first at once, the rest together, all of it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Mapping
from uuid import UUID

import pytest

from core.runtime import Runtime
from realtime.connections import Connections
from realtime.delivery import Delivery
from realtime.groups import Entry
from realtime.hub import Hub
from realtime.rules import MessageKind


class SlowHub(Hub):
    """A bus that takes its time over every hint."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(runtime)
        self.told: list[dict[UUID, int]] = []
        self.free = asyncio.Event()

    async def rooms_changed(self, heads: Mapping[UUID, int]) -> None:
        self.told.append(dict(heads))
        await self.free.wait()


@pytest.fixture
def hub(runtime: Runtime) -> SlowHub:
    return SlowHub(runtime)


@pytest.fixture
async def delivery(runtime: Runtime, hub: SlowHub) -> AsyncIterator[Delivery]:
    own = Delivery(runtime, Connections(runtime.bus), hub)
    own.start()
    yield own
    await own.stop()


async def told(hub: SlowHub, count: int) -> None:
    async with asyncio.timeout(5):
        while len(hub.told) < count:
            await asyncio.sleep(0.001)


async def test_what_gathers_while_the_bus_is_slow_is_hinted_at_in_one(
    delivery: Delivery, hub: SlowHub
) -> None:
    first, *rooms = (uuid.uuid4() for _ in range(5))
    delivery.delivered([Entry(first, 1, MessageKind.TEXT, b"{}")])
    await told(hub, 1)
    for seq in (1, 2):
        delivery.delivered([Entry(room, seq, MessageKind.TEXT, b"{}") for room in rooms])
        await asyncio.sleep(0.02)
    assert hub.told == [{first: 1}]
    hub.free.set()
    await told(hub, 2)
    assert hub.told == [{first: 1}, dict.fromkeys(rooms, 2)]
    # And then there is nothing more to tell.
    await asyncio.sleep(0.02)
    assert len(hub.told) == 2
