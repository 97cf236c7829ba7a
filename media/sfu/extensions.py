"""RTP header extensions: reading the one-byte form (RFC 8285), writing the one block that we send.

What publishers may send is told by the offer (``sdp``). What cannot be read is reported as absent.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from media.sfu.rtp import HEADER_LENGTH

SEND_TIME_ID: Final = 2
TRANSPORT_ID: Final = 3
STREAM_ID: Final = 4
REPAIRED_ID: Final = 5
LEVEL_ID: Final = 6

SEND_TIME: Final = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
TRANSPORT: Final = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
STREAM: Final = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
REPAIRED: Final = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"
LEVEL: Final = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"

#: Fixed header, then a block of one word: ``BLOCK`` and ``send_time_word`` or ``transport_word``.
HEADER_AND_WORD: Final[Struct] = Struct("!BBHIIII")
BLOCK: Final = 0xBEDE0001
_U32 = Struct("!I")
_MAX_ELEMENTS = 14


def send_time_word(now: float) -> int:
    """abs-send-time as the only element; ``now`` in seconds."""
    return (SEND_TIME_ID << 4 | 2) << 24 | int(now * 262144) & 0xFFFFFF


def transport_word(sequence: int) -> int:
    """The transport-wide sequence number (16 bit) as the only element."""
    return (TRANSPORT_ID << 4 | 1) << 24 | sequence << 8


def find(data: bytes, end: int, identifier: int) -> int:
    """Where the value of an element begins, or -1; ``end`` is where the packet's payload begins.

    The byte before the position holds the element's length less one in its low half.
    """
    if not data[0] & 0x10:
        return -1
    at = HEADER_LENGTH + 4 * (data[0] & 0x0F)
    if _U32.unpack_from(data, at)[0] >> 16 != 0xBEDE:
        return -1
    at += 4
    for _ in range(_MAX_ELEMENTS):
        if at >= end:
            return -1
        head = data[at]
        if head == 0:
            at += 1
            continue
        length = (head & 0x0F) + 1
        if head >> 4 == identifier:
            return at + 1 if at + 1 + length <= end else -1
        at += 1 + length
    return -1


def text(data: bytes, end: int, identifier: int) -> str:
    """The value of an element as text; empty when it is absent or no ASCII."""
    at = find(data, end, identifier)
    if at < 0:
        return ""
    value = data[at : at + (data[at - 1] & 0x0F) + 1]
    return value.decode() if value.isascii() else ""


def level(data: bytes, end: int) -> int | None:
    """The audio level in dB below full scale, 0 (loud) to 127 (silent); None when absent."""
    at = find(data, end, LEVEL_ID)
    return data[at] & 0x7F if at >= 0 else None
