"""How fast one user may send: token buckets in this process, shared by all his sockets.

Somebody with sockets on several processes has his share of the limit on each, so all his sockets
together may send what one may, without a word between processes for every message.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from uuid import UUID

from core.errors import RateLimited


@dataclass(frozen=True, slots=True)
class Limit:
    """`rate` a second on average, `burst` at once."""

    rate: float
    burst: int


#: What every event counts towards, whatever else it counts towards.
ALL = "*"
LIMITS: Mapping[str, Limit] = {
    ALL: Limit(rate=50, burst=200),
    "message:send": Limit(rate=10, burst=40),
    "typing": Limit(rate=5, burst=10),
}

#: A full bucket says nothing that a missing one does not: forget them when there are too many.
MAX_BUCKETS = 50_000


class RateLimits:
    """Counts what each user sends; `clock` gives seconds and never goes back. `nodes_of` says on
    how many processes he has sockets.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        limits: Mapping[str, Limit] = LIMITS,
        nodes_of: Callable[[UUID], int] = lambda _: 1,
    ) -> None:
        self._clock = clock
        self._limits = limits
        self._nodes_of = nodes_of
        # By the number in the id: hashing an id itself costs more than all the rest here.
        self._buckets: dict[tuple[int, str], tuple[float, float]] = {}

    def check(self, user_id: UUID, event: str) -> None:
        """Count one event. Raises `rate_limited` with the seconds to wait."""
        now, nodes = self._clock(), self._nodes_of(user_id)
        for name in (ALL, event):
            if (limit := self._limits.get(name)) is not None:
                self._take(user_id.int, name, limit, now, nodes)

    def _take(self, user_id: int, name: str, limit: Limit, now: float, nodes: int) -> None:
        rate, burst = limit.rate / nodes, max(1.0, limit.burst / nodes)
        left, since = self._buckets.get((user_id, name), (burst, now))
        left = min(burst, left + (now - since) * rate)
        if left < 1:
            self._buckets[user_id, name] = (left, now)
            raise RateLimited(retry_after=max(1, round((1 - left) / rate)))
        if len(self._buckets) > MAX_BUCKETS:
            self._buckets.clear()
        self._buckets[user_id, name] = (left - 1, now)
