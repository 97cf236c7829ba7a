"""From RTP packets to frames: reordering, duplicates, losses; VP8, H.264 and Opus payloads
(VP9 and AV1: `open_codecs`).

Input comes from a journal in order of arrival and is never trusted: what does not parse is
skipped, and counted as lost where that matters.
"""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from media.recording.frames import Packet
from media.recording.open_codecs import Av1Payload, Vp9Payload
from media.sfu.rtp import padding_length, payload_offset

WAIT_US = 2_000_000
WAIT_PACKETS = 2048
RESTART_AFTER = 3000


@dataclass(frozen=True, slots=True)
class RtpPacket:
    """An RTP packet in sequence order. ``after_loss``: packets right before it are missing."""

    sequence: int
    timestamp: int
    arrival_us: int
    marker: bool
    payload: bytes
    after_loss: bool = False


@dataclass(frozen=True, slots=True)
class Frame:
    """A complete video frame. ``timestamp`` is the extended RTP timestamp.

    VP8 and VP9 data is the frame itself; H.264 data is its NAL units with 4-byte lengths in front;
    AV1 data is its OBUs with their sizes.
    """

    timestamp: int
    arrival_us: int
    key: bool
    data: bytes


@dataclass
class Extender:
    """Extends counters that wrap (16-bit sequence numbers, 32-bit timestamps) to plain integers."""

    bits: int
    last: int | None = None

    def extend(self, value: int) -> int:
        """The extended value; it may run backwards by less than half the range."""
        self.last = self.peek(value)
        return self.last

    def peek(self, value: int) -> int:
        """The extended value, without moving the reference."""
        if self.last is None:
            return value
        half = 1 << (self.bits - 1)
        step = (value - self.last + half) % (1 << self.bits) - half
        return self.last + step


def in_order(packets: Iterable[Packet]) -> Iterator[RtpPacket]:
    """Order one track's packets by sequence number, without duplicates, marking losses.

    A missing packet is waited for during two seconds of arrivals (retransmissions come late),
    so that at most that much is held.
    """
    timestamps = Extender(32)
    sequences = Extender(16)
    waiting: list[tuple[int, int, RtpPacket]] = []
    expected: int | None = None
    for packet in packets:
        rtp = _parse(packet, sequences, timestamps)
        if rtp is None:
            continue
        if expected is not None and abs(rtp.sequence - expected) > RESTART_AFTER:
            yield from _drain(waiting, expected)
            waiting, expected = [], None
        if expected is None or rtp.sequence >= expected:
            heapq.heappush(waiting, (rtp.sequence, rtp.arrival_us, rtp))
        while waiting and _ready(waiting, expected, packet.arrival_us):
            sequence, _, first = heapq.heappop(waiting)
            if expected is None or sequence >= expected:
                yield _after(first, expected)
                expected = sequence + 1
    yield from _drain(waiting, expected)


def _ready(waiting: list[tuple[int, int, RtpPacket]], expected: int | None, now_us: int) -> bool:
    sequence, arrival_us, _ = waiting[0]
    if expected is not None and sequence <= expected:
        return True
    return now_us - arrival_us > WAIT_US or len(waiting) > WAIT_PACKETS


def _drain(waiting: list[tuple[int, int, RtpPacket]], expected: int | None) -> Iterator[RtpPacket]:
    while waiting:
        sequence, _, packet = heapq.heappop(waiting)
        if expected is None or sequence >= expected:
            yield _after(packet, expected)
            expected = sequence + 1


def _after(packet: RtpPacket, expected: int | None) -> RtpPacket:
    if expected is None or packet.sequence == expected:
        return packet
    return RtpPacket(
        packet.sequence,
        packet.timestamp,
        packet.arrival_us,
        packet.marker,
        packet.payload,
        after_loss=True,
    )


def _parse(packet: Packet, sequences: Extender, timestamps: Extender) -> RtpPacket | None:
    data = packet.rtp
    bounds = payload_bounds(data)
    if bounds is None:
        return None
    return RtpPacket(
        sequence=sequences.extend(int.from_bytes(data[2:4], "big")),
        timestamp=timestamps.extend(int.from_bytes(data[4:8], "big")),
        arrival_us=packet.arrival_us,
        marker=bool(data[1] & 0x80),
        payload=data[bounds[0] : bounds[1]],
    )


def payload_bounds(rtp: bytes) -> tuple[int, int] | None:
    """Where a packet's payload begins and ends, without padding; None when it does not parse."""
    offset = payload_offset(rtp)
    padding = padding_length(rtp, offset) if offset >= 0 else -1
    return None if padding < 0 else (offset, len(rtp) - padding)


class Payload(Protocol):
    """How one codec's frames are cut into packets."""

    def starts(self, payload: bytes) -> bool:
        """Whether this payload can only be the first of a frame."""

    def join(self, payloads: list[bytes]) -> tuple[bytes, bool] | None:
        """The frame (data, key) of a whole run of payloads; None when it does not parse."""


@dataclass
class Assembler:
    """Joins packets to frames; after a loss it waits for a key frame, and says how many it cost."""

    payload: Payload
    dropped: int = 0
    _parts: list[RtpPacket] = field(default_factory=list)
    _broken: bool = False
    _needs_key: bool = True

    def frames(self, packets: Iterable[RtpPacket]) -> Iterator[Frame]:
        """Complete frames that a decoder can show, in order."""
        for packet in packets:
            if packet.after_loss:
                self._lost()
            if self._parts and packet.timestamp != self._parts[0].timestamp:
                yield from self._finish()
            if not packet.payload:
                continue  # Padding that probes the bandwidth.
            if not self._parts:
                self._broken = packet.after_loss and not self.payload.starts(packet.payload)
            self._parts.append(packet)
            if packet.marker:
                yield from self._finish()
        yield from self._finish(whole=False)

    def _lost(self) -> None:
        self._needs_key = True
        if self._parts:
            self.dropped += 1
            self._parts.clear()

    def _finish(self, whole: bool = True) -> Iterator[Frame]:
        parts, self._parts = self._parts, []
        if not parts:
            return
        joined = None
        if whole and not self._broken:
            joined = self.payload.join([part.payload for part in parts])
        if joined is None:
            self._needs_key = True
            self.dropped += 1
            return
        data, key = joined
        if self._needs_key and not key:
            self.dropped += 1
            return
        self._needs_key = False
        yield Frame(parts[0].timestamp, min(part.arrival_us for part in parts), key, data)


class Vp8Payload:
    """RFC 7741."""

    def starts(self, payload: bytes) -> bool:
        return payload[0] & 0x1F == 0x10

    def join(self, payloads: list[bytes]) -> tuple[bytes, bool] | None:
        pieces = []
        for index, payload in enumerate(payloads):
            offset = self._descriptor(payload)
            if offset is None or (index == 0) != self.starts(payload):
                return None
            pieces.append(payload[offset:])
        data = b"".join(pieces)
        if not data:
            return None
        key = not data[0] & 0x01
        if key and (len(data) < 10 or data[3:6] != b"\x9d\x01\x2a"):
            return None
        return data, key

    @staticmethod
    def _descriptor(payload: bytes) -> int | None:
        """Length of the payload descriptor; None when the packet ends inside it."""
        length = 1
        if payload[0] & 0x80:
            if len(payload) < 2:
                return None
            flags = payload[1]
            length = 2
            if flags & 0x80:
                if len(payload) < 3:
                    return None
                length += 2 if payload[2] & 0x80 else 1
            length += bool(flags & 0x40) + bool(flags & 0x30)
        return length if length < len(payload) else None


def vp8_size(key_frame: bytes) -> tuple[int, int]:
    """Width and height that a VP8 key frame declares."""
    width = int.from_bytes(key_frame[6:8], "little") & 0x3FFF
    height = int.from_bytes(key_frame[8:10], "little") & 0x3FFF
    return width, height


class H264Payload:
    """RFC 6184, packetisation mode 1 (single units, STAP-A, FU-A)."""

    def starts(self, payload: bytes) -> bool:
        kind = payload[0] & 0x1F
        if kind == 24:
            return len(payload) > 3 and payload[3] & 0x1F == 7
        return kind == 7

    def join(self, payloads: list[bytes]) -> tuple[bytes, bool] | None:
        units = self._units(payloads)
        if not units:
            return None
        key = any(unit[0] & 0x1F == 5 for unit in units)
        return b"".join(len(unit).to_bytes(4, "big") + unit for unit in units), key

    def _units(self, payloads: list[bytes]) -> list[bytes] | None:
        units: list[bytes] = []
        fragment: bytearray | None = None
        for payload in payloads:
            kind = payload[0] & 0x1F
            if kind == 28:
                if len(payload) < 3:
                    return None
                if payload[1] & 0x80:
                    fragment = bytearray([payload[0] & 0xE0 | payload[1] & 0x1F])
                if fragment is None:
                    return None
                fragment += payload[2:]
                if payload[1] & 0x40:
                    units.append(bytes(fragment))
                    fragment = None
            elif kind == 24:
                aggregated = self._aggregated(payload)
                if aggregated is None:
                    return None
                units += aggregated
            elif 1 <= kind <= 23:
                units.append(payload)
            else:
                return None
        return units if fragment is None else None

    @staticmethod
    def _aggregated(payload: bytes) -> list[bytes] | None:
        units = []
        position = 1
        while position + 2 < len(payload):
            size = int.from_bytes(payload[position : position + 2], "big")
            unit = payload[position + 2 : position + 2 + size]
            if len(unit) != size or not size:
                return None
            units.append(unit)
            position += 2 + size
        return units


def opus_samples(payload: bytes) -> int:
    """Duration of an Opus packet in samples of 48 kHz (RFC 6716, section 3.1); 0 when malformed."""
    if not payload:
        return 0
    configuration = payload[0] >> 3
    if configuration < 12:
        size = (480, 960, 1920, 2880)[configuration & 3]
    elif configuration < 16:
        size = (480, 960)[configuration & 1]
    else:
        size = (120, 240, 480, 960)[configuration & 3]
    code = payload[0] & 3
    coded = payload[1] & 0x3F if len(payload) > 1 else 0
    count = (1, 2, 2, coded)[code]
    return size * count if size * count <= 5760 else 0


def payload_of(codec: str) -> Payload | None:
    """The payload format of a codec name as the journal writes it; None when unknown."""
    name = codec.lower().rpartition("/")[2]
    made: dict[str, type[Payload]] = {
        "vp8": Vp8Payload,
        "h264": H264Payload,
        "vp9": Vp9Payload,
        "av1": Av1Payload,
    }
    return made[name]() if name in made else None
