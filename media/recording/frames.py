"""Bytes of the journal: the framing of a record, the kinds of records, the manifest.

A segment is an 8-byte magic followed by records::

    crc32 (4) | length (4) | type (1) | body (length - 1)          big endian

The CRC covers everything behind itself, so that a torn tail, a hole of zeros and any flipped byte
are recognised. Packets lie together in records of a tenth of a second, their body::

    count (2) | count times: track (2), arrival (8), size (4) | the packets one after the other

All times are microseconds of Unix time.
"""

import json
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

MAGIC = b"ZJRNL\x01\r\n"
SUFFIX = ".zjr"
MANIFEST_NAME = "manifest.json"
MAX_RECORD_BYTES = 1024 * 1024

HEADER, TRACK, REPORT, MARK, PACKETS = 1, 2, 4, 5, 6
#: A single packet with its track and arrival: how journals of the first kind held them.
PACKET = 3

REPORT_BODY = struct.Struct(">HQQI")
MARK_TIME = struct.Struct(">Q")

_FRAME = struct.Struct(">II")
_PACKET = struct.Struct(">HQ")
_COUNT = struct.Struct(">H")
_ROW = struct.Struct(">HQI")


class JournalError(Exception):
    """The journal cannot be read or written as asked."""


@dataclass(frozen=True, kw_only=True)
class Track:
    """One RTP stream of one user. ``number`` is its short number within the take."""

    number: int
    track_id: str
    user: str
    kind: Literal["audio", "video"]
    codec: str
    clock_rate: int
    payload_type: int
    ssrc: int
    at_us: int


@dataclass(frozen=True, slots=True)
class Packet:
    """A plaintext RTP packet, header and payload, as it arrived."""

    number: int
    arrival_us: int
    rtp: bytes


@dataclass(frozen=True, slots=True)
class SenderReport:
    """The sender's statement: this RTP timestamp was this moment of its own NTP clock."""

    number: int
    arrival_us: int
    ntp: int
    rtp_timestamp: int


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened: ``joined``, ``left``, ``mute``, ``unmute``.

    ``data`` names the ``user`` and, for mute and unmute, which of ``audio`` and ``video`` is on.
    """

    kind: str
    arrival_us: int
    data: dict[str, Any]


Record = Track | Packet | SenderReport | Mark


@dataclass(frozen=True, kw_only=True)
class Segment:
    """A closed segment file: its name within the take, its size and its SHA-256 (hex)."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Damage:
    """A stretch of a segment that could not be read."""

    segment: str
    offset: int
    size: int
    torn_tail: bool


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a sealed take consists of; written last, so its presence means the take is whole."""

    call: str
    take: str
    started_at: datetime
    ended_at: datetime
    reason: str
    packets: int
    dropped: int
    tracks: tuple[Track, ...]
    segments: tuple[Segment, ...]
    damage: tuple[Damage, ...] = ()

    def to_json(self) -> bytes:
        body = {
            "version": 1,
            "call": self.call,
            "take": self.take,
            "started_at": self.started_at.isoformat(),
            "ended_at": self.ended_at.isoformat(),
            "reason": self.reason,
            "packets": self.packets,
            "dropped": self.dropped,
            "tracks": [vars(track) for track in self.tracks],
            "segments": [vars(segment) for segment in self.segments],
            "damage": [vars(damage) for damage in self.damage],
        }
        return json.dumps(body, indent=1).encode()

    @classmethod
    def from_json(cls, raw: bytes) -> "Manifest":
        """Raises JournalError when the text is not a manifest."""
        try:
            body = json.loads(raw)
            return cls(
                call=body["call"],
                take=body["take"],
                started_at=datetime.fromisoformat(body["started_at"]),
                ended_at=datetime.fromisoformat(body["ended_at"]),
                reason=body["reason"],
                packets=body["packets"],
                dropped=body["dropped"],
                tracks=tuple(Track(**item) for item in body["tracks"]),
                segments=tuple(Segment(**item) for item in body["segments"]),
                damage=tuple(Damage(**item) for item in body["damage"]),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise JournalError(f"unreadable manifest: {error}") from error


def frame(kind: int, body: bytes) -> bytes:
    return frame_head(kind, body) + body


def frame_head(kind: int, body: bytes) -> bytes:
    """What goes before the body of a record."""
    head = struct.pack(">IB", len(body) + 1, kind)
    return zlib.crc32(body, zlib.crc32(head)).to_bytes(4, "big") + head


def packets_body(rows: Sequence[int], pieces: Iterable[bytes]) -> bytes:
    """The body of a record of packets: track, arrival and size of each in turn, and their bytes,
    in pieces of any size.
    """
    count = len(rows) // 3
    return struct.pack(">H" + "HQI" * count, count, *rows) + b"".join(pieces)


def read_records(data: bytes, holes: list[tuple[int, int]]) -> Iterator[tuple[int, memoryview]]:
    """Valid records of a segment as (type, body); the stretches between them go to ``holes``."""
    view = memoryview(data)
    end = len(data)
    position = len(MAGIC) if data.startswith(MAGIC) else 0
    if position == 0 and end:
        position = _next_valid(view, 1)
        holes.append((0, position))
    while position < end:
        size = _valid_at(view, position, end)
        if size == 0:
            start, position = position, _next_valid(view, position + 1)
            holes.append((start, position))
            continue
        yield view[position + 8], view[position + 9 : position + size]
        position += size


def _valid_at(view: memoryview, position: int, end: int) -> int:
    """Size of the whole valid record at ``position``, or 0."""
    if end - position < 9:
        return 0
    crc, length = _FRAME.unpack_from(view, position)
    if not 1 <= length <= MAX_RECORD_BYTES or position + 8 + length > end:
        return 0
    if zlib.crc32(view[position + 4 : position + 8 + length]) != crc:
        return 0
    return int(length) + 8


def _next_valid(view: memoryview, position: int) -> int:
    end = len(view)
    while position < end and not _valid_at(view, position, end):
        position += 1
    return position


def decode(kind: int, body: memoryview) -> Iterator[Record]:
    """The records in a body; none of the header and of types of a later version."""
    if kind == PACKETS:
        yield from _packets(body)
    elif kind == PACKET:
        number, arrival_us = _PACKET.unpack_from(body)
        yield Packet(number, arrival_us, bytes(body[_PACKET.size :]))
    elif kind == REPORT:
        yield SenderReport(*REPORT_BODY.unpack(body))
    elif kind == MARK:
        (arrival_us,) = MARK_TIME.unpack_from(body)
        item = json.loads(bytes(body[MARK_TIME.size :]))
        yield Mark(item["kind"], arrival_us, item["data"])
    elif kind == TRACK:
        yield Track(**json.loads(bytes(body)))


def _packets(body: memoryview) -> Iterator[Packet]:
    (count,) = _COUNT.unpack_from(body)
    position = _COUNT.size + count * _ROW.size
    for number, arrival_us, size in _ROW.iter_unpack(body[_COUNT.size : position]):
        yield Packet(number, arrival_us, bytes(body[position : position + size]))
        position += size
