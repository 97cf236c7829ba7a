"""Where rates are counted: in this process, or in Redis for all processes together.

A check names several counters at once and takes from all of them or from none, so that a request
refused by one limit does not use up another.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import redis.asyncio as redis
import structlog
from redis.exceptions import RedisError

from core.defence.metrics import REDIS_LOST
from core.defence.rates import Rate, judge

log = structlog.get_logger(__name__)

#: Counters that one process keeps; a counter that is full again is forgotten first.
MOST_COUNTERS = 100_000
#: Seconds between two searches for counters that may be forgotten.
SWEEP_SECONDS = 1.0
#: Seconds that Redis has for an answer, and that it is left alone after it gave none.
REDIS_PATIENCE = 0.25
REDIS_PAUSE = 5.0
PREFIX = "zhenjian:rate:"


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


# The rule of `rates.judge`, with the clock of Redis. Answers {0, ""} or {index, seconds to wait}.
_SCRIPT = """
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
local arrivals = {}
for i, key in ipairs(KEYS) do
  local interval, tolerance = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local arrival = tonumber(redis.call('GET', key) or now)
  local following = math.max(now, arrival) + interval
  local wait = following - tolerance - now
  if wait > 0.000001 then
    return {i, tostring(wait)}
  end
  arrivals[i] = following
end
for i, key in ipairs(KEYS) do
  local left = math.ceil((arrivals[i] - now) * 1000)
  redis.call('SET', key, string.format('%.6f', arrivals[i]), 'PX', math.max(1, left))
end
return {0, ''}
"""


class RedisCounters:
    """Counters that all processes share. While Redis does not answer, each counts for itself.

    Keys are digests: neither addresses nor user ids lie in Redis.
    """

    def __init__(self, url: str, fallback: LocalCounters | None = None) -> None:
        self._redis: Any = redis.Redis.from_url(
            url, socket_timeout=REDIS_PATIENCE, socket_connect_timeout=REDIS_PATIENCE
        )
        self._script = self._redis.register_script(_SCRIPT)
        self._fallback = fallback or LocalCounters()
        self._lost_until = 0.0

    async def take(self, counters: Sequence[Counter]) -> Refusal | None:
        if time.monotonic() < self._lost_until:
            return self._fallback.take_now(counters)
        keys = [PREFIX + _digest(counter.key) for counter in counters]
        numbers = [
            str(number)
            for counter in counters
            for number in (counter.rate.interval, counter.rate.tolerance)
        ]
        try:
            index, wait = await self._script(keys=keys, args=numbers)
        except (RedisError, OSError, TimeoutError) as error:
            # Losing the shared count must not close the house: each process still counts.
            self._lost_until = time.monotonic() + REDIS_PAUSE
            REDIS_LOST.inc()
            log.warning("rate_counters_lost", error=repr(error))
            return self._fallback.take_now(counters)
        return Refusal(counters[index - 1], float(wait)) if index else None

    async def aclose(self) -> None:
        await self._redis.aclose()


def _digest(key: str) -> str:
    return hashlib.blake2s(key.encode(), digest_size=16).hexdigest()
