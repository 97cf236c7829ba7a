"""A WebSocket without a task: frames to a callback, bytes to the socket (RFC 6455).

uvicorn hands the connection over after it has parsed the request (`ws=Line`). The ASGI application
decides about the request as about any other, so proxies, the door and routing are those of the
house; who accepts takes the line itself out of the scope (`LINE`) and from then on frames go
around ASGI: no queue, no task, no wake-up between the socket and the room.

Text frames only reach the owner; compression is not offered. What a client does wrong ends its
line with the status that the RFC names.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import sys
from http import HTTPStatus
from operator import methodcaller
from typing import Any, Protocol
from urllib.parse import unquote

import structlog
from uvicorn.protocols.utils import get_local_addr, get_remote_addr, is_ssl

try:
    from websockets.speedups import apply_mask
except ImportError:
    # A machine for which there is no wheel and no compiler.
    from websockets.utils import apply_mask

from realtime.turns import Turns

log = structlog.get_logger(__name__)

#: Where the scope of a WebSocket request holds its line.
LINE = "zhenjian.line"
#: The largest message that is looked at; beyond it the line is cut.
MAX_MESSAGE_BYTES = 1024 * 1024
#: Bytes of one turn of the event loop that are gathered into one write.
TURN_BYTES = 64 * 1024
#: Lines that hung up are let go so many in one turn of the event loop: when a network breaks down,
#: thousands hang up in the same turn, closing a socket is dear, and those who are still there must
#: not wait for all of it.
GOODBYES = 64
#: Seconds in which a closing line may still take what was written.
CLOSING_SECONDS = 5.0
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TEXT, _CONTINUED, _BINARY, _CLOSE, _PING, _PONG = 1, 0, 2, 8, 9, 10
_NORMAL, _PROTOCOL_ERROR, _TOO_BIG = 1000, 1002, 1009


def text_frame(payload: bytes) -> bytes:
    """The frame in which a server sends a text."""
    return _head(0x81, len(payload)) + payload


def _head(first: int, size: int) -> bytes:
    if size < 126:
        return bytes((first, size))
    if size < 65_536:
        return bytes((first, 126)) + size.to_bytes(2, "big")
    return bytes((first, 127)) + size.to_bytes(8, "big")


class Owner(Protocol):
    """Who listens to an accepted line."""

    def heard(self, payload: bytes) -> None:
        """A text; it may be no valid UTF-8."""

    def heard_binary(self) -> None:
        """A binary message, which nobody here understands."""

    def paused(self) -> None:
        """The client does not take what is written: write no more."""

    def resumed(self) -> None:
        """It has taken most of it."""

    def lost(self) -> None:
        """The line is gone; comes once."""


class Line(asyncio.Protocol):
    """One WebSocket connection, made by uvicorn."""

    __slots__ = (
        "_buffer",
        "_config",
        "_ending",
        "_need",
        "_opening",
        "_owner",
        "_parts",
        "_parts_size",
        "_request",
        "_state",
        "_told",
        "_waiting",
        "_waiting_size",
        "alive",
        "transport",
    )

    def __init__(self, config: Any, server_state: Any, app_state: Any, _loop: Any = None) -> None:
        self._config = config
        self._state = server_state
        self._request: dict[str, Any] | None = {"state": app_state}
        self._owner: Owner | None = None
        self._opening: asyncio.Task[None] | None = None
        self._ending: asyncio.TimerHandle | None = None
        self._buffer: bytearray | None = None
        self._need = 0
        self._parts: list[bytes] | None = None
        self._parts_size = 0
        self._told = False
        self._waiting: list[bytes] | None = None
        self._waiting_size = 0
        #: Counts up by each message or pong: a sign of life.
        self.alive = 0
        self.transport: Any = None

    # ---- the connection ------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self._state.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._state.connections.discard(self)
        if self._ending is not None:
            self._ending.cancel()
            self._ending = None
        self._buffer = self._parts = self._waiting = None
        self._told = True
        owner, self._owner = self._owner, None
        if owner is not None:
            owner.lost()

    def eof_received(self) -> bool:
        """The client hung up; True when that is our business (with TLS it is the transport's)."""
        if is_ssl(self.transport):
            return False
        _goodbyes.add(self.transport)
        return True

    def shutdown(self) -> None:
        """The process stops (called by uvicorn)."""
        self.close(1012)

    def pause_writing(self) -> None:
        if self._owner is not None:
            self._owner.paused()

    def resume_writing(self) -> None:
        if self._owner is not None:
            self._owner.resumed()

    def write(self, data: bytes) -> None:
        """Send whole frames; those of one turn of the event loop go out together.

        Whoever says something hears his own message and its acknowledgement in one turn, and a
        system call costs more than everything else that is done for a frame.
        """
        waiting = self._waiting
        if waiting is None:
            self._waiting = [data]
            self._waiting_size = len(data)
            _flushes.add(self)
            return
        waiting.append(data)
        self._waiting_size += len(data)
        if self._waiting_size > TURN_BYTES:
            self._flush()

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not self.transport.is_closing():
            self.transport.write(waiting[0] if len(waiting) == 1 else b"".join(waiting))

    def close(self, code: int = _NORMAL) -> None:
        """Let what was written go out, say goodbye, and hang up soon in any case."""
        if self._told or self.transport is None:
            return
        self._told = True
        self._flush()
        if self._owner is not None or self._request is None:
            self.transport.write(_head(0x88, 2) + code.to_bytes(2, "big"))
        self.transport.close()
        if self._ending is None:
            self._ending = asyncio.get_running_loop().call_later(CLOSING_SECONDS, self._hang_up)

    def close_within(self, seconds: float) -> None:
        """Hang up after this time, whatever still waits."""
        if self._ending is None and not self.transport.is_closing():
            self._ending = asyncio.get_running_loop().call_later(seconds, self._hang_up)

    def _hang_up(self) -> None:
        self._ending = None
        self.transport.abort()

    # ---- the request ---------------------------------------------------------------------------

    def _ask(self, data: bytes) -> None:
        """Let the ASGI application decide; uvicorn hands the whole request over at once."""
        assert self._request is not None
        request = self._request
        head, _, _ = data.partition(b"\r\n\r\n")
        first, *lines = head.split(b"\r\n")
        method, target, _ = first.split(b" ", 2)
        raw_path, _, query = target.partition(b"?")
        headers = []
        for line in lines:
            name, _, value = line.partition(b":")
            headers.append((name.strip().lower(), value.strip()))
        client = get_remote_addr(self.transport)
        root = self._config.root_path
        request |= {
            "type": "websocket",
            "asgi": {"version": self._config.asgi_version, "spec_version": "2.4"},
            "http_version": "1.1",
            "scheme": "wss" if is_ssl(self.transport) else "ws",
            "server": get_local_addr(self.transport),
            "client": client,
            "root_path": root,
            "path": root + unquote(raw_path.decode("ascii", "replace")),
            "raw_path": root.encode() + raw_path,
            "query_string": query,
            "headers": headers,
            "subprotocols": [],
            "state": request["state"].copy(),
            "extensions": {"websocket.http.response": {}, LINE: self},
        }
        answer = _handshake(method, dict(headers))
        if isinstance(answer, HTTPStatus):
            self._refuse(answer, [(b"sec-websocket-version", b"13")])
            return
        request[LINE] = answer
        self._opening = asyncio.get_running_loop().create_task(self._decide(request))

    async def _decide(self, request: dict[str, Any]) -> None:
        try:
            await self._config.loaded_app(request, self._receive, self._send)
        # The application is the whole house: whatever fails in it, this request is answered.
        except Exception as error:
            log.error("websocket_request_failed", error=repr(error), exc_info=True)
        if self._request is not None and not self._told:
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR)
        self._opening = None

    async def _receive(self) -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def _send(self, message: Any) -> None:
        """What an application answers that does not take the line."""
        assert self._request is not None
        match message["type"]:
            case "websocket.close":
                self._refuse(HTTPStatus.FORBIDDEN)
            case "websocket.http.response.start":
                self._request["answer"] = message
            case "websocket.http.response.body" if not message.get("more_body"):
                start = self._request["answer"]
                self._refuse(HTTPStatus(start["status"]), start["headers"], message["body"])
            case other:
                raise RuntimeError(f"Only the rooms accept WebSockets here, not by {other!r}.")

    def _refuse(self, status: HTTPStatus, headers: Any = (), body: bytes = b"") -> None:
        self._told, self._request = True, None
        if self.transport.is_closing():
            return
        lines = [b"HTTP/1.1 %d %b" % (status.value, status.phrase.encode())]
        lines += [bytes(name) + b": " + bytes(value) for name, value in headers]
        lines += [b"content-length: %d" % len(body), b"connection: close", b"", b""]
        self.transport.write(b"\r\n".join(lines) + body)
        self.transport.close()

    def accept(self, owner: Owner) -> bool:
        """Shake hands and pass frames to `owner` from now on; False when the client has gone."""
        if self._request is None or self._told or self.transport.is_closing():
            return False
        key, self._request = self._request[LINE], None
        self.transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + key + b"\r\n\r\n"
        )
        self._owner = owner
        return True

    # ---- frames --------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self._owner is None:
            if self._request is not None and self._opening is None and not self._told:
                self._ask(data)
            return
        if self._told:
            return
        if self._buffer is not None:
            self._buffer += data
            if len(self._buffer) < self._need:
                return
            data, self._buffer, self._need = bytes(self._buffer), None, 0
        place, end = 0, len(data)
        while end - place >= 6:
            first, size, start = data[place], data[place + 1], place + 6
            if size < 128:
                # Clients mask what they send.
                self.close(_PROTOCOL_ERROR)
                return
            size &= 127
            if size == 126:
                size, start = data[place + 2] << 8 | data[place + 3], place + 8
            elif size == 127:
                if end - place < 14:
                    break
                size, start = int.from_bytes(data[place + 2 : place + 10], "big"), place + 14
            if size > MAX_MESSAGE_BYTES:
                self.close(_TOO_BIG)
                return
            stop = start + size
            if stop > end:
                self._need = stop - place
                break
            payload = apply_mask(data[start:stop], data[start - 4 : start])
            place = stop
            self.alive += 1
            if first == 0x81 and self._parts is None:
                self._owner.heard(payload)
            else:
                self._other(first, payload)
            if self._told or self._owner is None:
                return
        if place < end:
            self._buffer = bytearray(data[place:])

    def _other(self, first: int, payload: bytes) -> None:
        """Everything but a text in one frame."""
        kind, last = first & 15, first & 128
        if first & 0x70 or (kind >= _CLOSE and (not last or len(payload) > 125)):
            self.close(_PROTOCOL_ERROR)
        elif kind == _CLOSE:
            self.close(_NORMAL)
        elif kind == _PING:
            self.write(_head(0x80 | _PONG, len(payload)) + payload)
        elif kind in (_TEXT, _BINARY, _CONTINUED):
            self._part(kind, bool(last), payload)
        elif kind != _PONG:
            self.close(_PROTOCOL_ERROR)

    def _part(self, kind: int, last: bool, payload: bytes) -> None:
        """A piece of a message that comes in several frames, or a binary one."""
        assert self._owner is not None
        if (kind == _CONTINUED) is (self._parts is None):
            self.close(_PROTOCOL_ERROR)
            return
        if self._parts is None:
            # The first byte says what the message is.
            self._parts, self._parts_size = [bytes((kind,))], 0
        self._parts.append(payload)
        self._parts_size += len(payload)
        if self._parts_size > MAX_MESSAGE_BYTES or len(self._parts) > 1000:
            self.close(_TOO_BIG)
        elif last:
            parts, self._parts = self._parts, None
            if parts[0][0] == _TEXT:
                self._owner.heard(b"".join(parts[1:]))
            else:
                self._owner.heard_binary()


#: A call of the loop for each line that is written to costs more than the line's own work.
_flushes = Turns(Line._flush, sys.maxsize)
_goodbyes: Turns[asyncio.Transport] = Turns(methodcaller("close"), GOODBYES)


def _handshake(method: bytes, headers: dict[bytes, bytes]) -> bytes | HTTPStatus:
    """The value that accepts this request, or why it is none."""
    if headers.get(b"sec-websocket-version") != b"13":
        return HTTPStatus.UPGRADE_REQUIRED
    key = headers.get(b"sec-websocket-key", b"")
    try:
        valid = method == b"GET" and len(base64.b64decode(key, validate=True)) == 16
    except binascii.Error:
        valid = False
    if not valid:
        return HTTPStatus.BAD_REQUEST
    return base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())
