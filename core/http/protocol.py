"""uvicorn's HTTP protocol with bounds where it has none.

uvicorn waits forever for the end of a request's headers, for the rest of a body that was answered
already, and for a client that does not take its answer; the parser keeps headers of any length. A
few hundred connections like that cost an attacker nothing.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

#: Seconds from the first byte (or the connection) to the end of the headers.
HEAD_SECONDS = 15.0
#: Bytes of request line and headers that may have come without their end.
HEAD_BYTES = 16 * 1024
#: Seconds in which the rest of an answered request must have come.
REST_SECONDS = 5.0
#: Seconds that the operating system's buffer may stay full: about 1 KiB a second.
STALL_SECONDS = 60.0

_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-length: 0\r\nconnection: close\r\n\r\n"
)


class GuardedProtocol(HttpToolsProtocol):
    """One connection. The numbers are attributes, so that a test can shorten them."""

    head_seconds = HEAD_SECONDS
    rest_seconds = REST_SECONDS
    stall_seconds = STALL_SECONDS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None
        #: Bytes of the head that is coming in; None between its end and the next request.
        self._head_bytes: int | None = None
        #: A request has begun whose end has not come.
        self._receiving = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_came()
        self._buffer_drained()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        # A head that begins within this piece is counted from the next piece on.
        within_head = self._head_bytes is not None
        super().data_received(data)
        if within_head and self._head_bytes is not None:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES:
                self.transport.write(_TOO_LARGE)
                self.transport.close()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._receiving, self._head_bytes = True, 0
        self._await_head()

    def on_headers_complete(self) -> None:
        self._head_came()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._receiving = False
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._unread() and not self.transport.is_closing():
            self.loop.call_later(self.rest_seconds, self._end_unread, self.cycle)

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._stall is None:
            self._stall = self.loop.call_later(self.stall_seconds, self._end)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._buffer_drained()

    def _await_head(self) -> None:
        if self._head is None:
            self._head = self.loop.call_later(self.head_seconds, self._end)

    def _head_came(self) -> None:
        self._head_bytes = None
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def _buffer_drained(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def _unread(self) -> bool:
        """The newest request was answered before all of it had come."""
        return self._receiving and self.cycle is not None and self.cycle.response_complete

    def _end_unread(self, cycle: object) -> None:
        if cycle is self.cycle and self._unread():
            self._end()

    def _end(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.abort()
