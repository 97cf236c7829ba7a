"""The bus over Redis: it reaches who follows, survives what Redis may suffer, notices silence."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from core.bus import Hearing, LocalBus, PostgresBus, open_bus, shard_of
from core.bus.metrics import DEAF, LOST
from core.bus.redis import RedisBus
from core.bus.resp import Parser, RedisConnection, RedisRefused, pack
from core.config import Config
from tests.support.proxy import Proxy, proxy_to
from tests.support.redis import RedisProcess, running_redis

#: As a server's kernel ends the lines of a process that was killed with something unread.
RESET_AT_ONCE = struct.pack("ii", 1, 0)

OpenBus = Callable[..., Awaitable[RedisBus]]


@pytest.fixture
async def redis(tmp_path: Path) -> AsyncIterator[RedisProcess]:
    async with running_redis(tmp_path) as process:
        yield process


@pytest.fixture
async def proxy(redis: RedisProcess) -> AsyncIterator[Proxy]:
    async with proxy_to(("127.0.0.1", redis.port)) as between:
        yield between


@pytest.fixture
async def open_one(redis: RedisProcess) -> AsyncIterator[OpenBus]:
    """Start a process's bus: ``await open_one()``, or through another address."""
    opened: list[RedisBus] = []

    async def start(url: str | None = None, **options: Any) -> RedisBus:
        bus = RedisBus(url or redis.url, **options)
        await bus.start()
        opened.append(bus)
        return bus

    yield start
    for bus in opened:
        await bus.stop()


def collect(bus: LocalBus, channel: str) -> asyncio.Queue[dict[str, Any]]:
    heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    bus.subscribe(channel, heard.put)
    return heard


def impatient(*parts: Callable[[], None]) -> Hearing:
    return Hearing(*parts, every=0.2, patience=1.0)


async def until_heard(
    publish: Callable[[], Awaitable[None]], heard: asyncio.Queue[dict[str, Any]], seconds: float
) -> None:
    """Repeat a hint until one arrives."""
    async with asyncio.timeout(seconds):
        while True:
            await publish()
            try:
                await asyncio.wait_for(heard.get(), 0.1)
                return
            except TimeoutError:
                continue


async def test_a_hint_reaches_every_process_once_and_the_own_one_at_once(
    open_one: OpenBus,
) -> None:
    first, second = await open_one(), await open_one()
    here, there = collect(first, "lamps"), collect(second, "lamps")
    await first.publish("lamps", {"text": "灯 亮了"})
    assert here.get_nowait() == {"text": "灯 亮了"}
    assert await asyncio.wait_for(there.get(), 10) == {"text": "灯 亮了"}
    await second.publish("lamps", {"number": 2})
    assert await asyncio.wait_for(here.get(), 10) == {"number": 2}
    assert there.get_nowait() == {"number": 2}
    assert here.empty()
    assert there.empty()


async def test_what_is_published_in_order_arrives_in_order(open_one: OpenBus) -> None:
    first, second = await open_one(), await open_one()
    there = collect(second, "lamps")
    for number in range(1000):
        await first.publish("lamps", {"number": number})
    heard = [(await asyncio.wait_for(there.get(), 10))["number"] for _ in range(1000)]
    assert heard == list(range(1000))


async def test_a_topic_is_decoded_only_where_it_is_followed(
    open_one: OpenBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    speaker, follower, stranger = await open_one(), await open_one(), await open_one()
    followed, other = _two_topics_of_one_shard()
    for bus in (follower, stranger):
        bus.follow(followed if bus is follower else other)
    heard, unheard = collect(follower, "lamps"), collect(stranger, "lamps")
    decoded: list[str] = []
    monkeypatch.setattr(stranger, "dispatch", lambda name, _: decoded.append(name))
    await until_heard(
        lambda: speaker.publish("lamps", {"number": 1}, topic=followed), heard, seconds=10
    )
    # A later word for everybody shows that the earlier one has passed the stranger too.
    marker = collect(follower, "end")
    collect(stranger, "end")
    await speaker.publish("end", {})
    await asyncio.wait_for(marker.get(), 10)
    async with asyncio.timeout(10):
        while decoded != ["end"]:
            await asyncio.sleep(0.01)
    assert unheard.empty()
    follower.unfollow(followed)
    assert not follower._followed


def _two_topics_of_one_shard() -> tuple[str, str]:
    first = "room:0"
    return first, next(
        f"room:{n}" for n in range(1, 10_000) if shard_of(f"room:{n}") == shard_of(first)
    )


async def test_data_reaches_the_others_that_follow_its_topic_as_it_was(open_one: OpenBus) -> None:
    speaker, follower, stranger = await open_one(), await open_one(), await open_one()
    followed, other = _two_topics_of_one_shard()
    heard: dict[RedisBus, list[bytes]] = {speaker: [], follower: [], stranger: []}
    for bus, topic in ((speaker, followed), (follower, followed), (stranger, other)):
        bus.follow(topic)
        bus.on_data("entries", heard[bus].append)
        assert bus.carries
    data = bytes(range(256)) + b" \r\n$3\r\n "
    there = collect(follower, "lamps")
    await until_heard(lambda: speaker.publish("lamps", {}, topic=followed), there, 10)
    speaker.carry("entries", data, followed)
    speaker.carry("entries", b"", followed)
    async with asyncio.timeout(10):
        while len(heard[follower]) < 2:
            await asyncio.sleep(0.01)
    # A later word for everybody shows that the earlier ones have passed the stranger too.
    end = collect(stranger, "end")
    await speaker.publish("end", {})
    await asyncio.wait_for(end.get(), 10)
    assert heard == {speaker: [], follower: [data, b""], stranger: []}


async def test_data_that_nobody_understands_silences_nobody(open_one: OpenBus) -> None:
    first, second = await open_one(), await open_one()
    second.follow("room:1")
    heard: list[bytes] = []

    def confused(data: bytes) -> None:
        raise ValueError(data)

    second.on_data("entries", confused)
    second.on_data("entries", heard.append)
    async with asyncio.timeout(10):
        while not heard:
            first.carry("entries", b"1", "room:1")
            await asyncio.sleep(0.02)


async def test_a_process_subscribes_to_the_shards_it_follows_and_no_others(
    open_one: OpenBus,
) -> None:
    listener, asking = await open_one(), await open_one()
    listener.follow("room:1")
    listener.follow("room:1")
    listener.unfollow("room:1")
    shard = f"zhenjian:bus:shard:{shard_of('room:1')}"
    assert await _subscribers(asking, shard, 1) == 1
    listener.unfollow("room:1")
    assert await _subscribers(asking, shard, 0) == 0


async def _subscribers(bus: RedisBus, channel: str, expected: int) -> int:
    connection = await RedisConnection.open(bus._url)
    try:
        for _ in range(100):
            number = (await connection.call(["PUBSUB", "SHARDNUMSUB", channel]))[1]
            if number == expected:
                break
            await asyncio.sleep(0.02)
        return int(number)
    finally:
        connection.abort()


async def test_a_killed_redis_is_found_again_with_everything_that_was_followed(
    open_one: OpenBus, redis: RedisProcess
) -> None:
    first, second = await open_one(), await open_one()
    second.follow("room:1")
    there, gaps = collect(second, "lamps"), list[int]()
    second.on_gap(lambda: gaps.append(1))
    await redis.kill()
    async with asyncio.timeout(10):
        while not second.deaf:
            await asyncio.sleep(0.01)
    await first.publish("lamps", {"number": 0}, topic="room:1")
    await redis.start()
    await until_heard(lambda: first.publish("lamps", {"number": 1}, topic="room:1"), there, 20)
    async with asyncio.timeout(10):
        while second.deaf:
            await asyncio.sleep(0.01)
    assert gaps == [1]


async def test_a_process_starts_without_redis_and_hears_once_it_is_there(
    redis: RedisProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    await redis.kill()
    monkeypatch.setattr("core.bus.redis.START_SECONDS", 0.1)
    bus, other = RedisBus(redis.url), RedisBus(redis.url)
    try:
        await bus.start()
        await other.start()
        assert bus.deaf
        here = collect(bus, "lamps")
        await redis.start()
        await until_heard(lambda: other.publish("lamps", {}), here, 20)
    finally:
        await bus.stop()
        await other.stop()


async def test_without_redis_the_queue_stays_bounded_and_keeps_the_newest(
    redis: RedisProcess,
) -> None:
    lost = LOST._value.get()
    bus = RedisBus(redis.url, max_queued=10)
    for number in range(100):
        await bus.publish("lamps", {"number": number})
    assert len(bus._queue) == 10
    assert bus._queue[-1][1].endswith(b'{"number":99}')
    assert LOST._value.get() - lost == 90


async def test_what_waits_for_redis_is_bounded_in_bytes_too(
    redis: RedisProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.bus.redis.MAX_QUEUED_BYTES", 5_000)
    bus = RedisBus(redis.url)
    for number in range(50):
        bus.carry("entries", b"%04d" % number + bytes(996), "room:1")
    assert [frame[-1000:-996] for _, frame in bus._queue] == [b"0046", b"0047", b"0048", b"0049"]
    assert bus._queued_bytes == sum(len(frame) for _, frame in bus._queue)
    await bus.start()
    async with asyncio.timeout(10):
        while bus._queue:
            await asyncio.sleep(0.01)
    assert bus._queued_bytes == 0
    await bus.stop()


async def test_a_deaf_subscription_is_noticed_within_ten_seconds_and_healed(
    open_one: OpenBus, proxy: Proxy
) -> None:
    """The proxy swallows what Redis says while every connection stays up."""
    speaker = await open_one()
    deaf = await open_one(f"redis://127.0.0.1:{proxy.port}/0")
    heard, gaps = collect(deaf, "lamps"), list[int]()
    deaf.on_gap(lambda: gaps.append(1))
    await until_heard(lambda: speaker.publish("lamps", {}), heard, 10)
    noticed, connections = DEAF._value.get(), proxy.accepted
    proxy.swallow_down = True
    began = time.monotonic()
    async with asyncio.timeout(10):
        while not deaf.deaf or DEAF._value.get() == noticed:
            await asyncio.sleep(0.02)
    assert time.monotonic() - began < 10
    proxy.swallow_down = False
    await until_heard(lambda: speaker.publish("lamps", {}), heard, 20)
    assert proxy.accepted > connections
    async with asyncio.timeout(10):
        while deaf.deaf:
            await asyncio.sleep(0.01)
    assert gaps == [1]


async def test_a_paused_redis_is_noticed_and_used_again_when_it_wakes(
    open_one: OpenBus, redis: RedisProcess
) -> None:
    first, second = await open_one(hearing=impatient), await open_one(hearing=impatient)
    there = collect(second, "lamps")
    redis.pause()
    async with asyncio.timeout(10):
        while not (first.deaf and second.deaf):
            await asyncio.sleep(0.02)
    redis.resume()
    await until_heard(lambda: first.publish("lamps", {}), there, 20)


async def test_a_silent_postgres_subscription_is_noticed_and_healed(database_url: str) -> None:
    bus = PostgresBus(database_url, hearing=impatient)
    await bus.start()
    try:
        assert bus._connection is not None
        async with bus._sending:
            # The connection lives, and hears nothing.
            await bus._connection.remove_listener("zhenjian", bus._on_notify)
        silent = bus._connection
        async with asyncio.timeout(10):
            while bus._connection is silent or bus.deaf:
                await asyncio.sleep(0.02)
    finally:
        await bus.stop()


def test_the_configuration_chooses_the_bus() -> None:
    database = "postgresql://zhenjian@/zhenjian"
    plain = Config(_env_file=None, database_url=database)
    shared = Config(_env_file=None, database_url=database, redis_url="redis://127.0.0.1/0")
    assert isinstance(open_bus(plain), PostgresBus)
    assert isinstance(open_bus(shared), RedisBus)


REPLIES = [
    (b"+OK\r\n", b"OK"),
    (b":42\r\n", 42),
    (b"$-1\r\n", None),
    (b"$7\r\na\r\nb \xe7\x81\r\n", b"a\r\nb \xe7\x81"),
    (b"*3\r\n$8\r\nsmessage\r\n$1\r\nc\r\n$0\r\n\r\n", [b"smessage", b"c", b""]),
    (b"*2\r\n*1\r\n:1\r\n*-1\r\n", [[1], None]),
]


@given(st.lists(st.sampled_from(REPLIES), min_size=1, max_size=20), st.data())
def test_replies_are_read_however_the_bytes_are_cut(
    replies: list[tuple[bytes, Any]], data: st.DataObject
) -> None:
    stream = b"".join(raw for raw, _ in replies)
    parser, read, position = Parser(), [], 0
    while position < len(stream):
        size = data.draw(st.integers(1, 40))
        read += parser.feed(stream[position : position + size])
        position += size
    assert read == [value for _, value in replies]


def test_an_error_is_named_and_what_is_no_redis_is_refused() -> None:
    (error,) = Parser().feed(b"-NOAUTH Authentication required.\r\n")
    assert isinstance(error, RedisRefused)
    assert "NOAUTH" in str(error)
    with pytest.raises(ValueError, match="H"):
        Parser().feed(b"HTTP/1.1 400 Bad Request\r\n")
    assert pack("GET", "钥") == b"*2\r\n$3\r\nGET\r\n$3\r\n\xe9\x92\xa5\r\n"


def test_what_is_said_on_a_broken_connection_is_not_sent_and_its_reader_is_told() -> None:
    async def speak_after_the_loss() -> None:
        async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            line: socket.socket = writer.get_extra_info("socket")
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_ONCE)
            writer.transport.abort()

        async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
            connection = await RedisConnection.open(
                f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
            )
            while not connection.broken:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.01)
            connection.write(pack("PING"))
            with pytest.raises(OSError, match="reset"):
                await connection.read()

    # As the server runs: its loop refuses to write where the standard one keeps silent.
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(speak_after_the_loss())
