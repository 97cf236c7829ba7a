"""Simulcast: which size a viewer gets, and that its stream goes on where the size changes."""

from itertools import pairwise

import pytest
from aiortc.rtp import RtpPacket

from media.sfu import rtcp
from media.sfu.counters import Counters
from media.sfu.layer import Packet, PacketCache
from media.sfu.recorder import Tap
from media.sfu.sdp import CODECS
from media.sfu.subscription import Subscription
from media.sfu.track import Track
from tests.media.sfu.test_rtp import block, packet
from tests.media.sfu.test_track import Tape

VIDEO = [codec for codec in CODECS if codec.kind == "video"]
RIDS = ("q", "h", "f")
LOW, MIDDLE, HIGH = range(3)
#: The RTP timestamp of each layer at the beginning: every layer has a clock of its own.
EPOCH = (1_000, 4_000_000_000, 77_777)


def vp8(picture: int, base: int, *, key: bool = False, height: int = 360) -> bytes:
    """A payload with a 15-bit picture number, a base picture number and a temporal layer."""
    head = bytes([0x90, 0xE0, 0x80 | picture >> 8, picture & 0xFF, base, 0x20])
    if not key:
        return head + b"\x01rest"
    return head + b"\x00\0\0\x9d\x01\x2a" + (640).to_bytes(2, "little") + bytes([height & 0xFF, 1])


class Stage:
    """A publisher of three sizes and one viewer. Time runs in pictures of 40 ms."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.sent: list[RtpPacket] = []
        self.reports: list[rtcp.Message] = []
        self.now = 10.0
        self.turn = 0
        self.track = Track("video", "anna", self.heard, lambda _: None, Counters(), 1)
        self.viewer = self.watch()
        self.track.announce(0, 0, RIDS)
        for rank in range(3):
            self.track.claim(100 + rank, self.data(rank, key=False), self.end, self.now)

    def heard(self, data: bytes) -> None:
        messages = rtcp.read(data) or []
        self.asked += [m.ssrc - 100 for m in messages if isinstance(m, rtcp.KeyFrameRequest)]

    def watch(self) -> Subscription:
        viewer = Subscription(
            self.track,
            lambda data: self.sent.append(RtpPacket.parse(data)),
            lambda data: self.reports.extend(rtcp.read(data) or []),
            "u_anna",
        )
        self.track.subscribed(viewer)
        viewer.accept({"vp8": 96, "h264": 102}, {96: 97, 102: 103}, VIDEO)
        viewer.live = True
        return viewer

    def data(self, rank: int, *, key: bool) -> bytes:
        extension = block((4, RIDS[rank].encode()))
        self.end = 12 + len(extension)
        payload = vp8((rank * 9000 + self.turn) & 0x7FFF, (rank * 90 + self.turn) & 0xFF, key=key)
        return packet(
            payload,
            extension,
            sequence=(rank * 20_000 + self.turn) & 0xFFFF,
            timestamp=(EPOCH[rank] + self.turn * 3600) & 0xFFFFFFFF,
            ssrc=100 + rank,
        )

    def play(self, pictures: int, *ranks: int, keys: bool = True) -> None:
        """Every layer sends so many pictures; a key frame where one was asked for."""
        for _ in range(pictures):
            self.turn += 1
            self.now += 0.04
            for rank in ranks or range(3):
                key = keys and rank in self.asked
                if key:
                    self.asked = [each for each in self.asked if each != rank]
                data = self.data(rank, key=key)
                self.track.receive(self.track.layers[rank], data, self.end, self.now)
            if self.turn % 10 == 0:
                self.track.arrange(self.now)

    @property
    def rank(self) -> int | None:
        return self.viewer.layer.rank if self.viewer.layer else None

    def numbers(self) -> list[int]:
        return [item.sequence_number for item in self.sent]

    def times(self) -> list[int]:
        return [item.timestamp for item in self.sent]

    def pictures(self) -> list[int]:
        return [int.from_bytes(item.payload[2:4], "big") & 0x7FFF for item in self.sent]


def steps(values: list[int], modulus: int) -> set[int]:
    return {(b - a) % modulus for a, b in pairwise(values)}


def test_a_viewer_who_asks_for_nothing_special_gets_the_largest_size_from_a_key_frame_on() -> None:
    stage = Stage()
    stage.play(20, keys=False)
    assert stage.sent == []
    assert set(stage.asked) == {HIGH}
    stage.play(20)
    assert stage.rank == HIGH
    assert stage.sent[0].payload[6] & 1 == 0


@pytest.mark.parametrize(
    ("height", "rank"),
    [(90, LOW), (180, LOW), (240, LOW), (300, MIDDLE), (480, MIDDLE), (900, HIGH)],
)
def test_the_size_follows_the_height_of_the_tile(height: int, rank: int) -> None:
    assert Stage().track.rank_for(height) == rank


def test_a_change_of_size_waits_for_a_key_frame_and_leaves_no_seam() -> None:
    stage = Stage()
    stage.play(20)
    stage.viewer.wish = LOW
    stage.track.choose(stage.viewer, stage.now)
    stage.play(5, keys=False)
    assert stage.rank == HIGH  # It goes on with what it has until a key frame comes.
    stage.play(20)
    assert stage.rank == LOW
    stage.viewer.wish = MIDDLE
    stage.track.choose(stage.viewer, stage.now)
    stage.play(20)
    assert stage.rank == MIDDLE
    assert steps(stage.numbers(), 2**16) == {1}
    assert steps(stage.pictures(), 2**15) == {1}
    assert steps([item.payload[4] for item in stage.sent], 256) == {1}
    assert {item.ssrc for item in stage.sent} == {stage.viewer.ssrc}
    # A picture may come twice, small and then larger: at no time does time go back.
    assert steps(stage.times(), 2**32) <= {1, 3599, 3600}


def test_sender_reports_make_the_times_exact_where_the_network_delays_a_layer() -> None:
    stage = Stage()
    for rank, layer in enumerate(stage.track.layers):
        report = rtcp.SenderReport(100 + rank, 5 << 32, EPOCH[rank])
        stage.track.note_sender_report(layer, report, stage.now)
    stage.play(20)
    stage.viewer.wish = LOW
    stage.track.choose(stage.viewer, stage.now)
    stage.now += 0.3  # The key frame is big and comes late.
    stage.play(10)
    assert stage.rank == LOW
    assert steps(stage.times(), 2**32) == {3600}
    stage.reports.clear()
    for rank, layer in enumerate(stage.track.layers):
        report = rtcp.SenderReport(100 + rank, 6 << 32, EPOCH[rank] + 90_000)
        stage.track.note_sender_report(layer, report, stage.now)
    (told,) = stage.reports  # Of the layer that it gets, in the viewer's own time.
    assert isinstance(told, rtcp.SenderReport)
    first = stage.times()[0] - 3600 * ((stage.turn - len(stage.sent)) + 1)
    assert (told.rtp_timestamp - first - 90_000) % 2**32 == 0


def test_a_layer_that_falls_silent_is_left_for_the_next_smaller_one_and_taken_up_again() -> None:
    stage = Stage()
    stage.play(20)
    stage.play(40, LOW, MIDDLE)
    assert stage.rank == MIDDLE
    stage.play(30)
    assert stage.rank == HIGH


def test_a_hidden_tile_costs_nothing_and_comes_back_with_a_key_frame() -> None:
    stage = Stage()
    stage.play(20)
    before = len(stage.sent)
    stage.viewer.wish = -1
    stage.track.choose(stage.viewer, stage.now)
    stage.play(30)
    assert len(stage.sent) == before
    stage.viewer.wish = HIGH
    stage.track.choose(stage.viewer, stage.now)
    stage.play(15)
    assert stage.sent[before].payload[6] & 1 == 0
    assert steps(stage.numbers(), 2**16) == {1}
    assert steps(stage.pictures(), 2**15) == {1}


def test_two_viewers_get_two_sizes_of_one_picture() -> None:
    stage = Stage()
    small = stage.watch()
    small.wish = LOW
    stage.track.arrange(stage.now)
    stage.play(30)
    assert (stage.rank, small.layer) == (HIGH, stage.track.layers[LOW])
    assert {item.ssrc for item in stage.sent} == {stage.viewer.ssrc, small.ssrc}


def test_what_is_lost_after_a_change_comes_from_the_right_cache() -> None:
    stage = Stage()
    stage.play(20)
    old = stage.numbers()[-1]
    stage.viewer.wish = LOW
    stage.track.choose(stage.viewer, stage.now)
    stage.play(10)
    lost = stage.sent[-2]
    assert stage.viewer.resend((old, lost.sequence_number), stage.now) == 1
    assert stage.sent[-1].payload[2:] == lost.payload


def test_the_recording_takes_the_largest_size_that_comes() -> None:
    stage, tape = Stage(), Tape()
    stage.track.record(Tap(tape, "anna", "t", 0), stage.now)
    stage.play(20)
    stage.play(40, LOW, MIDDLE)
    stage.play(40)
    recorded = [ssrc - 100 for _, _, ssrc in tape.tracks]
    assert recorded == [HIGH, MIDDLE]
    last = tape.packets[-1]
    assert last == (recorded.index(HIGH) + 1, (HIGH * 20_000 + stage.turn) & 0xFFFF)


def test_a_repair_of_a_layer_is_known_by_the_name_that_it_carries() -> None:
    stage = Stage()
    stage.play(20)
    layer = stage.track.layers[HIGH]
    head = packet(b"", block((5, b"f")), payload_type=97, ssrc=900)
    assert stage.track.claim(900, head, 20, stage.now) is layer
    stranger = packet(b"", block((5, b"z")), payload_type=97, ssrc=901)
    assert stage.track.claim(901, stranger, 20, stage.now) is None
    assert layer.rtx_ssrc == 900


def test_the_cache_keeps_what_a_viewer_may_still_ask_for_and_no_more() -> None:
    def packet(number: int) -> Packet:
        return (number, 0x80, 96, 0, b"")

    cache = PacketCache(512)
    for number in range(1000, 1400):
        cache.put(packet(number))
    kept = [number for number in range(1000, 1400) if cache.get(number)]
    assert kept == list(range(1400 - PacketCache.FEWEST, 1400))
    # A fast stream keeps more of its packets, a slower one lets them go again.
    cache.follow(rate=300)
    for number in range(1400, 1800):
        cache.put(packet(number))
    assert [n for n in range(1000, 1800) if cache.get(n)] == list(range(1620, 1800))
    cache.follow(rate=150)
    assert [n for n in range(1000, 1800) if cache.get(n)] == list(range(1710, 1800))
    # What comes too late takes nobody's place.
    cache.put(packet(1700))
    assert cache.get(1700) is None
    assert cache.get(1790) is not None
