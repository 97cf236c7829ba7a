"""What goes out to a client: frames encoded once, in a queue that is bounded in bytes."""

from collections import deque
from collections.abc import Callable
from typing import Any

import orjson

from realtime.line import text_frame

#: Bytes that may wait for one client before it counts as slow.
OUTGOING_LIMIT = 256 * 1024


class Frame:
    """An encoded packet, made once however many clients it goes to.

    `data` is the Engine.IO packet, `wire` the WebSocket frame around it.
    """

    __slots__ = ("data", "wire")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.wire = text_frame(data)


def event_frame(event: str, payload: Any) -> Frame:
    """A server event; ids and other plain values in its payload are taken as text."""
    return raw_event_frame(event, orjson.dumps(payload, default=str))


def raw_event_frame(event: str, payload: bytes) -> Frame:
    """A server event whose payload is JSON already."""
    return Frame(b'42["%b",%b]' % (event.encode(), payload))


def ack_frame(ack_id: int, payload: Any) -> Frame:
    """The acknowledgement of a client's event."""
    return Frame(b"43%d[%b]" % (ack_id, orjson.dumps(payload, default=str)))


class Outgoing:
    """What one client is sent, bounded in bytes; nobody waits for it.

    Frames go to the line at once, which gathers those of one turn of the event loop into one write.
    While the client does not take them (`pause`) they wait here. `drained` is called whenever the
    client has taken what was waiting, `finished` once nothing will come any more.
    """

    __slots__ = ("_frames", "_paused", "_write", "drained", "ended", "finished", "limit", "size")

    def __init__(
        self,
        write: Callable[[bytes], None],
        finished: Callable[[], None],
        limit: int = OUTGOING_LIMIT,
    ) -> None:
        self.limit = limit
        self.size = 0
        self.ended = False
        self.drained: Callable[[], None] | None = None
        self.finished = finished
        self._write = write
        self._paused = False
        self._frames: deque[bytes] | None = None

    def put(self, frame: Frame) -> bool:
        """Send a frame; False when it would pass the limit, and nothing is sent then."""
        if self.ended:
            return False
        if not self._paused:
            self._write(frame.wire)
            return True
        if self.size + len(frame.wire) > self.limit:
            return False
        self._wait(frame)
        return True

    def force(self, frame: Frame) -> None:
        """Send a small frame that must go out whatever waits: pings, the reason of an ending."""
        if self.ended:
            return
        if self._paused:
            self._wait(frame)
        else:
            self._write(frame.wire)

    def end(self) -> None:
        """Let what waits go out and nothing after it."""
        if not self.ended:
            self.ended = True
            if not self._frames:
                self.finished()

    def pause(self) -> None:
        """The client does not take what was written."""
        self._paused = True

    def resume(self) -> None:
        """It takes more: write what waits, until it stops again."""
        self._paused = False
        frames = self._frames
        while frames and not self._paused:
            wire = frames.popleft()
            self.size -= len(wire)
            self._write(wire)
        if frames or self._paused:
            return
        self._frames = None
        if self.ended:
            self.finished()
        elif self.drained is not None:
            self.drained()

    def _wait(self, frame: Frame) -> None:
        if self._frames is None:
            self._frames = deque()
        self._frames.append(frame.wire)
        self.size += len(frame.wire)
