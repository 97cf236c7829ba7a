"""The bus between processes: hints of any size arrive everywhere, once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from core.bus import LocalBus, PostgresBus


@pytest.fixture
async def pair(database_url: str) -> AsyncIterator[tuple[PostgresBus, PostgresBus]]:
    """Two processes' buses on one database."""
    first, second = PostgresBus(database_url), PostgresBus(database_url)
    await first.start()
    await second.start()
    yield first, second
    await first.stop()
    await second.stop()


def collect(bus: LocalBus, channel: str) -> asyncio.Queue[dict[str, Any]]:
    heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    bus.subscribe(channel, heard.put)
    return heard


async def test_a_hint_reaches_the_own_and_the_other_process_once(
    pair: tuple[PostgresBus, PostgresBus],
) -> None:
    here, there = collect(pair[0], "lamps"), collect(pair[1], "lamps")
    await pair[0].publish("lamps", {"number": 1})
    assert here.get_nowait() == {"number": 1}
    assert await asyncio.wait_for(there.get(), 10) == {"number": 1}
    await pair[1].publish("lamps", {"number": 2})
    assert await asyncio.wait_for(here.get(), 10) == {"number": 2}
    assert there.get_nowait() == {"number": 2}
    assert here.empty()
    assert there.empty()


async def test_a_payload_larger_than_a_notify_arrives_whole(
    pair: tuple[PostgresBus, PostgresBus],
) -> None:
    there = collect(pair[1], "offers")
    text_body = "".join(chr(0x4E00 + (i * 7919) % 20_000) for i in range(40_000))
    await pair[0].publish("offers", {"sdp": text_body})
    assert (await asyncio.wait_for(there.get(), 10))["sdp"] == text_body


async def test_a_listener_that_fails_does_not_silence_the_others() -> None:
    bus = LocalBus()

    async def fail(payload: dict[str, Any]) -> None:
        raise ValueError("cannot")

    bus.subscribe("lamps", fail)
    heard = collect(bus, "lamps")
    await bus.publish("lamps", {"number": 1})
    assert heard.get_nowait() == {"number": 1}


async def test_a_broken_connection_heals_by_itself(
    pair: tuple[PostgresBus, PostgresBus], database_url: str
) -> None:
    there = collect(pair[1], "lamps")
    engine = create_async_engine(database_url.replace("postgresql:", "postgresql+asyncpg:"))
    async with engine.connect() as connection:
        await connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND datname = current_database()"
            )
        )
    await engine.dispose()
    async with asyncio.timeout(20):
        while True:
            await pair[0].publish("lamps", {"number": 1})
            try:
                await asyncio.wait_for(there.get(), 0.3)
                break
            except TimeoutError:
                continue
