"""The AV1 aggregation header (RTP Payload Format For AV1, version 1.0): pieces of OBUs."""

from __future__ import annotations

_CONTINUES, _GOES_ON, _NEW_SEQUENCE = 0x80, 0x40, 0x08


def begins(payload: bytes) -> bool:
    """Whether this packet can be the first of a frame: it does not go on with another's OBU."""
    return bool(payload) and not payload[0] & _CONTINUES


def is_key(payload: bytes) -> bool:
    """Whether a coded video sequence begins in this packet: nothing before it is needed."""
    return begins(payload) and bool(payload[0] & _NEW_SEQUENCE)


def pieces(payload: bytes) -> tuple[list[bytes], bool, bool] | None:
    """The OBUs and parts of OBUs in a packet, whether the first continues one of the packet before,
    and whether the last goes on in the next; None when the packet does not parse.
    """
    if len(payload) < 2:
        return None
    head, position = payload[0], 1
    count = head >> 4 & 0x03
    found: list[bytes] = []
    while position < len(payload):
        size = len(payload) - position
        if not count or len(found) < count - 1:
            sized = leb128(payload, position)
            if sized is None:
                return None
            size, position = sized
        if position + size > len(payload):
            return None
        found.append(payload[position : position + size])
        position += size
    if count and len(found) != count:
        return None
    return found, bool(head & _CONTINUES), bool(head & _GOES_ON)


def leb128(data: bytes, position: int) -> tuple[int, int] | None:
    """A number in little endian base 128 and where it ends; None when it does not parse."""
    value = 0
    for index in range(8):
        if position + index >= len(data):
            return None
        byte = data[position + index]
        value |= (byte & 0x7F) << 7 * index
        if not byte & 0x80:
            return value, position + index + 1
    return None


def to_leb128(value: int) -> bytes:
    """``value`` in as few bytes as it needs."""
    written = bytearray()
    while True:
        value, low = value >> 7, value & 0x7F
        written.append(low | (0x80 if value else 0))
        if not value:
            return bytes(written)
