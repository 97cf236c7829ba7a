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
    """The bitrate that a publisher is told by REMB: additive care, from its viewers' reports.

    Falls by what viewers lose, rises by 8 % a second while they lose little, and never exceeds
    what the weakest viewer estimates for itself. With one stream for everybody that is the
    honest choice; viewers with their own layers need simulcast.
    """

    LOWEST: Final = 150_000
    START: Final = 800_000

    def __init__(self, highest: int) -> None:
        self.highest = highest
        self.bitrate = min(self.START, highest)

    def update(self, loss: float, estimate: int | None) -> int:
        """Once a second: the worst loss of a viewer (0..1), the lowest estimate (bit/s)."""
        if loss > 0.10:
            self.bitrate = int(self.bitrate * (1 - loss / 2))
        elif loss < 0.02:
            self.bitrate = int(self.bitrate * 1.08)
        self.bitrate = max(self.LOWEST, min(self.bitrate, self.highest))
        if estimate is None:
            return self.bitrate
        return max(self.LOWEST, min(self.bitrate, estimate))
