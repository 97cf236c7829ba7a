"""What waits for a client: frames encoded once, in a queue that is bounded in bytes."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import orjson

#: Bytes that may wait for one client before it counts as slow.
OUTGOING_LIMIT = 256 * 1024


@dataclass(frozen=True, slots=True)
class Frame:
    """An encoded packet, made once however many clients it goes to. `size` in bytes."""

    text: str
    size: int


def event_frame(event: str, payload: Any) -> Frame:
    """A server event; ids and other plain values in its payload are taken as text."""
    return raw_event_frame(event, orjson.dumps(payload, default=str))


def raw_event_frame(event: str, payload: bytes) -> Frame:
    """A server event whose payload is JSON already."""
    data = b'42["' + event.encode() + b'",' + payload + b"]"
    return Frame(data.decode(), len(data))


def ack_frame(ack_id: int, payload: Any) -> Frame:
    """The acknowledgement of a client's event."""
    data = b"43" + str(ack_id).encode() + b"[" + orjson.dumps(payload, default=str) + b"]"
    return Frame(data.decode(), len(data))


class Outgoing:
    """What waits for one client, bounded in bytes.

    `drained` is called whenever the client has taken what was waiting.
    """

    def __init__(self, limit: int = OUTGOING_LIMIT) -> None:
        self.limit = limit
        self.size = 0
        self.drained: Callable[[], None] | None = None
        self._frames: deque[Frame] = deque()
        self._wake = asyncio.Event()
        self.ended = False

    def put(self, frame: Frame) -> bool:
        """Queue a frame; False when it would pass the limit, and nothing is queued then."""
        if self.ended or self.size + frame.size > self.limit:
            return False
        self._append(frame)
        return True

    def force(self, frame: Frame) -> None:
        """Queue a small frame that must go out whatever waits: pings, the reason of an ending."""
        if not self.ended:
            self._append(frame)

    def end(self) -> None:
        """Let what waits go out and nothing after it."""
        self.ended = True
        self._wake.set()

    async def write_to(self, send: Callable[[str], Awaitable[None]]) -> None:
        """Write until `end`; a client that does not take its frames holds up nobody else."""
        while True:
            while self._frames:
                frame = self._frames[0]
                await send(frame.text)
                self._frames.popleft()
                self.size -= frame.size
            if self.drained is not None:
                self.drained()
            if self._frames:
                continue
            if self.ended:
                return
            self._wake.clear()
            await self._wake.wait()

    def _append(self, frame: Frame) -> None:
        self._frames.append(frame)
        self.size += frame.size
        self._wake.set()
