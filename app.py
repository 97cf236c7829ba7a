"""Builds everything: the runtime, the ASGI application, the processes and the command line.

The only file that imports all packages; nothing imports it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import structlog
import uvicorn
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from core import logs, migrate, outbox
from core.bus import Bus, PostgresBus
from core.clock import Clock, SystemClock
from core.config import Config
from core.crypto.columns import install_keyring
from core.crypto.keyring import Keyring, KeyringError
from core.db import create_engine
from core.http import dispatch, site
from core.http.middleware import RequestMiddleware
from core.jobs import JobRunner
from core.modules import Modules, load_modules
from core.runtime import Runtime
from core.storage import Storage
from core.supervisor import stop_event

VERSION = "0.1.0"
CORE_MODULES = ("core.identity", "core.audit", "core.files", "core.settings", "core.http")
Background = Callable[[asyncio.Event], Coroutine[Any, Any, None]]
log = structlog.get_logger(__name__)


class SetupProblem(Exception):
    """Something that the person who starts a process must put right; told in one line."""


def all_modules(config: Config) -> Modules:
    """Every module of the house, in dependency order."""
    from admin.modules import MODULES as ADMIN
    from clinical.modules import MODULES as CLINICAL
    from media.modules import MODULES as MEDIA

    names = [*CORE_MODULES, "realtime", *MEDIA, *CLINICAL, *ADMIN]
    return load_modules(names, config.served_modules)


def build_runtime(
    config: Config,
    modules: Modules,
    *,
    clock: Clock | None = None,
    bus: Bus | None = None,
    keyring: Keyring | None = None,
) -> Runtime:
    """The surroundings of every handler. Adapters of outside systems are added by `adapters`."""
    url = config.require_database()
    ring = keyring or Keyring.load(config.keys)
    install_keyring(ring)
    return Runtime(
        config=config,
        clock=clock or SystemClock(),
        engine=create_engine(url, pool_size=config.database_pool),
        keyring=ring,
        storage=Storage.open(config.storage),
        bus=bus or PostgresBus(url),
        handlers=modules.handlers,
    )


def build_asgi(runtime: Runtime, modules: Modules, gateway: Any = None) -> ASGIApp:
    """The HTTP application; with a gateway, Socket.IO is served below ``/socket.io``."""
    routes = modules.routes
    application = Starlette(
        routes=[*dispatch.build_routes(runtime, routes), *site.build(runtime, routes, VERSION)],
        exception_handlers={
            HTTPException: dispatch.on_http_exception,
            Exception: dispatch.on_unexpected,
        },
    )
    application.state.runtime = runtime
    with_ids: ASGIApp = RequestMiddleware(application)
    return gateway.wrap(with_ids) if gateway is not None else with_ids


@contextlib.asynccontextmanager
async def running(runtime: Runtime, background: list[Background]) -> AsyncIterator[asyncio.Event]:
    """The bus and background work of a process; the event stops the work when it is set."""
    stop = asyncio.Event()
    await runtime.bus.start()
    tasks = [asyncio.create_task(work(stop)) for work in background]
    try:
        yield stop
    finally:
        stop.set()
        await asyncio.gather(*tasks, return_exceptions=True)
        await runtime.bus.stop()
        await close_adapters(runtime)
        await runtime.engine.dispose()


def relay_and_jobs(runtime: Runtime, modules: Modules) -> list[Background]:
    """The work of a worker process: reactions and scheduled jobs."""
    relay = outbox.Relay(runtime)

    async def wake(payload: dict[str, Any]) -> None:
        relay.wake()

    runtime.bus.subscribe(outbox.WAKE_CHANNEL, wake)
    return [relay.run, JobRunner(runtime, modules.jobs).run]
