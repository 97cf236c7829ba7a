"""The VP8 payload descriptor (RFC 7741): picture numbers, and the size inside a key frame."""

from __future__ import annotations

from typing import NamedTuple


class Picture(NamedTuple):
    """Where the running numbers of a packet are: offsets into the payload, -1 for none.

    ``number`` counts pictures in 7 or 15 bits (``wide``), ``base`` counts base layer pictures.
    """

    at: int
    wide: bool
    number: int
    base_at: int
    base: int


NONE = Picture(-1, False, 0, -1, 0)


def picture(payload: bytes) -> Picture:
    """Read the descriptor; ``NONE`` when it has no numbers or is cut short."""
    if len(payload) < 4 or not payload[0] & 0x80:
        return NONE
    flags = payload[1]
    at, wide, number = -1, False, 0
    position = 2
    if flags & 0x80:
        at = position
        wide = bool(payload[at] & 0x80)
        number = (payload[at] & 0x7F) << 8 | payload[at + 1] if wide else payload[at]
        position += 2 if wide else 1
    base_at, base = -1, 0
    if flags & 0x40 and position < len(payload):
        base_at, base = position, payload[position]
    return Picture(at, wide, number, base_at, base)


def renumbered(payload: bytes, number: int, base: int) -> bytes:
    """The payload with ``number`` and ``base`` added to its running numbers."""
    found = picture(payload)
    if found.at < 0 and found.base_at < 0:
        return payload
    changed = bytearray(payload)
    if found.at >= 0:
        if found.wide:
            value = (found.number + number) & 0x7FFF
            changed[found.at] = 0x80 | value >> 8
            changed[found.at + 1] = value & 0xFF
        else:
            changed[found.at] = (found.number + number) & 0x7F
    if found.base_at >= 0:
        changed[found.base_at] = (found.base + base) & 0xFF
    return bytes(changed)


def height(payload: bytes) -> int:
    """The height in pixels that the first packet of a key frame tells; 0 when it tells none."""
    if len(payload) < 2:
        return 0
    position = 1
    if payload[0] & 0x80:
        flags = payload[1]
        position = 2
        if flags & 0x80 and len(payload) > 2:
            position += 2 if payload[2] & 0x80 else 1
        position += (1 if flags & 0x40 else 0) + (1 if flags & 0x30 else 0)
    frame = payload[position : position + 10]
    if len(frame) < 10 or frame[0] & 1 or frame[3:6] != b"\x9d\x01\x2a":
        return 0
    return (frame[8] | frame[9] << 8) & 0x3FFF
