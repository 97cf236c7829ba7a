"""The bus over PostgreSQL's LISTEN/NOTIFY: for the processes of an installation without Redis."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import uuid
import zlib
from collections.abc import Callable
from typing import Any

import asyncpg
import orjson
import structlog

from core.bus.base import LocalBus
from core.bus.hearing import Hearing

log = structlog.get_logger(__name__)

CHANNEL = "zhenjian"
# A NOTIFY payload must stay below 8,000 bytes; the frame around a piece takes about 200.
PIECE = 7_600
RECONNECT_SECONDS = 1.0
# A connection that is cut while it is used fails in any of these ways.
LOST = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
MAX_OPEN_MESSAGES = 256


class PostgresBus(LocalBus):
    """LISTEN/NOTIFY on a connection of its own; large payloads travel compressed, in pieces."""

    def __init__(self, dsn: str, *, hearing: Callable[..., Hearing] = Hearing) -> None:
        super().__init__()
        self._dsn = dsn.replace("postgresql+asyncpg://", "postgresql://", 1)
        self._node = uuid.uuid4().hex[:12]
        self._connection: asyncpg.Connection[Any] | None = None
        self._sending = asyncio.Lock()
        self._work: list[asyncio.Task[None]] = []
        self._pieces: dict[str, list[str | None]] = {}
        self._hearing = hearing(self._ping, self._heal, self._tell_gap)

    async def start(self) -> None:
        await self._connect()
        self._hearing.heard()
        self._work = [
            asyncio.create_task(self._keep_connected(), name="bus"),
            asyncio.create_task(self._hearing.run(), name="bus-watchdog"),
        ]

    async def stop(self) -> None:
        for task in self._work:
            task.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)
        await super().stop()
        if self._connection is not None:
            with contextlib.suppress(*LOST, TimeoutError):
                await self._connection.close(timeout=2)

    @property
    def deaf(self) -> bool:
        return self._hearing.deaf

    async def publish(
        self, channel: str, payload: dict[str, Any], topic: str | None = None
    ) -> None:
        """Deliver here, then tell the other processes. A lost connection loses only the hint."""
        await self.dispatch(channel, payload)
        raw = base64.b85encode(zlib.compress(orjson.dumps(payload), 1)).decode()
        pieces = [raw[i : i + PIECE] for i in range(0, len(raw), PIECE)]
        message = uuid.uuid4().hex[:16]
        head = f"{self._node} {channel} {topic or ''} {message}"
        await self._notify(
            [f"{head} {index} {len(pieces)} {piece}" for index, piece in enumerate(pieces)]
        )

    async def _notify(self, frames: list[str]) -> None:
        connection = self._connection
        if connection is None or connection.is_closed():
            log.warning("bus_down")
            return
        async with self._sending:
            try:
                for frame in frames:
                    await connection.execute("SELECT pg_notify($1, $2)", CHANNEL, frame)
            except LOST as error:
                log.warning("bus_publish_failed", error=repr(error))
                # Whatever state it is in: the keeper makes a new one.
                connection.terminate()

    def _ping(self) -> None:
        # One that is under way already will do: a second would wait for the first.
        if not self._sending.locked():
            self._spawn(self._notify([self._node]))

    def _heal(self) -> None:
        if self._connection is not None:
            self._connection.terminate()

    async def _connect(self) -> None:
        connection = await asyncpg.connect(self._dsn)
        await connection.add_listener(CHANNEL, self._on_notify)
        self._connection = connection

    async def _keep_connected(self) -> None:
        while True:
            await asyncio.sleep(RECONNECT_SECONDS)
            if self._connection is not None and not self._connection.is_closed():
                continue
            self._hearing.lost()
            try:
                await self._connect()
                log.info("bus_reconnected")
                self._ping()
            except LOST as error:
                log.warning("bus_reconnect_failed", error=repr(error))

    def _on_notify(self, connection: Any, pid: int, channel: str, frame: object) -> None:
        node, _, rest = str(frame).partition(" ")
        if node == self._node:
            self._hearing.heard()
            return
        if not rest:
            return
        name, topic, message, index, total, piece = rest.split(" ", 5)
        if not self._wanted(name, topic):
            return
        whole = self._collect(message, int(index), int(total), piece)
        if whole is not None:
            payload = orjson.loads(zlib.decompress(base64.b85decode(whole)))
            self._spawn(self.dispatch(name, payload))

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
