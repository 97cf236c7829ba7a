"""One connection to Redis as the bus needs it: commands in, replies and published frames out.

Reads whatever has arrived in one go: a client library that waits for each line of each reply costs
ten times as much per frame (`docs/decisions/0016-redis-bus.md`). Protocol: RESP2.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Sequence
from typing import Any, Self

from redis.asyncio.connection import SSLConnection, parse_url

READ_BYTES = 64 * 1024
CONNECT_SECONDS = 2.0

Reply = Any
_INCOMPLETE = object()


class RedisRefused(OSError):
    """Redis answered with an error; the message is Redis's own."""


class Parser:
    """Bytes in, whole replies out. Errors are returned as `RedisRefused`, not raised."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Reply]:
        """Take bytes in; returns the replies that are complete. Raises ValueError for others."""
        self._buffer += data
        replies, position = [], 0
        while True:
            reply, end = self._read(position)
            if reply is _INCOMPLETE:
                break
            replies.append(reply)
            position = end
        del self._buffer[:position]
        return replies

    def _read(self, start: int) -> tuple[Reply, int]:
        buffer = self._buffer
        line_end = buffer.find(b"\r\n", start)
        if line_end < 0:
            return _INCOMPLETE, start
        kind, line = buffer[start : start + 1], bytes(buffer[start + 1 : line_end])
        after = line_end + 2
        if kind == b"$":
            return self._bulk(int(line), after)
        if kind == b"*":
            return self._array(int(line), after)
        if kind == b"+":
            return line, after
        if kind == b":":
            return int(line), after
        if kind == b"-":
            return RedisRefused(line.decode(errors="replace")), after
        raise ValueError(f"Redis sent {bytes(kind)!r}.")

    def _bulk(self, size: int, start: int) -> tuple[Reply, int]:
        if size < 0:
            return None, start
        end = start + size
        if len(self._buffer) < end + 2:
            return _INCOMPLETE, start
        return bytes(self._buffer[start:end]), end + 2

    def _array(self, count: int, start: int) -> tuple[Reply, int]:
        if count < 0:
            return None, start
        items, position = [], start
        for _ in range(count):
            item, position = self._read(position)
            if item is _INCOMPLETE:
                return _INCOMPLETE, start
            items.append(item)
        return items, position


def pack(*words: str | bytes) -> bytes:
    """A command as Redis reads it."""
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        raw = word.encode() if isinstance(word, str) else word
        parts.append(b"$%d\r\n%b\r\n" % (len(raw), raw))
    return b"".join(parts)


class RedisConnection:
    """An open connection. Any failure is an OSError; then it is of no use any more."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._parser = Parser()
        self._ready: list[Reply] = []

    @classmethod
    async def open(cls, url: str) -> Self:
        """Connect and log in. Raises OSError, RedisRefused among them."""
        where = parse_url(url)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                connection = cls(*await _streams(where))
                try:
                    await connection._log_in(where)
                except BaseException:
                    connection.abort()
                    raise
        except TimeoutError as error:
            raise ConnectionError("Redis does not answer.") from error
        return connection

    async def _log_in(self, where: Any) -> None:
        if where.get("password"):
            who = [where["username"]] if where.get("username") else []
            await self.call(["AUTH", *who, where["password"]])

    async def call(self, command: Sequence[str | bytes]) -> Reply:
        """One command and its reply. Raises RedisRefused."""
        self.write(pack(*command))
        reply = await self.reply()
        if isinstance(reply, RedisRefused):
            raise reply
        return reply

    async def knows_shards(self) -> bool:
        """Whether this server has sharded channels (Redis 7 and later)."""
        try:
            return bool((await self.call(["COMMAND", "INFO", "SPUBLISH"]))[0])
        except RedisRefused:
            # It may not be asked: the plain channels work everywhere.
            return False

    @property
    def broken(self) -> bool:
        """Whether the line is down already; what was read from it may still wait."""
        return self._writer.is_closing()

    def write(self, data: bytes) -> None:
        """Send soon. On a broken connection nothing is sent; whoever reads from it is told."""
        # uvloop raises for a transport that has broken, the standard loop does not.
        if not self.broken:
            self._writer.write(data)

    async def reply(self) -> Reply:
        """The next reply, in order."""
        while not self._ready:
            self._ready = await self.read()
        return self._ready.pop(0)

    async def read(self) -> list[Reply]:
        """Whatever has arrived, at least one reply."""
        while True:
            data = await self._reader.read(READ_BYTES)
            if not data:
                raise ConnectionError("Redis closed the connection.")
            try:
                replies = self._parser.feed(data)
            except ValueError as error:
                raise ConnectionError(str(error)) from error
            if replies:
                return replies

    def abort(self) -> None:
        """Throw the connection away without a word."""
        with contextlib.suppress(RuntimeError):
            self._writer.transport.abort()


async def _streams(where: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if "path" in where:
        return await asyncio.open_unix_connection(where["path"])
    context: ssl.SSLContext | None = None
    if where.get("connection_class") is SSLConnection:
        context = ssl.create_default_context(cafile=where.get("ssl_ca_certs"))
    return await asyncio.open_connection(
        where.get("host", "localhost"), where.get("port", 6379), ssl=context
    )
