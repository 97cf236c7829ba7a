"""The rule of a rate limit, without I/O: the generic cell rate algorithm (ITU-T I.371).

One number per counter is enough: the theoretical arrival time, at which the bucket will be full
again. It is compared with the clock, so nothing has to run in the background.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rate:
    """`per_minute` on average, `burst` at once (both at least 1)."""

    per_minute: float
    burst: int

    def __post_init__(self) -> None:
        if self.per_minute <= 0 or self.burst < 1:
            raise ValueError("A rate lets something through.")

    @property
    def interval(self) -> float:
        """Seconds that one request costs."""
        return 60.0 / self.per_minute

    @property
    def tolerance(self) -> float:
        """Seconds that the arrival time may run ahead of the clock."""
        return self.interval * self.burst


@dataclass(frozen=True, slots=True)
class Verdict:
    """`arrival` is the value to keep when `wait` is 0; otherwise `wait` seconds remain."""

    arrival: float
    wait: float

    @property
    def admitted(self) -> bool:
        return self.wait <= 0


def judge(rate: Rate, arrival: float | None, now: float) -> Verdict:
    """Whether one more request conforms. `arrival` is the kept value, None for an unseen key."""
    following = max(now, arrival if arrival is not None else now) + rate.interval
    wait = following - rate.tolerance - now
    # Sums of floats: a nanosecond is no reason to refuse.
    return Verdict(following, wait if wait > 1e-9 else 0.0)


def whole_seconds(wait: float) -> int:
    """What `Retry-After` says: never zero, never too early."""
    return max(1, math.ceil(wait))
