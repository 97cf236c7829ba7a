"""Builds everything: the runtime, the ASGI application, the processes and the command line.

The only file that imports all packages; nothing imports it.
"""

# ruff: noqa: E402 - see the first statement.
from __future__ import annotations

import gc

# Imports make hundreds of thousands of objects that stay: looking for garbage among them again and
# again would be a third of a start.
gc.disable()

import argparse
import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import TYPE_CHECKING, Any

import structlog
import uvicorn
import uvloop
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from core import check, data_report, logs, masking, migrate, outbox
from core.audit import command as integrity_command
from core.bus import Bus, LocalBus, open_bus
from core.clock import Clock, SystemClock
from core.command_line import command_line
from core.config import Config
from core.crypto import commands as keys_command
from core.crypto.engine import chosen
from core.crypto.follow import KeyFollower, look_at_storage
from core.crypto.keyring import Keyring, KeyringError, install_keyring
from core.crypto.opening import open_vault
from core.crypto.opening import ready as keys_ready
from core.crypto.vault import Vault
from core.db import Base, create_engine
from core.defence import content
from core.defence.headers import Policies
from core.http import dispatch, site
from core.http.middleware import RequestMiddleware
from core.http.protocol import GuardedProtocol
from core.integrity.anchors import Anchors, open_anchors
from core.jobs import JobRunner
from core.modules import Modules, UnknownModules, load_modules
from core.nodes import children_of
from core.redis_server import RedisMissing
from core.runtime import Runtime
from core.starting import (
    SetupProblem,
    database_answers,
    database_ready,
    load_config,
    require_adapters,
    require_schema,
    serve_lan,
)
from core.storage import Storage
from core.supervisor import (
    ProcessFailed,
    Supervisor,
    keep_files_from_children,
    stop_event,
)
from core.tls import TlsProblem

if TYPE_CHECKING:
    from realtime.gateway import Gateway

gc.freeze()
gc.enable()

VERSION = "0.1.0"
CORE_MODULES = (
    "core.integrity",
    "core.crypto",
    "core.identity",
    "core.audit",
    "core.files",
    "core.files.scanning",
    "core.files.resumable",
    "core.settings",
    "core.access",
    "core.alarms",
    "core.http",
    "core.defence",
)
Background = Callable[[asyncio.Event], Coroutine[Any, Any, None]]
log = structlog.get_logger(__name__)


def all_modules(config: Config) -> Modules:
    """Every module of the house, in dependency order."""
    from admin.modules import MODULES as ADMIN
    from clinical.modules import MODULES as CLINICAL
    from media.modules import MODULES as MEDIA

    names = [*CORE_MODULES, "realtime", *MEDIA, *CLINICAL, *ADMIN]
    gc.disable()
    try:
        modules = load_modules(names, config.served_modules)
    finally:
        gc.freeze()
        gc.enable()
    masking.learn(*data_report.log_fields(Base.metadata))
    return modules


def build_runtime(
    config: Config,
    modules: Modules,
    *,
    clock: Clock | None = None,
    bus: Bus | None = None,
    keyring: Keyring,
    engine: AsyncEngine | None = None,
) -> Runtime:
    """The surroundings of every handler. Adapters of outside systems are added by `adapters`."""
    from realtime.hub import Hub

    url = config.require_database()
    install_keyring(keyring)
    runtime = Runtime(
        config=config,
        clock=clock or SystemClock(),
        engine=engine or create_engine(url, pool_size=config.database_pool),
        keyring=keyring,
        storage=Storage.open(config.storage),
        bus=bus or open_bus(config),
        handlers=modules.handlers,
    )
    runtime.provide(Anchors, open_anchors(config, runtime.storage))
    runtime.realtime = Hub(runtime)
    return runtime


async def open_runtime(config: Config, modules: Modules, bus: Bus | None = None) -> Runtime:
    """A runtime with the keys of the database. Raises SetupProblem and KeyringError."""
    clock = SystemClock()
    engine = create_engine(config.require_database(), pool_size=config.database_pool)
    try:
        await database_ready(engine, config.database_wait)
        with database_answers():
            vault, keyring = await open_vault(config, engine, clock)
    except BaseException:
        await engine.dispose()
        raise
    runtime = build_runtime(config, modules, clock=clock, bus=bus, keyring=keyring, engine=engine)
    runtime.provide(Vault, vault)
    await look_at_storage(runtime)
    return runtime


def build_asgi(runtime: Runtime, modules: Modules, gateway: Gateway | None = None) -> ASGIApp:
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
    with_ids: ASGIApp = RequestMiddleware(
        application,
        Policies(runtime.config.public_url or "", strict_transport=not runtime.config.demo),
    )
    return gateway.wrap(with_ids) if gateway is not None else with_ids


@contextlib.asynccontextmanager
async def running(runtime: Runtime, background: list[Background]) -> AsyncIterator[asyncio.Event]:
    """The bus and background work of a process; the event stops the work when it is set."""
    stop = asyncio.Event()
    await runtime.bus.start()
    background = [*background, KeyFollower(runtime, runtime.port(Vault)).run]
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


def provide_adapters(runtime: Runtime) -> None:
    """Give every port its adapter, as the configuration says. Raises SetupProblem."""
    from clinical import adapters as clinical
    from core import adapters as foundation
    from media.speech.gateway import Recogniser, recogniser_of

    sms = foundation.text_messages(runtime)
    foundation.provide(runtime, sms)
    clinical.provide(runtime, sms)
    recogniser = recogniser_of(runtime.config, runtime.clock.now)
    if recogniser is not None:
        runtime.provide(Recogniser, recogniser)


async def close_adapters(runtime: Runtime) -> None:
    """Close the connections that adapters hold."""
    for adapter in runtime.ports.values():
        close = getattr(adapter, "aclose", None)
        if close is not None:
            await close()


# --- Processes ------------------------------------------------------------------------------------


async def serving_runtime(config: Config) -> tuple[Modules, Runtime]:
    """All modules and a runtime with every adapter. Raises SetupProblem for what is missing."""
    without = ["database (ZHENJIAN_DATABASE_URL)"] if config.database_url is None else []
    require_adapters(config, *without)
    modules = all_modules(config)
    runtime = await open_runtime(config, modules)
    provide_adapters(runtime)
    log_engine()
    return modules, runtime


def log_engine() -> None:
    """Which library seals is part of every process's log."""
    log.info("sm4 and sm3", engine=str(chosen()))


async def web(config: Config) -> None:
    """HTTP, Socket.IO and, when alone, the relay and the jobs."""
    from realtime.line import Line

    modules, runtime = await serving_runtime(config)
    background = relay_and_jobs(runtime, modules) if config.relay else []
    if not config.demo:
        background.append(content.ContentWatch(runtime).run)
    async with running(runtime, background), gateway_of(runtime, modules) as gateway:
        server = uvicorn.Server(
            uvicorn.Config(
                build_asgi(runtime, modules, gateway),
                host=config.host,
                port=config.port,
                loop="uvloop",
                # Sockets without a task each: realtime/line.py.
                ws=Line,
                lifespan="off",
                server_header=False,
                log_config=None,
                http=GuardedProtocol,
                forwarded_allow_ips=config.trusted_proxies,
                timeout_graceful_shutdown=5,
                ssl_certfile=config.tls_certificate,
                ssl_keyfile=config.tls_key,
            )
        )
        # What the start has made lives as long as the process: no collection need look at it again.
        gc.collect()
        gc.freeze()
        # A message makes objects that live until its group is committed. With the default of 700
        # the collector walks over them several times a group: a sixth of all processor time.
        gc.set_threshold(50_000, 20, 20)
        # Threads that sign need the interpreter for microseconds between calls into OpenSSL: with
        # the default each of them may wait 5 ms for it.
        sys.setswitchinterval(0.0005)
        await server.serve()


@contextlib.asynccontextmanager
async def gateway_of(runtime: Runtime, modules: Modules) -> AsyncIterator[Gateway]:
    """The Socket.IO gateway of a web process."""
    from realtime.gateway import Gateway

    gateway = Gateway(runtime, modules.room_messages)
    await gateway.start()
    try:
        yield gateway
    finally:
        await gateway.stop()


async def worker(config: Config) -> None:
    """The outbox relay and the scheduled jobs, without a socket to the outside."""
    modules, runtime = await serving_runtime(config)
    stop = stop_event()
    async with running(runtime, relay_and_jobs(runtime, modules)):
        await stop.wait()


async def media(config: Config) -> None:
    """One media worker."""
    from media import compiled

    packets = "compiled" if config.media_compiled and compiled.use() else "interpreted"
    from media.memory import return_large_blocks
    from media.worker import run_worker, worker_config

    own = worker_config(config)
    return_large_blocks()
    log_engine()
    log.info("packets", way=packets)
    # Packets come and go and leave nothing to collect: what the collector finds are the remains of
    # calls, and each of its walks costs the packets that wait meanwhile.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    # While a recording is sealed packets wait for the interpreter: not for 5 ms each time.
    sys.setswitchinterval(0.0005)
    await run_worker(own, stop_event())


async def sandbox(config: Config) -> None:
    """The simulators of the outside world; they belong to the demo alone."""
    from clinical.sandbox.server import NotADemo, run_for

    try:
        await run_for(config)
    except NotADemo as error:
        raise SetupProblem(str(error)) from error


async def migrate_database(config: Config) -> None:
    """Bring the schema to the newest version."""
    engine = create_engine(config.require_database(), pool_size=2)
    try:
        with database_answers():
            await migrate.upgrade(engine)
            tell(f"The schema is at version {(await migrate.current(engine))[0]}")
            if config.kek == "pkcs11" or config.keys.exists():
                await keys_ready(config, engine, SystemClock())
    finally:
        await engine.dispose()


async def demo(config: Config) -> None:
    """Everything on this machine with a demo hospital."""
    from admin.demo.accounts import DEMO_ACCOUNTS
    from admin.demo.launch import Demo

    await Demo(config).run(seed_demo, DEMO_ACCOUNTS)


async def seed_demo(config: Config, sandbox_url: str) -> None:
    """Fill an empty database with the demo hospital."""
    from admin.demo.seed import seed

    runtime = await open_runtime(config, all_modules(config), LocalBus())
    provide_adapters(runtime)
    try:
        await seed(runtime, sandbox_url)
    finally:
        await close_adapters(runtime)
        await runtime.engine.dispose()


async def serve(config: Config, nodes: int = 1) -> None:
    """Web, one media worker and one worker under one parent."""
    require_adapters(config)
    supervisor = Supervisor()
    stop = stop_event()
    try:
        for child in children_of(config, nodes, tell):
            await supervisor.start(child)
        await supervisor.wait(stop)
    finally:
        await supervisor.stop()


async def manage_keys(config: Config, given: argparse.Namespace) -> None:
    """Write a fresh key file, or manage the keys: list, status, rotate, backup, restore, drill."""

    async def runtime() -> Runtime:
        return await open_runtime(config, all_modules(config))

    async def engine() -> AsyncEngine:
        # The columns whose cells are sealed belong to the modules.
        all_modules(config)
        made = create_engine(config.require_database(), pool_size=2)
        await require_schema(made)
        return made

    await keys_command.run(
        given, keys_command.Surroundings(config, SystemClock(), runtime, engine, tell)
    )


async def check_configuration(config: Config) -> None:
    """Say what is wrong with the configuration, the data classes or the integrity of the data."""
    if not await check.configuration(config, tell):
        raise SystemExit(1)


async def check_data(config: Config, *, everything: bool) -> None:
    """Say which columns have no data class, a line each; with `everything` the counts too."""
    all_modules(config)
    if not check.data(tell, everything=everything):
        raise SystemExit(1)


async def check_integrity(config: Config, *, restart: str | None) -> None:
    """Check every protected row, the chain and its anchors, with progress; 1 for findings."""
    runtime = await open_runtime(config, all_modules(config))
    try:
        if restart is not None:
            await integrity_command.restart_anchors(runtime, restart, tell)
        elif await integrity_command.check(runtime, tell):
            raise SystemExit(1)
    finally:
        await runtime.engine.dispose()


# --- Command line ---------------------------------------------------------------------------------


def tell(line: str) -> None:
    """A line for whoever gave the command, at once."""
    print(line, flush=True)


COMMANDS: dict[str, Callable[[Config], Coroutine[Any, Any, None]]] = {
    "serve": serve,
    "web": web,
    "media": media,
    "worker": worker,
    "migrate": migrate_database,
    "demo": demo,
    "check": check_configuration,
    "sandbox": sandbox,
}


def main(arguments: list[str] | None = None) -> None:
    """The ``zhenjian`` command; a problem that its user can solve is told in one line."""
    told = {name: command.__doc__ or "" for name, command in COMMANDS.items()}
    given = command_line(VERSION, {**told, "keys": manage_keys.__doc__ or ""}).parse_args(arguments)
    command = given.command
    keep_files_from_children()
    try:
        config = load_config(demo_mode=command == "demo")
        if getattr(given, "lan", False):
            config = serve_lan(config, tell)
        logs.configure(config.log_level, config.log_format, command)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(work_of(given, config))
    except one_line_problems() as error:
        print(f"zhenjian {command}: {error}", file=sys.stderr)
        raise SystemExit(2) from error
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def work_of(given: argparse.Namespace, config: Config) -> Coroutine[Any, Any, None]:
    """What the command line asks for."""
    if given.command == "check" and given.what == "data":
        return check_data(config, everything=given.all)
    if given.command == "check" and given.what == "integrity":
        return check_integrity(config, restart=given.restart_anchors)
    if given.command == "keys":
        return manage_keys(config, given)
    if given.command == "serve":
        return serve(config, given.nodes)
    return COMMANDS[given.command](config)


def one_line_problems() -> tuple[type[Exception], ...]:
    """Failures that need a sentence, not a trace."""
    from admin.demo.launch import DemoProblem
    from core.postgres import PostgresFailed

    return (
        SetupProblem,
        DemoProblem,
        PostgresFailed,
        ProcessFailed,
        RedisMissing,
        KeyringError,
        TlsProblem,
        UnknownModules,
    )


if __name__ == "__main__":
    main()
