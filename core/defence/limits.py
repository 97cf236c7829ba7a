"""The rate limits of a process: which counters a request takes from, and the answer when one is
empty.

Two checks: by address before anybody is authenticated, so that forged tokens cost little; by
person, or by address for public routes, once it is known who asks.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError

from core import settings
from core.defence.addresses import client_key
from core.defence.counters import Counter, Counters, LocalCounters
from core.defence.kinds import ADDRESS_TOTAL, ADDRESS_TOTAL_BURST, KINDS, Kind, Limit
from core.defence.metrics import RATE_LIMITED
from core.defence.rates import Rate, whole_seconds
from core.errors import RateLimited
from core.settings.cache import SettingsCache, Values
from core.settings.service import resolve

if TYPE_CHECKING:
    from core.config import Config
    from core.runtime import Runtime

log = structlog.get_logger(__name__)

_TITLES = {
    "person": "您的操作过于频繁，请稍后再试。",
    "address": "来自您所在网络的请求过多，请稍后再试。",
    "everybody": "使用此功能的人较多，请稍后再试。",
}


class RequestLimits:
    """The limits in force and where they are counted."""

    def __init__(self, counters: Counters, *, enabled: bool = True) -> None:
        self.counters = counters
        self.enabled = enabled
        self._person = {kind: own.person_rate(own.person.default) for kind, own in KINDS.items()}
        self._address = {kind: own.address_rate(own.address.default) for kind, own in KINDS.items()}
        self._total = _total(ADDRESS_TOTAL.default)
        self._values: Values | None = None
        self._reading = asyncio.Lock()

    @classmethod
    def of(cls, runtime: Runtime) -> Self:
        """The one of this process, made on first use."""
        limits = runtime.ports.get(cls)
        if limits is None:
            limits = cls(_counters(runtime.config), enabled=runtime.config.rate_limits)
            runtime.ports[cls] = limits
        return limits

    async def aclose(self) -> None:
        await self.counters.aclose()

    async def check_address(self, address: str, kind: Kind) -> None:
        """Count a request of anybody. Raises RateLimited."""
        # A calling system sends all its requests from one address; its kind counts them.
        if self.enabled and address and kind is not Kind.SERVICE:
            key = f"address:{client_key(address)}"
            await self._take(kind, [Counter("address", key, self._total)])

    async def check(
        self, runtime: Runtime, limit: Limit, name: str, user_id: UUID | None, address: str
    ) -> None:
        """Count a request to the route `name`. Raises RateLimited."""
        if not self.enabled:
            return
        await self._read_settings(runtime)
        who = f"person:{user_id}" if user_id else f"address:{client_key(address)}"
        scope = "person" if user_id else "address"
        rates = self._person if user_id else self._address
        counters = [Counter(scope, f"{limit.kind.value}:{who}", rates[limit.kind])]
        own = limit.person if user_id else limit.address
        if own is not None:
            counters.append(Counter(scope, f"{name}:{who}", own))
        if limit.everybody is not None:
            counters.append(Counter("everybody", f"{name}:everybody", limit.everybody))
        await self._take(limit.kind, counters)

    async def _take(self, kind: Kind, counters: list[Counter]) -> None:
        refusal = await self.counters.take(counters)
        if refusal is not None:
            scope, wait = refusal.counter.scope, whole_seconds(refusal.wait)
            RATE_LIMITED.labels(kind.value, scope).inc()
            details = {"scope": scope, "kind": kind.value}
            raise RateLimited(_TITLES[scope], retry_after=wait, details=details)

    async def _read_settings(self, runtime: Runtime) -> None:
        """Take over changed settings: they lie in memory, and a change drops them."""
        held = SettingsCache.of(runtime).held()
        if held is not None and held is self._values:
            return
        if held is None and not self._reading.locked():
            async with self._reading:
                try:
                    await settings.current(runtime, ADDRESS_TOTAL)
                except (SQLAlchemyError, OSError, TimeoutError) as error:
                    log.warning("rate_settings_not_read", error=repr(error))
            held = SettingsCache.of(runtime).held()
        if held is None:
            # Somebody else reads them, or nobody can: the values of a moment ago will do.
            return
        self._values = held
        for kind, own in KINDS.items():
            self._person[kind] = own.person_rate(resolve(held, own.person, None)[0])
            self._address[kind] = own.address_rate(resolve(held, own.address, None)[0])
        self._total = _total(resolve(held, ADDRESS_TOTAL, None)[0])


def _total(per_minute: int) -> Rate:
    return Rate(per_minute, max(60, round(per_minute * ADDRESS_TOTAL_BURST)))


def _counters(config: Config) -> Counters:
    if config.redis_url is None:
        return LocalCounters()
    # Loading it takes a while, and a process without one need not wait.
    from core.defence.shared_counters import RedisCounters

    return RedisCounters(config.redis_url.get_secret_value())
