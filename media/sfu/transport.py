"""Transport-wide feedback: which packets arrived when, of all streams of a connection.

Format: draft-holmer-rmcat-transport-wide-cc-extensions-01, section 3.1. Sequence numbers are the
16 bits of the header extension; times are seconds, in steps of 250 µs on the wire.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

FORMAT: Final = 15
_HEAD = struct.Struct("!BBHIIHHI")
_TICK: Final = 0.00025
_REFERENCE: Final = 0.064
_SMALL, _LARGE = 1, 2
_MAX_PACKETS: Final = 1000
_MAX_STATUSES: Final = 4096


@dataclass(frozen=True, slots=True)
class Feedback:
    """What the other side received of ours: sequence numbers in order, each with its arrival in
    seconds of the receiver's own clock, or None for a packet that is missing.
    """

    packets: tuple[tuple[int, float | None], ...]


def read(data: bytes) -> Feedback | None:
    """Read one RTCP packet of this format, header included; None when it is malformed."""
    if len(data) < _HEAD.size:
        return None
    _, _, _, _, _, base, count, reference = _HEAD.unpack_from(data)
    if not 0 < count <= _MAX_STATUSES:
        return None
    statuses: list[int] = []
    at = _HEAD.size
    while len(statuses) < count:
        if at + 2 > len(data):
            return None
        chunk = data[at] << 8 | data[at + 1]
        at += 2
        if not chunk & 0x8000:
            statuses += [chunk >> 13 & 3] * min(chunk & 0x1FFF, count - len(statuses))
            if not chunk & 0x1FFF:
                return None
        elif chunk & 0x4000:
            statuses += [chunk >> shift & 3 for shift in range(12, -1, -2)]
        else:
            statuses += [chunk >> shift & 1 for shift in range(13, -1, -1)]
    # The reference time is 24 bits in steps of 64 ms; the counter beside it is of no use here.
    return _with_times(data, at, base, statuses[:count], (reference >> 8) * _REFERENCE)


def _with_times(
    data: bytes, at: int, base: int, statuses: Sequence[int], moment: float
) -> Feedback | None:
    packets: list[tuple[int, float | None]] = []
    for offset, status in enumerate(statuses):
        if status == _SMALL and at < len(data):
            moment += data[at] * _TICK
            at += 1
        elif status == _LARGE and at + 1 < len(data):
            ticks = data[at] << 8 | data[at + 1]
            moment += (ticks - 0x10000 if ticks & 0x8000 else ticks) * _TICK
            at += 2
        elif status == 0:
            packets.append(((base + offset) & 0xFFFF, None))
            continue
        else:
            return None
        packets.append(((base + offset) & 0xFFFF, moment))
    return Feedback(tuple(packets))


class Arrivals:
    """What arrived from one publisher since the last feedback."""

    def __init__(self) -> None:
        self._highest = -1
        self._reported = -1
        self._waiting: dict[int, float] = {}
        self._count = 0

    def note(self, sequence: int, now: float) -> None:
        """A packet with this transport-wide number arrived."""
        if self._highest < 0:
            self._highest = number = sequence + 0x10000
        else:
            delta = (sequence - self._highest + 0x8000 & 0xFFFF) - 0x8000
            number = self._highest + delta
            self._highest = max(self._highest, number)
        if len(self._waiting) < _MAX_PACKETS:
            self._waiting[number] = now

    def feedback(self, ssrc: int, media_ssrc: int) -> bytes:
        """The RTCP packet about what waits; empty when nothing does."""
        if not self._waiting:
            return b""
        last = max(self._waiting)
        first = min(self._waiting)
        # From the last report on, so that what is missing shows; a late one is told again.
        if 0 <= self._reported < first and last - self._reported < _MAX_PACKETS:
            first = self._reported + 1
        first = max(first, last - _MAX_PACKETS)
        arrived = [self._waiting.get(number) for number in range(first, last + 1)]
        self._waiting.clear()
        self._reported = max(self._reported, last)
        self._count = (self._count + 1) & 0xFF
        return _write(ssrc, media_ssrc, first & 0xFFFF, arrived, self._count)


def _write(
    ssrc: int, media_ssrc: int, base: int, arrived: Sequence[float | None], count: int
) -> bytes:
    times = [moment for moment in arrived if moment is not None]
    reference = int(min(times) / _REFERENCE)
    before = round(reference * _REFERENCE / _TICK)
    statuses: list[int] = []
    deltas = bytearray()
    for moment in arrived:
        ticks = round(moment / _TICK) - before if moment is not None else None
        if ticks is None or not -0x8000 <= ticks < 0x8000:
            statuses.append(0)
            continue
        before += ticks
        if 0 <= ticks <= 0xFF:
            statuses.append(_SMALL)
            deltas.append(ticks)
        else:
            statuses.append(_LARGE)
            deltas += (ticks & 0xFFFF).to_bytes(2, "big")
    body = b"".join(_chunks(statuses)) + bytes(deltas)
    padding = -len(body) % 4
    if padding:
        body += bytes(padding - 1) + bytes([padding])
    head = _HEAD.pack(
        0x80 | (0x20 if padding else 0) | FORMAT,
        205,
        (_HEAD.size + len(body)) // 4 - 1,
        ssrc,
        media_ssrc,
        base,
        len(statuses),
        (reference & 0xFFFFFF) << 8 | count,
    )
    return head + body


def _chunks(statuses: Sequence[int]) -> list[bytes]:
    """Runs of seven and more as a length, anything else seven at a time."""
    chunks: list[bytes] = []
    at = 0
    while at < len(statuses):
        status, run = statuses[at], 1
        while at + run < len(statuses) and statuses[at + run] == status and run < 0x1FFF:
            run += 1
        if run >= 7 or at + run == len(statuses):
            chunks.append((status << 13 | run).to_bytes(2, "big"))
            at += run
            continue
        chunk = 0xC000
        for place, each in enumerate(statuses[at : at + 7]):
            chunk |= each << 12 - 2 * place
        chunks.append(chunk.to_bytes(2, "big"))
        at += 7
    return chunks
