"""The time line beside the picture: who came and went, what is missing, who speaks."""

from pathlib import Path

from media.recording.layouts import Layout, Place, Speaker, canvas_of, places
from media.recording.outline import bars_of, level_of, outline_of
from media.recording.take import read_take
from media.recording.timeline import lay_out
from tests.media.recording.senders import Caller, record, session

SECOND = 1_000_000
START = 1_795_000_000_000_000


def test_marks_become_moments_and_silence_of_the_network_becomes_gaps(tmp_path: Path) -> None:
    doctor, patient = Caller("doctor", 900.0, []), Caller("patient", 1500.0, [])
    patient_sent = [
        *session(patient, START, START + 4 * SECOND, "a"),
        *session(patient, START + 10 * SECOND, START + 12 * SECOND, "a"),
    ]
    sent = [
        (doctor, session(doctor, START, START + 12 * SECOND, "a")),
        (patient, patient_sent),
    ]
    writer = record(tmp_path / "t1", "call", sent, START)
    for at, kind, data in [
        (0, "joined", {"user": "doctor"}),
        (0, "joined", {"user": "patient"}),
        (2, "mute", {"user": "doctor", "audio": True, "video": False}),
        (3, "mute", {"user": "doctor", "audio": False, "video": False}),
        (6, "unmute", {"user": "doctor", "audio": True, "video": False, "screen": True}),
        (11, "left", {"user": "patient"}),
    ]:
        writer.mark(kind, START + at * SECOND, data)
    writer.seal("call_closed")
    found = outline_of(lay_out([read_take(tmp_path / "t1")]), {"doctor": bytes([5, 9] * 10)})
    told = [(each.kind, each.user, round(each.at_ms / 1000)) for each in found.moments]
    assert told == [
        ("joined", "doctor", 0),
        ("joined", "patient", 0),
        ("camera_off", "doctor", 2),
        ("microphone_off", "doctor", 3),
        ("microphone_on", "doctor", 6),
        ("screen_on", "doctor", 6),
        ("left", "patient", 11),
    ]
    [gap] = found.gaps
    assert gap.user == "patient"
    assert 4000 <= gap.from_ms <= 5100
    assert 9000 <= gap.to_ms <= 10_100
    assert found.loudness == {"doctor": [9, 9, 9, 9]}


def test_a_dead_worker_is_a_gap_of_everybody_and_absence_is_none(tmp_path: Path) -> None:
    doctor, patient = Caller("doctor", 900.0, []), Caller("patient", 1500.0, [])
    takes = []
    for name, start in (("t1", START), ("t2", START + 9 * SECOND)):
        sent = [(each, session(each, start, start + 2 * SECOND, "a")) for each in (doctor, patient)]
        if name == "t2":
            sent = sent[:1]
        writer = record(tmp_path / name, "call", sent, start)
        if name == "t1":
            writer.mark("left", start + 2 * SECOND, {"user": "patient"})
        writer.seal("call_closed")
        takes.append(read_take(tmp_path / name))
    [gap] = outline_of(lay_out(takes), {}).gaps
    assert gap.user is None
    assert (round(gap.from_ms, -3), round(gap.to_ms, -3)) == (3000, 9000)


def test_loudness_is_told_in_bars_of_equal_length() -> None:
    assert (level_of(0.0), level_of(1.0)) == (0, 100)
    assert 40 < level_of(0.001) < 60
    hour = bytes([1] * 45_000 + [80] + [1] * 44_999)
    bars = bars_of(hour)
    assert len(bars) == 720
    assert bars.index(80) == 360


def test_the_speaker_has_the_large_picture_and_a_shared_screen_goes_first() -> None:
    people = [False, False, False]
    assert canvas_of(Layout.SPEAKER, 3) == (1280, 720)
    first, *others = places(Layout.SPEAKER, people, [True] * 3, speaker=2)
    assert first == Place(2, (960, 720), 0, 0)
    assert [(each.side, each.x, each.y) for each in others] == [(0, 960, 0), (1, 960, 240)]
    shared = [False, False, True]
    found = places(Layout.SCREEN, shared, [True] * 3, speaker=1)
    assert [each.side for each in found] == [2, 1, 0]
    found = places(Layout.SCREEN, shared, [True, True, False], speaker=1)
    assert [each.side for each in found] == [1, 0]
    grid = places(Layout.SIDE_BY_SIDE, shared, [True, True, False], speaker=1)
    assert [(each.x, each.y) for each in grid] == [(0, 0), (640, 0), (0, 480)]


def test_a_cough_does_not_take_the_picture_from_who_speaks() -> None:
    speaker = Speaker(2)
    for _ in range(100):
        speaker.hear([60, 5])
    assert [speaker.hear([60, 95]) for _ in range(3)][-1] == 0
    for _ in range(60):
        speaker.hear([10, 70])
    assert speaker.now == 1
