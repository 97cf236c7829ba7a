"""How much a viewer's network bears, told by when our packets arrive there. Pure.

After draft-ietf-rmcat-gcc-02: the trend of the delay between groups of packets says whether a
queue grows somewhere on the way; loss says that it overflowed. The estimate falls at once and
rises slowly, and never far above what really arrives: a still picture proves nothing. More room
than is used is found by probes: padding for a moment at the wanted rate.

Times are seconds, rates bit/s; ``now`` is passed in.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

from media.sfu import extensions
from media.sfu.transport import Feedback

_RING: Final = 4096
_GROUP: Final = 0.005
_WINDOW: Final = 20
_SMOOTHING: Final = 0.9
_GAIN: Final = 4.0
_PORTION: Final = 0.1


class DelayTrend:
    """Whether the delay grows: the slope over the last groups against a threshold that adapts."""

    MOST_DELTAS: Final = 60

    def __init__(self) -> None:
        self.overused = False
        self.underused = False
        self._group: tuple[float, float, float] | None = (
            None  # First sent, last sent, last arrival.
        )
        self._before: tuple[float, float] | None = None
        self._points: deque[tuple[float, float]] = deque(maxlen=_WINDOW)
        self._sum = 0.0
        self._smoothed = 0.0
        self._count = 0
        self._threshold = 12.5
        self._over_for = 0.0
        self._slope_before = 0.0
        self._updated: float | None = None

    def forget(self) -> None:
        """After a probe: what it did to the delay says nothing about what follows."""
        self._points.clear()
        self._group = self._before = None
        self._sum = self._smoothed = self._over_for = self._slope_before = 0.0
        self._count = 0
        self.overused = self.underused = False

    def note(self, sent: float, arrived: float) -> None:
        """One packet that arrived; ``arrived`` in the receiver's clock."""
        group = self._group
        if group is None:
            self._group = (sent, sent, arrived)
        elif sent - group[0] <= _GROUP:
            self._group = (group[0], max(group[1], sent), max(group[2], arrived))
        else:
            self._close(group[1], group[2])
            self._group = (sent, sent, arrived)

    def _close(self, sent: float, arrived: float) -> None:
        before, self._before = self._before, (sent, arrived)
        if before is None:
            return
        gap = sent - before[0]
        delta = ((arrived - before[1]) - gap) * 1000
        self._count += 1
        self._sum += delta
        self._smoothed = _SMOOTHING * self._smoothed + (1 - _SMOOTHING) * self._sum
        self._points.append((arrived * 1000, self._smoothed))
        slope = _slope(self._points) if len(self._points) == _WINDOW else 0.0
        self._judge(slope, gap, arrived)

    def _judge(self, slope: float, gap: float, arrived: float) -> None:
        trend = slope * min(self._count, self.MOST_DELTAS) * _GAIN
        if trend > self._threshold:
            self._over_for += gap
            # One spike is no queue: it has to last, and to go on growing.
            if self._over_for > 0.01 and slope >= self._slope_before:
                self.overused, self.underused = True, False
        else:
            self._over_for = 0.0
            self.overused = False
            self.underused = trend < -self._threshold
        self._slope_before = slope
        self._adapt(trend, arrived)

    def _adapt(self, trend: float, arrived: float) -> None:
        passed = min(arrived - self._updated, 0.1) if self._updated is not None else 0.0
        self._updated = arrived
        excess = abs(trend) - self._threshold
        if excess > 15:
            return
        rate = 8.7 if excess > 0 else 39.0
        self._threshold = min(max(self._threshold + rate * excess * max(passed, 0), 6.0), 600.0)


def _slope(points: Sequence[tuple[float, float]]) -> float:
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    if spread == 0:
        return 0.0
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread


class Probe:
    """Padding for a moment: 0.3 s at ``target`` bit/s, in three portions."""

    PORTIONS: Final = 3

    def __init__(self, target: int, first: int, now: float) -> None:
        self.target = target
        self.first = first
        self.last = -1
        self.began = now
        self.ended = now
        self.portions = 0
        self.octets = 0
        self.arrived: list[float] = []
        self.lost = 0


class Congestion:
    """The way to one viewer: numbers its packets, and estimates from its feedback."""

    START: Final = 1_000_000
    LOWEST: Final = 30_000
    HIGHEST: Final = 8_000_000
    PROBE_PAUSE: Final = 2.0
    LONGEST_PAUSE: Final = 10.0

    def __init__(self) -> None:
        self.estimate = self.START
        self.loss = 0.0
        #: Bit/s that arrived in the last half second; 0 while unknown.
        self.arriving = 0
        self.trend = DelayTrend()
        self.probe: Probe | None = None
        self._next = 0
        self._numbers = [-1] * _RING
        self._times = [0.0] * _RING
        self._sizes = [0] * _RING
        self._acked: deque[tuple[float, int]] = deque()
        self._window = [0, 0]
        self._window_since = 0.0
        self._raised = 0.0
        self._fell = float("-inf")
        self._probed = float("-inf")
        self._pause = self.PROBE_PAUSE

    # Sending.

    def stamp(self, size: int, now: float) -> int:
        """Number a packet with a payload of so many bytes; returns its extension word."""
        number = self._next
        self._next = number + 1
        slot = number % _RING
        self._numbers[slot] = number
        self._times[slot] = now
        self._sizes[slot] = size + extensions.HEADER_AND_WORD.size
        return extensions.transport_word(number & 0xFFFF)

    # Feedback.

    def take(self, feedback: Feedback, now: float) -> None:
        """Learn from what the viewer says that it received."""
        received = lost = 0
        for sequence, arrived in feedback.packets:
            number = self._next - 1 - ((self._next - 1 - sequence) & 0xFFFF)
            slot = number % _RING
            if number < 0 or self._numbers[slot] != number:
                continue
            if arrived is None:
                lost += 1
            else:
                # Once only: a late packet is told again with its neighbours.
                self._numbers[slot] = -1
                received += 1
                self._acked.append((arrived, self._sizes[slot]))
                self.trend.note(self._times[slot], arrived)
            self._note_probe(number, slot, arrived)
        if received:
            self._measure()
        self._judge_loss(received, lost, now)
        self._judge_delay(now)
        self._judge_probe(now)

    def _measure(self) -> None:
        if not self._acked:
            return  # A probe has just ended.
        newest = max(arrived for arrived, _ in self._acked)
        while self._acked and newest - self._acked[0][0] > 0.5:
            self._acked.popleft()
        span = newest - self._acked[0][0]
        if span > 0.2:
            self.arriving = int(sum(size for _, size in self._acked) * 8 / span)

    def _judge_loss(self, received: int, lost: int, now: float) -> None:
        self._window[0] += received
        self._window[1] += lost
        if now - self._window_since < 0.5 or sum(self._window) < 20:
            return
        self.loss = self._window[1] / sum(self._window)
        self._window, self._window_since = [0, 0], now
        if self.loss > 0.10 and now - self._fell > 0.4:
            self._fall(int(self.estimate * (1 - self.loss / 2)), now)

    def _judge_delay(self, now: float) -> None:
        passed = min(now - self._raised, 1.0) if self._raised else 0.0
        self._raised = now
        if self.probe is not None:
            return
        if self.trend.overused:
            if now - self._fell > 0.3 and self.arriving:
                self._fall(int(self.arriving * 0.85), now)
        elif not self.trend.underused and self.loss < 0.02:
            most = int(self.arriving * 1.5) + 10_000
            if self.estimate < most:
                self._set(min(int(self.estimate * 1.08**passed) + 1, most))

    def _fall(self, estimate: int, now: float) -> None:
        if estimate < self.estimate:
            self._set(estimate)
            self._fell = now

    def _set(self, estimate: int) -> None:
        self.estimate = max(self.LOWEST, min(estimate, self.HIGHEST))

    # Probing.

    def may_probe(self, now: float) -> bool:
        """Whether it is time to look for more room: not while things are bad, not too often."""
        return (
            self.probe is None
            and self.loss < 0.05
            and not self.trend.overused
            and now - self._fell > self.PROBE_PAUSE
            and now - self._probed > self._pause
        )

    def begin_probe(self, wanted: int, now: float) -> None:
        """Find out whether so many bit/s get through."""
        target = min(max(wanted, self.estimate * 2), self.estimate * 3, self.HIGHEST)
        self.probe = Probe(target, self._next, now)
        self._probed = now

    def portion(self, flow: int, now: float) -> int:
        """Bytes of padding to send now, on top of ``flow`` bit/s of media; 0 for none."""
        probe = self.probe
        due = probe is not None and now - probe.began > (probe.portions - 0.2) * _PORTION
        if probe is None or not due or probe.portions == Probe.PORTIONS:
            return 0
        probe.portions += 1
        return max(int((probe.target - flow) * _PORTION / 8), 1500)

    def portion_sent(self, now: float) -> None:
        """The padding of a portion is out; after the last one the answer is waited for."""
        if self.probe is not None and self.probe.portions == Probe.PORTIONS:
            self.probe.last = self._next - 1
            self.probe.ended = now

    def _note_probe(self, number: int, slot: int, arrived: float | None) -> None:
        probe = self.probe
        if probe is None or number < probe.first or (0 <= probe.last < number):
            return
        if arrived is None:
            probe.lost += 1
        else:
            probe.octets += self._sizes[slot]
            probe.arrived.append(arrived)
        if number == probe.last:
            self._finish(probe)

    def _finish(self, probe: Probe) -> None:
        self.probe = None
        # Its own padding is no queue of the media's.
        self.trend.forget()
        self._acked.clear()
        if len(probe.arrived) < 5 or probe.lost > len(probe.arrived) * 0.1:
            self._pause = self._rarer()
            return
        span = max(probe.arrived) - min(probe.arrived)
        # The last portion is good for its own time too. Where the way is narrow, all is stretched.
        sent_in = probe.ended - probe.began + _PORTION
        passed = span <= sent_in * 1.05
        self._pause = self.PROBE_PAUSE / 4 if passed else self._rarer()
        sent = probe.octets * 8 / sent_in
        # The timers that send it are not exact.
        reached = probe.target if sent > 0.7 * probe.target else int(sent)
        found = reached if passed else int(probe.octets * 8 / span * 0.95)
        if found > self.estimate:
            self._set(found)

    def _judge_probe(self, now: float) -> None:
        """A probe whose end was lost is over after two seconds."""
        if self.probe is not None and now - self.probe.began > 2.0:
            self.probe = None
            self._pause = self._rarer()

    def _rarer(self) -> float:
        return min(max(self._pause, self.PROBE_PAUSE) * 2, self.LONGEST_PAUSE)
