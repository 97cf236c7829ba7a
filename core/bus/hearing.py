"""The watchdog of a bus: a process sends itself a word and must hear it.

A subscription can be dead while its connection looks alive: a firewall forgot it, the server hangs,
a proxy swallows what it should pass on. Only something that went the whole way proves the way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from core.bus.metrics import DEAF, HEARING

log = structlog.get_logger(__name__)

PING_SECONDS = 1.5
#: Silence after which a bus counts as deaf and is set up anew. With the pause between two pings it
#: must stay well below ten seconds.
DEAF_SECONDS = 5.0


class Hearing:
    """Notices within `patience` seconds that a bus hears nothing any more.

    `ping` sends the word and must not wait; `heal` throws the connections away; `back` is called
    when it hears again.
    """

    def __init__(
        self,
        ping: Callable[[], None],
        heal: Callable[[], None],
        back: Callable[[], None],
        *,
        every: float = PING_SECONDS,
        patience: float = DEAF_SECONDS,
    ) -> None:
        self._ping, self._heal, self._back = ping, heal, back
        self._every, self._patience = every, patience
        self._heard_at = 0.0
        self._healed_at = 0.0
        self.deaf = True

    def heard(self) -> None:
        """Something arrived that a process sent to the bus: it works."""
        self._heard_at = asyncio.get_running_loop().time()
        if self.deaf:
            self.deaf = False
            HEARING.set(1)
            self._back()

    def lost(self) -> None:
        """A connection broke: what is published now does not arrive."""
        if not self.deaf:
            self.deaf = True
            HEARING.set(0)

    async def run(self) -> None:
        self._heard_at = asyncio.get_running_loop().time()
        while True:
            self._ping()
            await asyncio.sleep(self._every)
            self._look(asyncio.get_running_loop().time())

    def _look(self, now: float) -> None:
        silent = now - self._heard_at
        if silent < self._patience or now - self._healed_at < self._patience:
            return
        self._healed_at = now
        self.lost()
        DEAF.inc()
        log.warning("bus_deaf", silent_seconds=round(silent, 1))
        self._heal()
