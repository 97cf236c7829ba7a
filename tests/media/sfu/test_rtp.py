import struct

import pytest
from aiortc.rtp import RtpPacket
from hypothesis import given
from hypothesis import strategies as st

from media.sfu import rtp


def packet(payload: bytes = b"payload", extension: bytes = b"", **fields: int) -> bytes:
    values = {"payload_type": 96, "marker": 1, "sequence": 7, "timestamp": 90, "ssrc": 5} | fields
    head = rtp.HEADER.pack(
        0x80 | (0x10 if extension else 0),
        values["marker"] << 7 | values["payload_type"],
        values["sequence"],
        values["timestamp"],
        values["ssrc"],
    )
    return head + extension + payload


def block(*elements: tuple[int, bytes]) -> bytes:
    body = b"".join(bytes([number << 4 | len(value) - 1]) + value for number, value in elements)
    body += bytes(-len(body) % 4)
    return struct.pack("!HH", 0xBEDE, len(body) // 4) + body


def test_payload_begins_after_sources_and_extensions() -> None:
    data = packet(b"here", block((2, b"abc")))
    assert data[rtp.payload_offset(data) :] == b"here"
    with_source = bytes([data[0] | 1]) + data[1:12] + b"ssrc" + data[12:]
    assert with_source[rtp.payload_offset(with_source) :] == b"here"


@pytest.mark.parametrize("length", range(12, 20))
def test_a_header_cut_short_has_no_payload(length: int) -> None:
    data = packet(b"", block((2, b"abc")))[:length]
    assert rtp.payload_offset(data) == -1


def test_an_extension_is_taken_off_and_sources_stay() -> None:
    data = packet(b"here", block((1, b"0"), (2, b"abc")))
    assert rtp.without_extension(data) == packet(b"here")
    with_source = bytes([data[0] | 1]) + data[1:12] + b"ssrc" + data[12:]
    bare = rtp.without_extension(with_source)
    assert bare[12:16] == b"ssrc"
    assert bare[rtp.payload_offset(bare) :] == b"here"


@given(st.binary(max_size=64))
def test_no_bytes_make_the_header_readers_raise(tail: bytes) -> None:
    data = b"\x90\x60" + tail
    if rtp.payload_offset(data) >= 0:
        rtp.without_extension(data)
    rtp.unwrap_rtx(data, 96, 1)
    for codec in ("vp8", "h264"):
        rtp.is_key_frame(codec, data, min(12, len(data)))


def test_a_retransmission_gives_back_the_original() -> None:
    original = packet(b"frame", block((2, b"abc")))
    wrapped = rtp.wrap_rtx(original, rtp.payload_offset(original), 97, 1000, 55)
    parsed = RtpPacket.parse(wrapped)
    assert (parsed.payload_type, parsed.sequence_number, parsed.ssrc) == (97, 1000, 55)
    assert rtp.unwrap_rtx(wrapped, 96, 5) == original


def test_a_bandwidth_probe_of_padding_carries_no_original() -> None:
    probe = bytearray(packet(b"\x00" * 9 + b"\x0a"))
    probe[0] |= 0x20
    assert rtp.unwrap_rtx(bytes(probe), 96, 5) is None


@pytest.mark.parametrize(
    ("codec", "payload", "key"),
    [
        ("vp8", "10 00", True),
        ("vp8", "10 01", False),
        ("vp8", "00 00", False),  # In the middle of a frame.
        ("vp8", "90 80 05 00", True),  # Seven-bit picture number.
        ("vp8", "90 80 85 05 00", True),  # Fifteen-bit picture number.
        ("vp8", "90 e0 85 05 01 20 00", True),
        ("vp8", "90 e0 85 05 01 01", False),
        ("vp8", "90 80", False),
        ("vp8", "", False),
        ("h264", "65", True),
        ("h264", "67", True),
        ("h264", "41", False),
        ("h264", "78 00 10 67", True),
        ("h264", "7c 85", True),
        ("h264", "7c 05", False),  # A later fragment of the same unit.
        ("h264", "7c", False),
        ("opus", "65", False),
    ],
)
def test_key_frames_are_recognised(codec: str, payload: str, key: bool) -> None:
    data = packet(bytes.fromhex(payload))
    assert rtp.is_key_frame(codec, data, 12) is key
