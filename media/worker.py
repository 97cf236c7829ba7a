"""The media worker process: the packet engine, its journals, and the control server.

No database and no rooms: a controller (the web process) connects to
``ws://host:port/control`` with ``Authorization: Bearer <secret>`` and sends requests
``{id, op, ...}``; it gets replies ``{id, ok, ...}`` and every event of the worker. Replies and
events reach a controller in the order in which things happened. Who attaches hears the latest
``recording.sealed`` events again: a take may have been sealed while nobody was listening.
``/metrics`` and ``/healthz`` are open, for they show numbers only.
"""

from __future__ import annotations

import asyncio
import shutil
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from hmac import compare_digest
from pathlib import Path
from typing import Any

import orjson
import structlog
from aiohttp import WSMsgType, web

from core.config import Config
from core.storage import Storage
from core.tls import server_context
from media.errors import MediaError
from media.operations import Operations
from media.sfu.engine import Engine, EngineSettings
from media.takes import Takes

log = structlog.get_logger(__name__)

_MAX_FRAME = 1024 * 1024
_MAX_WAITING = 20_000
_LOAD_SECONDS = 2.0
#: How long a worker that is asked to stop waits for its calls to be moved to another one.
DRAIN_SECONDS = 4.0
_DRAIN_STEP = 0.05


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    """What a worker needs to know. Port 0 takes a free one. ``storage_url`` as in ``Config``."""

    secret: str
    data_dir: Path
    storage_url: str
    engine: EngineSettings
    control_host: str = "127.0.0.1"
    control_port: int = 0
    control_tls: ssl.SSLContext | None = None
    #: With less on its disk, in bytes, a worker takes no new call.
    least_free: int = 64 * 1024 * 1024


def worker_config(config: Config) -> WorkerConfig:
    """The worker's part of the process configuration.

    With a certificate the control server speaks TLS, and with an authority every controller proves
    itself by a certificate too. Raises ValueError without a secret, TlsProblem for a bad file.
    """
    secret = config.media_secret.get_secret_value() if config.media_secret else ""
    if not secret:
        raise ValueError("ZHENJIAN_MEDIA_SECRET is not set.")
    return WorkerConfig(
        secret=secret,
        data_dir=config.data_dir,
        storage_url=config.storage,
        engine=EngineSettings(
            host=config.media_host,
            port=config.media_port,
            announced=config.announced,
            codecs=config.codecs,
        ),
        control_host=config.media_control_host,
        control_port=config.media_control_port,
        control_tls=_control_tls(config),
    )


def _control_tls(config: Config) -> ssl.SSLContext | None:
    if config.media_tls_certificate is None or config.media_tls_key is None:
        return None
    return server_context(
        config.media_tls_certificate, config.media_tls_key, config.media_tls_authority
    )


class Controller:
    """One attached control connection, with its own bounded queue."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self.socket = socket
        self._waiting: asyncio.Queue[bytes] = asyncio.Queue(_MAX_WAITING)
        self._task = asyncio.get_running_loop().create_task(self._write())

    def send(self, frame: bytes) -> None:
        """Queue a frame; a controller that reads too slowly is dropped, and will come back."""
        try:
            self._waiting.put_nowait(frame)
        except asyncio.QueueFull:
            log.warning("controller too slow")
            self._task.cancel()

    async def _write(self) -> None:
        try:
            while True:
                await self.socket.send_bytes(await self._waiting.get())
        except (ConnectionError, RuntimeError):
            return
        finally:
            with suppress(ConnectionError, RuntimeError):
                await self.socket.close()

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


class Worker:
    """A running worker. ``start`` binds both ports; ``close`` seals every recording."""

    def __init__(self, config: WorkerConfig) -> None:
        self.config = config
        self.control_port = 0
        self._controllers: set[Controller] = set()
        self._runner: web.AppRunner | None = None
        self._load = 0.0
        self._draining = False
        self._loader: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Raises OSError when a port is taken."""
        config = self.config
        self.takes = Takes(config.data_dir / "journal", Storage.open(config.storage_url), self.emit)
        self.engine = Engine(config.engine, self.emit)
        self._operations = Operations(self.engine, self.takes, self.status)
        try:
            await self._listen()
        except OSError:
            await self.engine.close()
            raise
        self.takes.start()
        self._loader = asyncio.get_running_loop().create_task(self._measure())
        log.info("media worker ready", udp=self.engine.port.number, control=self.control_port)

    async def _listen(self) -> None:
        app = web.Application()
        app.router.add_get("/control", self._control)
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/metrics", self._metrics)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=2)
        await self._runner.setup()
        site = web.TCPSite(
            self._runner,
            self.config.control_host,
            self.config.control_port,
            ssl_context=self.config.control_tls,
        )
        await site.start()
        self.control_port = self._runner.addresses[0][1]

    async def close(self) -> None:
        """End every call, seal and store every recording, release the ports."""
        await self.engine.close()
        await self.takes.close("worker_stopped")
        if self._loader is not None:
            self._loader.cancel()
        for controller in list(self._controllers):
            await controller.close()
        if self._runner is not None:
            await self._runner.cleanup()
        log.info("media worker stopped")

    async def drain(self, patience: float = DRAIN_SECONDS) -> None:
        """Take no new call, and give the controllers time to move those that run elsewhere."""
        self._draining = True
        self.emit({"event": "worker.draining"})
        for _ in range(round(patience / _DRAIN_STEP)):
            if not self.engine.calls or not self._controllers:
                return
            await asyncio.sleep(_DRAIN_STEP)
        log.warning("calls were not moved", calls=len(self.engine.calls))

    def emit(self, event: dict[str, Any]) -> None:
        """Send an event to every attached controller."""
        if self._controllers:
            frame = orjson.dumps(event)
            for controller in list(self._controllers):
                controller.send(frame)

    def status(self) -> dict[str, Any]:
        """What ``worker.status`` replies; ``load`` is the share of one core in use (0..1)."""
        return {
            "calls": len(self.engine.calls),
            "peers": self.engine.peers,
            "load": round(self._load, 3),
            "port": self.engine.port.number,
            "room": self._room(),
            "draining": self._draining,
        }

    def _room(self) -> int:
        """How many people more it takes; none while its disk is too full for another recording."""
        if shutil.disk_usage(self.config.data_dir).free < self.config.least_free:
            return 0
        return self.config.engine.max_peers - self.engine.peers

    def stats(self) -> dict[str, float]:
        """Every number of the worker, as ``/metrics`` shows them."""
        status = self.status()
        return {
            **self.engine.counters.as_dict(),
            "calls": status["calls"],
            "peers": status["peers"],
            "load": status["load"],
            "controllers": len(self._controllers),
            "recording_dropped": self.takes.dropped,
            "recording_refused": self.takes.refused,
        }

    async def _measure(self) -> None:
        used, at = time.process_time(), time.monotonic()
        while True:
            await asyncio.sleep(_LOAD_SECONDS)
            now_used, now = time.process_time(), time.monotonic()
            self._load = (now_used - used) / (now - at)
            used, at = now_used, now

    async def _control(self, request: web.Request) -> web.StreamResponse:
        given = request.headers.get("Authorization", "").encode()
        if not compare_digest(given, f"Bearer {self.config.secret}".encode()):
            return web.Response(status=401)
        socket = web.WebSocketResponse(heartbeat=5, max_msg_size=_MAX_FRAME)
        await socket.prepare(request)
        controller = Controller(socket)
        self._controllers.add(controller)
        for event in self.takes.sealed():
            controller.send(orjson.dumps(event))
        try:
            async for message in socket:
                if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    controller.send(self._reply(message.data))
        finally:
            self._controllers.discard(controller)
            await controller.close()
        return socket

    def _reply(self, data: str | bytes) -> bytes:
        identifier: Any = None
        try:
            frame = self._operations.read(data)
            identifier = frame.get("id")
            result = self._operations.run(frame)
        except MediaError as error:
            failure = {"code": error.code, "message": str(error)}
            return orjson.dumps({"id": identifier, "ok": False, "error": failure})
        return orjson.dumps({"id": identifier, "ok": True} | result)

    async def _healthz(self, _: web.Request) -> web.Response:
        return web.json_response({"ok": True})

    async def _metrics(self, _: web.Request) -> web.Response:
        gauges = {"calls", "peers", "load", "controllers", "recording_dropped", "recording_refused"}
        rows = []
        for name, value in self.stats().items():
            full = f"zhenjian_media_{name}" + ("" if name in gauges else "_total")
            rows.append(f"# TYPE {full} {'gauge' if name in gauges else 'counter'}")
            rows.append(f"{full} {value}")
        return web.Response(text="\n".join(rows) + "\n", content_type="text/plain")


async def run_worker(
    config: WorkerConfig,
    stop: asyncio.Event | None = None,
    ready: Callable[[Worker], None] | None = None,
) -> None:
    """Run a worker until ``stop`` is set, then let its calls move on and close it cleanly.

    ``ready`` is called once both ports are bound. Raises OSError when one is taken.
    """
    worker = Worker(config)
    await worker.start()
    try:
        if ready is not None:
            ready(worker)
        await (stop or asyncio.Event()).wait()
        await worker.drain()
    finally:
        await worker.close()


def with_ports(config: WorkerConfig, *, udp: int, control: int) -> WorkerConfig:
    """The same worker on other ports: the n-th worker of a machine."""
    return replace(config, engine=replace(config.engine, port=udp), control_port=control)
