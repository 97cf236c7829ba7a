"""One time line for a call: every take, track, late start, rejoin and camera switch on it.

Positions on the line are microseconds from its origin, the first moment of the earliest take.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import zip_longest

from media.recording.depacketise import Assembler, in_order, opus_samples, payload_of
from media.recording.frames import Mark, Packet, SenderReport, Track
from media.recording.sync import WINDOW_US, Observations, TrackClock, clocks_of
from media.recording.take import Take

RATE = 48_000
GRID_US = 20_000
GRID_HALF_US = 10_000
GRID_LIMIT_US = 40_000
SILENCE = b"\xf8\xff\xfe"
SILENCE_SAMPLES = 960
FRAME_STEP_US = 1_000
#: The track of a shared screen is a side of its own: its user's with this behind.
SCREEN = "/screen"


@dataclass(frozen=True)
class Stream:
    """One track on the line. From ``until_us`` on a newer track of the same user speaks."""

    take: Take
    track: Track
    clock: TrackClock
    start_us: int
    end_us: int
    until_us: int | None = None


@dataclass(frozen=True, slots=True)
class VideoFrame:
    """A compressed frame at its place on the line."""

    at_us: int
    key: bool
    codec: str
    data: bytes


@dataclass(frozen=True, slots=True)
class AudioPacket:
    """An Opus packet at its place on the line, in samples of 48 kHz; the packets touch."""

    at: int
    samples: int
    data: bytes


@dataclass
class Side:
    """What one user sent: streams of each kind by start, and when the camera was known off."""

    user: str
    audio: list[Stream] = field(default_factory=list)
    video: list[Stream] = field(default_factory=list)
    camera_off: list[tuple[int, int]] = field(default_factory=list)


@dataclass
class Timeline:
    """The whole call. ``origin_us`` is Unix time; ``duration_us`` runs to the last record.

    ``heard`` holds the seconds (of Unix time) in which anything of a user arrived, ``marks`` what
    happened, by arrival.
    """

    origin_us: int
    duration_us: int
    sides: dict[str, Side]
    heard: dict[str, set[int]] = field(default_factory=dict)
    marks: list[Mark] = field(default_factory=list)

    def audio(self, user: str) -> Iterator[AudioPacket]:
        """The user's sound from the origin to the end without a hole: silence fills the gaps.

        Opus frames cannot be stretched, so the sender's clock skew is met by a packet of silence
        more or a packet less now and then, in a pause where there is one; a packet is never more
        than 40 ms from its place.
        """
        at = 0
        quiet = _Quiet()
        for due_us, after_gap, data in self._spoken(self.sides[user].audio):
            late_us = due_us - at * 1_000_000 // RATE
            missing = _silences(late_us, free=after_gap or quiet.is_pause(data))
            if missing < 0:
                continue
            for _ in range(missing):
                yield AudioPacket(at, SILENCE_SAMPLES, SILENCE)
                at += SILENCE_SAMPLES
            samples = opus_samples(data)
            yield AudioPacket(at, samples, data)
            at += samples
        while at * 1_000_000 < self.duration_us * RATE:
            yield AudioPacket(at, SILENCE_SAMPLES, SILENCE)
            at += SILENCE_SAMPLES

    def video(self, user: str) -> Iterator[VideoFrame]:
        """The user's decodable frames, times rising by at least a millisecond."""
        last = -FRAME_STEP_US
        for stream in self.sides[user].video:
            payload = payload_of(stream.track.codec)
            if payload is None:
                continue
            codec = codec_name(stream.track)
            packets = in_order(stream.take.packets_of(stream.track.number))
            for frame in Assembler(payload).frames(packets):
                wall = self._wall(stream, frame.timestamp, frame.arrival_us)
                if wall is None:
                    continue
                last = max(wall - self.origin_us, last + FRAME_STEP_US)
                yield VideoFrame(last, frame.key, codec, frame.data)

    def _spoken(self, streams: list[Stream]) -> Iterator[tuple[int, bool, bytes]]:
        """Opus packets as (position, whether media is missing before it, data)."""
        for stream in streams:
            expected: int | None = None
            for packet in in_order(stream.take.packets_of(stream.track.number)):
                samples = opus_samples(packet.payload)
                wall = self._wall(stream, packet.timestamp, packet.arrival_us)
                if wall is not None and samples:
                    yield wall - self.origin_us, packet.timestamp != expected, packet.payload
                    expected = packet.timestamp + samples

    def _wall(self, stream: Stream, timestamp: int, arrival_us: int) -> int | None:
        """Unix time of a packet; None when a newer track has taken over by then."""
        wall = max(stream.clock.wall_us(timestamp, arrival_us), self.origin_us)
        return wall if stream.until_us is None or wall < stream.until_us else None


def _silences(late_us: int, free: bool) -> int:
    """Packets of silence that belong before a packet so late; -1 to leave the packet out.

    ``free`` says that nobody would hear it: media is missing here anyway, or it is a pause.
    """
    limit = GRID_HALF_US if free else GRID_LIMIT_US
    if late_us < -limit:
        return -1
    return (late_us + GRID_HALF_US) // GRID_US if late_us >= limit else 0


class _Quiet:
    """Tells pauses by packet size: an encoder spends few bytes on silence."""

    def __init__(self) -> None:
        self._mean = 0.0

    def is_pause(self, data: bytes) -> bool:
        pause = len(data) < 0.4 * self._mean
        self._mean += (len(data) - self._mean) * 0.02
        return pause


def codec_name(track: Track) -> str:
    """``vp8`` or ``h264``, also where the journal says ``video/VP8``."""
    return track.codec.lower().rpartition("/")[2]


def lay_out(takes: list[Take]) -> Timeline:
    """Place the takes of one call on one line. Raises ValueError without any record.

    Reads every take once; holds one point a second and track, no packets.
    """
    spans = [(take.first_us, take.last_us) for take in takes]
    starts = [first for first, _ in spans if first is not None]
    ends = [last for _, last in spans if last is not None]
    if not starts:
        raise ValueError("the takes hold no record")
    origin = min(starts)
    timeline = Timeline(origin, max(ends) - origin, {})
    for take in sorted(takes, key=lambda item: item.first_us or 0):
        _survey(take, timeline)
    for side in timeline.sides.values():
        side.audio = _succeed(side.audio)
        side.video = _succeed(side.video)
    timeline.marks = sorted(
        (mark for take in takes for mark in take.marks), key=lambda m: m.arrival_us
    )
    for side in timeline.sides.values():
        side.camera_off = _camera_off(side.user, timeline)
    return timeline


def person_of(side: str) -> str:
    """The user of a side, the side of a shared screen too."""
    return side.removesuffix(SCREEN)


def is_screen(side: str) -> bool:
    """Whether a side is what its user shared of a screen."""
    return side.endswith(SCREEN)


def _side_of(track: Track) -> str:
    shared = track.kind == "video" and track.track_id.endswith(SCREEN)
    return track.user + SCREEN if shared else track.user


def _survey(take: Take, timeline: Timeline) -> None:
    seen = {track.number: Observations(track) for track in take.tracks}
    for record in take.records():
        if isinstance(record, Packet) and record.number in seen:
            seen[record.number].add_packet(record)
        elif isinstance(record, SenderReport) and record.number in seen:
            seen[record.number].add_report(record)
    for item in seen.values():
        seconds = (window * WINDOW_US // 1_000_000 for window in item.least_delayed)
        timeline.heard.setdefault(item.track.user, set()).update(seconds)
    for session in _sessions([item for item in seen.values() if item.packets]):
        clocks = clocks_of(session)
        for item in session:
            name = _side_of(item.track)
            side = timeline.sides.setdefault(name, Side(name))
            clock = clocks.get(item.track.number)
            if clock is not None:
                stream = Stream(take, item.track, clock, item.first_us, item.last_us)
                (side.audio if item.track.kind == "audio" else side.video).append(stream)


def _sessions(tracks: list[Observations]) -> Iterator[list[Observations]]:
    """Tracks that one connection of one user carried: those that overlap in time."""
    session: list[Observations] = []
    for item in sorted(tracks, key=lambda each: (each.track.user, each.first_us)):
        if session:
            same_user = session[0].track.user == item.track.user
            if not same_user or item.first_us > max(each.last_us for each in session):
                yield session
                session = []
        session.append(item)
    if session:
        yield session


def _succeed(streams: list[Stream]) -> list[Stream]:
    """Streams by start, each ending where the next begins: the newest connection counts."""
    ordered = sorted(streams, key=lambda stream: (stream.start_us, stream.track.number))
    return [
        Stream(item.take, item.track, item.clock, item.start_us, item.end_us, until)
        for item, until in zip_longest(ordered, (each.start_us for each in ordered[1:]))
    ]


def _camera_off(name: str, timeline: Timeline) -> list[tuple[int, int]]:
    """Stretches of the line in which the side sent no picture, or its user was away."""
    stretches: list[tuple[int, int]] = []
    since: int | None = None
    kind = "screen" if is_screen(name) else "video"
    for mark in timeline.marks:
        if mark.data.get("user") != person_of(name):
            continue
        at = max(mark.arrival_us - timeline.origin_us, 0)
        off = mark.kind == "left" or mark.data.get(kind) is False
        if off and since is None:
            since = at
        elif not off and since is not None and (mark.kind == "joined" or kind in mark.data):
            stretches.append((since, at))
            since = None
    if since is not None:
        stretches.append((since, timeline.duration_us))
    return stretches
