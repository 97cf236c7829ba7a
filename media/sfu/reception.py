"""What arrives of one RTP stream: order, holes, duplicates, loss, jitter (RFC 3550, appendix A)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aiortc.rtp import RtcpReceiverInfo

_MAX_DROPOUT = 3000
_MAX_HOLES = 512


@dataclass(slots=True)
class Hole:
    """A sequence number that has not arrived."""

    since: float
    asked: float = 0.0
    times: int = 0


class Reception:
    """Bookkeeping of one received stream.

    Sequence numbers are *extended*: 16-bit numbers continued over their wraps, so that they
    compare as integers. ``now`` is monotonic seconds.
    """

    HOLE_LIFE: Final = 1.0
    MAX_ASKS: Final = 8
    REORDERING: Final = 0.010

    def __init__(self, clock_rate: int) -> None:
        self.clock_rate = clock_rate
        self.highest = -1
        self.received = 0
        self.duplicates = 0
        self.recovered = 0
        self.jitter = 0.0
        self.holes: dict[int, Hole] = {}
        self._base = 0
        self._transit: float | None = None
        self._timestamp = -1
        self._expected_before = 0
        self._received_before = 0
        self._lsr = 0
        self._sr_at = 0.0

    def accept(self, sequence: int, timestamp: int, now: float, *, late: bool = False) -> int:
        """Take note of a packet; returns its extended number, or -1 when it is not new.

        ``late`` marks a retransmission: it may fill a hole and do nothing else.
        """
        if late:
            return self._fill_late(sequence)
        number = self.highest + 1
        if sequence == number & 0xFFFF and number:
            self.highest = number
            self.received += 1
            if timestamp != self._timestamp:
                self._note_jitter(timestamp, now)
            return number
        if self.highest < 0:
            # One wrap ahead, so that a packet from before the first one is still positive.
            self.highest = self._base = sequence + 0x10000
            self.received = 1
            return self.highest
        delta = (sequence - self.highest) & 0xFFFF
        if delta >= 0x8000:
            return self._fill(self.highest + delta - 0x10000)
        if delta == 0:
            self.duplicates += 1
            return -1
        if delta > _MAX_DROPOUT:
            # The sender began anew: the jump is no loss.
            self._base += delta - 1
            self.holes.clear()
        else:
            self._open_holes(self.highest + 1, delta - 1, now)
        self.highest += delta
        self.received += 1
        if timestamp != self._timestamp:
            self._note_jitter(timestamp, now)
        return self.highest

    def _fill_late(self, sequence: int) -> int:
        behind = (self.highest - sequence) & 0xFFFF
        if self.highest < 0 or behind >= 0x8000:
            return -1
        number = self._fill(self.highest - behind)
        self.recovered += number >= 0
        return number

    def _fill(self, number: int) -> int:
        if self.holes.pop(number, None) is None:
            self.duplicates += 1
            return -1
        self.received += 1
        return number

    def _open_holes(self, first: int, count: int, now: float) -> None:
        for number in range(first, first + count):
            self.holes[number] = Hole(now)
        while len(self.holes) > _MAX_HOLES:
            del self.holes[next(iter(self.holes))]

    def _note_jitter(self, timestamp: int, now: float) -> None:
        # Of a picture's packets the first one counts: the others leave later on purpose.
        self._timestamp = timestamp
        rate = self.clock_rate
        transit = now * rate - timestamp
        before, self._transit = self._transit, transit
        if before is None:
            return
        difference = abs(transit - before)
        if difference >= 10 * rate:
            # Timestamps wrap at 32 bits; a difference is small or means a new beginning.
            difference = abs((transit - before + 2**31) % 2**32 - 2**31)
            if difference >= 10 * rate:
                return
        self.jitter += (difference - self.jitter) / 16

    def missing(self, now: float, round_trip: float) -> tuple[list[int], bool]:
        """Numbers (16 bit) to ask for now, and whether any hole had to be given up.

        A hole is asked for once reordering is unlikely, again after each round trip, and given up
        after a second or eight requests.
        """
        ask: list[int] = []
        gone: list[int] = []
        pause = max(round_trip * 1.1, 0.02)
        for number, hole in self.holes.items():
            if now - hole.since > self.HOLE_LIFE or hole.times >= self.MAX_ASKS:
                gone.append(number)
            elif now - hole.since >= self.REORDERING and now - hole.asked >= pause:
                hole.asked = now
                hole.times += 1
                ask.append(number & 0xFFFF)
        for number in gone:
            del self.holes[number]
        return ask, bool(gone)

    def note_sender_report(self, ntp: int, now: float) -> None:
        """Remember an SR, so that the sender can compute its round trip from our next report."""
        self._lsr = (ntp >> 16) & 0xFFFFFFFF
        self._sr_at = now

    @property
    def lost(self) -> int:
        """Packets lost since the beginning; negative when there were duplicates."""
        return self.highest - self._base + 1 - self.received if self.highest >= 0 else 0

    def report(self, ssrc: int, now: float) -> tuple[RtcpReceiverInfo, float]:
        """The report block since the last one, and its fraction lost (0..1)."""
        expected = self.highest - self._base + 1
        expected_now = expected - self._expected_before
        lost_now = expected_now - (self.received - self._received_before)
        self._expected_before = expected
        self._received_before = self.received
        fraction = max(0.0, min(1.0, lost_now / expected_now)) if expected_now > 0 else 0.0
        delay = int((now - self._sr_at) * 65536) if self._lsr else 0
        block = RtcpReceiverInfo(
            ssrc=ssrc,
            fraction_lost=min(255, int(fraction * 256)),
            packets_lost=max(-(1 << 23), min((1 << 23) - 1, self.lost)),
            highest_sequence=self.highest & 0xFFFFFFFF,
            jitter=min(int(self.jitter), 0xFFFFFFFF),
            lsr=self._lsr,
            dlsr=min(delay, 0xFFFFFFFF),
        )
        return block, fraction
