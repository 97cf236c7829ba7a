"""Starts the demo: private PostgreSQL, simulators, a media worker, the web process with relay."""

from __future__ import annotations

import asyncio
import http.client
import os
import secrets
import shutil
import ssl
import sys
import time
import urllib.request
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from clinical.sandbox.keys import demo_settings
from core import migrate
from core.clock import SystemClock
from core.config import Config
from core.crypto.kek import FileKek
from core.crypto.opening import ready as keys_ready
from core.db import create_engine
from core.http.site import CLIENTS
from core.postgres import EmbeddedPostgres
from core.supervisor import Child, Supervisor, port_is_free, python_command, stop_event
from core.tls import client_context

READY_SECONDS = 60.0
UNFINISHED = "demo.unfinished"
#: By itself it begins in a third of the time.
SANDBOX = [sys.executable, "-m", "clinical.sandbox", "sandbox"]
BUILT_CLIENTS = {
    "console": CLIENTS / "console" / "dist" / "index.html",
    "mobile": CLIENTS / "mobile" / "dist" / "build" / "h5" / "index.html",
}


class DemoProblem(Exception):
    """Why the demo cannot start and what to do about it, in one line."""


@dataclass(frozen=True)
class Account:
    """A demo account as the start prints it."""

    role: str
    login: str
    password: str
    note: str


Seed = Callable[[Config, str], Awaitable[None]]


def say(text: str) -> None:
    """One line of progress for the person at the terminal."""
    print(text, flush=True)


class Demo:
    """One run of the demo."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.postgres = EmbeddedPostgres(config.data_dir / "postgres")
        self.supervisor = Supervisor()
        self.sandbox_url = f"http://127.0.0.1:{config.sandbox_port}"
        #: There from the making of the database until the demo hospital stands in it.
        self._unfinished = config.data_dir / UNFINISHED

    async def run(self, seed: Seed, accounts: list[Account]) -> None:
        """Start everything, print where it is, and stay until told to stop."""
        began = time.monotonic()
        check_ports(self.config)
        check_clients()
        stop = stop_event()
        try:
            await self._start(seed, stop)
            if not stop.is_set():
                self._tell(accounts, time.monotonic() - began)
                await self.supervisor.wait(stop)
        finally:
            say("正在停止 / Stopping …")
            await self.supervisor.stop()
            await asyncio.to_thread(self.postgres.stop)

    async def _start(self, seed: Seed, stop: asyncio.Event) -> None:
        say("[1/4] PostgreSQL")
        self.make_ready()
        environment = self._environment()
        # Neither needs the database: they start while it does. The web process waits for it, once
        # there is a hospital to serve.
        early = ("web",) if self.finished else ()
        await self._children(environment, "sandbox", "media", *early)
        await asyncio.to_thread(self.postgres.start)
        say("[2/4] Schema")
        await self._migrate()
        say("[3/4] Demo hospital")
        if not self.finished:
            await until_answering(f"{self.sandbox_url}/", stop, self.supervisor)
            os.environ.update(environment)
            await seed(Config(_env_file=None), self.sandbox_url)
            self._unfinished.unlink()
            await self._children(environment, "web")
        say("[4/4] Web")
        trust = client_context(self.config.tls_authority) if self.config.tls_authority else None
        await until_answering(f"{self.config.local_url}/readyz", stop, self.supervisor, trust)
        await until_answering(f"{self.sandbox_url}/", stop, self.supervisor)

    async def _children(self, environment: dict[str, str], *names: str) -> None:
        for name in names:
            command = python_command(name) if name != "sandbox" else SANDBOX
            await self.supervisor.start(Child(name, command, environment))

    @property
    def finished(self) -> bool:
        """Whether the demo hospital stands in the database."""
        return not self._unfinished.exists()

    def make_ready(self) -> None:
        """Make the folder and its keys.

        Half a demo hospital, from a first start that was cut off, is removed: nobody could use it.
        Raises DemoProblem for a database without its keys.
        """
        if self.postgres.exists and not self.finished:
            say("      The first start was cut off: beginning again.")
            remove_hospital(self.config.data_dir)
        has_keys = self.config.kek != "file" or self.config.keys.exists()
        if self.postgres.exists and not has_keys:
            raise DemoProblem(
                f"The keys of the demo hospital ({self.config.keys}) are gone, and nobody can read "
                "its database without them: run make clean-data to begin again."
            )
        self.config.data_dir.mkdir(parents=True, exist_ok=True)
        if not self.postgres.exists:
            self._unfinished.touch()
        if not has_keys:
            FileKek.create_file(self.config.keys, SystemClock().now())

    def _environment(self) -> dict[str, str]:
        config = self.config
        return {
            **os.environ,
            **demo_settings(config.data_dir, self.sandbox_url),
            "ZHENJIAN_ENV_FILE": "",
            "ZHENJIAN_DEMO": "true",
            "ZHENJIAN_HOST": config.host,
            "ZHENJIAN_PORT": str(config.port),
            "ZHENJIAN_SANDBOX_PORT": str(config.sandbox_port),
            "ZHENJIAN_DATA_DIR": str(config.data_dir),
            "ZHENJIAN_DATABASE_URL": self.postgres.url(),
            "ZHENJIAN_DATABASE_WAIT": str(READY_SECONDS),
            "ZHENJIAN_MEDIA_PORT": str(config.media_port),
            "ZHENJIAN_MEDIA_CONTROL_PORT": str(config.media_control_port),
            "ZHENJIAN_MEDIA_SECRET": secrets.token_urlsafe(24),
            # One process less to start: a demo has no load that the relay and the jobs could slow.
            "ZHENJIAN_RELAY": "true",
            # The simulators call back over HTTPS that only the local authority vouches for.
            **({"SSL_CERT_FILE": str(config.tls_authority)} if config.tls_authority else {}),
            # A browser must reach the page of consent, so it goes by the outside address.
            "ZHENJIAN_ALIPAY_PAGE_URL": config.sandbox_url or self.sandbox_url,
            "ZHENJIAN_WECHAT_AUTHORIZE_URL": config.sandbox_url or self.sandbox_url,
            "ZHENJIAN_LOG_FORMAT": config.log_format,
            "ZHENJIAN_LOG_LEVEL": config.log_level,
        }

    async def _migrate(self) -> None:
        engine = create_engine(self.postgres.url(), pool_size=2)
        try:
            present, newest = await migrate.current(engine)
            if present != newest:
                await migrate.upgrade(engine)
            await keys_ready(self.config, engine, SystemClock())
        finally:
            await engine.dispose()

    def _tell(self, accounts: list[Account], seconds: float) -> None:
        base = self.config.base_url
        sandbox = self.config.sandbox_url or self.sandbox_url
        say(f"\n诊间 Zhenjian 演示环境已就绪 (ready in {seconds:.1f} s)\n")
        say(f"  患者手机端 Patient app    {base}/m/")
        say(f"  医护与管理 Console        {base}/console/")
        say(f"  模拟器 Simulators         {sandbox}/   (短信验证码在这里 / SMS codes)")
        say(f"  接口文档 API              {base}/api/docs")
        say(f"  数据 Data                 {self.config.data_dir}")
        if self.postgres.data.parent.parent != self.config.data_dir:
            say(f"  数据库 Database           {self.postgres.data}")
        say("\n  演示账号 Demo accounts")
        for account in accounts:
            say(f"    {account.role:<8}{account.login:<14}{account.password:<14}{account.note}")
        say("\n  Ctrl-C 停止 / stops everything.")


def check_ports(config: Config) -> None:
    """Raise DemoProblem naming the first port that somebody else uses, and the setting for it."""
    ports = [
        ("ZHENJIAN_PORT", config.host, config.port, False),
        ("ZHENJIAN_SANDBOX_PORT", config.sandbox_host, config.sandbox_port, False),
        ("ZHENJIAN_MEDIA_PORT", config.media_host, config.media_port, True),
        ("ZHENJIAN_MEDIA_CONTROL_PORT", "127.0.0.1", config.media_control_port, False),
    ]
    for name, host, port, udp in ports:
        if not port_is_free(host, port, udp=udp):
            kind = "UDP" if udp else "TCP"
            raise DemoProblem(
                f"{kind} port {port} is in use: stop the program that uses it, or choose another "
                f"with {name}=<port>."
            )


def check_clients() -> None:
    """Raise DemoProblem when a client has not been built."""
    for name, page in BUILT_CLIENTS.items():
        if not page.is_file():
            raise DemoProblem(f"The {name} client is not built: run make clients.")


async def until_answering(
    url: str, stop: asyncio.Event, supervisor: Supervisor, trust: ssl.SSLContext | None = None
) -> None:
    """Wait until a child answers with success. Raises DemoProblem after a minute."""
    deadline = time.monotonic() + READY_SECONDS
    while not stop.is_set():
        if await asyncio.to_thread(_answers, url, trust):
            return
        if time.monotonic() > deadline:
            raise DemoProblem(f"{url} does not answer; the log above says why.")
        supervisor.check()
        await asyncio.sleep(0.05)


def _answers(url: str, trust: ssl.SSLContext | None) -> bool:
    # The standard library's client, because a start has no time to import a better one.
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust)
    )
    try:
        with opener.open(url, timeout=2) as response:
            return bool(response.status == 200)
    except (OSError, http.client.HTTPException):
        return False


def remove_data(data_dir: Path) -> None:
    """Delete everything that the demo has stored, the certificates of `--lan` as well."""
    remove_hospital(data_dir)
    shutil.rmtree(data_dir / "tls", ignore_errors=True)


def remove_hospital(data_dir: Path) -> None:
    """Delete the demo hospital: database, files, keys, what the simulators know."""
    EmbeddedPostgres(data_dir / "postgres").remove()
    for name in ("storage", "journal", "sandbox", "postgres", "anchors"):
        shutil.rmtree(data_dir / name, ignore_errors=True)
    for name in ("keys.json", "keys.json.kek", "keys.json.old", UNFINISHED):
        (data_dir / name).unlink(missing_ok=True)
