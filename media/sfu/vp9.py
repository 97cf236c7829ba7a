"""The VP9 payload descriptor (RFC 9628): where a frame begins, and whether it is a key frame."""

from __future__ import annotations

_PICTURE, _PREDICTED, _LAYERS, _FLEXIBLE, _BEGINS, _SIZES = 0x80, 0x40, 0x20, 0x10, 0x08, 0x02


def begins(payload: bytes) -> bool:
    """Whether a frame begins in this packet."""
    return bool(payload) and bool(payload[0] & _BEGINS)


def is_key(payload: bytes) -> bool:
    """Whether a frame begins that needs no other, in its lowest spatial layer."""
    if not begins(payload) or payload[0] & _PREDICTED:
        return False
    if not payload[0] & _LAYERS:
        return True
    position = 1 + _picture_bytes(payload)
    # T T T U S S S D: the layer of a key frame that is not the lowest leans on the one below.
    return len(payload) > position and not payload[position] & 0x0E


def descriptor_bytes(payload: bytes) -> int:
    """How long the descriptor is; 0 when the packet ends inside it."""
    if not payload:
        return 0
    first = payload[0]
    position = 1 + _picture_bytes(payload)
    if first & _LAYERS:
        position += 1 if first & _FLEXIBLE else 2
    if first & _FLEXIBLE and first & _PREDICTED:
        for _ in range(3):
            if position >= len(payload):
                return 0
            position += 1
            if not payload[position - 1] & 0x01:
                break
    if first & _SIZES:
        position = _after_sizes(payload, position)
    return position if 0 < position < len(payload) else 0


def _picture_bytes(payload: bytes) -> int:
    if not payload[0] & _PICTURE:
        return 0
    return 2 if len(payload) > 1 and payload[1] & 0x80 else 1


def _after_sizes(payload: bytes, position: int) -> int:
    """Past the scalability structure (section 4.2.1); 0 when the packet ends inside it."""
    if position >= len(payload):
        return 0
    head = payload[position]
    position += 1
    if head & 0x10:
        position += 4 * ((head >> 5) + 1)
    if head & 0x08:
        if position >= len(payload):
            return 0
        pictures = payload[position]
        position += 1
        for _ in range(pictures):
            if position >= len(payload):
                return 0
            position += 1 + (payload[position] >> 2 & 0x03)
    return position
