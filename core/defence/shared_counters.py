"""Rates that all processes count together, in Redis."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from typing import Any

import redis.asyncio as redis
import structlog
from redis.exceptions import RedisError

from core.defence.counters import Counter, LocalCounters, Refusal
from core.defence.metrics import REDIS_LOST

log = structlog.get_logger(__name__)

#: Seconds that Redis has for an answer, and that it is left alone after it gave none.
REDIS_PATIENCE = 0.25
REDIS_PAUSE = 5.0
PREFIX = "zhenjian:rate:"

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
