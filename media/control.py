"""The web process's side of the control protocol: one link to each media worker.

A link connects by itself, comes back by itself, and tells when it is up and when it was lost.
Which call lives on which worker is the business of ``media.calls``.
"""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson
import structlog
from aiohttp import (
    ClientError,
    ClientSession,
    ClientTimeout,
    ClientWebSocketResponse,
    TCPConnector,
    WSMsgType,
)

from core.config import Config
from core.tls import client_context
from media.errors import MediaError, WorkerFull, WorkerUnavailable, error_for
from media.recording.sealing import Seal

log = structlog.get_logger(__name__)

_HEARTBEAT: Final = 5.0
_STATUS_SECONDS: Final = 2.0
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 1.0
#: From this share of a core on a worker gets no new call: those that it has keep their quality.
FULL_LOAD: Final = 0.85


@dataclass(frozen=True, slots=True)
class Offer:
    """An offer of the worker, to be sent to the client with its session."""

    version: int
    sdp: str


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """What a worker last said of itself; ``load`` is the share of one core in use, ``room`` how
    many people more it takes. A ``draining`` one is about to stop.
    """

    calls: int = 0
    peers: int = 0
    load: float = 0.0
    port: int = 0
    room: int = 1
    draining: bool = False

    @property
    def full(self) -> bool:
        return self.room <= 0 or self.load >= FULL_LOAD


EventHandler = Callable[["WorkerLink", dict[str, Any]], Awaitable[None]]
LinkHandler = Callable[["WorkerLink"], Awaitable[None]]


class WorkerLink:
    """The connection to one worker. Requests raise the named errors of ``media.errors``.

    Events and the news of ``up`` and ``lost`` are handled one after the other, in order, apart
    from the reading: a handler may make requests itself.
    """

    def __init__(
        self,
        url: str,
        secret: str,
        on_event: EventHandler,
        on_up: LinkHandler,
        on_lost: LinkHandler,
    ) -> None:
        self.url = url
        self.alive = False
        self.status = WorkerStatus()
        self._secret = secret
        self._on_event = on_event
        self._on_up = on_up
        self._on_lost = on_lost
        self._socket: ClientWebSocketResponse | None = None
        self._pending: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._news: asyncio.Queue[Callable[[], Awaitable[None]]] = asyncio.Queue()
        self._next = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._up = asyncio.Event()

    def start(self, session: ClientSession) -> None:
        """Connect and stay connected until ``close``."""
        loop = asyncio.get_running_loop()
        self._tasks = [
            loop.create_task(self._stay(session)),
            loop.create_task(self._handle()),
            loop.create_task(self._watch()),
        ]

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    async def wait_up(self) -> None:
        """Return once the worker is connected."""
        await self._up.wait()

    # Requests.

    async def open_call(
        self, call: str, room: str, *, record: bool, seal: Seal | None = None
    ) -> None:
        """Open a call, or confirm that it is open; starts its recording, stored with ``seal``."""
        key = seal.as_dict() if seal is not None else None
        await self.request("call.open", call=call, room=room, record=record, seal=key)

    async def give_key(self, call: str, seal: Seal) -> None:
        """Give the key for takes of a call that the worker holds without one."""
        await self.request("call.seal", call=call, seal=seal.as_dict())

    async def close_call(self, call: str, reason: str) -> None:
        """Close a call: its peers go, its recording is sealed. Raises CallUnknown."""
        await self.request("call.close", call=call, reason=reason)

    async def stop_recording(self, call: str, reason: str) -> None:
        """Record a call no longer; its take is sealed. Raises CallUnknown."""
        await self.request("call.record.stop", call=call, reason=reason)

    async def add_peer(
        self,
        call: str,
        *,
        peer: str,
        session: str,
        user: str,
        audio: bool = True,
        video: bool = True,
        publish: bool = True,
        hidden: bool = False,
        screen: bool = False,
    ) -> Offer:
        """Add a peer and get its first offer; the same session again gets the current one."""
        reply = await self.request(
            "peer.add",
            call=call,
            peer=peer,
            session=session,
            user=user,
            audio=audio,
            video=video,
            publish=publish,
            hidden=hidden,
            screen=screen,
        )
        return Offer(reply["version"], reply["sdp"])

    async def answer(self, call: str, peer: str, session: str, version: int, sdp: str) -> None:
        """Pass a client's answer on. Raises CallUnknown, PeerUnknown, StaleAnswer, BadAnswer."""
        await self.request(
            "peer.answer", call=call, peer=peer, session=session, version=version, sdp=sdp
        )

    async def restart_peer(self, call: str, peer: str, session: str) -> Offer:
        """The offer of an ICE restart: the session goes on over a path that the client looks for
        anew. Raises CallUnknown, PeerUnknown.
        """
        reply = await self.request("peer.restart", call=call, peer=peer, session=session)
        return Offer(reply["version"], reply["sdp"])

    async def set_media(self, call: str, peer: str, *, audio: bool, video: bool) -> None:
        """Mute and unmute a peer's tracks."""
        await self.request("peer.media", call=call, peer=peer, audio=audio, video=video)

    async def set_screen(self, call: str, peer: str, *, on: bool) -> None:
        """Let a peer share its screen, or end that; the offers with its line follow as events."""
        await self.request("peer.screen", call=call, peer=peer, on=on)

    async def set_view(self, call: str, peer: str, heights: dict[str, int]) -> None:
        """Tell how many lines a peer shows of each stream (``u_<user>``, of a screen
        ``s_<user>``); 0 for a hidden one.
        """
        await self.request("peer.view", call=call, peer=peer, heights=heights)

    async def remove_peer(
        self, call: str, peer: str, reason: str, session: str | None = None
    ) -> None:
        """Remove a peer; with a session only while the peer still has that session."""
        await self.request("peer.remove", call=call, peer=peer, reason=reason, session=session)

    async def list_calls(self) -> list[dict[str, Any]]:
        """The worker's open calls with their peers."""
        reply = await self.request("call.list")
        found: list[dict[str, Any]] = reply["list"]
        return found

    async def refresh(self) -> WorkerStatus:
        """Ask for the worker's status; done by itself every two seconds."""
        reply = await self.request("worker.status")
        self.status = WorkerStatus(
            reply["calls"],
            reply["peers"],
            reply["load"],
            reply["port"],
            reply["room"],
            reply["draining"],
        )
        return self.status

    async def request(self, op: str, *, timeout: float = 5.0, **fields: Any) -> dict[str, Any]:
        """Send any operation; raises WorkerUnavailable when no reply comes in time (seconds)."""
        socket = self._socket
        if socket is None:
            raise WorkerUnavailable(f"{self.url} is not connected")
        self._next += 1
        number = self._next
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._pending[number] = future
        try:
            async with asyncio.timeout(timeout):
                await socket.send_bytes(orjson.dumps({"id": number, "op": op} | fields))
                reply = await future
        except TimeoutError as error:
            raise WorkerUnavailable(f"{self.url} did not reply in {timeout} s") from error
        except (ConnectionError, ClientError, RuntimeError) as error:
            raise WorkerUnavailable(f"{self.url} was lost") from error
        finally:
            self._pending.pop(number, None)
        if not reply.get("ok"):
            error_frame = reply.get("error") or {}
            raise error_for(str(error_frame.get("code")), str(error_frame.get("message")))
        return reply

    # The connection.

    async def _stay(self, session: ClientSession) -> None:
        pause = _FIRST_PAUSE
        while True:
            try:
                await self._connect(session)
                pause = _FIRST_PAUSE
            except (ClientError, OSError, TimeoutError) as error:
                log.debug("media worker not reachable", url=self.url, error=str(error))
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _connect(self, session: ClientSession) -> None:
        headers = {"Authorization": f"Bearer {self._secret}"}
        async with session.ws_connect(
            self.url, headers=headers, heartbeat=_HEARTBEAT, max_msg_size=8 * 1024 * 1024
        ) as socket:
            self._socket, self.alive = socket, True
            self._up.set()
            self._tell(self._on_up)
            log.info("media worker connected", url=self.url)
            try:
                async for message in socket:
                    if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                        self._take(orjson.loads(message.data))
            finally:
                self._lost()

    def _lost(self) -> None:
        self._socket, self.alive = None, False
        self._up.clear()
        for future in self._pending.values():
            if not future.done():
                future.set_exception(WorkerUnavailable(f"{self.url} was lost"))
        self._tell(self._on_lost)
        log.warning("media worker lost", url=self.url)

    def _take(self, frame: dict[str, Any]) -> None:
        if frame.get("event") == "worker.draining":
            self.status = replace(self.status, draining=True)
        if "event" in frame:
            self._news.put_nowait(lambda: self._on_event(self, frame))
            return
        future = self._pending.get(frame.get("id", 0))
        if future is not None and not future.done():
            future.set_result(frame)

    def _tell(self, handler: LinkHandler) -> None:
        self._news.put_nowait(lambda: handler(self))

    async def _handle(self) -> None:
        while True:
            news = await self._news.get()
            # A task of its own, so that a handler that fails does not stop the next one.
            task = asyncio.ensure_future(news())
            try:
                await asyncio.wait([task])
            finally:
                task.cancel()
            if not task.cancelled() and (error := task.exception()) is not None:
                log.error("event not handled", url=self.url, exc_info=error)

    async def _watch(self) -> None:
        while True:
            await self._up.wait()
            with suppress(MediaError):
                await self.refresh()
            await asyncio.sleep(_STATUS_SECONDS)


def control_tls(config: Config) -> ssl.SSLContext | None:
    """TLS towards workers at ``wss://`` addresses; None without an authority. Raises TlsProblem."""
    if config.media_tls_authority is None:
        return None
    return client_context(
        config.media_tls_authority, config.media_tls_certificate, config.media_tls_key
    )


async def _nothing(_: WorkerLink) -> None:
    """The default for who does not care."""


class MediaWorkers:
    """Every media worker of the installation. `tls` is for workers at ``wss://`` addresses."""

    def __init__(
        self,
        urls: Iterable[str],
        secret: str,
        on_event: EventHandler,
        on_up: LinkHandler = _nothing,
        on_lost: LinkHandler = _nothing,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._tls = tls
        self.links = [WorkerLink(url, secret, on_event, on_up, on_lost) for url in urls]
        self._session: ClientSession | None = None

    async def start(self) -> None:
        """Begin to connect; returns at once."""
        connector = TCPConnector(ssl=self._tls or True)
        timeout = ClientTimeout(total=None, sock_connect=3)
        self._session = ClientSession(connector=connector, timeout=timeout)
        for link in self.links:
            link.start(self._session)

    async def close(self) -> None:
        for link in self.links:
            await link.close()
        if self._session is not None:
            await self._session.close()

    def choose(self) -> WorkerLink:
        """The worker for a new call: the least loaded of those alive.

        Raises WorkerUnavailable when none is, WorkerFull when none has room.
        """
        alive = [link for link in self.links if link.alive and not link.status.draining]
        if not alive:
            raise WorkerUnavailable("no media worker is connected")
        alive = [link for link in alive if not link.status.full]
        if not alive:
            raise WorkerFull("every media worker is full")
        return min(alive, key=lambda link: (round(link.status.load, 1), link.status.peers))

    def by_url(self, url: str) -> WorkerLink | None:
        return next((link for link in self.links if link.url == url), None)
