"""Where rates are counted: in this process (`shared_counters`: in Redis for all together).

A check names several counters at once and takes from all of them or from none, so that a request
refused by one limit does not use up another.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from core.defence.rates import Rate, judge

#: Counters that one process keeps; a counter that is full again is forgotten first.
MOST_COUNTERS = 100_000
#: Seconds between two searches for counters that may be forgotten.
SWEEP_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Counter:
    """One thing to count: `key` says whose, `scope` is told to the refused (`person` …)."""

    scope: str
    key: str
    rate: Rate


@dataclass(frozen=True, slots=True)
class Refusal:
    """The counter that is exhausted, and the seconds until it admits one more."""

    counter: Counter
    wait: float


class Counters(Protocol):
    """Counts requests; `take` returns None when all counters admit one more."""

    async def take(self, counters: Sequence[Counter]) -> Refusal | None: ...

    async def aclose(self) -> None: ...


class LocalCounters:
    """Counters of this process; `clock` gives seconds and never goes back."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, most: int = MOST_COUNTERS
    ) -> None:
        self._clock = clock
        self._most = most
        self._arrivals: dict[str, float] = {}
        self._swept_at = -SWEEP_SECONDS

    def __len__(self) -> int:
        return len(self._arrivals)

    async def take(self, counters: Sequence[Counter]) -> Refusal | None:
        return self.take_now(counters)

    def take_now(self, counters: Sequence[Counter]) -> Refusal | None:
        """`take` for callers that cannot wait."""
        now, arrivals = self._clock(), {}
        for counter in counters:
            verdict = judge(counter.rate, self._arrivals.get(counter.key), now)
            if not verdict.admitted:
                self._keep(counter.key, self._arrivals[counter.key])
                return Refusal(counter, verdict.wait)
            arrivals[counter.key] = verdict.arrival
        for key, arrival in arrivals.items():
            self._keep(key, arrival)
        if len(self._arrivals) > self._most:
            self._shrink(now)
        return None

    def _keep(self, key: str, arrival: float) -> None:
        # Taken out first, so that the order of the dictionary is the order of the last use.
        self._arrivals.pop(key, None)
        self._arrivals[key] = arrival

    def _shrink(self, now: float) -> None:
        if now - self._swept_at >= SWEEP_SECONDS:
            self._swept_at = now
            self._arrivals = {key: at for key, at in self._arrivals.items() if at > now}
        while len(self._arrivals) > self._most:
            del self._arrivals[next(iter(self._arrivals))]

    async def aclose(self) -> None:
        self._arrivals.clear()
