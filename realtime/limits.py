"""How fast one user may send: token buckets in this process, shared by all his sockets."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from core.errors import RateLimited


@dataclass(frozen=True, slots=True)
class Limit:
    """`rate` a second on average, `burst` at once."""

    rate: float
    burst: int


SENDING = Limit(rate=10, burst=40)
HINTS = Limit(rate=5, burst=10)
EVERYTHING = Limit(rate=50, burst=200)

#: Events with a limit of their own; everything counts towards `EVERYTHING` as well.
BY_EVENT: dict[str, Limit] = {"message:send": SENDING, "typing": HINTS}

#: A full bucket says nothing that a missing one does not: forget them when there are too many.
MAX_BUCKETS = 50_000


class RateLimits:
    """Counts what each user sends; `clock` gives seconds and never goes back."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._buckets: dict[tuple[UUID, str], tuple[float, float]] = {}

    def check(self, user_id: UUID, event: str) -> None:
        """Count one event. Raises `rate_limited` with the seconds to wait."""
        self._take(user_id, "", EVERYTHING)
        limit = BY_EVENT.get(event)
        if limit is not None:
            self._take(user_id, event, limit)

    def _take(self, user_id: UUID, name: str, limit: Limit) -> None:
        now = self._clock()
        left, since = self._buckets.get((user_id, name), (float(limit.burst), now))
        left = min(float(limit.burst), left + (now - since) * limit.rate)
        if left < 1:
            self._buckets[user_id, name] = (left, now)
            raise RateLimited(retry_after=max(1, round((1 - left) / limit.rate)))
        if len(self._buckets) > MAX_BUCKETS:
            self._buckets.clear()
        self._buckets[user_id, name] = (left - 1, now)
