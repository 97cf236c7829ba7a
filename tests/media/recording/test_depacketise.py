"""Packets become frames in order and whole, and rubbish never stops a recording."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media.recording.depacketise import (
    Assembler,
    H264Payload,
    Payload,
    Vp8Payload,
    in_order,
    opus_samples,
    payload_of,
)
from media.recording.frames import Packet
from media.recording.open_codecs import Av1Payload
from media.sfu.av1 import to_leb128
from media.sfu.rtp import is_key_frame
from tests.media.recording.senders import packetise

KEY = b"\x10\x02\x00\x9d\x01\x2a\x40\x01\xf0\x00"


def rtp(sequence: int, timestamp: int, marker: bool, payload: bytes) -> bytes:
    head = bytes([0x80, 0x60 | (0x80 if marker else 0)])
    return (
        head
        + (sequence % 65536).to_bytes(2, "big")
        + timestamp.to_bytes(4, "big")
        + b"ssrc"
        + payload
    )


def vp8_stream(frames: int, first: int = 65_500, key_every: int = 10) -> list[Packet]:
    """Frames of three packets each, 10 ms apart."""
    packets = []
    sequence = first
    for index in range(frames):
        data = KEY if index % key_every == 0 else b"\x11"
        data += index.to_bytes(4, "big") * 700
        payloads = list(packetise("vp8", data, index))
        for place, payload in enumerate(payloads):
            raw = rtp(sequence, index * 3000, place == len(payloads) - 1, payload)
            packets.append(Packet(1, 1_000_000 + index * 10_000 + place, raw))
            sequence += 1
    return packets


def frames_of(packets: list[Packet], payload: Payload | None = None) -> list[int]:
    """Numbers of the frames that come out, read from their content."""
    frames = Assembler(payload or Vp8Payload()).frames(in_order(packets))
    return [int.from_bytes(frame.data[-4:], "big") for frame in frames]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_reordered_and_doubled_packets_give_every_frame_once(seed: int) -> None:
    rng = random.Random(seed)
    packets = vp8_stream(30)
    shuffled = [
        Packet(1, packet.arrival_us + rng.randrange(200_000), packet.rtp)
        for packet in packets
        for _ in range(rng.choice((1, 1, 1, 2)))
    ]
    # The first packet fixes where counting begins.
    shuffled = [packets[0], *sorted(shuffled, key=lambda packet: packet.arrival_us)]
    assert frames_of(shuffled) == list(range(30))


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_lost_packet_costs_its_frame_and_those_up_to_the_next_key_frame(
    data: st.DataObject,
) -> None:
    packets = vp8_stream(40)
    lost = data.draw(st.integers(0, len(packets) - 1))
    frame = lost // 3
    following_key = -(-(frame + 1) // 10) * 10
    del packets[lost]
    assert frames_of(packets) == [*range(frame), *range(following_key, 40)]


def test_a_sender_that_starts_counting_anew_is_followed() -> None:
    first, second = vp8_stream(10), vp8_stream(10, first=20_000)
    later = [Packet(1, packet.arrival_us + 5_000_000, packet.rtp) for packet in second]
    assert frames_of(first + later) == [*range(10), *range(10)]


@settings(max_examples=200, deadline=None)
@given(
    payloads=st.lists(st.binary(max_size=80), max_size=30),
    codec=st.sampled_from(["vp8", "h264", "vp9", "av1"]),
)
def test_random_payloads_never_raise(payloads: list[bytes], codec: str) -> None:
    packets = [
        Packet(1, 1_000_000 + index, rtp(index, index // 3, index % 3 == 2, payload))
        for index, payload in enumerate(payloads)
    ]
    payload = payload_of(codec)
    assert payload is not None
    list(Assembler(payload).frames(in_order(packets)))


@settings(max_examples=200, deadline=None)
@given(payload=st.binary(max_size=40))
def test_looking_for_key_frames_in_rubbish_never_raises(payload: bytes) -> None:
    for codec in ("vp8", "h264", "vp9", "av1", "unknown"):
        is_key_frame(codec, payload, 0)


def test_obus_of_av1_come_out_with_their_sizes_however_they_were_cut() -> None:
    sequence, frame = b"\x08" + b"s" * 10, b"\x30" + bytes(range(256)) * 20
    (cut,) = [Av1Payload().join(list(packetise("av1", sized(sequence) + sized(frame), 0)))]
    assert cut == (sized(sequence) + sized(frame), True)
    # Two elements in one packet: the first with its length, the last without.
    both = b"\x28" + bytes([len(sequence)]) + sequence + frame
    assert Av1Payload().join([both]) == cut
    # What another packet began is not a frame.
    assert Av1Payload().join([b"\x90" + frame]) is None


def sized(unit: bytes) -> bytes:
    return bytes([unit[0] | 0x02]) + to_leb128(len(unit) - 1) + unit[1:]


@settings(max_examples=200, deadline=None)
@given(raw=st.lists(st.binary(max_size=60), max_size=30))
def test_random_packets_never_raise(raw: list[bytes]) -> None:
    packets = [Packet(1, 1_000_000 + index, data) for index, data in enumerate(raw)]
    list(Assembler(Vp8Payload()).frames(in_order(packets)))


def test_h264_units_come_out_with_lengths_in_front() -> None:
    units = [b"\x67abc", b"\x68de", b"\x65" + bytes(range(256)) * 12]
    data = b"".join(b"\0\0\0\1" + unit for unit in units)
    payloads = list(packetise("h264", data, 0))
    packets = [
        Packet(1, 1_000_000 + n, rtp(n, 0, n == len(payloads) - 1, payload))
        for n, payload in enumerate(payloads)
    ]
    (frame,) = Assembler(H264Payload()).frames(in_order(packets))
    assert frame.key
    assert frame.data == b"".join(len(unit).to_bytes(4, "big") + unit for unit in units)


@pytest.mark.parametrize(
    ("toc", "samples"),
    [(b"\xf8", 960), (b"\xf0", 480), (b"\x08", 960), (b"\x18", 2880), (b"\xf9xx", 1920),
     (b"\xfb\x03", 2880), (b"\xfb\x3f", 0), (b"", 0), (b"\xfb", 0)],
)  # fmt: skip
def test_opus_durations_follow_the_table_of_contents_byte(toc: bytes, samples: int) -> None:
    assert opus_samples(toc) == samples
