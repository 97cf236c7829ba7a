"""Between clients and a sound server: passes frames on, and lies about some of them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator

import aiohttp
from aiohttp import WSMsgType, web

_SEND = re.compile(r'^42(\d+)\["message:send"')
#: One frame in so many is treated.
EVERY = 4


class LyingProxy:
    """`lie`: `swallow` acknowledges a message that it keeps from the server, `double` sends an
    event again; None passes everything on.
    """

    def __init__(self, target: str, lie: str | None) -> None:
        self._target = target
        self._lie = lie
        self._turn = 0

    async def pass_on(self, request: web.Request) -> web.WebSocketResponse:
        client = web.WebSocketResponse()
        await client.prepare(request)
        async with (
            aiohttp.ClientSession(trust_env=False) as http,
            http.ws_connect(self._target + str(request.rel_url)) as server,
        ):
            down = asyncio.create_task(self._down(server, client))
            async for message in client:
                if message.type is WSMsgType.TEXT and not await self._swallow(message.data, client):
                    await server.send_str(message.data)
            down.cancel()
        return client

    async def _down(
        self, server: aiohttp.ClientWebSocketResponse, client: web.WebSocketResponse
    ) -> None:
        async for message in server:
            if message.type is WSMsgType.TEXT:
                await client.send_str(message.data)
                if message.data.startswith('42["message"') and self._lies("double"):
                    await client.send_str(message.data)
        await client.close()

    async def _swallow(self, frame: str, client: web.WebSocketResponse) -> bool:
        found = _SEND.match(frame)
        if found is None or not self._lies("swallow"):
            return False
        answer = {"ok": True, "seq": 2, "at": "2026-11-21T00:00:00Z", "duplicate": False}
        await client.send_str(f"43{found[1]}{json.dumps([answer])}")
        return True

    def _lies(self, how: str) -> bool:
        if self._lie != how:
            return False
        self._turn += 1
        return self._turn % EVERY == 0


@contextlib.asynccontextmanager
async def lying_proxy(target: str, lie: str | None) -> AsyncIterator[str]:
    """The address under which the server can be reached through the proxy."""
    app = web.Application()
    app.router.add_get("/socket.io/", LyingProxy(target, lie).pass_on)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
