"""uvicorn's HTTP protocol with deadlines where it has none.

uvicorn waits forever for the end of a request's headers, for the rest of a body that was answered
already, and for a client that does not take its answer. A few hundred connections like that cost an
attacker nothing. Headers are bounded in size by h11 (16 KiB altogether).
"""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

#: Seconds from the first byte (or the connection) to the end of the headers.
HEAD_SECONDS = 15.0
#: Seconds in which the rest of an answered request must have come.
REST_SECONDS = 5.0
#: Seconds that the operating system's buffer may stay full: about 1 KiB a second.
STALL_SECONDS = 60.0


class GuardedProtocol(H11Protocol):
    """One connection. The numbers are attributes, so that a test can shorten them."""

    head_seconds = HEAD_SECONDS
    rest_seconds = REST_SECONDS
    stall_seconds = STALL_SECONDS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_came()
        self._buffer_drained()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch_head()

    def on_response_complete(self) -> None:
        unfinished = self.conn.their_state is h11.SEND_BODY
        super().on_response_complete()
        if unfinished and not self.transport.is_closing():
            self.loop.call_later(self.rest_seconds, self._end_unfinished)
        else:
            self._watch_head()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._stall is None:
            self._stall = self.loop.call_later(self.stall_seconds, self._end)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._buffer_drained()

    def _watch_head(self) -> None:
        """The headers are awaited while some of them have come; an idle connection is uvicorn's."""
        if self.conn.their_state is h11.IDLE and self.conn.trailing_data[0]:
            self._await_head()
        else:
            self._head_came()

    def _await_head(self) -> None:
        if self._head is None:
            self._head = self.loop.call_later(self.head_seconds, self._end)

    def _head_came(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def _buffer_drained(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def _end_unfinished(self) -> None:
        if self.conn.our_state is h11.DONE and self.conn.their_state is h11.SEND_BODY:
            self._end()

    def _end(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.abort()
