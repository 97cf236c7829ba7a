"""What a bus is, and the half that all of them share: listeners, topics, dispatching."""

from __future__ import annotations

import asyncio
import contextlib
import zlib
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol

import structlog

log = structlog.get_logger(__name__)

Listener = Callable[[dict[str, Any]], Awaitable[None]]
#: Hears data as it came; it must not wait.
DataListener = Callable[[bytes], None]
#: Topics fall into this many shards. All processes must agree, so it is no setting. Few enough that
#: a commit of many rooms is told in few frames, many enough that a process with few sockets is
#: spared most of what concerns others.
SHARDS = 64


def shard_of(topic: str) -> int:
    """The shard of a topic, the same in every process."""
    return zlib.crc32(topic.encode()) % SHARDS


def shard_topic(shard: int) -> str:
    """The topic that everybody follows who follows anything in this shard."""
    return f"shard:{shard}"


class Bus(Protocol):
    """Publish to every process, the own one included.

    With a `topic` (`room:…`, `user:…`) only processes that follow it need to hear; the own
    listeners hear always. `sharded`: it spares processes the topics that they do not follow, so it
    is worth while to send a hint about many topics in a part for each shard. `carries`: it takes
    data to other processes as well, which may get lost like any hint.
    """

    sharded: bool
    carries: bool

    async def publish(
        self, channel: str, payload: dict[str, Any], topic: str | None = None
    ) -> None: ...

    async def dispatch(self, channel: str, payload: dict[str, Any]) -> None:
        """Deliver to the listeners of this process alone."""
        ...

    def subscribe(self, channel: str, listener: Listener) -> Callable[[], None]: ...

    def carry(self, channel: str, data: bytes, topic: str) -> None:
        """Take data to the other processes that follow `topic`; nobody hears it here."""
        ...

    def on_data(self, channel: str, listener: DataListener) -> Callable[[], None]: ...

    def follow(self, topic: str) -> None: ...

    def unfollow(self, topic: str) -> None: ...

    @property
    def deaf(self) -> bool:
        """Whether hints of others do not arrive at present, so that one has to look by oneself."""
        ...

    def on_gap(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` when hearing begins again after a time in which hints were lost."""
        ...

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


class LocalBus:
    """The bus of a process that is alone, and the dispatching half of every other bus."""

    def __init__(self) -> None:
        self._listeners: dict[str, list[Listener]] = defaultdict(list)
        self._followed: Counter[str] = Counter()
        self._gap_listeners: list[Callable[[], None]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._data_listeners: dict[str, list[DataListener]] = defaultdict(list)
        self.sharded = self.carries = False

    async def start(self) -> None:
        return None

    async def stop(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def deaf(self) -> bool:
        return False

    def subscribe(self, channel: str, listener: Listener) -> Callable[[], None]:
        """Hear ``channel``; the returned function ends it."""
        self._listeners[channel].append(listener)

        def unsubscribe() -> None:
            with contextlib.suppress(ValueError):
                self._listeners[channel].remove(listener)

        return unsubscribe

    def carry(self, channel: str, data: bytes, topic: str) -> None:
        """Nobody else is there, or this bus has no room for data."""

    def on_data(self, channel: str, listener: DataListener) -> Callable[[], None]:
        """Hear the data of `channel` that other processes carry; the returned function ends it."""
        self._data_listeners[channel].append(listener)

        def unsubscribe() -> None:
            with contextlib.suppress(ValueError):
                self._data_listeners[channel].remove(listener)

        return unsubscribe

    def on_gap(self, listener: Callable[[], None]) -> Callable[[], None]:
        self._gap_listeners.append(listener)

        def unsubscribe() -> None:
            with contextlib.suppress(ValueError):
                self._gap_listeners.remove(listener)

        return unsubscribe

    def follow(self, topic: str) -> None:
        """Hear what others publish on this topic; counted, so follow and unfollow in pairs."""
        for each in (topic, shard_topic(shard_of(topic))):
            self._followed[each] += 1
            if self._followed[each] == 1:
                self._topic_changed(each, followed=True)

    def unfollow(self, topic: str) -> None:
        for each in (topic, shard_topic(shard_of(topic))):
            self._followed[each] -= 1
            if self._followed[each] <= 0:
                del self._followed[each]
                self._topic_changed(each, followed=False)

    async def publish(
        self, channel: str, payload: dict[str, Any], topic: str | None = None
    ) -> None:
        await self.dispatch(channel, payload)

    async def dispatch(self, channel: str, payload: dict[str, Any]) -> None:
        for listener in tuple(self._listeners.get(channel, ())):
            try:
                await listener(payload)
            except (OSError, RuntimeError, ValueError, LookupError, TypeError) as error:
                # One listener's failure must not silence the others.
                log.error("bus_listener_failed", channel=channel, error=repr(error), exc_info=True)

    def _hand_over(self, channel: str, data: bytes) -> None:
        """Data of another process for the listeners here."""
        for listener in tuple(self._data_listeners[channel]):
            try:
                listener(data)
            except (OSError, RuntimeError, ValueError, LookupError, TypeError) as error:
                log.error("bus_listener_failed", channel=channel, error=repr(error), exc_info=True)

    def _topic_changed(self, topic: str, *, followed: bool) -> None:
        """For a bus that tells the server what it wants to hear."""

    def _wanted(self, channel: str, topic: str) -> bool:
        """Whether a frame from elsewhere is worth decoding. An empty topic concerns everybody."""
        return bool(self._listeners.get(channel)) and (not topic or topic in self._followed)

    def _tell_gap(self) -> None:
        for listener in tuple(self._gap_listeners):
            listener()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
