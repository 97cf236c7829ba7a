"""The recording tap: what the engine tells a recorder. The journal is one; tests have others."""

from __future__ import annotations

from typing import Any, Literal, Protocol

from media.sfu.sdp import Codec


class Waiting:
    """Packets on their way to a recorder, which takes them from time to time.

    Who forwards packets only puts them down here: that is what a recording costs him.
    """

    #: What a packet takes beside its bytes.
    OVERHEAD = 14

    def __init__(self, most: int) -> None:
        """`most` bytes are to wait, if it can be helped."""
        #: Track, arrival and size of each packet in turn.
        self.rows: list[int] = []
        #: Header and payload of each in turn.
        self.parts: list[bytes] = []
        self.size = 0
        self.most = most

    def put(self, number: int, arrival_us: int, header: bytes, payload: bytes = b"") -> None:
        """A plain RTP packet of a track as received, in two parts; retransmitted ones come late,
        never twice.
        """
        size = len(header) + len(payload)
        rows, parts = self.rows, self.parts
        rows.append(number)
        rows.append(arrival_us)
        rows.append(size)
        parts.append(header)
        parts.append(payload)
        self.size += size + self.OVERHEAD

    def take(self) -> tuple[list[int], list[bytes]]:
        """Rows and parts; from now on nothing waits."""
        taken = self.rows, self.parts
        self.rows, self.parts, self.size = [], [], 0
        return taken


class Recorder(Protocol):
    """Takes what a call receives. Every method is quick, synchronous and raises nothing.

    Times are microseconds of Unix time.
    """

    @property
    def waiting(self) -> Waiting:
        """Where packets are put down for it."""

    def flush(self) -> None:
        """Take what waits; asked for when much does."""

    def add_track(
        self,
        track_id: str,
        user: str,
        kind: Literal["audio", "video"],
        codec: str,
        clock_rate: int,
        payload_type: int,
        ssrc: int,
        now_us: int,
    ) -> int:
        """Announce a stream; the number returned stands for it afterwards."""

    def sender_report(self, number: int, arrival_us: int, ntp: int, rtp_timestamp: int) -> None:
        """The times of an RTCP sender report."""

    def mark(self, kind: str, arrival_us: int, data: dict[str, Any]) -> None:
        """``joined``, ``left``, ``mute`` or ``unmute``; data names the ``user``."""


class Tap:
    """Joins one published track to the call's recorder.

    ``offset_us`` turns monotonic seconds into Unix microseconds.
    """

    MAX_STREAMS = 64

    def __init__(self, recorder: Recorder, user: str, track_id: str, offset_us: int) -> None:
        self._recorder = recorder
        self._waiting = recorder.waiting
        self._user = user
        self._track_id = track_id
        self._offset_us = offset_us
        self._numbers: dict[tuple[int, int], int] = {}
        self._ssrc = -1
        self._codec: Codec | None = None
        self._number = 0

    def packet(self, codec: Codec, ssrc: int, header: bytes, payload: bytes, now: float) -> None:
        """Record a packet; a new SSRC or codec becomes a stream of its own."""
        arrival = int(now * 1e6) + self._offset_us
        known = ssrc == self._ssrc and codec is self._codec
        if not known and not self._turn_to(ssrc, codec, arrival):
            return
        waiting = self._waiting
        waiting.put(self._number, arrival, header, payload)
        if waiting.size >= waiting.most:
            self._recorder.flush()

    def sender_report(self, ntp: int, rtp_timestamp: int, now: float) -> None:
        """Record a report of the stream that is being received."""
        if self._number:
            arrival = int(now * 1e6) + self._offset_us
            self._recorder.sender_report(self._number, arrival, ntp, rtp_timestamp)

    def _turn_to(self, ssrc: int, codec: Codec, arrival: int) -> bool:
        key = (ssrc, codec.payload_type)
        number = self._numbers.get(key)
        if number is None:
            if len(self._numbers) >= self.MAX_STREAMS:
                return False
            number = self._recorder.add_track(
                self._track_id,
                self._user,
                codec.kind,
                codec.name,
                codec.clock_rate,
                codec.payload_type,
                ssrc,
                arrival,
            )
            self._numbers[key] = number
        self._ssrc, self._codec, self._number = ssrc, codec, number
        return True
