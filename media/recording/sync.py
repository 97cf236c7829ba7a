"""Which moment of the call a media timestamp belongs to.

Three clocks meet here: a track's media clock (RTP timestamps), its sender's NTP clock (sender
reports relate the two), and the worker's clock (arrival times). The sender's NTP clock is shared
by its sound and picture, so it alone decides how they lie to one another; arrivals decide where
both lie in the call, by the packets that were delayed least, with a line that follows the
sender's clock skew. Reports that contradict the arrivals are not believed.

All times are microseconds. RTP timestamps are extended (they do not wrap).
"""

from bisect import bisect_right
from dataclasses import dataclass, field
from statistics import median

from media.recording.depacketise import Extender, payload_bounds
from media.recording.frames import Packet, SenderReport, Track

WINDOW_US = 1_000_000
STALL_US = 100_000
LEVEL_SHIFT_US = 300_000
LEVEL_WINDOWS = 5
MAX_SKEW = 1e-3
BELIEVABLE_DELAY_US = 1_000_000
EARLIEST_US = -250_000
LATEST_US = 20_000_000

Point = tuple[int, float]


@dataclass
class Observations:
    """What one pass over a take learns of a track: its least delayed packets and its reports."""

    track: Track
    packets: int = 0
    first_us: int = 0
    last_us: int = 0
    reports: list[tuple[int, int]] = field(default_factory=list)
    least_delayed: dict[int, tuple[float, int, int]] = field(default_factory=dict)
    _timestamps: Extender = field(default_factory=lambda: Extender(32))

    def add_packet(self, packet: Packet) -> None:
        """Note a packet; what does not parse is ignored."""
        if payload_bounds(packet.rtp) is None:
            return
        timestamp = self._timestamps.extend(int.from_bytes(packet.rtp[4:8], "big"))
        arrival = packet.arrival_us
        if not self.packets:
            self.first_us = arrival
        self.packets += 1
        self.last_us = max(self.last_us, arrival)
        delay = arrival - timestamp * 1e6 / self.track.clock_rate
        window = arrival // WINDOW_US
        known = self.least_delayed.get(window)
        if known is None or delay < known[0]:
            self.least_delayed[window] = (delay, arrival, timestamp)

    def add_report(self, report: SenderReport) -> None:
        """Note a sender report; those before the first packet cannot be placed and are ignored."""
        if self.packets:
            ntp_us = ((report.ntp >> 32) * 1_000_000) + ((report.ntp & 0xFFFFFFFF) * 15625 >> 26)
            self.reports.append((self._timestamps.peek(report.rtp_timestamp), ntp_us))


@dataclass
class Offset:
    """Worker time minus another clock, as straight pieces over arrival time."""

    pieces: list[tuple[int, float, float]]  # from arrival, value there, slope

    def at(self, arrival_us: int) -> float:
        index = bisect_right(self.pieces, arrival_us, key=lambda piece: piece[0]) - 1
        start, value, slope = self.pieces[max(index, 0)]
        return value + slope * (arrival_us - start)


class MediaClock:
    """RTP timestamps of a track in the sender's time: by its reports, or by the nominal rate."""

    def __init__(self, rate: int, reports: list[tuple[int, int]]) -> None:
        self._scale = 1e6 / rate
        self._reports = _plausible(sorted(set(reports)), self._scale)

    @property
    def reported(self) -> bool:
        return bool(self._reports)

    def candidates(self, timestamp: int) -> tuple[float, ...]:
        """The sender's time; two of them where the media clock stalled between two reports."""
        if not self._reports:
            return (timestamp * self._scale,)
        index = bisect_right(self._reports, timestamp, key=lambda report: report[0])
        if index in (0, len(self._reports)):
            return (self._from(self._reports[max(index - 1, 0)], timestamp),)
        before, after = self._reports[index - 1], self._reports[index]
        early, late = self._from(before, timestamp), self._from(after, timestamp)
        if abs(late - early) > STALL_US:
            return early, late
        share = (timestamp - before[0]) / (after[0] - before[0])
        return (early + (late - early) * share,)

    def _from(self, report: tuple[int, int], timestamp: int) -> float:
        return report[1] + (timestamp - report[0]) * self._scale


@dataclass
class TrackClock:
    """Worker time of a track's media timestamps."""

    media: MediaClock
    offset: Offset

    def wall_us(self, timestamp: int, arrival_us: int) -> int:
        """When this was captured; the arrival itself when the timestamp is nonsense."""
        offset = self.offset.at(arrival_us)
        best: float | None = None
        for candidate in self.media.candidates(timestamp):
            delay = arrival_us - candidate - offset
            if EARLIEST_US <= delay <= LATEST_US and (best is None or abs(delay) < abs(best)):
                best = delay
        return arrival_us if best is None else round(arrival_us - best)


def clocks_of(tracks: list[Observations]) -> dict[int, TrackClock]:
    """Clocks, by track number, of tracks whose sender is one and the same (one session)."""
    reported = {
        item.track.number: MediaClock(item.track.clock_rate, item.reports) for item in tracks
    }
    believed = [item for item in tracks if reported[item.track.number].reported]
    shared = _fit(_merged(believed, reported))
    clocks: dict[int, TrackClock] = {}
    for item in tracks:
        number = item.track.number
        if item in believed and shared is not None:
            clock = TrackClock(reported[number], shared)
            if _median_delay(item, clock) <= BELIEVABLE_DELAY_US:
                clocks[number] = clock
                continue
        bare = MediaClock(item.track.clock_rate, [])
        offset = _fit(_merged([item], {number: bare}))
        if offset is not None:
            clocks[number] = TrackClock(bare, offset)
    return clocks


def _merged(tracks: list[Observations], clocks: dict[int, MediaClock]) -> list[Point]:
    """(arrival, arrival - sender's time) of the least delayed packet of each window."""
    points: dict[int, Point] = {}
    for item in tracks:
        clock = clocks[item.track.number]
        for window, (_, arrival, timestamp) in item.least_delayed.items():
            candidates = clock.candidates(timestamp)
            if len(candidates) > 1:
                continue
            delay = arrival - candidates[0]
            if window not in points or delay < points[window][1]:
                points[window] = (arrival, delay)
    return [points[window] for window in sorted(points)]


def _median_delay(item: Observations, clock: TrackClock) -> float:
    delays = []
    for _, arrival, timestamp in item.least_delayed.values():
        sender = clock.media.candidates(timestamp)
        delays.append(min(abs(arrival - each - clock.offset.at(arrival)) for each in sender))
    return median(delays)


def _plausible(reports: list[tuple[int, int]], scale: float) -> list[tuple[int, int]]:
    """Without single reports that contradict both neighbours while these agree."""
    offsets = [ntp - timestamp * scale for timestamp, ntp in reports]
    kept: list[tuple[int, int]] = []
    for index, report in enumerate(reports):
        if 0 < index < len(reports) - 1:
            before, after = offsets[index - 1], offsets[index + 1]
            middle = (before + after) / 2
            if abs(after - before) < STALL_US < abs(offsets[index] - middle) - STALL_US:
                continue
        if kept and kept[-1][0] == report[0]:
            continue
        kept.append(report)
    return kept


def _fit(points: list[Point]) -> Offset | None:
    """Straight pieces along the lower edge of the points; None without points."""
    pieces = []
    for level in _levels(points):
        start = level[0][0]
        slope = _lower_slope([(arrival - start, delay) for arrival, delay in level])
        value = min(delay - slope * (arrival - start) for arrival, delay in level)
        pieces.append((start, value, slope))
    return Offset(pieces) if pieces else None


def _levels(points: list[Point]) -> list[list[Point]]:
    """Cut the points where the delay changed for good: a clock was set, or media stalled."""
    levels: list[list[Point]] = []
    current: list[Point] = []
    pending: list[Point] = []
    for point in points:
        recent = [delay for _, delay in current[-LEVEL_WINDOWS:]]
        if recent and abs(point[1] - median(recent)) > LEVEL_SHIFT_US:
            pending.append(point)
            if len(pending) < LEVEL_WINDOWS:
                continue
            levels.append(current)
            current, pending = pending, []
        else:
            # What came back by itself was congestion: it must not bend the line.
            pending = []
            current.append(point)
    if current:
        levels.append(current)
    return levels


def _lower_slope(points: list[tuple[float, float]]) -> float:
    """Slope of the line under the points: least squares, keeping the lower half each round."""
    slope = 0.0
    for _ in range(4):
        if len(points) < 8 or points[-1][0] - points[0][0] < 10 * WINDOW_US:
            break
        mean_x = sum(x for x, _ in points) / len(points)
        mean_y = sum(y for _, y in points) / len(points)
        spread = sum((x - mean_x) ** 2 for x, _ in points)
        slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / spread
        residuals = [y - mean_y - slope * (x - mean_x) for x, y in points]
        middle = median(residuals)
        points = [p for p, residual in zip(points, residuals, strict=True) if residual <= middle]
    return max(-MAX_SKEW, min(MAX_SKEW, slope))
