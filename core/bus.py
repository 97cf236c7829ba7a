"""Hints between processes: PostgreSQL LISTEN/NOTIFY, delivered at once inside the own process.

The bus may lose and repeat; nothing may depend on it alone. State is in the database, and every
reader has a cursor or polls as well.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import uuid
import zlib
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import asyncpg
import orjson
import structlog

log = structlog.get_logger(__name__)

Listener = Callable[[dict[str, Any]], Awaitable[None]]
CHANNEL = "zhenjian"
# A NOTIFY payload must stay below 8,000 bytes; the frame around a piece takes about 100.
PIECE = 7_600
RECONNECT_SECONDS = 1.0
# A connection that is cut while it is used fails in any of these ways.
LOST = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
MAX_OPEN_MESSAGES = 256


class Bus(Protocol):
    """Publish to every process, the own one included."""

    async def publish(self, channel: str, payload: dict[str, Any]) -> None: ...

    def subscribe(self, channel: str, listener: Listener) -> Callable[[], None]: ...

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


class LocalBus:
    """The bus of a process that is alone, and the dispatching half of every other bus."""

    def __init__(self) -> None:
        self._listeners: dict[str, list[Listener]] = defaultdict(list)

    async def start(self) -> None:
        return None

    async def stop(self) -> None:
        return None

    def subscribe(self, channel: str, listener: Listener) -> Callable[[], None]:
        """Hear ``channel``; the returned function ends it."""
        self._listeners[channel].append(listener)

        def unsubscribe() -> None:
            with contextlib.suppress(ValueError):
                self._listeners[channel].remove(listener)

        return unsubscribe

    async def publish(self, channel: str, payload: dict[str, Any]) -> None:
        await self.dispatch(channel, payload)

    async def dispatch(self, channel: str, payload: dict[str, Any]) -> None:
        for listener in tuple(self._listeners.get(channel, ())):
            try:
                await listener(payload)
            except (OSError, RuntimeError, ValueError, LookupError, TypeError) as error:
                # One listener's failure must not silence the others.
                log.error("bus_listener_failed", channel=channel, error=repr(error), exc_info=True)


class PostgresBus(LocalBus):
    """LISTEN/NOTIFY on a connection of its own; large payloads travel compressed, in pieces."""

    def __init__(self, dsn: str) -> None:
        super().__init__()
        self._dsn = dsn.replace("postgresql+asyncpg://", "postgresql://", 1)
        self._node = uuid.uuid4().hex[:12]
        self._connection: asyncpg.Connection[Any] | None = None
        self._ready = asyncio.Event()
        self._sending = asyncio.Lock()
        self._keeper: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._pieces: dict[str, list[str | None]] = {}

    async def start(self) -> None:
        await self._connect()
        self._keeper = asyncio.create_task(self._keep_connected(), name="bus")

    async def stop(self) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
        for task in tuple(self._tasks):
            task.cancel()
        if self._connection is not None:
            await self._connection.close(timeout=2)

    async def publish(self, channel: str, payload: dict[str, Any]) -> None:
        """Deliver here, then tell the other processes. A lost connection loses only the hint."""
        await self.dispatch(channel, payload)
        raw = base64.b85encode(zlib.compress(orjson.dumps([channel, payload]), 1)).decode()
        pieces = [raw[i : i + PIECE] for i in range(0, len(raw), PIECE)]
        message = uuid.uuid4().hex[:16]
        connection = self._connection
        if connection is None or connection.is_closed():
            log.warning("bus_down", channel=channel)
            return
        async with self._sending:
            try:
                for index, piece in enumerate(pieces):
                    frame = f"{self._node} {message} {index} {len(pieces)} {piece}"
                    await connection.execute("SELECT pg_notify($1, $2)", CHANNEL, frame)
            except LOST as error:
                log.warning("bus_publish_failed", channel=channel, error=repr(error))
                # Whatever state it is in: the keeper makes a new one.
                connection.terminate()

    async def _connect(self) -> None:
        connection = await asyncpg.connect(self._dsn)
        await connection.add_listener(CHANNEL, self._on_notify)
        self._connection = connection
        self._ready.set()

    async def _keep_connected(self) -> None:
        while True:
            await asyncio.sleep(RECONNECT_SECONDS)
            if self._connection is not None and not self._connection.is_closed():
                continue
            try:
                await self._connect()
                log.info("bus_reconnected")
            except LOST as error:
                log.warning("bus_reconnect_failed", error=repr(error))

    def _on_notify(self, connection: Any, pid: int, channel: str, frame: object) -> None:
        node, message, index, total, piece = str(frame).split(" ", 4)
        if node == self._node:
            return
        whole = self._collect(message, int(index), int(total), piece)
        if whole is None:
            return
        name, payload = orjson.loads(zlib.decompress(base64.b85decode(whole)))
        task = asyncio.create_task(self.dispatch(name, payload))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _collect(self, message: str, index: int, total: int, piece: str) -> str | None:
        if total == 1:
            return piece
        pieces = self._pieces.setdefault(message, [None] * total)
        pieces[index] = piece
        if any(part is None for part in pieces):
            if len(self._pieces) > MAX_OPEN_MESSAGES:
                self._pieces.pop(next(iter(self._pieces)))
            return None
        del self._pieces[message]
        return "".join(part or "" for part in pieces)
