"""Two nodes with Redis between them: heard at once, healed when deaf, limits shared."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr
from sqlalchemy import select, update

from core.clock import FakeClock
from core.config import Config
from core.crypto.keyring import Keyring
from core.identity.models import DeviceSession
from core.modules import Modules
from core.runtime import Runtime
from realtime.floods import DoorRules
from realtime.models import MessageRow
from tests.conftest import TODAY
from tests.realtime.conftest import Connect
from tests.support.cast import Cast
from tests.support.nodes import Node, serving
from tests.support.proxy import Proxy, proxy_to
from tests.support.redis import RedisProcess, running_redis
from zhenjian_client import Refused, Socket


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
    options = {"settings": {"rate_limits": True}, "door_rules": DoorRules(sockets_per_user=1000)}
    burst = DoorRules().per_user.burst
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
