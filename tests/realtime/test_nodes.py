"""Two nodes with Redis between them: heard at once, healed when deaf, limits shared."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr
from sqlalchemy import select, update

from core.bus import LocalBus
from core.clock import FakeClock
from core.config import Config
from core.crypto.keyring import Keyring
from core.defence.rates import Rate
from core.identity.models import DeviceSession
from core.modules import Modules
from core.runtime import Runtime
from realtime.carried import unpacked
from realtime.floods import DoorRules
from realtime.groups import Entry
from realtime.hub import ENTRIES_CHANNEL
from realtime.models import MessageRow
from tests.conftest import TODAY
from tests.realtime.conftest import Connect
from tests.support.cast import Cast
from tests.support.nodes import Node, serving
from tests.support.proxy import Proxy, proxy_to
from tests.support.redis import RedisProcess, running_redis
from zhenjian_client import JoinedRoom, Refused, Socket


@pytest.fixture
async def redis(tmp_path: Path) -> AsyncIterator[RedisProcess]:
    async with running_redis(tmp_path) as process:
        yield process


@pytest.fixture
async def proxy(redis: RedisProcess) -> AsyncIterator[Proxy]:
    async with proxy_to(("127.0.0.1", redis.port)) as between:
        yield between


@pytest.fixture
async def pair(
    config: Config, modules: Modules, keyring: Keyring, redis: RedisProcess, proxy: Proxy
) -> AsyncIterator[tuple[Node, Node]]:
    """Two nodes, each with a clock of its own; the second reaches Redis through the proxy."""
    urls = redis.url, f"redis://127.0.0.1:{proxy.port}/0"
    async with contextlib.AsyncExitStack() as stack:
        yield (
            await stack.enter_async_context(_node(config, modules, keyring, urls[0])),
            await stack.enter_async_context(_node(config, modules, keyring, urls[1])),
        )


def _node(
    config: Config, modules: Modules, keyring: Keyring, url: str, **options: Any
) -> contextlib.AbstractAsyncContextManager[Node]:
    shared = config.model_copy(update={"redis_url": SecretStr(url), **options.pop("settings", {})})
    options.setdefault("offline_delay", 0.2)
    options.setdefault("limits", {})
    return serving(shared, modules, keyring, FakeClock(TODAY), **options)


async def test_nodes_hear_each_other_at_once_without_looking(
    pair: tuple[Node, Node], connect: Connect, cast: Cast, room: UUID
) -> None:
    hers = await (await connect(cast.patient, to=pair[0])).join(str(room))
    his = await (await connect(cast.doctor, to=pair[1])).join(str(room))
    for node in pair:
        # Nobody looks for lost hints: what arrives came over the bus.
        await node.gateway.upkeep.stop()
    for number in range(20):
        sent = await (hers, his)[number % 2].send_text(str(number))
        for each in (hers, his):
            await each.wait_for(lambda log, seq=sent.seq: log.last >= seq)  # type: ignore[misc]
    await his.typing()
    await hers.client.wait_event("typing")
    await hers.read(hers.log.last)
    await his.client.wait_event("receipt")


class Way:
    """The way of entries into a node, held in the hand."""

    def __init__(self, node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
        self.frames: list[bytes] = []
        self.held = False
        self.fetches = 0
        self._bus: LocalBus = node.runtime.bus  # type: ignore[assignment]
        [self._into] = self._bus._data_listeners[ENTRIES_CHANNEL]
        self._bus._data_listeners[ENTRIES_CHANNEL][:] = [self._come]
        self._fetch = node.gateway.delivery.feeds._fetch
        monkeypatch.setattr(node.gateway.delivery.feeds, "_fetch", self._count)

    def _come(self, frame: bytes) -> None:
        self.frames.append(frame)
        if not self.held:
            self._into(frame)

    async def _count(self, cursors: dict[UUID, int], limit: int) -> list[Entry]:
        self.fetches += 1
        return await self._fetch(cursors, limit)

    async def held_back(self, count: int) -> list[bytes]:
        """Wait for so many entries that are held back, each in a frame of its own."""
        async with asyncio.timeout(10):
            while len(self.frames) < count:
                await asyncio.sleep(0.01)
        return self.frames

    def let_in(self, frames: Iterable[bytes]) -> None:
        self._bus._data_listeners[ENTRIES_CHANNEL][:] = [self._into]
        for frame in frames:
            self._bus._hand_over(ENTRIES_CHANNEL, frame)


@pytest.fixture
async def talk(
    pair: tuple[Node, Node],
    connect: Connect,
    cast: Cast,
    room: UUID,
    monkeypatch: pytest.MonkeyPatch,
) -> tuple[JoinedRoom, JoinedRoom, Way]:
    """Two who talk through two nodes, and the way into the second, on which nobody sweeps."""
    hers = await (await connect(cast.patient, to=pair[0])).join(str(room))
    his = await (await connect(cast.doctor, to=pair[1])).join(str(room))
    await pair[1].gateway.upkeep.stop()
    return hers, his, Way(pair[1], monkeypatch)


Talk = tuple[JoinedRoom, JoinedRoom, Way]


def seqs(joined: JoinedRoom) -> list[int]:
    return [message["seq"] for message in joined.log.messages]


async def test_a_message_of_another_node_arrives_without_a_look_at_the_database(
    talk: Talk,
) -> None:
    hers, his, way = talk
    for number in range(20):
        sent = await hers.send_text(f"第 {number} 句")
    await his.wait_for(lambda log: log.last == sent.seq)
    assert his.log.messages == hers.log.messages
    assert way.fetches == 0
    assert "第 0 句".encode() not in b"".join(way.frames)


async def test_entries_that_come_twice_and_turned_round_arrive_once_and_in_order(
    talk: Talk,
) -> None:
    hers, his, way = talk
    way.held = True
    for count in range(1, 5):
        last = await hers.send_text(str(count))
        frames = await way.held_back(count)
    way.let_in([*reversed(frames), *frames])
    await his.wait_for(lambda log: log.last == last.seq)
    assert seqs(his) == [1, 2, 3, 4, 5]
    assert way.fetches == 0


async def test_an_entry_that_the_bus_lost_is_fetched_when_the_next_one_comes(talk: Talk) -> None:
    hers, his, way = talk
    way.held = True
    await hers.send_text("丢失的")
    await way.held_back(1)
    way.held = False
    last = await hers.send_text("听得见的")
    await his.wait_for(lambda log: log.last == last.seq)
    assert seqs(his) == [1, 2, 3]
    assert way.fetches == 1


async def test_a_bus_slower_than_the_log_brings_nothing_a_second_time(
    talk: Talk, pair: tuple[Node, Node]
) -> None:
    hers, his, way = talk
    way.held = True
    for count in range(1, 4):
        last = await hers.send_text(str(count))
        frames = list(await way.held_back(count))
    await pair[1].gateway.delivery.look_for_lost_hints()
    await his.wait_for(lambda log: log.last == last.seq)
    # What was taken back meanwhile is not shown again by the entry that is late.
    recall = await hers.recall(last.seq)
    way.let_in(frames)
    await his.wait_for(lambda log: log.last > last.seq)
    assert seqs(his) == [1, 2, 3, 4, 5]
    assert [each["recalled"] for each in his.log.messages] == [False, False, False, True, False]
    assert recall


async def test_what_somebody_else_puts_on_the_bus_is_no_entry(talk: Talk, room: UUID) -> None:
    hers, his, way = talk
    way.held = True
    sent = await hers.send_text("真的")
    [frame] = await way.held_back(1)
    [(_, seq, sealed)] = unpacked(frame)
    head = frame[: 1 + 16 + 8 + 4]
    way.let_in([head + bytes(len(sealed)), b"\xff" + frame[1:], frame[:-1]])
    await his.wait_for(lambda log: log.last == sent.seq)
    assert [each["body"].get("text") for each in his.log.messages[1:]] == ["真的"]
    assert (seq, way.fetches) == (sent.seq, 1)


async def test_a_deaf_node_looks_for_itself_and_hears_again(
    pair: tuple[Node, Node],
    proxy: Proxy,
    connect: Connect,
    cast: Cast,
    room: UUID,
    runtime: Runtime,
) -> None:
    hers = await (await connect(cast.patient, to=pair[0])).join(str(room))
    his = await (await connect(cast.doctor, to=pair[1])).join(str(room))
    bystander = await connect(cast.nurse, to=pair[1])
    proxy.swallow_down = True
    began = time.monotonic()
    async with asyncio.timeout(10):
        while not pair[1].runtime.bus.deaf:
            await asyncio.sleep(0.02)
    assert time.monotonic() - began < 10
    sent = await hers.send_text("听不见也收得到")
    await his.wait_for(lambda log: log.last == sent.seq)
    # A session ends meanwhile, and the hint of it is lost.
    async with runtime.unit_of_work() as uow:
        await uow.session.execute(
            update(DeviceSession)
            .where(DeviceSession.user_id == cast.nurse.user_id)
            .values(revoked_at=uow.now)
        )
    proxy.swallow_down = False
    async with asyncio.timeout(20):
        while pair[1].runtime.bus.deaf:
            await asyncio.sleep(0.02)
        while bystander.failure is None:
            await asyncio.sleep(0.02)
    sent = await hers.send_text("又听见了")
    await his.wait_for(lambda log: log.last == sent.seq)


async def test_without_redis_everything_is_delivered_and_nothing_twice(
    pair: tuple[Node, Node], redis: RedisProcess, connect: Connect, cast: Cast, room: UUID
) -> None:
    hers = await (await connect(cast.patient, to=pair[0])).join(str(room))
    his = await (await connect(cast.doctor, to=pair[1])).join(str(room))
    await hers.send_text("还在")
    await redis.kill()
    for number in range(10):
        last = await (hers, his)[number % 2].send_text(str(number))
    for each in (hers, his):
        await each.wait_for(lambda log: log.last == last.seq)
        assert [m["seq"] for m in each.log.messages] == list(range(1, last.seq + 1))


async def test_the_connections_of_one_user_are_counted_over_all_nodes(
    config: Config, modules: Modules, keyring: Keyring, redis: RedisProcess, cast: Cast
) -> None:
    """One node lets a burst in; the other has counted with it, and says when to come again."""
    # So slow a rate that none of the burst is given back while the burst comes in.
    burst = 12
    rules = DoorRules(per_user=Rate(per_minute=1, burst=burst), sockets_per_user=1000)
    options = {"settings": {"rate_limits": True}, "door_rules": rules}
    async with contextlib.AsyncExitStack() as stack:
        nodes = [
            await stack.enter_async_context(
                _node(config, modules, keyring, redis.url, **dict(options))
            )
            for _ in range(2)
        ]
        sockets = []
        try:
            for number in range(burst):
                auth = {"token": cast.doctor.token, "device": f"d{number}"}
                sockets.append(Socket(nodes[number % 2].url, auth))
                await sockets[-1].connect()
            for node in nodes:
                with pytest.raises(Refused) as refused:
                    await Socket(node.url, {"token": cast.doctor.token}).connect()
                assert refused.value.code == "overloaded"
                assert refused.value.data["retry_after"] >= 1
        finally:
            await asyncio.gather(*(each.close() for each in sockets))


async def test_clocks_that_jump_and_disagree_change_no_order(
    pair: tuple[Node, Node], connect: Connect, cast: Cast, room: UUID, runtime: Runtime
) -> None:
    hers = await (await connect(cast.patient, to=pair[0])).join(str(room))
    his = await (await connect(cast.doctor, to=pair[1])).join(str(room))
    said = []
    for number, jump in enumerate((0, 300, -900, 60, -3600, 240)):
        pair[number % 2].runtime.clock.advance(jump)  # type: ignore[attr-defined]
        for each in (hers, his):
            said.append((await each.send_text(f"{number}")).seq)
            await each.read(said[-1])
    assert said == list(range(2, 14))
    for each in (hers, his):
        await each.wait_for(lambda log: log.last == 13)
        assert [m["seq"] for m in each.log.messages] == list(range(1, 14))
    async with runtime.unit_of_work() as uow:
        rows = list(await uow.session.scalars(select(MessageRow.at).order_by(MessageRow.seq)))
    assert rows != sorted(rows), "the clocks did disagree"
