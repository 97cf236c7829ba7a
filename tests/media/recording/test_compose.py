"""Recordings stay in sync: files made from generated calls are decoded and measured."""

import itertools
from datetime import UTC, datetime
from pathlib import Path

import av
import pytest

from media.recording.compose import compose
from media.recording.journal import JournalWriter
from media.recording.remux import NothingRecorded, SideFile, remux_side
from media.recording.take import Take, read_take, recover_take
from media.recording.timeline import Timeline, lay_out
from tests.media.recording.senders import Arrival, Caller, Seen, record, session, watch

START = 1_795_000_000_000_000
SECOND = 1_000_000
DRIFT_US = 100_000


def moments(first: float, last: float, step: float) -> list[int]:
    count = int((last - first) / step)
    return [START + round((first + index * step) * SECOND) for index in range(count + 1)]


def late(seen: list[int], caller: Caller, timeline: Timeline) -> list[int]:
    """How late each event was seen, by event in order, beyond the network's known delay."""
    found = []
    for moment in caller.events:
        expected = moment - timeline.origin_us + caller.delay_us
        near = [each - expected for each in seen if abs(each - expected) < 500_000]
        if near:
            found.append(min(near, key=abs))
    return found


def check_sync(
    seen: Seen, tile: int, caller: Caller, timeline: Timeline, missing: int = 0, frozen: int = 0
) -> None:
    flashes = late(seen.flashes[tile], caller, timeline)
    beeps = late(seen.beeps[caller.tone], caller, timeline)
    assert len(flashes) >= len(caller.events) - missing - frozen
    assert len(beeps) >= len(caller.events) - missing
    assert all(abs(value) < DRIFT_US for value in [*flashes, *beeps])
    apart = sorted(beeps)[len(beeps) // 2] - sorted(flashes)[len(flashes) // 2]
    assert abs(apart) < DRIFT_US // 2


def one_take(folder: Path, sessions: list[tuple[Caller, list[Arrival]]]) -> Take:
    record(folder, "call", sessions, START).seal("call_closed")
    return read_take(folder)


@pytest.mark.slow
def test_two_sides_with_skewed_clocks_loss_reordering_and_a_dead_worker_stay_in_sync(
    tmp_path: Path,
) -> None:
    end = START + 62 * SECOND
    doctor = Caller("doctor", 1000.0, moments(2, 60, 3), 7_300_000, 200e-6, -250e-6)
    doctor.loss, doctor.jitter_us = 0.02, 8_000
    patient = Caller("patient", 2300.0, moments(3.5, 60, 3), -86_400_000_000, -300e-6, 300e-6)
    patient.loss, patient.jitter_us, patient.delay_us = 0.04, 20_000, 70_000
    died, back = START + 30 * SECOND, START + 31 * SECOND
    first = [
        (doctor, [a for a in session(doctor, START, died) if a.at_us < died]),
        (patient, [a for a in session(patient, START + SECOND, died) if a.at_us < died]),
    ]
    doctor.seed, patient.seed = 5, 6
    second = [
        (doctor, session(doctor, back, end)),
        (patient, session(patient, back + 300_000, end)),
    ]
    record(tmp_path / "t1", "call", first, START)
    torn = max((tmp_path / "t1").glob("*.zjr"))
    torn.write_bytes(torn.read_bytes()[:-500])
    recover_take(tmp_path / "t1")
    record(tmp_path / "t2", "call", second, back).seal("call_closed")

    takes = [read_take(tmp_path / "t1"), read_take(tmp_path / "t2")]
    timeline = lay_out(takes)
    sides = [remux_side(takes, user, tmp_path / user, timeline) for user in ("doctor", "patient")]
    told: list[float] = []
    names = {"doctor": "王医生", "patient": "李明"}
    made = compose(takes, sides, tmp_path / "call", names, told.append)

    assert (made.width, made.height, made.content_type) == (1280, 480, "video/mp4")
    assert told == sorted(told)
    assert told[-1] == 1.0
    seen = watch(made.path, 2, [1000.0, 2300.0])
    assert abs(seen.duration_us - 62 * SECOND) < SECOND // 2
    # One event fell into the second without a worker; a picture that lost a packet is frozen
    # until the next key frame.
    check_sync(seen, 0, doctor, timeline, missing=1, frozen=6)
    check_sync(seen, 1, patient, timeline, missing=1, frozen=6)
    for side, caller in zip(sides, (doctor, patient), strict=True):
        made_side = watch(side.path, 1, [caller.tone])
        check_sync(made_side, 0, caller, timeline, missing=1, frozen=6)


@pytest.mark.parametrize(
    ("codec", "suffix"), [("h264", ".mp4"), ("vp9", ".webm"), ("av1", ".webm")]
)
def test_every_codec_goes_into_its_container_and_composes_with_vp8_sides(
    tmp_path: Path, codec: str, suffix: str
) -> None:
    doctor = Caller("doctor", 1000.0, moments(1, 7, 2), codec=codec, size=(640, 360))
    patient = Caller("patient", 2300.0, moments(2, 6, 2), loss=0.02)
    end = START + 8 * SECOND
    take = one_take(
        tmp_path / "t1",
        [(doctor, session(doctor, START, end)), (patient, session(patient, START, end))],
    )
    timeline = lay_out([take])
    sides = [remux_side([take], user, tmp_path / user) for user in ("doctor", "patient")]
    assert [side.path.suffix for side in sides] == [suffix, ".webm"]
    assert [side.content_type for side in sides] == [f"video/{suffix[1:]}", "video/webm"]
    check_sync(watch(sides[0].path, 1, [1000.0]), 0, doctor, timeline)
    made = compose([take], sides, tmp_path / "call", {"doctor": "王", "patient": "李"})
    seen = watch(made.path, 2, [1000.0, 2300.0])
    check_sync(seen, 0, doctor, timeline)
    check_sync(seen, 1, patient, timeline)


def test_passthrough_changes_no_byte_of_a_frame(tmp_path: Path) -> None:
    caller = Caller("doctor", 1000.0, moments(1, 3, 1))
    take = one_take(tmp_path / "t1", [(caller, session(caller, START, START + 4 * SECOND))])
    timeline = lay_out([take])
    side = remux_side([take], "doctor", tmp_path / "doctor")
    with av.open(str(side.path)) as container:
        stored = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    assert stored == [frame.data for frame in timeline.video("doctor")]
    assert len(stored) == side.video_frames == 80


def test_a_side_that_joins_late_and_comes_back_keeps_its_place(tmp_path: Path) -> None:
    doctor = Caller("doctor", 1000.0, moments(1, 15, 2))
    early = Caller("patient", 2300.0, [START + 6 * SECOND], seed=7)
    again = Caller("patient", 2300.0, [START + 12 * SECOND], seed=8, clock_offset_us=3_000_000)
    take = one_take(
        tmp_path / "t1",
        [
            (doctor, session(doctor, START, START + 16 * SECOND)),
            (early, session(early, START + 5 * SECOND, START + 8 * SECOND)),
            (again, session(again, START + 10 * SECOND, START + 15 * SECOND)),
        ],
    )
    timeline = lay_out([take])
    assert [len(side.video) for side in timeline.sides.values()] == [1, 2]
    side = remux_side([take], "patient", tmp_path / "patient", timeline)
    both = Caller("patient", 2300.0, early.events + again.events)
    check_sync(watch(side.path, 1, [2300.0]), 0, both, timeline)


def test_sound_is_one_unbroken_stream_whatever_was_lost(tmp_path: Path) -> None:
    caller = Caller("doctor", 1000.0, [], loss=0.2, lost_for_good=0.7, jitter_us=30_000)
    take = one_take(tmp_path / "t1", [(caller, session(caller, START, START + 10 * SECOND))])
    timeline = lay_out([take])
    packets = list(timeline.audio("doctor"))
    assert packets[0].at == 0
    for packet, following in itertools.pairwise(packets):
        assert following.at == packet.at + packet.samples
    length_us = (packets[-1].at + packets[-1].samples) * 1_000_000 // 48_000
    assert 0 <= length_us - timeline.duration_us < 60_000


def test_video_waits_for_a_key_frame_after_a_loss(tmp_path: Path) -> None:
    caller = Caller("doctor", 1000.0, [])
    arrivals = session(caller, START, START + 6 * SECOND, kinds="v")
    lost = next(a for a in arrivals if a.rtp and a.at_us > START + 2_500_000)
    arrivals.remove(lost)
    take = one_take(tmp_path / "t1", [(caller, arrivals)])
    timeline = lay_out([take])
    frames = list(timeline.video("doctor"))
    gaps = [b.at_us - a.at_us for a, b in itertools.pairwise(frames)]
    # Key frames come every two seconds: nothing between 2.5 s and 4 s can be decoded.
    assert sum(gap > 100_000 for gap in gaps) == 1
    assert frames[gaps.index(max(gaps)) + 1].key


def test_a_switched_off_camera_shows_the_card_and_not_a_frozen_face(tmp_path: Path) -> None:
    caller = Caller("doctor", 1000.0, [START])
    caller.events = [START + index * 150_000 for index in range(60)]  # White all the time.
    arrivals = session(caller, START, START + 8 * SECOND)
    kept = [a for a in arrivals if a.kind == "a" or not START + 3e6 < a.at_us < START + 5e6]
    writer = record(tmp_path / "t1", "call", [(caller, kept)], START)
    off = {"user": "doctor", "audio": True, "video": False}
    writer.mark("mute", START + 3 * SECOND, off)
    writer.mark("unmute", START + 5 * SECOND, {**off, "video": True})
    writer.seal("call_closed")
    take = read_take(tmp_path / "t1")
    timeline = lay_out([take])
    side = remux_side([take], "doctor", tmp_path / "doctor")
    assert side.camera_off == (
        (START + 3 * SECOND - timeline.origin_us, START + 5 * SECOND - timeline.origin_us),
    )
    made = compose([take], [side], tmp_path / "call", {"doctor": "王医生"})
    assert (made.width, made.height) == (640, 480)
    seen = watch(made.path, 1, [1000.0])
    assert len(seen.flashes[0]) == 2
    # The camera comes back with the next key frame.
    assert 5 * SECOND <= seen.flashes[0][1] <= 7 * SECOND


def test_a_voice_call_becomes_cards_with_sound(tmp_path: Path) -> None:
    doctor = Caller("doctor", 1000.0, moments(1, 3, 1))
    patient = Caller("patient", 2300.0, moments(1.5, 3, 1))
    end = START + 4 * SECOND
    take = one_take(
        tmp_path / "t1",
        [
            (doctor, session(doctor, START, end, "a")),
            (patient, session(patient, START, end, "a")),
        ],
    )
    timeline = lay_out([take])
    sides = [remux_side([take], user, tmp_path / user) for user in ("doctor", "patient")]
    assert [side.video_codecs for side in sides] == [(), ()]
    made = compose([take], sides, tmp_path / "call", {"doctor": "王", "patient": "李"})
    seen = watch(made.path, 2, [1000.0, 2300.0])
    assert seen.frames == made.duration_us // 40_000
    for caller in (doctor, patient):
        assert len(late(seen.beeps[caller.tone], caller, timeline)) == len(caller.events)


def test_names_and_the_time_of_day_are_burnt_into_the_picture(tmp_path: Path) -> None:
    caller = Caller("doctor", 1000.0, [])
    take = one_take(tmp_path / "t1", [(caller, session(caller, START, START + 3 * SECOND, "a"))])
    side = remux_side([take], "doctor", tmp_path / "doctor")
    minute = START // (60 * SECOND) * 60 * SECOND

    def pictures(name: str, origin: int | None) -> list[bytes]:
        out = tmp_path / f"{name}-{origin}"
        made = compose([take], [side], out, {"doctor": name}, origin_us=origin)
        with av.open(str(made.path)) as container:
            frames = list(container.decode(video=0))
        # The upper right quarter, where the clock stands, at 0.5, 0.8 and 1.5 seconds; and all.
        return [
            *(
                frame.to_ndarray(format="gray")[:60, 400:].tobytes()
                for frame in (frames[12], frames[20], frames[37])
            ),
            frames[12].to_ndarray(format="gray").tobytes(),
        ]

    half, later, next_second, whole = pictures("王医生", minute)
    # Coding noise moves single pixels by a little; another digit moves many by much.
    assert not moved(half, later)
    assert moved(half, next_second)
    assert moved(whole, pictures("李医生", minute)[3])
    assert moved(half, pictures("王医生", minute + 3600 * SECOND)[0])
    assert moved(half, pictures("王医生", None)[0])


def moved(one: bytes, other: bytes) -> bool:
    """Whether some pixels differ as light does from dark."""
    return sum(abs(a - b) > 80 for a, b in zip(one, other, strict=True)) > 5


def test_a_user_who_sent_nothing_has_no_side(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path / "t1", "call", "t1", datetime.fromtimestamp(START / 1e6, UTC))
    writer.mark("joined", START, {"user": "doctor", "audio": True, "video": True})
    writer.seal("call_closed")
    take = read_take(tmp_path / "t1")
    with pytest.raises(NothingRecorded):
        remux_side([take], "doctor", tmp_path / "doctor")


def test_garbage_in_the_journal_disturbs_nothing_else(tmp_path: Path) -> None:
    caller = Caller("doctor", 1000.0, moments(1, 5, 2))
    arrivals = session(caller, START, START + 6 * SECOND)
    for index, size in enumerate((0, 1, 11, 12, 13, 40)):
        at = START + 2_000_000 + index
        arrivals.append(Arrival(at, "v", bytes([0x90]) + bytes(range(200, 200 + size))))
        arrivals.append(Arrival(at, "a", bytes([0xA0]) + b"\xff" * size))
    take = one_take(tmp_path / "t1", [(caller, sorted(arrivals))])
    timeline = lay_out([take])
    side = remux_side([take], "doctor", tmp_path / "doctor")
    made = compose([take], [side], tmp_path / "call", {"doctor": "王"})
    check_sync(watch(made.path, 1, [1000.0]), 0, caller, timeline, missing=1)


def test_the_composed_file_can_be_sought_and_has_its_index_in_front(tmp_path: Path) -> None:
    caller = Caller("doctor", 1000.0, moments(1, 11, 2))
    take = one_take(tmp_path / "t1", [(caller, session(caller, START, START + 12 * SECOND))])
    side: SideFile = remux_side([take], "doctor", tmp_path / "doctor")
    made = compose([take], [side], tmp_path / "call")
    raw = made.path.read_bytes()
    assert raw.index(b"moov") < raw.index(b"mdat")
    for path, seconds in ((made.path, 9.0), (side.path, 7.0)):
        with av.open(str(path)) as container:
            assert abs((container.duration or 0) - 12_000_000) < 100_000
            container.seek(int(seconds * 1e6))
            frame = next(container.decode(video=0))
            assert seconds - 2.2 <= (frame.time or 0.0) <= seconds
    cues, cluster = (
        side.path.read_bytes().index(tag) for tag in (b"\x1c\x53\xbb\x6b", b"\x1f\x43\xb6\x75")
    )
    assert cues < cluster
