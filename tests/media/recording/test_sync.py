"""Media times are placed by sender reports where arrivals bear them out, else by arrivals."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media.recording.depacketise import Extender
from media.recording.frames import Packet, SenderReport, Track
from media.recording.sync import Observations, TrackClock, clocks_of
from tests.media.recording.senders import ntp

START = 1_795_000_000_000_000
SECOND = 1_000_000


class Feed:
    """A track whose every packet is captured at a known true time."""

    def __init__(self, number: int, kind: str, rate: int, base: int = 1000) -> None:
        track = Track(
            number=number,
            track_id=str(number),
            user="u",
            kind="audio" if kind == "audio" else "video",
            codec="opus" if kind == "audio" else "vp8",
            clock_rate=rate,
            payload_type=96,
            ssrc=number,
            at_us=START,
        )
        self.seen = Observations(track)
        self.rate, self.base = rate, base
        self.captured: list[tuple[int, int, int]] = []

    def packet(self, true_us: float, delay_us: float, media_s: float) -> None:
        stamp = self.base + round(media_s * self.rate)
        arrival = round(true_us + delay_us)
        rtp = b"\x80\x60\0\0" + (stamp & 0xFFFFFFFF).to_bytes(4, "big") + b"\0\0\0\1x"
        self.seen.add_packet(Packet(self.seen.track.number, arrival, rtp))
        self.captured.append((round(true_us), arrival, stamp))

    def report(self, true_us: float, clock_us: float, media_s: float) -> None:
        stamp = (self.base + round(media_s * self.rate)) & 0xFFFFFFFF
        number = self.seen.track.number
        self.seen.add_report(SenderReport(number, round(true_us), ntp(clock_us), stamp))

    def errors(self, clock: TrackClock, delay_us: int) -> list[int]:
        """Placed minus true, beyond the constant delay of the network, for every packet."""
        return [
            clock.wall_us(stamp, arrival) - true - delay_us
            for true, arrival, stamp in self.captured
        ]


@pytest.mark.parametrize("skew", [-500e-6, 0.0, 80e-6, 500e-6])
def test_an_hour_of_clock_skew_leaves_sound_and_picture_together(skew: float) -> None:
    rng = random.Random(1)
    audio, video = Feed(1, "audio", 48000), Feed(2, "video", 90000, base=(1 << 32) - 90_000)
    for tick in range(3600 * 5):
        media = tick / 5
        true = START + media / (1 + skew) * SECOND
        clock = 5e6 + true * (1 + skew)
        audio.packet(true, 40_000 + rng.expovariate(1 / 15_000), media)
        video.packet(true, 70_000 + rng.expovariate(1 / 30_000), media)
        if tick % 25 == 3:
            audio.report(true, clock, media)
        if tick % 5 == 2:
            video.report(true, clock, media)
    clocks = clocks_of([audio.seen, video.seen])
    heard, shown = audio.errors(clocks[1], 40_000), video.errors(clocks[2], 40_000)
    assert max(abs(a - v) for a, v in zip(heard, shown, strict=True)) < 5_000
    assert max(map(abs, [*heard, *shown])) < 50_000


def test_a_sound_card_that_runs_at_another_rate_than_the_device_is_followed() -> None:
    audio = Feed(1, "audio", 48000)
    for tick in range(600 * 10):
        true = START + tick * 100_000
        media = tick / 10 * (1 + 400e-6)
        audio.packet(true, 30_000, media)
        if tick % 50 == 9:
            audio.report(true, true, media)
    errors = audio.errors(clocks_of([audio.seen])[1], 30_000)
    assert max(map(abs, errors)) < 10_000


def test_reports_that_contradict_the_arrivals_are_not_believed() -> None:
    audio, video = Feed(1, "audio", 48000), Feed(2, "video", 90000)
    for tick in range(600):
        true = START + tick * 100_000
        audio.packet(true, 30_000, tick / 10)
        video.packet(true, 50_000, tick / 10)
        if tick % 10 == 5:
            audio.report(true, true, tick / 10)
            video.report(true, true - 8 * SECOND, tick / 10)
    clocks = clocks_of([audio.seen, video.seen])
    assert max(map(abs, audio.errors(clocks[1], 30_000))) < 10_000
    assert max(map(abs, video.errors(clocks[2], 50_000))) < 10_000


@pytest.mark.parametrize("reported", [True, False])
def test_a_stalled_media_clock_does_not_shorten_the_recording(reported: bool) -> None:
    video = Feed(1, "video", 90000)
    for tick in range(900):
        true = START + tick * 100_000
        if 300 <= tick < 480:
            continue  # The camera stalls for 18 seconds and its clock with it.
        media = tick / 10 - (18.0 if tick >= 480 else 0.0)
        video.packet(true, 50_000, media)
        if reported and tick % 20 == 5:
            video.report(true, true, media)
    errors = video.errors(clocks_of([video.seen])[1], 50_000)
    assert max(map(abs, errors)) < 20_000


def test_a_passing_congestion_does_not_move_the_picture() -> None:
    audio = Feed(1, "audio", 48000)
    for tick in range(900):
        true = START + tick * 100_000
        audio.packet(true, 900_000 if 300 <= tick < 340 else 30_000, tick / 10)
        if tick % 50 == 5:
            audio.report(true, true, tick / 10)
    errors = audio.errors(clocks_of([audio.seen])[1], 30_000)
    assert max(map(abs, errors)) < 20_000


def test_a_timestamp_that_is_nonsense_falls_back_to_its_arrival() -> None:
    audio = Feed(1, "audio", 48000)
    for tick in range(100):
        audio.packet(START + tick * 100_000, 30_000, tick / 10)
    clock = clocks_of([audio.seen])[1]
    assert clock.wall_us(1 << 40, START + 5 * SECOND) == START + 5 * SECOND


@settings(max_examples=200, deadline=None)
@given(
    start=st.integers(0, 65535),
    steps=st.lists(st.integers(-1000, 1000), max_size=60),
)
def test_wrapped_counters_are_extended_without_jumps(start: int, steps: list[int]) -> None:
    extender = Extender(16)
    true = start
    assert extender.extend(start) == start
    for step in steps:
        true += step
        assert extender.extend(true % 65536) == true
