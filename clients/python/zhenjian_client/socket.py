"""One Socket.IO connection over an aiohttp WebSocket: it lives once and does not come back.

`RoomClient` makes a new one after each loss. Use this class alone to send exactly one thing, or
something that no correct client would send.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import aiohttp

from zhenjian_client import wire
from zhenjian_client.errors import ConnectionLost, Refused, RequestFailed

Listener = Callable[[str, Any], None]


class Socket:
    """Connect, send events and wait for their acknowledgements, hear the server's events."""

    def __init__(self, url: str, auth: dict[str, Any], listener: Listener | None = None) -> None:
        """`url` is that of the server (`http://127.0.0.1:8000`); `listener(event, payload)`."""
        self.url = _socket_url(url)
        self.sid: str | None = None
        self.closed = asyncio.Event()
        self.reason: str | None = None
        self._auth = auth
        self._listener = listener
        self._session: aiohttp.ClientSession | None = None
        self._ws: aiohttp.ClientWebSocketResponse | None = None
        self._reader: asyncio.Task[None] | None = None
        self._acks: dict[int, asyncio.Future[Any]] = {}
        self._next_ack = 0
        self._connected: asyncio.Future[None] | None = None
        self._silence = 60.0

    async def connect(self, timeout: float = 10.0) -> None:
        """Raises `Refused` with the server's code, or `ConnectionLost`."""
        self._connected = asyncio.get_running_loop().create_future()
        self._session = aiohttp.ClientSession()
        try:
            self._ws = await self._session.ws_connect(
                self.url, max_msg_size=16 * 1024 * 1024, timeout=aiohttp.ClientWSTimeout(ws_close=2)
            )
            self._reader = asyncio.create_task(self._read())
            async with asyncio.timeout(timeout):
                await self._connected
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            await self.close()
            raise ConnectionLost(f"Cannot connect: {error!r}") from error
        except (Refused, ConnectionLost):
            await self.close()
            raise

    async def call(self, event: str, payload: Any, timeout: float = 10.0) -> dict[str, Any]:
        """Send an event and return its acknowledgement.

        Raises `RequestFailed` for a named refusal, `ConnectionLost` when no answer came.
        """
        self._next_ack += 1
        ack_id = self._next_ack
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._acks[ack_id] = future
        try:
            await self.send_frame(wire.event(event, payload, ack_id))
            # Not `wait_for`: before Python 3.12 it loses a cancellation that comes with the answer,
            # and who closes the client would wait for ever.
            async with asyncio.timeout(timeout):
                answer: dict[str, Any] = await future
        except TimeoutError as error:
            raise ConnectionLost(f"No answer to {event!r} within {timeout} s.") from error
        finally:
            self._acks.pop(ack_id, None)
        if not answer.get("ok"):
            raise RequestFailed(answer.get("error") or {})
        return answer

    async def emit(self, event: str, payload: Any) -> None:
        """Send an event without waiting for an answer."""
        await self.send_frame(wire.event(event, payload))

    async def send_frame(self, frame: str | bytes) -> None:
        """Send a raw WebSocket frame."""
        if self._ws is None or self.closed.is_set():
            raise ConnectionLost("Not connected.")
        try:
            if isinstance(frame, bytes):
                await self._ws.send_bytes(frame)
            else:
                await self._ws.send_str(frame)
        except (aiohttp.ClientError, OSError) as error:
            raise ConnectionLost(str(error)) from error

    async def close(self) -> None:
        """End the connection in order; may be called again."""
        if self._ws is not None and not self._ws.closed:
            with contextlib.suppress(aiohttp.ClientError, OSError, ConnectionLost):
                await self._ws.send_str(wire.disconnect())
            await self._ws.close()
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)
        await self._end("closed")

    async def abort(self) -> None:
        """Cut the line without a word of either protocol, as a broken network does."""
        if self._session is not None and self._session.connector is not None:
            await self._session.connector.close()

    async def _read(self) -> None:
        assert self._ws is not None
        try:
            while True:
                message = await self._ws.receive(timeout=self._silence)
                if message.type is not aiohttp.WSMsgType.TEXT:
                    break
                await self._take(wire.decode(message.data))
        except (aiohttp.ClientError, OSError, TimeoutError, ConnectionLost):
            pass
        finally:
            await self._end(self.reason or "lost")

    async def _take(self, packet: wire.Packet) -> None:
        match packet.kind:
            case "open":
                self._silence = (packet.data["pingInterval"] + packet.data["pingTimeout"]) / 1000
                await self.send_frame(wire.connect(self._auth))
            case "ping":
                await self.send_frame(wire.pong())
            case "connect":
                self.sid = packet.data["sid"]
                self._settle(None)
            case "refused":
                data = (packet.data or {}).get("data") or {}
                self._settle(Refused(data.get("code", "unauthenticated"), data))
            case "ack":
                future = self._acks.get(packet.ack_id or 0)
                if future is not None and not future.done():
                    future.set_result(packet.data[0] if packet.data else {})
            case "event":
                name: str = packet.data[0]
                payload: Any = packet.data[1] if len(packet.data) > 1 else {}
                if name == "session:revoked":
                    self.reason = payload["code"]
                if self._listener is not None:
                    self._listener(name, payload)
            case "close" | "disconnect":
                raise ConnectionLost("The server ended the connection.")

    def _settle(self, error: Exception | None) -> None:
        if self._connected is not None and not self._connected.done():
            if error is None:
                self._connected.set_result(None)
            else:
                self._connected.set_exception(error)
                # Nobody may be waiting any more.
                self._connected.exception()

    async def _end(self, reason: str) -> None:
        if self.closed.is_set():
            return
        self.closed.set()
        self.reason = self.reason or reason
        self._settle(ConnectionLost(f"The connection ended: {self.reason}."))
        for future in self._acks.values():
            if not future.done():
                future.set_exception(ConnectionLost(f"The connection ended: {self.reason}."))
        if self._session is not None:
            await self._session.close()


def _socket_url(url: str) -> str:
    parts = urlsplit(url)
    scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
    path = parts.path.rstrip("/") + "/socket.io/"
    return urlunsplit((scheme, parts.netloc, path, "EIO=4&transport=websocket", ""))
