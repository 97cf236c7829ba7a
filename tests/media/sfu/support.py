"""Workers and pages for the media tests."""

import asyncio
import json
import os
import re
import signal
import sys
import uuid
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web

from core.storage import Storage
from media.control import MediaWorkers, WorkerLink
from media.errors import MediaError
from media.recording.sealing import Seal
from media.sfu.sdp import USUAL

ROOT = Path(__file__).parents[3]
SECRET = "a secret between processes"
CALL, ROOM = "call-1", "room-1"
#: The key that the call's recording is stored with.
SEAL = Seal(key="f1", secret="5a" * 32)


class WorkerProcess:
    """A worker that can be killed and started again on the same control port."""

    def __init__(self, folder: Path, codecs: Sequence[str] = USUAL) -> None:
        self.folder = folder
        self.codecs = codecs
        self.udp = 0
        self.control = 0
        self._process: asyncio.subprocess.Process | None = None
        self._lines: asyncio.Queue[bytes] = asyncio.Queue()
        self._reading: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.control}/control"

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.media.sfu.worker_process",
            str(self.folder),
            SECRET,
            str(self.control),
            ",".join(self.codecs),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
        )
        self._lines = asyncio.Queue()
        self._reading = asyncio.create_task(self._read(self._process, self._lines))
        ports = await self._told("udp")
        self.udp, self.control = ports["udp"], ports["control"]

    @staticmethod
    async def _read(process: asyncio.subprocess.Process, lines: asyncio.Queue[bytes]) -> None:
        """Its lines of numbers, the last one empty; others are its log. All are read, always: a
        worker whose log nobody reads stands still once the pipe is full.
        """
        assert process.stdout is not None
        async for line in process.stdout:
            if line.startswith(b'{"'):
                lines.put_nowait(line)
        lines.put_nowait(b"")

    async def _told(self, what: str) -> dict[str, int]:
        """The next line of numbers that begins with this one."""
        while True:
            line = await self._lines.get()
            assert line, "the worker has ended"
            if line.startswith(f'{{"{what}"'.encode()):
                found: dict[str, int] = json.loads(line)
                return found

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def tasks(self) -> int:
        """How many tasks its loop has."""
        os.kill(self.pid, signal.SIGUSR1)
        return (await self._told("tasks"))["tasks"]

    def sockets(self) -> int:
        """How many sockets it has open."""
        found = 0
        for each in Path(f"/proc/{self.pid}/fd").iterdir():
            with suppress(FileNotFoundError):
                found += os.readlink(each).startswith("socket:")
        return found

    async def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        await self._ended()

    async def stop(self) -> int:
        assert self._process is not None
        if self._process.returncode is None:
            self._process.terminate()
        return await self._ended()

    async def _ended(self) -> int:
        assert self._process is not None
        if self._reading is not None:
            await self._reading
        return await self._process.wait()


class Controls:
    """A controller that keeps every event and lets a test wait for one."""

    def __init__(self, url: str) -> None:
        self.events: list[dict[str, Any]] = []
        self.workers = MediaWorkers([url], SECRET, self._heard, self._up, self._lost)
        self.ups = 0
        self.losses = 0
        self.on_event: Callable[[dict[str, Any]], Awaitable[None]] | None = None
        self._changed = asyncio.Condition()

    @property
    def link(self) -> WorkerLink:
        return self.workers.links[0]

    async def start(self) -> None:
        await self.workers.start()
        await self.link.wait_up()

    async def _heard(self, _: WorkerLink, event: dict[str, Any]) -> None:
        self.events.append(event)
        if self.on_event is not None:
            await self.on_event(event)
        async with self._changed:
            self._changed.notify_all()

    async def _up(self, _: WorkerLink) -> None:
        self.ups += 1
        async with self._changed:
            self._changed.notify_all()

    async def _lost(self, _: WorkerLink) -> None:
        self.losses += 1
        async with self._changed:
            self._changed.notify_all()

    async def until(self, met: Callable[[], bool], timeout: float = 20) -> None:
        async with asyncio.timeout(timeout), self._changed:
            await self._changed.wait_for(met)

    def having(self, name: str) -> Callable[[], list[dict[str, Any]]]:
        """Looks up all events of a name so far."""
        return lambda: [event for event in self.events if event["event"] == name]

    async def event(self, name: str, timeout: float = 20, **fields: Any) -> dict[str, Any]:
        def matching() -> list[dict[str, Any]]:
            wanted = {"event": name} | fields
            return [e for e in self.events if wanted.items() <= e.items()]

        await self.until(lambda: bool(matching()), timeout)
        return matching()[0]


class PageServer:
    """Serves the test page and bridges it to the control protocol, as the web process does.

    ``relays`` may put a relay (its port) between a peer and the worker.
    """

    def __init__(self, controls: Controls) -> None:
        self.controls = controls
        self.port = 0
        self.refused: list[str] = []
        self.relays: dict[str, int] = {}
        self.sockets: dict[str, web.WebSocketResponse] = {}
        self._peers: dict[str, dict[str, Any]] = {}
        self._runner: web.AppRunner | None = None
        controls.on_event = self._on_event

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/", _page)
        app.router.add_get("/socket", self._socket)
        self._runner = web.AppRunner(app, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def url(self, user: str, **options: str) -> str:
        query = "&".join(f"{key}={value}" for key, value in ({"user": user} | options).items())
        return f"http://127.0.0.1:{self.port}/?{query}"

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        user = request.query["user"]
        peer = f"{user}:page"
        spec = {"peer": peer, "user": user}
        if "watch" in request.query:
            spec |= {"hidden": True, "publish": False}
        self.sockets[peer] = socket
        self._peers[peer] = spec
        await self.join(peer)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await self._answer(peer, json.loads(message.data))
        return socket

    async def restart(self, peer: str) -> None:
        """An ICE restart of a peer's session."""
        session = self._peers[peer]["session"]
        offer = await self.controls.link.restart_peer(CALL, peer, session)
        await self._send(peer, session, offer.version, offer.sdp)

    async def join(self, peer: str) -> None:
        """A fresh session for a peer."""
        spec = self._peers[peer]
        session = spec["session"] = uuid.uuid4().hex
        offer = await self.controls.link.add_peer(CALL, **spec)
        await self._send(peer, session, offer.version, offer.sdp)

    async def _send(self, peer: str, session: str, version: int, sdp: str) -> None:
        socket = self.sockets.get(peer)
        if peer in self.relays:
            sdp = re.sub(r"127\.0\.0\.1 \d+ typ", f"127.0.0.1 {self.relays[peer]} typ", sdp)
        if socket is not None and not socket.closed:
            await socket.send_json({"session": session, "version": version, "sdp": sdp})

    async def _answer(self, peer: str, answer: dict[str, Any]) -> None:
        try:
            await self.controls.link.answer(
                CALL, peer, answer["session"], answer["version"], answer["sdp"]
            )
        except MediaError as error:
            self.refused.append(error.code)

    async def _on_event(self, event: dict[str, Any]) -> None:
        if event["event"] == "offer":
            await self._send(event["peer"], event["session"], event["version"], event["sdp"])


async def _page(_: web.Request) -> web.FileResponse:
    return web.FileResponse(Path(__file__).with_name("page.html"))


async def sealed_bytes(storage: Storage, key: str, seal: Seal = SEAL) -> bytes:
    """An object that a worker has stored, opened with the key of its call."""
    folder = "/".join(key.split("/")[:2])
    return await storage.with_keys(seal.folder_key(folder)).get(key)


async def stored(folder: Path, key: str, seal: Seal = SEAL) -> bytes:
    """The same, from the folder in which the store lies."""
    return await sealed_bytes(Storage.open(folder.as_uri()), key, seal)


async def fetched(folder: Path, manifest_key: str, seal: Seal = SEAL) -> Path:
    """A whole take as a folder, like the composer has it."""
    storage = Storage.open(folder.as_uri())
    prefix = manifest_key.rpartition("/")[0]
    target = folder / "fetched" / prefix.rpartition("/")[2]
    target.mkdir(parents=True)
    for info in await storage.list(prefix):
        name = info.key.rpartition("/")[2]
        (target / name).write_bytes(await sealed_bytes(storage, info.key, seal))
    return target
