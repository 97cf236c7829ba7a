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
import os
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import asyncpg
import structlog
import uvicorn
import uvloop
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from core import data_report, logs, masking, migrate, outbox
from core.audit import command as integrity_command
from core.bus import Bus, LocalBus, open_bus
from core.channels import open_channels
from core.clock import Clock, SystemClock
from core.config import Config
from core.crypto import commands as keys_command
from core.crypto.follow import KeyFollower, look_at_storage
from core.crypto.keyring import Keyring, KeyringError, install_keyring
from core.crypto.opening import check_kek, open_vault
from core.crypto.opening import ready as keys_ready
from core.crypto.vault import Vault
from core.data_classes import unclassified
from core.db import Base, create_engine
from core.defence import checks, content
from core.defence.headers import Policies
from core.http import dispatch, site
from core.http.middleware import RequestMiddleware
from core.http.protocol import GuardedProtocol
from core.integrity.anchors import Anchors, open_anchors
from core.jobs import JobRunner
from core.lan import open_to_lan
from core.modules import Modules, UnknownModules, load_modules
from core.redis_server import PrivateRedis, RedisMissing
from core.runtime import Runtime
from core.storage import Storage, StorageError
from core.supervisor import (
    Child,
    ProcessFailed,
    Supervisor,
    port_is_free,
    python_command,
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
Made = TypeVar("Made")
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
    """Give every port its adapter, as the configuration says."""
    from clinical.consultation.gateway import HisVisitHistory, VisitHistoryGateway
    from clinical.his.gateway import HospitalSystem
    from clinical.his.rest import RestHospital
    from clinical.notifications.gateway import NoticeSms, WechatMessages
    from clinical.notifications.wechat import wechat_messages
    from clinical.payments.gateway import PaymentGateway, WechatMerchant, WechatPay
    from clinical.people.gateway import HisVisitCards, VisitCardGateway
    from clinical.signature.gateway import (
        CertificateAuthority,
        HttpCertificateAuthority,
        HttpTimestampAuthority,
        TimestampAuthority,
    )
    from core.files.scanning.clamd import Clamd
    from core.files.scanning.port import VirusScanner
    from core.identity.certification.alipay import CertifyGateway, alipay_certify
    from core.identity.external.wechat import WechatAccounts, wechat_accounts
    from core.identity.gateway import IdentityCheck, SmsGateway
    from core.identity.realname_http import HttpIdentityCheck
    from core.identity.sms_http import HttpSmsGateway
    from media.speech.gateway import Recogniser

    config, now = runtime.config, runtime.clock.now
    his = (config.his_url or "", config.his_key, _secret(config.his_secret), now)
    sms = HttpSmsGateway(
        config.sms_url or "", config.sms_key or "", _secret(config.sms_secret), now
    )
    runtime.provide(SmsGateway, sms)
    runtime.provide(NoticeSms, sms)
    runtime.provide(
        IdentityCheck,
        HttpIdentityCheck(
            config.real_name_url or "", config.real_name_key, _secret(config.real_name_secret), now
        ),
    )
    if config.scanner == "required":
        runtime.provide(VirusScanner, Clamd(config.scanner_url or ""))
    runtime.provide(VisitCardGateway, HisVisitCards(*his))
    runtime.provide(VisitHistoryGateway, HisVisitHistory(*his))
    runtime.provide(HospitalSystem, RestHospital(*his))
    runtime.provide(
        CertificateAuthority,
        HttpCertificateAuthority(
            config.ca_url or "", config.ca_key, _secret(config.ca_secret), now
        ),
    )
    runtime.provide(TimestampAuthority, HttpTimestampAuthority(config.tsa_url or "", now))
    if (recogniser := _recogniser(runtime)) is not None:
        runtime.provide(Recogniser, recogniser)
    if (certify := _from_files("Alipay", lambda: alipay_certify(config, now))) is not None:
        runtime.provide(CertifyGateway, certify)
    if (accounts := wechat_accounts(config, now)) is not None:
        runtime.provide(WechatAccounts, accounts)
    if (messages := wechat_messages(config)) is not None:
        runtime.provide(WechatMessages, messages)
    assert config.wechat_private_key is not None
    merchant = WechatMerchant(
        mchid=config.wechat_mchid or "",
        appid=config.wechat_appid or "",
        serial=config.wechat_serial or "",
        private_key=_private_key(config.wechat_private_key),
        api_v3_key=_secret(config.wechat_api_v3_key).encode(),
    )
    known = _platform_keys(config.wechat_platform_key)
    runtime.provide(
        PaymentGateway, WechatPay(config.wechat_url, merchant, now, platform_keys=known)
    )


def _recogniser(runtime: Runtime) -> Any:
    """What turns speech into text, or None when nothing does."""
    from media.speech.gateway import LocalRecogniser, TencentRecogniser

    config = runtime.config
    if config.speech_engine == "off":
        return None
    if config.speech_engine == "tencent":
        return TencentRecogniser(
            config.speech_url,
            config.speech_secret_id or "",
            _secret(config.speech_secret_key),
            runtime.clock.now,
        )
    return LocalRecogniser(config.speech_engine, config.speech_model)


def _from_files(system: str, make: Callable[[], Made]) -> Made:
    """An adapter that reads keys from files. Raises SetupProblem for one that cannot be used."""
    try:
        return make()
    except (OSError, ValueError) as error:
        raise SetupProblem(f"{system}: {error}") from error


def missing_adapters(config: Config) -> list[str]:
    """The outside systems that lack a setting, each with the settings to give it."""
    needs = {
        "SMS": ("sms_url", "sms_key", "sms_secret"),
        "real-name verification": ("real_name_url", "real_name_secret"),
        "HIS": ("his_url", "his_secret"),
        "CA": ("ca_url", "ca_secret"),
        "time-stamping authority": ("tsa_url",),
        "WeChat Pay": (
            "wechat_mchid",
            "wechat_appid",
            "wechat_serial",
            "wechat_private_key",
            "wechat_api_v3_key",
        ),
        "media workers": ("media_secret",),
    }
    found = []
    for system, names in needs.items():
        absent = [f"ZHENJIAN_{name.upper()}" for name in names if not getattr(config, name)]
        if absent:
            found.append(f"{system} ({', '.join(absent)})")
    if config.speech_engine == "tencent":
        names = ("speech_secret_id", "speech_secret_key")
        absent = [f"ZHENJIAN_{name.upper()}" for name in names if not getattr(config, name)]
        found += [f"speech recognition ({', '.join(absent)})"] if absent else []
    if config.speech_engine == "sherpa" and config.speech_model is None:
        found.append("speech recognition (ZHENJIAN_SPEECH_MODEL)")
    if config.scanner == "required" and not config.scanner_url:
        found.append("virus scanner (ZHENJIAN_SCANNER_URL)")
    return found


async def close_adapters(runtime: Runtime) -> None:
    """Close the connections that adapters hold."""
    for adapter in runtime.ports.values():
        close = getattr(adapter, "aclose", None)
        if close is not None:
            await close()


def _secret(value: Any) -> str:
    return value.get_secret_value() if value is not None else ""


def _platform_keys(path: Path | None) -> dict[str, rsa.RSAPublicKey]:
    """The configured platform key by serial; without one the certificates are fetched."""
    from clinical.payments.wechat import ProtocolError, load_public_key

    if path is None:
        return {}
    try:
        serial, key = load_public_key(path.read_bytes())
    except (OSError, ProtocolError) as error:
        raise SetupProblem(f"ZHENJIAN_WECHAT_PLATFORM_KEY: cannot use {path}: {error}") from error
    return {serial: key}


def _private_key(path: Path) -> rsa.RSAPrivateKey:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError) as error:
        raise SetupProblem(f"ZHENJIAN_WECHAT_PRIVATE_KEY: cannot read {path}: {error}") from error
    if not isinstance(key, rsa.RSAPrivateKey):
        raise SetupProblem(f"ZHENJIAN_WECHAT_PRIVATE_KEY: {path} holds no RSA key.")
    return key


# --- Processes ------------------------------------------------------------------------------------


async def serving_runtime(config: Config) -> tuple[Modules, Runtime]:
    """All modules and a runtime with every adapter. Raises SetupProblem for what is missing."""
    missing = missing_adapters(config)
    if config.database_url is None:
        missing.append("database (ZHENJIAN_DATABASE_URL)")
    if missing:
        raise SetupProblem("Not configured: " + "; ".join(missing) + ".")
    modules = all_modules(config)
    runtime = await open_runtime(config, modules)
    provide_adapters(runtime)
    return modules, runtime


@contextlib.contextmanager
def database_answers() -> Iterator[None]:
    """Turn the failure to reach the database into a SetupProblem."""
    try:
        yield
    except (OSError, SQLAlchemyError, asyncpg.PostgresError) as error:
        raise SetupProblem(f"The database does not answer: {error}") from error


async def database_ready(engine: AsyncEngine, wait: float) -> None:
    """Return once the database answers and has the newest schema, which may take `wait` seconds: it
    may start, or be migrated, beside this process. Raises SetupProblem.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait
    while True:
        try:
            with database_answers():
                return require_schema(*await migrate.current(engine))
        except SetupProblem:
            if loop.time() >= deadline:
                raise
        await asyncio.sleep(0.1)


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
    from media.worker import run_worker, worker_config

    # Packets come and go and leave nothing to collect: what the collector finds are the remains of
    # calls, and each of its walks costs the packets that wait meanwhile.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)

    await run_worker(worker_config(config), stop_event())


def require_schema(present: str | None, newest: str | None) -> None:
    """Refuse to serve on a schema that is not the newest."""
    if present != newest:
        raise SetupProblem(
            f"The database is at version {present or 'none'}, this program needs {newest}: "
            "run zhenjian migrate."
        )


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
            print("The schema is at version", (await migrate.current(engine))[0])
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
    missing = missing_adapters(config)
    if missing:
        raise SetupProblem("Not configured: " + "; ".join(missing) + ".")
    supervisor = Supervisor()
    stop = stop_event()
    try:
        for child in children_of(config, nodes):
            await supervisor.start(child)
        await supervisor.wait(stop)
    finally:
        await supervisor.stop()


def children_of(config: Config, nodes: int) -> list[Child]:
    """The processes of one machine. Several web nodes have a port each, upwards from the first, and
    a Redis between them: a private one where none is configured. Raises SetupProblem.
    """
    environment = {**os.environ, "ZHENJIAN_RELAY": "false"}
    ports = range(config.port, config.port + nodes)
    children = []
    if nodes > 1:
        taken = [port for port in ports if not port_is_free(config.host, port)]
        taken += {config.sandbox_port, config.media_control_port} & set(ports)
        if taken:
            raise SetupProblem(
                f"{nodes} nodes need the ports {ports[0]} to {ports[-1]}, and {taken[0]} is taken: "
                "set ZHENJIAN_PORT."
            )
        if config.redis_url is None:
            redis = PrivateRedis.prepare(config.data_dir)
            children.append(Child("redis", redis.command, os.environ))
            environment["ZHENJIAN_REDIS_URL"] = redis.url
        print("Nodes on the ports", *ports, flush=True)
    children.append(Child("media", python_command("media"), environment))
    for number, port in enumerate(ports, start=1):
        own = {**environment, "ZHENJIAN_PORT": str(port)}
        children.append(Child(f"web-{number}" if nodes > 1 else "web", python_command("web"), own))
    return [*children, Child("worker", python_command("worker"), environment)]


async def manage_keys(config: Config, given: argparse.Namespace) -> None:
    """Write a fresh key file, or manage the keys: list, status, rotate, backup, restore, drill."""

    async def runtime() -> Runtime:
        return await open_runtime(config, all_modules(config))

    async def engine() -> AsyncEngine:
        # The columns whose cells are sealed belong to the modules.
        all_modules(config)
        made = create_engine(config.require_database(), pool_size=2)
        with database_answers():
            require_schema(*await migrate.current(made))
        return made

    await keys_command.run(
        given, keys_command.Surroundings(config, SystemClock(), runtime, engine, print)
    )


async def check(config: Config) -> None:
    """Say what is wrong with the configuration, the data classes or the integrity of the data."""
    problems = [f"Not configured: {item}" for item in missing_adapters(config)]
    problems += [f"Channel: {item}" for item in open_channels(config)]
    problems += [f"Web content: {item}" for item in content.problems()]
    problems += await _foundation_problems(config)
    for problem in problems:
        print(problem)
    for warning in checks.warnings(config, os.environ):
        print("Warning:", warning)
    if problems:
        raise SystemExit(1)
    print("The configuration is complete.")


async def _foundation_problems(config: Config) -> list[str]:
    problems = []
    try:
        check_kek(config)
    except KeyringError as error:
        problems.append(f"Keys: {error}")
    try:
        await Storage.open(config.storage).check()
    except (StorageError, ValueError) as error:
        problems.append(f"Storage: {error}")
    if config.database_url is None:
        return [*problems, "Database: ZHENJIAN_DATABASE_URL is not set."]
    engine = create_engine(config.require_database(), pool_size=2)
    try:
        with database_answers():
            require_schema(*await migrate.current(engine))
    except SetupProblem as error:
        problems.append(f"Database: {error}")
    finally:
        await engine.dispose()
    return problems


async def check_data(config: Config, *, everything: bool) -> None:
    """Say which columns have no data class, a line each; with `everything` the counts too."""
    all_modules(config)
    found = list(data_report.lines(Base.metadata, everything=everything))
    print("\n".join(found) or "Every column has a data class.")
    if any(unclassified(Base.metadata)):
        raise SystemExit(1)


async def check_integrity(config: Config, *, restart: str | None) -> None:
    """Check every protected row, the chain and its anchors, with progress; 1 for findings."""
    runtime = await open_runtime(config, all_modules(config))
    try:
        if restart is not None:
            await integrity_command.restart_anchors(runtime, restart, print)
        elif await integrity_command.check(runtime, print):
            raise SystemExit(1)
    finally:
        await runtime.engine.dispose()


# --- Command line ---------------------------------------------------------------------------------

COMMANDS: dict[str, Callable[[Config], Coroutine[Any, Any, None]]] = {
    "serve": serve,
    "web": web,
    "media": media,
    "worker": worker,
    "migrate": migrate_database,
    "demo": demo,
    "check": check,
    "sandbox": sandbox,
}


def main(arguments: list[str] | None = None) -> None:
    """The ``zhenjian`` command; a problem that its user can solve is told in one line."""
    parser = argparse.ArgumentParser(prog="zhenjian", description="Internet hospital server.")
    parser.add_argument("--version", action="version", version=f"zhenjian {VERSION}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for name, function in COMMANDS.items():
        command_parser = commands.add_parser(name, help=(function.__doc__ or "").splitlines()[0])
        if name == "check":
            command_parser.add_argument(
                "what",
                nargs="?",
                choices=("configuration", "data", "integrity"),
                default="configuration",
            )
            command_parser.add_argument(
                "--all", action="store_true", help="data: a table of all classes"
            )
            command_parser.add_argument(
                "--restart-anchors",
                metavar="REASON",
                help="integrity: after a backup was restored, begin the anchors anew",
            )
        if name == "serve":
            command_parser.add_argument(
                "--nodes", type=int, choices=range(1, 65), default=1, metavar="N",
                help="web processes, each on a port of its own from ZHENJIAN_PORT upwards",
            )  # fmt: skip
        if name in ("serve", "demo"):
            command_parser.add_argument(
                "--lan", action="store_true", help="HTTPS for phones on the local network"
            )
    keys_command.add_arguments(
        commands.add_parser("keys", help=(manage_keys.__doc__ or "").splitlines()[0])
    )
    given = parser.parse_args(arguments)
    command = given.command
    try:
        config = load_config(demo_mode=command == "demo")
        if getattr(given, "lan", False):
            config = serve_lan(config)
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


def load_config(*, demo_mode: bool = False) -> Config:
    """The configuration; raises SetupProblem naming each setting that is wrong."""
    if demo_mode:
        os.environ.setdefault("ZHENJIAN_LOG_FORMAT", "console")
        os.environ.setdefault("ZHENJIAN_LOG_LEVEL", "warning")
    try:
        return Config(demo=True) if demo_mode else Config()
    except ValidationError as error:
        wrong = [
            f"ZHENJIAN_{'_'.join(str(part) for part in item['loc']).upper()}: {item['msg']}"
            for item in error.errors(include_url=False, include_input=False)
        ]
        raise SetupProblem("; ".join(wrong)) from error


def serve_lan(config: Config) -> Config:
    """The configuration with HTTPS on the local network; children inherit it."""
    lan = open_to_lan(config, SystemClock().now())
    os.environ.update(lan.settings)
    if config.demo:
        os.environ["ZHENJIAN_SANDBOX_HOST"] = lan.settings["ZHENJIAN_HOST"]
        os.environ["ZHENJIAN_SANDBOX_URL"] = f"http://{lan.host}:{config.sandbox_port}"
    print(lan.say(), flush=True)
    return load_config(demo_mode=config.demo)


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
