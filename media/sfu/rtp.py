"""RTP packets as bytes: header fields, extensions, retransmission format, key frames.

Nothing here raises on malformed input; what cannot be read is reported as absent.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from media.sfu import av1, vp9

HEADER: Final = Struct("!BBHII")
HEADER_LENGTH: Final = 12

_U16 = Struct("!H")


def is_rtcp(data: bytes) -> bool:
    """Tell RTCP from RTP on a multiplexed port (RFC 5761, section 4)."""
    return len(data) > 1 and 192 <= data[1] <= 223


def payload_offset(data: bytes) -> int:
    """Where the payload of an RTP packet begins, or -1 when the header does not fit."""
    size = len(data)
    if size < HEADER_LENGTH:
        return -1
    first = data[0]
    if first == 0x80:
        return HEADER_LENGTH
    if first == 0x90 and size >= HEADER_LENGTH + 4:
        offset = HEADER_LENGTH + 4 + 4 * (data[14] << 8 | data[15])
        return offset if offset <= size else -1
    if first >> 6 != 2:
        return -1
    offset = HEADER_LENGTH + 4 * (first & 0x0F)
    if first & 0x10:
        if size < offset + 4:
            return -1
        offset += 4 + 4 * (data[offset + 2] << 8 | data[offset + 3])
    return offset if offset <= size else -1


def without_extension(data: bytes) -> bytes:
    """The packet without its header extension; the payload has to fit (see ``payload_offset``)."""
    sources = HEADER_LENGTH + 4 * (data[0] & 0x0F)
    return bytes([data[0] & ~0x10]) + data[1:sources] + data[payload_offset(data) :]


def padding_length(data: bytes, offset: int) -> int:
    """Bytes of padding at the end of a packet with this payload offset; -1 when impossible."""
    if not data[0] & 0x20:
        return 0
    length = data[-1]
    return length if 0 < length <= len(data) - offset else -1


def wrap_rtx(data: bytes, offset: int, payload_type: int, sequence: int, ssrc: int) -> bytes:
    """The retransmission packet (RFC 4588) that carries an original packet."""
    first, second, original, timestamp, _ = HEADER.unpack_from(data)
    head = HEADER.pack(first, (second & 0x80) | payload_type, sequence, timestamp, ssrc)
    return head + data[HEADER_LENGTH:offset] + _U16.pack(original) + data[offset:]


def unwrap_rtx(data: bytes, payload_type: int, ssrc: int) -> bytes | None:
    """The original packet inside a retransmission; None for padding and for malformed packets."""
    offset = payload_offset(data)
    if offset < 0:
        return None
    padding = padding_length(data, offset)
    if padding < 0 or len(data) - padding - offset < 2:
        return None
    first, second, _, timestamp, _ = HEADER.unpack_from(data)
    (original,) = _U16.unpack_from(data, offset)
    head = HEADER.pack(first & ~0x20, (second & 0x80) | payload_type, original, timestamp, ssrc)
    return head + data[HEADER_LENGTH:offset] + data[offset + 2 : len(data) - padding]


def is_key_frame(codec: str, data: bytes, offset: int) -> bool:
    """Whether this packet begins a key frame (VP8: RFC 7741; H.264: RFC 6184; VP9, AV1)."""
    begins = _KEY_FRAMES.get(codec)
    return begins is not None and begins(data[offset : offset + 64])


def _is_vp8_key(payload: bytes) -> bool:
    if not payload or payload[0] & 0x1F != 0x10:  # S bit set, partition 0.
        return False
    position = 1
    if payload[0] & 0x80:
        if len(payload) < 2:
            return False
        flags = payload[1]
        position = 2
        if flags & 0x80:
            if len(payload) < 3:
                return False
            position += 2 if payload[2] & 0x80 else 1
        position += 1 if flags & 0x40 else 0
        position += 1 if flags & 0x30 else 0
    return len(payload) > position and not payload[position] & 0x01


def _is_h264_key(payload: bytes) -> bool:
    if not payload:
        return False
    kind = payload[0] & 0x1F
    if kind == 24:  # STAP-A: the type of the first aggregated unit.
        return len(payload) > 3 and payload[3] & 0x1F in (5, 7, 8)
    if kind == 28:  # FU-A: the start of a fragmented unit.
        return len(payload) > 1 and bool(payload[1] & 0x80) and payload[1] & 0x1F in (5, 7)
    return kind in (5, 7)


_KEY_FRAMES: Final = {
    "vp8": _is_vp8_key,
    "h264": _is_h264_key,
    "vp9": vp9.is_key,
    "av1": av1.is_key,
}
