"""The bus over Redis: sharded channels, two connections, everything bounded.

One channel for what concerns every process, one for each shard of topics, one of the process's own
for its watchdog. A frame is `node channel topic payload`: whoever hears it decides by the first
three whether the payload is worth decoding. Own frames were delivered before they were sent.
"""

from __future__ import annotations

import asyncio
import random
import uuid
from collections import deque
from collections.abc import Callable
from typing import Any

import orjson
import structlog

from core.bus.base import LocalBus, shard_of, shard_topic
from core.bus.hearing import Hearing
from core.bus.metrics import LOST, RECONNECTS
from core.bus.resp import RedisConnection, RedisRefused, pack

log = structlog.get_logger(__name__)

PREFIX = "zhenjian:bus:"
COMMON = PREFIX + "all"
#: Frames that may wait for Redis; the oldest are given up first, for they are hints of the past.
MAX_QUEUED = 10_000
#: Bytes that may wait so: data is brought to who can fetch it as well.
MAX_QUEUED_BYTES = 8 * 1024 * 1024
#: Frames that may be without their reply at a time.
MAX_PIPELINE = 256
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2.0
REPLY_SECONDS = 3.0
START_SECONDS = 2.0


class RedisBus(LocalBus):
    """Hints between the processes of one or many machines.

    Starts without Redis too: hints are lost until it is there. Redis Cluster is not spoken.
    """

    def __init__(
        self, url: str, *, hearing: Callable[..., Hearing] = Hearing, max_queued: int = MAX_QUEUED
    ) -> None:
        super().__init__()
        self.sharded = self.carries = True
        self._url = url
        self._node = uuid.uuid4().hex[:12]
        self._own_channel = f"{PREFIX}node:{self._node}"
        self._own_mark = self._node.encode()
        self._queue: deque[tuple[str, bytes]] = deque()
        self._queued_bytes = 0
        self._max_queued = max_queued
        self._flushing = False
        self._unanswered = 0
        self._ready = asyncio.Event()
        self._has_shards = True
        self._ears: RedisConnection | None = None
        self._mouth: RedisConnection | None = None
        self._work: list[asyncio.Task[None]] = []
        self._connects = 0
        self._hearing = hearing(self._ping, self._heal, self._hears_again)

    async def start(self) -> None:
        """Listen and speak; returns when it hears, or after a moment when Redis is not there."""
        self._work = [
            asyncio.create_task(self._keep(self._listen), name="bus-ears"),
            asyncio.create_task(self._keep(self._speak), name="bus-mouth"),
            asyncio.create_task(self._hearing.run(), name="bus-watchdog"),
        ]
        try:
            async with asyncio.timeout(START_SECONDS):
                await self._ready.wait()
        except TimeoutError:
            log.warning("bus_not_there", text="Redis does not answer; it is tried again.")

    async def stop(self) -> None:
        for task in self._work:
            task.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)
        await super().stop()
        self._heal()

    @property
    def deaf(self) -> bool:
        return self._hearing.deaf

    async def publish(
        self, channel: str, payload: dict[str, Any], topic: str | None = None
    ) -> None:
        """Deliver here, then queue for the others. A full queue or a lost Redis loses the hint."""
        await self.dispatch(channel, payload)
        head = f"{self._node} {channel} {topic or ''} ".encode()
        where = COMMON if topic is None else _channel_of(topic)
        self._enqueue(where, head + orjson.dumps(payload))

    def carry(self, channel: str, data: bytes, topic: str) -> None:
        """Queue data for the others: it is given up like any hint."""
        self._enqueue(_channel_of(topic), f"{self._node} {channel} {topic} ".encode() + data)

    def _enqueue(self, channel: str, frame: bytes) -> None:
        self._queue.append((channel, frame))
        self._queued_bytes += len(frame)
        while len(self._queue) > self._max_queued or self._queued_bytes > MAX_QUEUED_BYTES:
            self._queued_bytes -= len(self._queue.popleft()[1])
            LOST.inc()
        if self._mouth is not None and not self._flushing:
            # What is said in one turn of the loop goes out together.
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    # ---- both connections --------------------------------------------------------------------

    async def _keep(self, work: Callable[[RedisConnection], Any]) -> None:
        """Run one connection, and the next when it breaks, with growing pauses."""
        pause = FIRST_PAUSE
        while True:
            began = asyncio.get_running_loop().time()
            try:
                connection = await RedisConnection.open(self._url)
                self._connects += 1
                if self._connects > 2:
                    RECONNECTS.inc()
                try:
                    await work(connection)
                finally:
                    connection.abort()
            except OSError as error:
                log.warning("bus_lost", error=repr(error))
            self._hearing.lost()
            if asyncio.get_running_loop().time() - began > 2 * LONGEST_PAUSE:
                pause = FIRST_PAUSE
            await asyncio.sleep(pause * random.uniform(0.7, 1.3))
            pause = min(2 * pause, LONGEST_PAUSE)

    def _heal(self) -> None:
        for connection in (self._ears, self._mouth):
            if connection is not None:
                connection.abort()

    def _ping(self) -> None:
        self._enqueue(self._own_channel, self._own_mark + b" ping  {}")

    def _hears_again(self) -> None:
        self._ready.set()
        log.info("bus_hears")
        self._tell_gap()

    # ---- hearing -----------------------------------------------------------------------------

    async def _listen(self, connection: RedisConnection) -> None:
        self._has_shards = await connection.knows_shards()
        shards = [topic for topic in self._followed if topic.startswith("shard:")]
        wanted = [COMMON, self._own_channel, *(PREFIX + shard for shard in shards)]
        self._ears = connection
        try:
            connection.write(pack(self._verb("SUBSCRIBE"), *wanted))
            # It hears from here on; the first ping proves it.
            self._ping()
            while True:
                for reply in await connection.read():
                    self._take(reply)
        finally:
            self._ears = None

    def _topic_changed(self, topic: str, *, followed: bool) -> None:
        if self._ears is not None and topic.startswith("shard:"):
            verb = self._verb("SUBSCRIBE" if followed else "UNSUBSCRIBE")
            self._ears.write(pack(verb, PREFIX + topic))

    def _take(self, reply: Any) -> None:
        if isinstance(reply, RedisRefused):
            raise reply
        if reply[0] not in (b"smessage", b"message"):
            return
        node, channel, topic, payload = reply[2].split(b" ", 3)
        if node == self._own_mark:
            self._hearing.heard()
            return
        name = channel.decode()
        if name in self._data_listeners:
            if topic.decode() in self._followed:
                self._hand_over(name, payload)
        elif self._wanted(name, topic.decode()):
            self._spawn(self.dispatch(name, orjson.loads(payload)))

    # ---- speaking ----------------------------------------------------------------------------

    async def _speak(self, connection: RedisConnection) -> None:
        self._mouth, self._unanswered = connection, 0
        self._flush()
        try:
            while True:
                # The watchdog's word goes this way too, so there is always something to answer.
                async with asyncio.timeout(REPLY_SECONDS):
                    replies = await connection.read()
                self._unanswered -= len(replies)
                for reply in replies:
                    if isinstance(reply, RedisRefused):
                        raise reply
                self._flush()
        except TimeoutError as error:
            raise ConnectionError("Redis does not answer.") from error
        finally:
            self._mouth = None
            # Some may have arrived; hints are not sent twice.
            LOST.inc(self._unanswered)

    def _flush(self) -> None:
        """Write what waits, as far as what was written has been answered."""
        self._flushing = False
        count = min(len(self._queue), MAX_PIPELINE - self._unanswered)
        if self._mouth is None or count <= 0:
            return
        verb = self._verb("PUBLISH")
        frames = [self._queue.popleft() for _ in range(count)]
        self._queued_bytes -= sum(len(frame) for _, frame in frames)
        self._unanswered += count
        self._mouth.write(b"".join(pack(verb, *frame) for frame in frames))

    def _verb(self, verb: str) -> str:
        """The command for sharded channels where the server has them."""
        return f"S{verb}" if self._has_shards else verb


def _channel_of(topic: str) -> str:
    return PREFIX + (topic if topic.startswith("shard:") else shard_topic(shard_of(topic)))
