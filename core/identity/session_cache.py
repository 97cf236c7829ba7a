"""What a process remembers of live sessions for a few seconds, so that not every request asks.

Revocations arrive through the bus at once; a lost hint is healed after `FRESH_SECONDS`.
"""

import time
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID

from core.identity.roles import Role

if TYPE_CHECKING:
    from core.runtime import Runtime

#: A session ended. Payload: {session_id, user_id, reason}. Sockets of it drop.
REVOKED_CHANNEL = "session.revoked"
#: A user's roles, name or standing changed. Payload: {user_id}.
USER_CHANNEL = "user.changed"

FRESH_SECONDS = 5.0
CAPACITY = 20_000


@dataclass(frozen=True, slots=True)
class LiveSession:
    """The facts behind one access token, as the database had them.

    `user_id` is None when there is no such session. From `idle_after` and `over_after` on it has
    ended by itself. While something is pending only the routes that settle it are open.
    """

    user_id: UUID | None
    name: str
    device_id: str
    revoked: bool
    enabled: bool
    assigned: bool
    department_ids: frozenset[UUID]
    active_at: datetime | None = None
    idle_after: datetime | None = None
    over_after: datetime | None = None
    second_factor_at: datetime | None = None
    second_factor_pending: bool = False
    password_change_pending: bool = False


Key = tuple[UUID, UUID, Role]


class SessionCache:
    """By session, hospital and role; bounded, oldest out first."""

    def __init__(self) -> None:
        self._entries: dict[Key, tuple[float, LiveSession]] = {}
        # By session and by user, so that nobody looks through thousands of entries for one.
        self._keys_of: dict[UUID | None, set[Key]] = {}
        self.generation = 0

    @classmethod
    def of(cls, runtime: "Runtime") -> Self:
        """The cache of this process, made and subscribed on first use."""
        cache = runtime.ports.get(cls)
        if cache is None:
            cache = runtime.ports[cls] = cls()
            runtime.bus.subscribe(REVOKED_CHANNEL, cache.on_hint)
            runtime.bus.subscribe(USER_CHANNEL, cache.on_hint)
        return cache

    def get(self, key: Key) -> LiveSession | None:
        """A fresh entry or None."""
        found = self._entries.get(key)
        if found is None or time.monotonic() - found[0] > FRESH_SECONDS:
            return None
        return found[1]

    def put(self, key: Key, session: LiveSession, generation: int) -> None:
        """Remember what was read, unless something was revoked since the reading began."""
        if generation != self.generation:
            return
        self._forget(key)
        self._entries[key] = (time.monotonic(), session)
        for each in (key[0], session.user_id):
            self._keys_of.setdefault(each, set()).add(key)
        while len(self._entries) > CAPACITY:
            self._forget(next(iter(self._entries)))

    def note_active(self, session_id: UUID, now: datetime) -> None:
        """Somebody acted in this session: move its idle limit without asking again."""
        for key in self._keys_of.get(session_id, ()):
            read_at, live = self._entries[key]
            if live.active_at is not None and live.idle_after is not None:
                later = live.idle_after + (now - live.active_at)
                self._entries[key] = (read_at, replace(live, active_at=now, idle_after=later))

    async def on_hint(self, payload: dict[str, Any]) -> None:
        """Bus listener: forget the session, or everything of the user."""
        self.generation += 1
        whose = payload.get("session_id") or payload.get("user_id")
        if whose is not None:
            for key in tuple(self._keys_of.get(UUID(whose), ())):
                self._forget(key)

    def _forget(self, key: Key) -> None:
        found = self._entries.pop(key, None)
        if found is None:
            return
        for each in (key[0], found[1].user_id):
            keys = self._keys_of[each]
            keys.discard(key)
            if not keys:
                del self._keys_of[each]
