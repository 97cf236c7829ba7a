"""A small TCP proxy between two parties, which cuts, swallows or delays what it passes on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from typing import Any

READ_BYTES = 64 * 1024


class Proxy:
    """Passes TCP on to the first of `targets` that takes it, beginning with another one each time.

    `swallow_down` and `swallow_up` make the lines half-open: bytes vanish (down is from the server
    to the client), while both ends believe that they are connected.
    """

    def __init__(self, *targets: tuple[str, int]) -> None:
        self._targets = targets
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._to_clients: set[asyncio.StreamWriter] = set()
        self._stranded: set[asyncio.StreamWriter] = set()
        self.swallow_down = False
        self.swallow_up = False
        self.accepted = 0
        self.port = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        self.cut()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Reset every line that is open now."""
        for writer in tuple(self._writers):
            writer.transport.abort()

    def strand(self) -> None:
        """Reset the clients' ends and say nothing to the server: its ends stay open until `cut`."""
        self._stranded |= self._to_clients
        for writer in tuple(self._to_clients):
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        opened = await self._open()
        if opened is None:
            writer.transport.abort()
            return
        there, back = opened
        self._writers |= {writer, back}
        self._to_clients.add(writer)
        self._spawn(self._pass_on(reader, back, writer, up=True))
        self._spawn(self._pass_on(there, writer, writer, up=False))

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        start = self.accepted % len(self._targets)
        for host, port in (*self._targets[start:], *self._targets[:start]):
            with contextlib.suppress(OSError):
                return await asyncio.open_connection(host, port)
        return None

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _pass_on(
        self,
        source: asyncio.StreamReader,
        target: asyncio.StreamWriter,
        client: asyncio.StreamWriter,
        *,
        up: bool,
    ) -> None:
        try:
            while data := await source.read(READ_BYTES):
                if client in self._stranded or (self.swallow_up if up else self.swallow_down):
                    continue
                target.write(data)
                await target.drain()
        except OSError:
            pass
        finally:
            self._to_clients.discard(client)
            if client not in self._stranded:
                self._writers.discard(target)
                with contextlib.suppress(OSError, RuntimeError):
                    target.close()


@contextlib.asynccontextmanager
async def proxy_to(*targets: tuple[str, int]) -> AsyncIterator[Proxy]:
    proxy = Proxy(*targets)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.stop()
