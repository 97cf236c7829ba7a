"""Web nodes for tests: the real server on a port of its own, several on one database if wanted."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import uvicorn

import app as zhenjian
from core.bus import open_bus
from core.clock import Clock
from core.config import Config
from core.crypto.keyring import Keyring
from core.modules import Modules
from core.runtime import Runtime
from realtime.gateway import Gateway
from realtime.line import Line


@dataclass(frozen=True)
class Node:
    """A running web node: its address, its gateway and its own surroundings."""

    url: str
    gateway: Gateway
    runtime: Runtime


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # Ctrl-C belongs to the test runner.
        yield


def free_socket() -> socket.socket:
    """A listening address that nobody else has."""
    found = socket.socket()
    found.bind(("127.0.0.1", 0))
    return found


@contextlib.asynccontextmanager
async def serving(
    config: Config, modules: Modules, keyring: Keyring, clock: Clock, **gateway_options: Any
) -> AsyncIterator[Node]:
    """Serve HTTP and Socket.IO from this process on a free port."""
    runtime = zhenjian.build_runtime(
        config,
        modules,
        clock=clock,
        bus=open_bus(config),
        keyring=keyring,
    )
    await runtime.bus.start()
    gateway = Gateway(runtime, modules.room_messages, **gateway_options)
    await gateway.start()
    listening = free_socket()
    server = _Server(
        uvicorn.Config(
            zhenjian.build_asgi(runtime, modules, gateway),
            ws=Line,
            lifespan="off",
            log_config=None,
            timeout_graceful_shutdown=1,
        )
    )
    task = asyncio.create_task(server.serve(sockets=[listening]))
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield Node(f"http://127.0.0.1:{listening.getsockname()[1]}", gateway, runtime)
    finally:
        await gateway.stop()
        server.should_exit = True
        await task
        await runtime.bus.stop()
        await runtime.engine.dispose()
