"""Rewriting for a viewer: numbers, pauses, retransmissions, reports, key frames."""

import pytest
from aiortc.rtp import RtcpReceiverInfo, RtpPacket

from media.sfu import extensions, rtcp, rtp
from media.sfu.congestion import Congestion
from media.sfu.counters import Counters
from media.sfu.layer import KeyFrameRequests
from media.sfu.recorder import Tap, Waiting
from media.sfu.sdp import CODECS, Codec
from media.sfu.subscription import Subscription
from media.sfu.track import Track
from tests.media.sfu.test_rtp import block, packet

VIDEO = [codec for codec in CODECS if codec.kind == "video"]
ANSWERED = {"vp8": 96, "h264": 102}
RTX = {96: 97, 102: 103}
KEY, DELTA = bytes.fromhex("1000"), bytes.fromhex("1001")


class Tape:
    """A recorder that keeps what it is told."""

    def __init__(self) -> None:
        self.tracks: list[tuple[str, int, int]] = []
        self.waiting = Waiting(1_000_000)
        self.reports: list[tuple[int, int, int]] = []

    def add_track(
        self,
        track_id: str,
        user: str,
        kind: str,
        codec: str,
        clock_rate: int,
        payload_type: int,
        ssrc: int,
        now_us: int,
    ) -> int:
        self.tracks.append((codec, payload_type, ssrc))
        return len(self.tracks)

    @property
    def packets(self) -> list[tuple[int, int]]:
        """Track and sequence number of each packet."""
        rows, parts = self.waiting.rows, self.waiting.parts
        whole = map(b"".join, zip(parts[::2], parts[1::2], strict=True))
        return [
            (number, RtpPacket.parse(rtp).sequence_number)
            for number, rtp in zip(rows[::3], whole, strict=True)
        ]

    def flush(self) -> None:
        raise AssertionError("a few packets are not many")

    def sender_report(self, number: int, arrival_us: int, ntp: int, rtp_timestamp: int) -> None:
        self.reports.append((number, ntp, rtp_timestamp))

    def mark(self, kind: str, arrival_us: int, data: dict[str, object]) -> None:
        raise AssertionError("a track marks nothing")


class Scene:
    """One published video track and one viewer of it."""

    def __init__(self, payloads: dict[str, int] = ANSWERED, rtx: dict[int, int] = RTX) -> None:
        self.feedback: list[rtcp.Message] = []
        self.sent: list[RtpPacket] = []
        self.raw: list[bytes] = []
        self.reports: list[bytes] = []
        self.track = Track(
            "video",
            "anna",
            lambda data: self.feedback.extend(rtcp.read(data) or []),
            lambda _: None,
            Counters(),
            1,
        )
        self.track.announce(5, 6)
        self.viewer = Subscription(
            self.track,
            self.take,
            self.reports.append,
            "u_anna",
        )
        self.track.subscribed(self.viewer)
        self.viewer.accept(payloads, rtx, VIDEO)
        self.viewer.live = True

    def take(self, data: bytes) -> None:
        self.raw.append(data)
        self.sent.append(RtpPacket.parse(data))

    def publish(self, *sequences: int, now: float = 1.0, payload: bytes = DELTA) -> None:
        for sequence in sequences:
            data = packet(payload, sequence=sequence, timestamp=sequence * 3000)
            self.receive(data, now)

    def receive(self, data: bytes, now: float, layer: int = 0) -> None:
        self.track.receive(self.track.layers[layer], data, rtp.payload_offset(data), now)

    def hear_report(self, report: rtcp.SenderReport, now: float) -> None:
        self.track.note_sender_report(self.track.layers[0], report, now)

    def steps(self) -> list[int]:
        first = self.sent[0].sequence_number
        return [(item.sequence_number - first) & 0xFFFF for item in self.sent]


def test_a_viewer_gets_its_own_ssrc_and_the_order_of_the_original() -> None:
    scene = Scene()
    scene.publish(100, 101, 103, 102)
    assert {item.ssrc for item in scene.sent} == {scene.viewer.ssrc}
    assert scene.steps() == [0, 1, 3, 2]
    assert [item.timestamp for item in scene.sent] == [n * 3000 for n in (100, 101, 103, 102)]
    assert all(item.payload == DELTA for item in scene.sent)


def test_a_packet_that_comes_twice_is_forwarded_once() -> None:
    scene = Scene()
    scene.publish(100, 101, 101, 100)
    assert len(scene.sent) == 2


def test_a_mute_leaves_no_gap_in_the_numbers_but_keeps_the_time() -> None:
    scene = Scene()
    scene.publish(100, 101)
    assert scene.track.set_enabled(False, 2.0)
    scene.publish(102, 103, 104)
    assert scene.track.set_enabled(True, 3.0)
    assert not scene.track.set_enabled(True, 3.0)
    scene.publish(105, 103, 106)
    assert scene.steps() == [0, 1, 2, 3]
    assert scene.sent[-1].timestamp == 106 * 3000
    assert rtcp.KeyFrameRequest(5) in scene.feedback


def test_a_new_stream_of_the_publisher_continues_numbers_and_time() -> None:
    scene = Scene()
    scene.publish(100, 101, now=1.0)
    other = packet(KEY, sequence=60000, timestamp=9, ssrc=77)
    assert scene.track.claim(77, other, 12, 1.5) is None  # Still in use.
    sound = packet(payload_type=111, ssrc=77)
    assert scene.track.claim(77, sound, 12, 9.0) is None  # Audio is another track's.
    assert scene.track.claim(77, other, 12, 3.0) is scene.track.layers[0]
    scene.receive(other, 3.0)
    assert scene.steps() == [0, 1, 2]
    passed = scene.sent[2].timestamp - scene.sent[1].timestamp
    assert passed == 2 * 90000


def test_payload_types_follow_the_answer() -> None:
    scene = Scene({"vp8": 120}, {120: 121})
    scene.publish(100, 102)
    assert {item.payload_type for item in scene.sent} == {120}
    scene.viewer.resend(((scene.sent[0].sequence_number),), 5.0)
    assert scene.sent[-1].payload_type == 121


def test_a_codec_that_the_viewer_refused_is_not_sent_to_it() -> None:
    scene = Scene({"h264": 102}, {102: 103})
    scene.publish(100)
    assert scene.sent == []


def test_a_nack_is_answered_from_the_cache_by_retransmission() -> None:
    scene = Scene()
    scene.publish(*range(100, 110))
    lost = scene.sent[3].sequence_number
    assert scene.viewer.resend((lost, (lost + 500) & 0xFFFF), 5.0) == 1
    again = scene.sent[-1]
    assert (again.payload_type, again.ssrc) == (97, scene.viewer.rtx_ssrc)
    assert again.payload == lost.to_bytes(2, "big") + DELTA
    assert again.timestamp == scene.sent[3].timestamp


def test_a_viewer_without_retransmission_format_gets_the_packet_itself_again() -> None:
    scene = Scene(rtx={})
    scene.publish(100, 101)
    lost = scene.sent[0].sequence_number
    assert scene.viewer.resend((lost,), 5.0) == 1
    assert (scene.sent[-1].sequence_number, scene.sent[-1].ssrc) == (lost, scene.viewer.ssrc)


def test_the_same_packet_is_resent_neither_too_often_nor_forever() -> None:
    scene = Scene()
    scene.publish(100, 101)
    lost = (scene.sent[0].sequence_number,)
    assert scene.viewer.resend(lost, 5.0) == 1
    assert scene.viewer.resend(lost, 5.001) == 0
    assert sum(scene.viewer.resend(lost, 6.0 + turn) for turn in range(50)) == 7


def test_what_was_sent_before_a_pause_cannot_be_confused_with_what_came_after() -> None:
    scene = Scene()
    scene.publish(*range(100, 104))
    before = scene.sent[2].sequence_number
    scene.track.set_enabled(False, 2.0)
    scene.track.set_enabled(True, 2.0)
    scene.publish(*range(300, 304))
    assert scene.viewer.resend((before,), 5.0) == 0


def test_a_hole_is_asked_for_and_its_retransmission_is_forwarded_in_its_place() -> None:
    scene = Scene()
    scene.publish(100, 102, now=1.0)
    assert scene.track.tend(1.02, 0.1)
    assert scene.feedback == [rtcp.Nack(5, (101,))]
    original = packet(DELTA, sequence=101, timestamp=303000, ssrc=5)
    scene.receive(rtp.wrap_rtx(original, 12, 97, 9, 6), 1.1)
    assert scene.steps() == [0, 2, 1]
    assert not scene.track.tend(1.2, 0.1)


def test_a_hole_that_stays_asks_for_a_key_frame() -> None:
    scene = Scene()
    scene.publish(100, 102, now=1.0)
    scene.track.tend(2.5, 0.1)
    assert scene.feedback == [rtcp.KeyFrameRequest(5)]


def test_a_bandwidth_probe_is_not_forwarded() -> None:
    scene = Scene()
    scene.publish(100)
    probe = bytearray(packet(b"\0" * 9 + b"\x0a", payload_type=97, ssrc=6))
    probe[0] |= 0x20
    scene.receive(bytes(probe), 1.0)
    assert len(scene.sent) == 1


def test_the_send_time_is_renewed_for_the_second_leg() -> None:
    scene = Scene()
    scene.receive(packet(DELTA, block((4, b"q"), (9, b"\1\2\3")), sequence=1), 10.5)
    stamped = block((extensions.SEND_TIME_ID, int(10.5 * 2**18).to_bytes(3, "big")))
    assert scene.raw[0][12:] == stamped + DELTA


@pytest.mark.parametrize(
    "extension",
    [
        block((2, b"\1\2")),  # Too short: some parsers stumble over it.
        block((9, b"x"), (2, b"\1\2\3")),
        b"\xbe\xde\0\1" + b"\x2fabc",  # Longer than its block.
        b"\x10\0\0\1" + b"\2\3abc"[:4],
        b"\0\0\0\0",
    ],
)
def test_viewers_never_get_an_extension_that_was_not_offered(extension: bytes) -> None:
    scene = Scene()
    scene.receive(packet(DELTA, extension, sequence=1), 10.5)
    scene.publish(2)
    assert scene.sent[0].payload == DELTA
    scene.viewer.resend((scene.sent[0].sequence_number,), 12.0)
    assert scene.sent[-1].payload[2:] == DELTA
    words = {data[12:17] for data in scene.raw}
    assert words == {bytes.fromhex("bede000122")}


def test_sender_reports_keep_the_publishers_clock_and_count_what_the_viewer_got() -> None:
    scene = Scene()
    scene.hear_report(rtcp.SenderReport(5, 1 << 32, 9000), 1.0)
    assert scene.reports == []  # Nothing was sent yet that a report could be about.
    scene.publish(100, 101)
    scene.hear_report(rtcp.SenderReport(5, 2 << 32, 9000), 1.0)
    (report,) = rtcp.read(scene.reports[0]) or []
    assert report == rtcp.SenderReport(scene.viewer.ssrc, 2 << 32, 9000)


def test_the_round_trip_is_measured_from_the_passed_on_report() -> None:
    scene = Scene()
    scene.publish(100)
    scene.hear_report(rtcp.SenderReport(5, 0x1122334455667788, 9000), 1.0)
    block = RtcpReceiverInfo(scene.viewer.ssrc, 25, 3, 1, 0, 0x33445566, 32768)
    (report,) = rtcp.read(rtcp.write_receiver_report(9, [block], None, "v")) or []
    assert isinstance(report, rtcp.Report)
    scene.viewer.note_report(report, 1.75)
    assert scene.viewer.round_trip == pytest.approx(0.25)
    assert scene.viewer.loss == pytest.approx(25 / 256)
    scene.viewer.note_report(rtcp.Report(1, 0.0, 0, 0, 999, 0), 2.0)  # An unknown report.
    assert scene.viewer.round_trip == pytest.approx(0.25)


def test_key_frame_requests_are_throttled_repeated_and_ended_by_a_key_frame() -> None:
    requests = KeyFrameRequests()
    assert requests.want(1.0)
    assert not requests.want(1.1)
    assert not requests.due(1.4)
    assert requests.due(1.5)
    requests.came()
    assert not requests.due(2.5)
    assert requests.want(3.0)
    # Half a second apart at first, then two, for as long as none comes.
    assert sum(requests.due(3.0 + step / 10) for step in range(1, 50)) == 9
    assert sum(requests.due(8.0 + step / 10) for step in range(600)) == 30


def test_who_has_no_picture_yet_waits_less_for_a_key_frame() -> None:
    requests = KeyFrameRequests()
    assert requests.want(1.0)
    requests.came()
    assert not requests.want(1.1, soon=True)
    assert requests.urgent
    assert requests.due(1.35)
    assert not requests.urgent
    # When none comes it is asked for again as for everybody.
    assert not requests.due(1.7)
    assert requests.due(1.9)


def test_a_request_waits_for_a_stream_that_its_publisher_has_not_named_yet() -> None:
    scene = Scene()
    screen = Track("video", "anna", scene.track._feedback, lambda _: None, Counters(), 1)
    screen.want_key_frame(1.0, soon=True)
    for tick in range(200):
        assert not screen.tend(1.0 + tick / 10, 0.1)
    assert scene.feedback == []
    screen.announce(9, 10)
    screen.tend(21.0, 0.1)
    assert scene.feedback == [rtcp.KeyFrameRequest(9)]


def test_nobody_is_asked_for_a_key_frame_of_what_is_muted_before_it_is_heard_again() -> None:
    scene = Scene()
    scene.track.set_enabled(False, 1.0)
    scene.track.want_key_frame(1.0, soon=True)
    assert not scene.track.tend(5.0, 0.1)
    assert scene.feedback == []
    scene.track.set_enabled(True, 6.0)
    assert scene.feedback == [rtcp.KeyFrameRequest(5)]


def test_a_key_frame_on_its_way_ends_the_request() -> None:
    scene = Scene()
    scene.track.want_key_frame(1.0)
    scene.publish(100, payload=DELTA)
    assert scene.track.wants_key_frame
    scene.publish(101, payload=KEY)
    assert not scene.track.wants_key_frame


def test_the_recording_gets_each_packet_once_in_plain_and_nothing_while_muted() -> None:
    scene, tape = Scene(), Tape()
    scene.track.tap = Tap(tape, "anna", "t", 0)
    scene.publish(100, 102)
    original = packet(DELTA, sequence=101, ssrc=5)
    scene.receive(rtp.wrap_rtx(original, 12, 97, 9, 6), 1.1)
    scene.publish(101, 102)
    scene.hear_report(rtcp.SenderReport(5, 77, 88), 1.0)
    scene.track.set_enabled(False, 2.0)
    scene.publish(103)
    scene.hear_report(rtcp.SenderReport(5, 99, 99), 1.0)
    assert tape.tracks == [("vp8", 96, 5)]
    assert tape.packets == [(1, 100), (1, 102), (1, 101)]
    assert tape.reports == [(1, 77, 88)]


def test_another_codec_or_stream_becomes_a_recorded_stream_of_its_own() -> None:
    tape = Tape()
    tap = Tap(tape, "anna", "t", 0)
    vp8, h264, *_ = VIDEO

    def take(codec: Codec, ssrc: int) -> None:
        tap.packet(codec, ssrc, packet(), b"", 1.0)

    take(vp8, 5)
    take(h264, 5)
    take(vp8, 5)
    take(vp8, 6)
    assert tape.tracks == [("vp8", 96, 5), ("h264", 102, 5), ("vp8", 96, 6)]
    assert [number for number, _ in tape.packets] == [1, 2, 1, 3]


@pytest.mark.parametrize(
    ("loss", "tells", "copies"),
    [(0.0, False, 1), (0.05, False, 3), (0.4, False, 1), (0.05, True, 1)],
)
def test_a_repair_is_repeated_for_who_loses_some_and_tells_no_arrivals(
    loss: float, tells: bool, copies: int
) -> None:
    scene = Scene()
    scene.publish(100, 101, 102)
    scene.viewer.loss = loss
    scene.viewer.congestion = Congestion() if tells else None
    scene.viewer.resend((scene.sent[1].sequence_number,), 1.0)
    for tick in range(10):
        scene.viewer.repeat(1.01 + tick / 10)
    repairs = [item for item in scene.sent if item.ssrc == scene.viewer.rtx_ssrc]
    assert len(repairs) == copies
    assert {item.payload[:2] for item in repairs} == {
        scene.sent[1].sequence_number.to_bytes(2, "big")
    }


def test_what_comes_late_from_the_publisher_is_repeated_too_but_not_from_before_a_pause() -> None:
    scene = Scene()
    scene.viewer.loss = 0.05
    scene.publish(100, 102, 101)
    scene.viewer.repeat(1.1)
    assert [item.ssrc for item in scene.sent].count(scene.viewer.rtx_ssrc) == 1
    scene.viewer.resume()
    scene.publish(105)
    scene.viewer.repeat(1.2)
    assert [item.ssrc for item in scene.sent].count(scene.viewer.rtx_ssrc) == 1
