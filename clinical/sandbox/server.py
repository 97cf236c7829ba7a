"""The simulators as one HTTP server: a process of its own, or a guest in a test's event loop."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import socket
from collections.abc import Iterator
from types import TracebackType
from typing import Self

import uvicorn

from clinical.sandbox.app import build_app
from clinical.sandbox.config import SandboxConfig
from clinical.sandbox.world import World
from core.config import Config
from core.supervisor import stop_event


class NotADemo(RuntimeError):
    """The simulators belong to the demo alone."""


async def run_for(config: Config) -> None:
    """The simulators of a demo until it stops. Raises NotADemo, and OSError for a taken port."""
    if not config.demo:
        raise NotADemo("The simulators run in demo mode only (ZHENJIAN_DEMO=true).")
    where = SandboxConfig(
        data_dir=config.data_dir,
        host=config.sandbox_host,
        port=config.sandbox_port,
        public_url=config.sandbox_url,
    )
    await run(where, stop_event())


async def run(config: SandboxConfig, stop: asyncio.Event) -> None:
    """Serve until `stop` is set. Raises OSError when the port is taken."""
    async with SandboxServer(config) as server:
        await server.ended(stop)


class SandboxServer:
    """The running simulators: `async with SandboxServer(config) as server`.

    Port 0 takes a free one; `url` and `world` are valid inside the block. Signals are left to the
    owner of the event loop.
    """

    def __init__(self, config: SandboxConfig) -> None:
        self._listener, self.config = _bind(config)
        self._app_config = _uvicorn(self.config)
        self._server = _QuietServer(self._app_config)
        self._task: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        return self.config.url

    @property
    def world(self) -> World:
        world = self._app_config.app.state.world  # type: ignore[union-attr]
        assert isinstance(world, World)
        return world

    async def ended(self, stop: asyncio.Event) -> None:
        """Wait until `stop` is set or the server ends by itself."""
        assert self._task is not None
        waiting = asyncio.create_task(stop.wait())
        await asyncio.wait({self._task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._server.serve(sockets=[self._listener]))
        started = asyncio.create_task(self._server.begun.wait())
        await asyncio.wait({self._task, started}, return_when=asyncio.FIRST_COMPLETED)
        if self._task.done():
            started.cancel()
            await self._task
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.world.stopping.set()
        self._server.should_exit = True
        if self._task is not None:
            await self._task
        self._listener.close()


class _QuietServer(uvicorn.Server):
    """Leaves signals to whoever owns the event loop and says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.begun = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.begun.set()


def _bind(config: SandboxConfig) -> tuple[socket.socket, SandboxConfig]:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((config.host, config.port))
    except OSError:
        listener.close()
        raise
    return listener, dataclasses.replace(config, port=listener.getsockname()[1])


def _uvicorn(config: SandboxConfig) -> uvicorn.Config:
    return uvicorn.Config(
        build_app(config),
        log_level="warning",
        access_log=False,
        lifespan="on",
        ws="none",
        timeout_graceful_shutdown=3,
    )
