"""Judging a connection: the level that people see, and the bitrate that a sender is told."""

from __future__ import annotations

from typing import Final

GOOD, FAIR, POOR, BAD = 4, 3, 2, 1

# Up to this share of lost packets and this round trip in seconds, per level.
_LEVELS: Final = ((GOOD, 0.02, 0.2), (FAIR, 0.05, 0.4), (POOR, 0.12, 0.8))


def level(loss: float, round_trip: float | None, silent: float) -> int:
    """1 (bad) to 4 (good).

    ``loss`` is the worse of both directions (0..1), ``round_trip`` seconds or None when unknown,
    ``silent`` the seconds since the last packet of the peer.
    """
    if silent > 4.0:
        return BAD
    for value, most_loss, longest in _LEVELS:
        if loss <= most_loss and (round_trip or 0.0) <= longest:
            return value
    return BAD


class BitrateCap:
    """The bitrate that a publisher is told by REMB, from its viewers' reports.

    Falls by what viewers lose; falls to what the most crowded viewer has room for; rises by 8 % a
    second otherwise. Only a lack of room counts: receivers never estimate much more than they
    get, so that a still picture would starve the next lively one. One low estimate may be noise,
    the second in a row counts, and below ``PATIENT`` only loss is believed. With one stream for
    everybody the weakest viewer decides; viewers with layers of their own need simulcast.
    """

    LOWEST: Final = 150_000
    PATIENT: Final = 300_000
    START: Final = 800_000

    def __init__(self, highest: int) -> None:
        self.highest = highest
        self.bitrate = min(self.START, highest)
        self._crowded = 0

    def update(self, loss: float, room: float | None, flow: int) -> int:
        """Once a second: what to ask for in bit/s.

        ``loss`` is a viewer's worst (0..1), ``room`` the lowest ratio of a viewer's estimate to
        what it is sent, ``flow`` what the publisher sends in bit/s.
        """
        self._crowded = self._crowded + 1 if room is not None and room < 0.95 else 0
        if loss > 0.10:
            self.bitrate = int(self.bitrate * (1 - loss / 2))
        elif self._crowded >= 2 and room is not None:
            self.bitrate = min(self.bitrate, max(int(flow * room), self.PATIENT))
        elif loss < 0.02 and not self._crowded:
            self.bitrate = int(self.bitrate * 1.08)
        self.bitrate = max(self.LOWEST, min(self.bitrate, self.highest))
        return self.bitrate
