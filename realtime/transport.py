"""The Socket.IO server with the parts of python-socketio replaced that a room cannot rest on.

What stays: the Engine.IO and Socket.IO handshakes, pings, namespaces, refusals. What is replaced:

- the queue towards a client is bounded in bytes, and a full one says so instead of growing;
- a bad packet is answered and counted, where the library would drop the connection with a trace or
  leave it half open;
- events come out raw, with their acknowledgement id, so that each gets a named answer even if its
  JSON is broken;
- members are looked up by dictionary, where the library scans all of its rooms at each disconnect.

Only the WebSocket transport is offered: any socket may then live on any node.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import engineio
import socketio
import structlog
from engineio import packet as eio_packet
from engineio.async_socket import AsyncSocket
from socketio import packet as sio_packet

from realtime.outgoing import Frame, Outgoing
from realtime.rules import MAX_PACKET_BYTES

log = structlog.get_logger(__name__)

#: Bad packets after which a client is let go.
BAD_PACKET_LIMIT = 20
#: Seconds in which a closing socket may still take what was queued.
CLOSING_SECONDS = 5.0
#: Seconds in which a new socket must say who it is.
CONNECT_SECONDS = 10.0
#: The largest WebSocket message that is looked at to name its error; beyond it the line is cut.
MAX_FRAME_BYTES = 1024 * 1024

_EVENT = re.compile(r"2(?:/,)?(\d{0,15})(?=\[)")
_ACK_ID = re.compile(r"2(?:/,)?(\d{1,15})")


class RoomSocket(AsyncSocket):  # type: ignore[misc]
    """One client's WebSocket."""

    closed: bool
    closing: bool

    def __init__(self, server: "RoomEngine", sid: str) -> None:
        super().__init__(server, sid)
        self.outgoing = Outgoing()
        self.bad_packets = 0
        self._ended = asyncio.Event()

    async def send(self, pkt: Any) -> None:
        """Queue one of the library's own packets: open, ping, connect, close."""
        if not await self.check_ping_timeout():
            return
        text = pkt.encode()
        self.outgoing.force(Frame(text, len(text)))

    async def close(self, wait: bool = True, abort: bool = False, reason: Any = None) -> None:
        if self.closed or self.closing:
            return
        self.closing = True
        await self.server._trigger_event(
            "disconnect", self.sid, reason or self.server.reason.SERVER_DISCONNECT, run_async=False
        )
        if not abort:
            self.outgoing.force(Frame("1", 1))
        self.closed = True
        self.outgoing.end()
        self._ended.set()

    async def _websocket_handler(self, ws: Any) -> None:
        """Run the connection until either side ends it."""
        self.connected = self.upgraded = True
        writer = asyncio.create_task(self._write(ws))
        reader = asyncio.create_task(self._read(ws))
        # A client that takes nothing keeps the writer waiting, so the end needs a sign of its own.
        ended = asyncio.create_task(self._ended.wait())
        try:
            await asyncio.wait({writer, reader, ended}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            reader.cancel()
            ended.cancel()
            self.outgoing.end()
            await asyncio.wait({writer}, timeout=CLOSING_SECONDS)
            writer.cancel()
            await asyncio.gather(reader, writer, ended, return_exceptions=True)
            await self.close(wait=False, abort=True, reason=self.server.reason.TRANSPORT_CLOSE)

    async def _write(self, ws: Any) -> None:
        try:
            await self.outgoing.write_to(ws.send)
        except (OSError, RuntimeError):
            # The web server raises RuntimeError for a send after the client has gone.
            return
        await ws.close()

    async def _read(self, ws: Any) -> None:
        while not self.closed:
            try:
                data = await ws.wait()
            except OSError:
                return
            await self._take(data)

    async def _take(self, data: str | bytes) -> None:
        kind = data[:1]
        if kind == "4":
            await self.server.message(self.sid, data[1:])
        elif kind == "3":
            self.schedule_ping()
        elif kind == "2":
            self.outgoing.force(Frame("3" + str(data[1:32]), 32))
        elif kind == "1":
            await self.close(wait=False, abort=True, reason=self.server.reason.CLIENT_DISCONNECT)
        elif kind not in ("5", "6"):
            await self.server.bad_packet(self.sid, "malformed")


class RoomEngine(engineio.AsyncServer):  # type: ignore[misc]
    """Engine.IO with `RoomSocket` as its socket, over WebSocket alone."""

    owner: "RoomServer"
    start_service_task: bool

    async def _handle_connect(self, environ: Any, transport: str, jsonp_index: Any = None) -> Any:
        if self.start_service_task:
            self.start_service_task = False
            self.service_task_handle = self.start_background_task(self._service_task)
        sid = self.generate_id()
        socket = RoomSocket(self, sid)
        self.sockets[sid] = socket
        await socket.send(eio_packet.Packet(eio_packet.OPEN, self._opening(sid)))
        await self._trigger_event("connect", sid, environ, run_async=False)
        socket.schedule_ping()
        try:
            return await socket.handle_get_request(environ)
        finally:
            self.sockets.pop(sid, None)

    def _opening(self, sid: str) -> dict[str, Any]:
        return {
            "sid": sid,
            "upgrades": [],
            "pingTimeout": int(self.ping_timeout * 1000),
            "pingInterval": int(self.ping_interval * 1000),
            "maxPayload": MAX_PACKET_BYTES,
        }

    async def message(self, sid: str, data: str | bytes) -> None:
        await self.owner.packet(sid, data)

    async def bad_packet(self, sid: str, code: str) -> None:
        await self.owner.bad_packet(sid, code)


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
        self._connected.discard(sid)
        eio_sid = self._engine_of.pop(sid, None)
        if eio_sid is not None:
            self._member_of.pop(eio_sid, None)


@dataclass(frozen=True)
class Listener:
    """Who hears a `RoomServer`.

    `on_connect(sid, auth, network address)` decides, raising socketio's `ConnectionRefusedError`;
    `on_ready(sid)` comes when the client has been told so; `on_event(sid, ack id, JSON array as
    text)`; `on_bad(sid, ack id, code)` names a packet that is `malformed`, `too_large` or
    `binary_not_allowed`; `on_gone(sid)` comes once for every `on_connect`, whatever happened.
    """

    on_connect: Callable[[str, dict[str, Any] | None, str], Awaitable[None]]
    on_ready: Callable[[str], Awaitable[None]]
    on_event: Callable[[str, int | None, str], Awaitable[None]]
    on_bad: Callable[[str, int | None, str], Awaitable[None]]
    on_gone: Callable[[str], Awaitable[None]]


class RoomServer(socketio.AsyncServer):  # type: ignore[misc]
    """Socket.IO that hands its events over raw to a `Listener`."""

    def __init__(self, listener: Listener, **options: Any) -> None:
        super().__init__(
            client_manager=Members(),
            async_mode="asgi",
            transports=["websocket"],
            async_handlers=False,
            allow_upgrades=False,
            http_compression=False,
            max_http_buffer_size=MAX_FRAME_BYTES,
            **options,
        )
        self.eio.owner = self
        self._listener = listener
        self.on("connect", self._decide)

    def _engineio_server_class(self) -> type[RoomEngine]:
        return RoomEngine

    def socket_of(self, sid: str) -> RoomSocket | None:
        """The living socket behind a Socket.IO id."""
        eio_sid = self.manager.eio_sid_from_sid(sid, "/")
        return None if eio_sid is None else self.eio.sockets.get(eio_sid)

    async def packet(self, eio_sid: str, data: str | bytes) -> None:
        """One Socket.IO packet of a client."""
        if isinstance(data, bytes):
            await self.bad_packet(eio_sid, "binary_not_allowed")
            return
        if len(data) > MAX_PACKET_BYTES or len(data.encode("utf-8", "replace")) > MAX_PACKET_BYTES:
            await self.bad_packet(eio_sid, "too_large", data)
            return
        match data[:1]:
            case "2":
                await self._event(eio_sid, data)
            case "0":
                await self._connect(eio_sid, data)
            case "1":
                await self._leave(eio_sid)
            case "3":
                # Nobody here asks a client for an acknowledgement.
                return
            case "5" | "6":
                await self.bad_packet(eio_sid, "binary_not_allowed")
            case _:
                await self.bad_packet(eio_sid, "malformed")

    async def _event(self, eio_sid: str, data: str) -> None:
        sid = self.manager.sid_from_eio_sid(eio_sid, "/")
        if not self.manager.is_connected(sid, "/"):
            return
        head = _EVENT.match(data)
        if head is None:
            await self.bad_packet(eio_sid, "malformed", data)
            return
        ack_id = int(head[1]) if head[1] else None
        await self._listener.on_event(sid, ack_id, data[head.end() :])

    async def _connect(self, eio_sid: str, data: str) -> None:
        try:
            pkt = self.packet_class(encoded_packet=data)
        except ValueError:
            await self.bad_packet(eio_sid, "malformed", data)
            return
        if pkt.data is not None and not isinstance(pkt.data, dict):
            await self.bad_packet(eio_sid, "malformed", data)
            return
        await self._handle_connect(eio_sid, pkt.namespace, pkt.data)
        sid = self.manager.sid_from_eio_sid(eio_sid, "/")
        if self.manager.is_connected(sid, "/"):
            await self._listener.on_ready(sid)

    async def _decide(self, sid: str, environ: Any, auth: dict[str, Any] | None = None) -> None:
        client = environ["asgi.scope"].get("client")
        await self._listener.on_connect(sid, auth, client[0] if client else "")

    async def _leave(self, eio_sid: str) -> None:
        socket = self.eio.sockets.get(eio_sid)
        if socket is not None:
            await socket.close(wait=False, abort=True, reason=self.reason.CLIENT_DISCONNECT)

    async def _handle_eio_connect(self, eio_sid: str, environ: Any) -> None:
        await super()._handle_eio_connect(eio_sid, environ)
        asyncio.get_running_loop().call_later(CONNECT_SECONDS, self._end_stranger, eio_sid)

    def _end_stranger(self, eio_sid: str) -> None:
        sid = self.manager.sid_from_eio_sid(eio_sid, "/")
        socket = self.eio.sockets.get(eio_sid)
        if socket is not None and not self.manager.is_connected(sid, "/"):
            socket.outgoing.end()

    async def _handle_eio_disconnect(self, eio_sid: str, reason: Any) -> None:
        sid = self.manager.sid_from_eio_sid(eio_sid, "/")
        self.environ.pop(eio_sid, None)
        if sid is not None:
            await self.manager.disconnect(sid, "/")
            await self._listener.on_gone(sid)

    async def bad_packet(self, eio_sid: str, code: str, data: str = "") -> None:
        """Answer a bad packet; whoever sends many of them is let go."""
        socket = self.eio.sockets.get(eio_sid)
        if socket is None:
            return
        sid = self.manager.sid_from_eio_sid(eio_sid, "/")
        if self.manager.is_connected(sid, "/"):
            found = _ACK_ID.match(data[:32])
            await self._listener.on_bad(sid, int(found[1]) if found else None, code)
        else:
            refusal = {"message": code, "data": {"code": code}}
            await self._send_packet(
                eio_sid, self.packet_class(sio_packet.CONNECT_ERROR, data=refusal)
            )
        await self._count(socket)

    async def count_bad(self, sid: str) -> None:
        """Count an event whose JSON turned out to be broken."""
        socket = self.socket_of(sid)
        if socket is not None:
            await self._count(socket)

    async def _count(self, socket: RoomSocket) -> None:
        socket.bad_packets += 1
        if socket.bad_packets >= BAD_PACKET_LIMIT:
            log.info("bad_packets", packets=socket.bad_packets)
            await socket.close(wait=False)
