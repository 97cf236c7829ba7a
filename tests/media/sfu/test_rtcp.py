import random

from aiortc.rtp import RtcpPacket, RtcpPsfbPacket, RtcpReceiverInfo, RtcpRrPacket
from hypothesis import example, given
from hypothesis import strategies as st

from media.sfu import rtcp


def test_a_sender_report_is_read_as_it_was_written() -> None:
    data = rtcp.write_sender_report(11, 0x1234567890ABCDEF, 4000, 10, 2000, "u_anna")
    assert rtcp.read(data) == [rtcp.SenderReport(11, 0x1234567890ABCDEF, 4000)]


def test_counts_beyond_32_bits_wrap_instead_of_failing() -> None:
    assert rtcp.read(rtcp.write_sender_report(1, 2, 3, 1 << 33, 1 << 40, "c")) is not None


def test_a_receiver_report_carries_blocks_and_an_estimate() -> None:
    block = RtcpReceiverInfo(22, 64, 5, 70000, 12, 99, 65536)
    data = rtcp.write_receiver_report(1, [block], (1_000_000, [22]), "worker")
    report, remb = rtcp.read(data) or []
    assert report == rtcp.Report(22, 0.25, 5, 12, 99, 65536)
    assert isinstance(remb, rtcp.BitrateEstimate)
    assert remb.ssrcs == (22,)
    assert abs(remb.bitrate - 1_000_000) < 8


def test_pli_and_fir_both_ask_for_a_key_frame() -> None:
    assert rtcp.read(rtcp.write_pli(1, 33)) == [rtcp.KeyFrameRequest(33)]
    entries = b"".join(ssrc.to_bytes(4, "big") + b"\x01\x00\x00\x00" for ssrc in (44, 45))
    fir = bytes(RtcpPsfbPacket(fmt=4, ssrc=1, media_ssrc=0, fci=entries))
    assert rtcp.read(fir) == [rtcp.KeyFrameRequest(44), rtcp.KeyFrameRequest(45)]


def test_a_nack_goes_on_over_the_wrap_of_the_numbers() -> None:
    lost = [65533, 65535, 0, 1, 19, 20]
    data = rtcp.write_nack(1, 2, lost)
    assert rtcp.read(data) == [rtcp.Nack(2, tuple(lost))]
    assert len(data) == 12 + 2 * 4  # 65533 and what follows it in 16 numbers, then 19 and 20.


def test_a_nack_names_scattered_numbers() -> None:
    lost = [10, 11, 26, 27, 500]
    assert rtcp.read(rtcp.write_nack(1, 2, lost)) == [rtcp.Nack(2, tuple(lost))]


def test_a_flood_of_nacks_is_cut() -> None:
    (nack,) = rtcp.read(rtcp.write_nack(1, 2, list(range(0, 1000, 2)))) or []
    assert isinstance(nack, rtcp.Nack)
    assert len(nack.lost) == rtcp.MAX_NACKS


def test_compound_packets_keep_their_order() -> None:
    rr = bytes(RtcpRrPacket(ssrc=1))
    data = rtcp.write_pli(1, 2) + rr + rtcp.write_nack(1, 3, [4])
    assert rtcp.read(data) == [rtcp.KeyFrameRequest(2), rtcp.Nack(3, (4,))]


@given(st.binary(max_size=200))
@example(b"")
@example(b"\x80")
@example(bytes.fromhex("8fce0002000000010000000052454d42"))  # REMB without its body.
@example(bytes.fromhex("8fce0004000000010000000052454d42ff000000"))  # REMB with too many streams.
def test_no_bytes_make_the_reader_raise(data: bytes) -> None:
    rtcp.read(data)


def test_damaged_real_packets_are_refused_quietly() -> None:
    block = RtcpReceiverInfo(22, 64, 5, 70000, 12, 99, 65536)
    whole = rtcp.write_receiver_report(1, [block, block], (1_000_000, [22]), "worker")
    dice = random.Random(5)
    for _ in range(5000):
        data = bytearray(whole[: dice.randrange(len(whole) + 1)])
        for _ in range(dice.randrange(4)):
            if data:
                data[dice.randrange(len(data))] = dice.randrange(256)
        rtcp.read(bytes(data))
    assert len(RtcpPacket.parse(whole)) == 3
