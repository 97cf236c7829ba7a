"""Bringing the log of each room to the sockets that listen to it in this process, in its order.

A feed knows the `seq` that it has delivered. What follows it directly is delivered at once;
anything else is only a hint that there is more, and the feed fetches what it lacks. So every
process delivers every room in the one order of its log, whatever the bus loses, doubles or turns
round.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError

from realtime.schemas import MessageView

log = structlog.get_logger(__name__)

#: Entries fetched at once.
FETCH_LIMIT = 500

Fetch = Callable[[dict[UUID, int], int], Awaitable[list[MessageView]]]
#: Must not wait: an entry that overtook another would break the order.
Deliver = Callable[[MessageView], None]


@dataclass
class Feed:
    """`last` is None until the first listener has read where the room stands."""

    listeners: int = 0
    last: int | None = None
    head: int = 0

    @property
    def lacks(self) -> bool:
        return self.last is not None and self.last < self.head


class Feeds:
    """The feeds of all rooms that somebody here listens to."""

    def __init__(self, fetch: Fetch, deliver: Deliver) -> None:
        self._fetch = fetch
        self._deliver = deliver
        self._feeds: dict[UUID, Feed] = {}
        self._fetching = False

    def __len__(self) -> int:
        return len(self._feeds)

    def subscribe(self, room_id: UUID) -> None:
        """Count a listener in, before it reads where the room stands."""
        self._feeds.setdefault(room_id, Feed()).listeners += 1

    def unsubscribe(self, room_id: UUID) -> None:
        feed = self._feeds.get(room_id)
        if feed is not None:
            feed.listeners -= 1
            if feed.listeners <= 0:
                del self._feeds[room_id]

    async def start(self, room_id: UUID, seq: int) -> None:
        """A listener has read the room up to `seq`; what came meanwhile is delivered now."""
        feed = self._feeds.get(room_id)
        if feed is None:
            return
        if feed.last is None:
            feed.last = seq
        feed.head = max(feed.head, seq)
        await self.catch_up()

    async def offer(self, messages: Sequence[MessageView]) -> None:
        """Entries just committed here: deliver those that follow directly, fetch otherwise."""
        for message in messages:
            feed = self._feeds.get(message.room)
            if feed is None:
                continue
            feed.head = max(feed.head, message.seq)
            if feed.last is not None and message.seq == feed.last + 1:
                feed.last = message.seq
                self._deliver(message)
        await self.catch_up()

    async def hint(self, heads: Mapping[UUID, int]) -> None:
        """These rooms have come to these `seq`, somewhere."""
        for room_id, seq in heads.items():
            feed = self._feeds.get(room_id)
            if feed is not None:
                feed.head = max(feed.head, seq)
        await self.catch_up()

    def rooms(self) -> list[UUID]:
        return list(self._feeds)

    async def catch_up(self) -> None:
        """Fetch and deliver what any feed lacks; one fetch at a time, so that order is kept."""
        if self._fetching:
            return
        self._fetching = True
        try:
            while lacking := {r: f.last or 0 for r, f in self._feeds.items() if f.lacks}:
                await self._fetch_for(lacking)
        except (SQLAlchemyError, OSError) as error:
            # Whoever called has done his part; the next hint or sweep tries again.
            log.warning("feed_fetch_failed", error=repr(error))
        finally:
            self._fetching = False

    async def _fetch_for(self, lacking: dict[UUID, int]) -> None:
        found = await self._fetch(lacking, FETCH_LIMIT)
        for message in found:
            feed = self._feeds.get(message.room)
            # What the log itself lacks is not waited for, so a fetch always moves on.
            if feed is not None and feed.last is not None and message.seq > feed.last:
                feed.last = message.seq
                self._deliver(message)
        if not found:
            # A hint without anything behind it: nothing above the cursor is committed.
            for room_id in lacking:
                feed = self._feeds.get(room_id)
                if feed is not None and feed.last is not None:
                    feed.head = min(feed.head, feed.last)
