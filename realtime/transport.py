"""The Socket.IO server with the parts of python-socketio replaced that a room cannot rest on.

What stays: the Socket.IO handshake, its packets, refusals, namespaces. What is replaced:

- the WebSocket below it (`realtime.line`): no task, no queue and no wake-up per packet;
- the queue towards a client is bounded in bytes, and a full one says so instead of growing;
- a bad packet is answered and counted, where the library would drop the connection with a trace or
  leave it half open;
- events come out raw, with their acknowledgement id, so that each gets a named answer even if its
  JSON is broken;
- members are looked up by dictionary, where the library scans all of its rooms at each disconnect;
- one clock pings all clients, where the library keeps a task for each;
- when many lines break at once they are cleared away in small portions, so that nobody waits.

Only the WebSocket transport is offered: any socket may then live on any node.
"""

import asyncio
import re
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs

import engineio
import orjson
import socketio
import structlog
from socketio import packet as sio_packet
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from realtime.line import CLOSING_SECONDS as CLOSING_SECONDS
from realtime.line import LINE, Line
from realtime.outgoing import Frame, Outgoing
from realtime.rules import MAX_PACKET_BYTES

log = structlog.get_logger(__name__)

PATH: Final = "/socket.io"
#: Bad packets after which a client is let go.
BAD_PACKET_LIMIT = 20
#: Seconds in which a new socket must say who it is.
CONNECT_SECONDS = 10.0
#: Packets that may wait while a socket says who it is.
MAX_EARLY = 64
PING_SECONDS = 25
#: Seconds after a ping in which a client must give a sign of life.
PONG_SECONDS = 20
#: Seconds that the clearing of broken lines may take before others have their turn.
CLEARING_SECONDS = 0.004

_EVENT = re.compile(rb"2(?:/,)?(\d{0,15})(?=\[)")
_ACK_ID = re.compile(rb"2(?:/,)?(\d{1,15})")
_PING = Frame(b"2")
_GOODBYE = Frame(b"1")


class RoomSocket:
    """One client's Engine.IO connection."""

    __slots__ = (
        "_early",
        "address",
        "alive",
        "bad_packets",
        "closed",
        "connected",
        "line",
        "member",
        "outgoing",
        "round",
        "server",
        "sid",
    )

    def __init__(self, server: "RoomServer", sid: str, line: Line, address: str) -> None:
        self.server = server
        self.sid = sid
        self.line = line
        self.address = address
        self.outgoing = Outgoing(line.write, line.close)
        self.bad_packets = 0
        self.closed = False
        self.connected = True
        #: The Socket.IO id, once the client has said who it is.
        self.member: str | None = None
        #: The second of the clock at which this client is pinged.
        self.round = 0
        #: What `line.alive` was at the last ping.
        self.alive = -1
        #: Packets that came while the client says who it is.
        self._early: deque[bytes] | None = None

    # ---- what the library calls ------------------------------------------------------------------

    async def send(self, pkt: Any) -> None:
        """Send a packet of the library: connect, connect error."""
        encoded = pkt.encode()
        self.outgoing.force(Frame(encoded.encode() if isinstance(encoded, str) else encoded))

    async def close(self, wait: bool = True, abort: bool = False, reason: Any = None) -> None:
        self.end(silent=abort)

    # ---- the line --------------------------------------------------------------------------------

    def end(self, *, silent: bool = False) -> None:
        """Forget this client; what waits for it still goes out."""
        if self.closed:
            return
        self.closed = True
        self.server.forget(self)
        if not silent:
            self.outgoing.force(_GOODBYE)
        self.line.close_within(CLOSING_SECONDS)
        self.outgoing.end()

    def lost(self) -> None:
        self.outgoing.ended = True
        if not self.closed:
            self.closed = True
            self.server.clear_later(self)

    def paused(self) -> None:
        self.outgoing.pause()

    def resumed(self) -> None:
        self.outgoing.resume()

    def heard_binary(self) -> None:
        self.server.bad_packet(self, "malformed")

    def heard(self, payload: bytes) -> None:
        """One Engine.IO packet."""
        if self.closed:
            return
        kind = payload[:1]
        if kind == b"4":
            if self._early is None:
                self.server.packet(self, payload[1:])
            elif len(self._early) < MAX_EARLY:
                self._early.append(payload[1:])
            else:
                self.end()
        elif kind == b"2":
            self.outgoing.force(Frame(b"3" + payload[1:32]))
        elif kind == b"1":
            self.end(silent=True)
        elif kind not in (b"3", b"5", b"6"):
            self.server.bad_packet(self, "malformed")

    def hold(self) -> None:
        """Keep what comes until `release`."""
        self._early = deque()

    @property
    def held(self) -> bool:
        """Whether it is just being let in."""
        return self._early is not None

    def release(self) -> None:
        early, self._early = self._early, None
        while early and not self.closed:
            self.server.packet(self, early.popleft())


class RoomEngine(engineio.AsyncServer):  # type: ignore[misc]
    """Engine.IO's register of sockets; the sockets themselves are `RoomSocket`."""


class Members(socketio.AsyncManager):  # type: ignore[misc]
    """Who is connected, by dictionary. Rooms of the library are not used: see `connections`."""

    def __init__(self) -> None:
        super().__init__()
        self._engine_of: dict[str, str] = {}
        self._member_of: dict[str, str] = {}
        self._connected: set[str] = set()

    def get_namespaces(self) -> list[str]:
        return ["/"]

    async def pre_connect(self, eio_sid: str, namespace: str) -> str | None:
        if eio_sid in self._member_of:
            return None
        sid: str = self.server.eio.generate_id()
        self._engine_of[sid] = eio_sid
        self._member_of[eio_sid] = sid
        return sid

    async def connect(self, sid: str, namespace: str) -> str:
        if sid in self._engine_of:
            self._connected.add(sid)
        return sid

    def is_connected(self, sid: str | None, namespace: str) -> bool:
        return sid in self._connected

    async def can_disconnect(self, sid: str, namespace: str) -> bool:
        return self.is_connected(sid, namespace)

    def sid_from_eio_sid(self, eio_sid: str, namespace: str) -> str | None:
        return self._member_of.get(eio_sid)

    def eio_sid_from_sid(self, sid: str, namespace: str) -> str | None:
        return self._engine_of.get(sid)

    def pre_disconnect(self, sid: str, namespace: str) -> str | None:
        self._connected.discard(sid)
        return self._engine_of.get(sid)

    async def disconnect(self, sid: str, namespace: str, **kwargs: Any) -> None:
        self.forget(self._engine_of.get(sid))

    def forget(self, eio_sid: str | None) -> str | None:
        """Take a socket out; its Socket.IO id if it had one."""
        sid = self._member_of.pop(eio_sid, None) if eio_sid is not None else None
        if sid is not None:
            self._engine_of.pop(sid, None)
            self._connected.discard(sid)
        return sid


@dataclass(frozen=True)
class Listener:
    """Who hears a `RoomServer`.

    `on_connect(sid, auth, network address)` decides, raising socketio's `ConnectionRefusedError`;
    `on_ready(sid)` comes when the client has been told so; `on_event(sid, ack id, JSON array)`;
    `on_bad(sid, ack id, code)` names a packet that is `malformed`, `too_large` or
    `binary_not_allowed`; `on_gone(sid)` comes for every `on_connect`, whatever happened, and once
    for every `on_ready`. Only the first may wait.
    """

    on_connect: Callable[[str, dict[str, Any] | None, str], Awaitable[None]]
    on_ready: Callable[[str], None]
    on_event: Callable[[str, int | None, bytes], None]
    on_bad: Callable[[str, int | None, str], None]
    on_gone: Callable[[str], None]


class RoomServer(socketio.AsyncServer):  # type: ignore[misc]
    """Socket.IO that hands its events over raw to a `Listener`."""

    manager_initialized: bool

    def __init__(self, listener: Listener, **options: Any) -> None:
        super().__init__(
            client_manager=Members(),
            async_mode="asgi",
            transports=["websocket"],
            async_handlers=False,
            allow_upgrades=False,
            http_compression=False,
            **options,
        )
        self._listener = listener
        self._broken: deque[RoomSocket] = deque()
        self._rounds: list[set[RoomSocket]] = [set() for _ in range(PING_SECONDS)]
        self._clock: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.on("connect", self._decide)

    def _engineio_server_class(self) -> type[RoomEngine]:
        return RoomEngine

    def wrap(self, application: ASGIApp) -> ASGIApp:
        """Sockets below `/socket.io`, everything else to `application`."""

        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            path: str = scope.get("path", "")
            if path != PATH and not path.startswith(PATH + "/"):
                await application(scope, receive, send)
            elif scope["type"] == "websocket" and _is_ours(scope["query_string"]):
                self.open(scope[_EXTENSIONS][LINE], (scope.get("client") or ("",))[0])
            else:
                await _refuse(scope, receive, send)

        return serve

    def open(self, line: Line, address: str) -> None:
        """Take over a line whose request is ours."""
        sid: str = self.eio.generate_id()
        socket = RoomSocket(self, sid, line, address)
        if not line.accept(socket):
            return
        if not self.manager_initialized:
            self.manager_initialized = True
            self.manager.initialize()
        self.eio.sockets[sid] = socket
        socket.outgoing.force(Frame(b"0" + orjson.dumps(_opening(sid))))
        loop = asyncio.get_running_loop()
        if self._clock is None:
            self._clock = loop.create_task(self._ping(), name="pings")
        socket.round = int(loop.time()) % PING_SECONDS
        self._rounds[socket.round].add(socket)
        loop.call_later(CONNECT_SECONDS, self._end_stranger, sid)

    async def shutdown(self) -> None:
        """Stop the clock; sockets are ended by who owns them."""
        if self._clock is not None:
            self._clock.cancel()
            await asyncio.gather(self._clock, return_exceptions=True)
            self._clock = None
        await super().shutdown()

    def socket_of(self, sid: str) -> RoomSocket | None:
        """The living socket behind a Socket.IO id."""
        eio_sid = self.manager.eio_sid_from_sid(sid, "/")
        return None if eio_sid is None else self.eio.sockets.get(eio_sid)

    # ---- packets ---------------------------------------------------------------------------------

    def packet(self, socket: RoomSocket, data: bytes) -> None:
        """One Socket.IO packet of a client."""
        if len(data) > MAX_PACKET_BYTES:
            self.bad_packet(socket, "too_large", data)
            return
        kind = data[:1]
        if kind == b"2":
            self._event(socket, data)
        elif kind == b"0":
            self._connect(socket, data)
        elif kind == b"1":
            socket.end(silent=True)
        elif kind in (b"5", b"6"):
            self.bad_packet(socket, "binary_not_allowed")
        elif kind != b"3":
            # Nobody here asks a client for an acknowledgement, so one is of no interest.
            self.bad_packet(socket, "malformed")

    def _event(self, socket: RoomSocket, data: bytes) -> None:
        if socket.member is None:
            return
        head = _EVENT.match(data)
        if head is None:
            self.bad_packet(socket, "malformed", data)
            return
        ack_id = int(head[1]) if head[1] else None
        self._listener.on_event(socket.member, ack_id, data[head.end() :])

    def _connect(self, socket: RoomSocket, data: bytes) -> None:
        try:
            pkt = self.packet_class(encoded_packet=data.decode())
        except ValueError:
            self.bad_packet(socket, "malformed", data)
            return
        if pkt.data is not None and not isinstance(pkt.data, dict):
            self.bad_packet(socket, "malformed", data)
            return
        socket.hold()
        task = asyncio.get_running_loop().create_task(self._introduce(socket, pkt))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _introduce(self, socket: RoomSocket, pkt: Any) -> None:
        """Let the library shake hands, then work off what came meanwhile."""
        environ = self.environ[socket.sid] = {"address": socket.address}
        try:
            await self._handle_connect(socket.sid, pkt.namespace, pkt.data)
        finally:
            self.environ.pop(socket.sid, None)
        sid = self.manager.sid_from_eio_sid(socket.sid, "/")
        if socket.closed:
            # Gone while it was let in: what was begun for it must end.
            self.manager.forget(socket.sid)
            if (begun := environ.get("sid")) is not None:
                self._listener.on_gone(begun)
            return
        if self.manager.is_connected(sid, "/"):
            socket.member = sid
            self._listener.on_ready(sid)
        socket.release()

    async def _decide(self, sid: str, environ: Any, auth: dict[str, Any] | None = None) -> None:
        environ["sid"] = sid
        await self._listener.on_connect(sid, auth, environ["address"])

    # ---- endings ---------------------------------------------------------------------------------

    def _end_stranger(self, eio_sid: str) -> None:
        socket = self.eio.sockets.get(eio_sid)
        if socket is None or socket.member is not None:
            return
        if socket.held:
            # It has said who it is; it is this process that is slow.
            loop = asyncio.get_running_loop()
            loop.call_later(CONNECT_SECONDS, self._end_stranger, eio_sid)
        else:
            socket.end()

    def forget(self, socket: RoomSocket) -> None:
        """Take a socket out of everything and tell the listener."""
        self.eio.sockets.pop(socket.sid, None)
        self._rounds[socket.round].discard(socket)
        sid = self.manager.forget(socket.sid)
        if sid is not None:
            self._listener.on_gone(sid)

    def clear_later(self, socket: RoomSocket) -> None:
        """A line broke. Thousands may break in one moment: they are cleared in portions."""
        self._broken.append(socket)
        if len(self._broken) == 1:
            asyncio.get_running_loop().call_soon(self._clear)

    def _clear(self) -> None:
        until = time.perf_counter() + CLEARING_SECONDS
        while self._broken:
            self.forget(self._broken[0])
            self._broken.popleft()
            if time.perf_counter() > until:
                # Not `call_soon`: who waits for the network comes first.
                asyncio.get_running_loop().call_later(0.001, self._clear)
                return

    async def _ping(self) -> None:
        """Ping everybody in turn, and end who gave no sign of life since his last ping."""
        loop = asyncio.get_running_loop()
        second = int(loop.time())
        while True:
            await asyncio.sleep(max(0.0, second + 1 - loop.time()))
            second += 1
            for socket in tuple(self._rounds[second % PING_SECONDS]):
                socket.alive = socket.line.alive
                socket.outgoing.force(_PING)
            for socket in tuple(self._rounds[(second - PONG_SECONDS) % PING_SECONDS]):
                if socket.alive == socket.line.alive:
                    log.info("client_silent")
                    socket.end(silent=True)

    # ---- bad packets -----------------------------------------------------------------------------

    def bad_packet(self, socket: RoomSocket, code: str, data: bytes = b"") -> None:
        """Answer a bad packet; whoever sends many of them is let go."""
        if socket.closed:
            return
        if socket.member is not None:
            found = _ACK_ID.match(data[:32])
            self._listener.on_bad(socket.member, int(found[1]) if found else None, code)
        else:
            refusal = {"message": code, "data": {"code": code}}
            encoded = self.packet_class(sio_packet.CONNECT_ERROR, data=refusal).encode()
            socket.outgoing.force(Frame(b"4" + encoded.encode()))
        self._count(socket)

    def count_bad(self, sid: str) -> None:
        """Count an event whose JSON turned out to be broken."""
        socket = self.socket_of(sid)
        if socket is not None:
            self._count(socket)

    def _count(self, socket: RoomSocket) -> None:
        socket.bad_packets += 1
        if socket.bad_packets >= BAD_PACKET_LIMIT:
            log.info("bad_packets", packets=socket.bad_packets)
            socket.end()


_EXTENSIONS = "extensions"


def _opening(sid: str) -> dict[str, Any]:
    return {
        "sid": sid,
        "upgrades": [],
        "pingTimeout": PONG_SECONDS * 1000,
        "pingInterval": PING_SECONDS * 1000,
        "maxPayload": MAX_PACKET_BYTES,
    }


def _is_ours(query: bytes) -> bool:
    """Whether a request speaks Engine.IO 4 over WebSocket."""
    asked = parse_qs(query.decode("latin-1"))
    return asked.get("EIO") == ["4"] and asked.get("transport") == ["websocket"]


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    text = "Only Engine.IO 4 over WebSocket is spoken here."
    if scope["type"] == "http":
        await PlainTextResponse(text, 400)(scope, receive, send)
        return
    start = {"type": "websocket.http.response.start", "status": 400, "headers": []}
    await send(start)
    await send({"type": "websocket.http.response.body", "body": text.encode()})
