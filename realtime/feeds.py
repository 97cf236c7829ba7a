"""Bringing the log of each room to the sockets that listen to it in this process, in its order.

A feed knows the `seq` that it has delivered. What follows it directly is delivered at once;
anything else is only a hint that there is more, and the feed fetches what it lacks. So every
process delivers every room in the one order of its log, whatever the bus loses, doubles or turns
round.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError

from realtime.groups import Entry

log = structlog.get_logger(__name__)

#: Entries fetched at once.
FETCH_LIMIT = 500

Fetch = Callable[[dict[UUID, int], int], Awaitable[list[Entry]]]
#: Must not wait: an entry that overtook another would break the order.
Deliver = Callable[[Entry], None]


@dataclass(slots=True)
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
        self._lacking: set[UUID] = set()
        self._fetching: asyncio.Task[None] | None = None

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

    def start(self, room_id: UUID, seq: int) -> None:
        """A listener has read the room up to `seq`; what came meanwhile is delivered now."""
        feed = self._feeds.get(room_id)
        if feed is None:
            return
        if feed.last is None:
            feed.last = seq
        self._raise_head(room_id, feed, seq)
        self._catch_up()

    def offer(self, messages: Sequence[Entry]) -> None:
        """Entries just committed here: deliver those that follow directly, fetch otherwise."""
        for message in messages:
            feed = self._feeds.get(message.room)
            if feed is None:
                continue
            if feed.last is not None and message.seq == feed.last + 1:
                feed.last = message.seq
                self._deliver(message)
            self._raise_head(message.room, feed, message.seq)
        self._catch_up()

    def hint(self, heads: Mapping[UUID, int]) -> None:
        """These rooms have come to these `seq`, somewhere."""
        for room_id, seq in heads.items():
            feed = self._feeds.get(room_id)
            if feed is not None:
                self._raise_head(room_id, feed, seq)
        self._catch_up()

    def known(self) -> dict[UUID, int]:
        """How far each room is known to have come."""
        return {room_id: feed.head for room_id, feed in self._feeds.items()}

    def _raise_head(self, room_id: UUID, feed: Feed, seq: int) -> None:
        feed.head = max(feed.head, seq)
        if feed.lacks:
            self._lacking.add(room_id)

    def _catch_up(self) -> None:
        """Fetch what feeds lack; one fetch at a time, so that order is kept."""
        if self._lacking and (self._fetching is None or self._fetching.done()):
            self._fetching = asyncio.create_task(self._fetch_all())

    async def _fetch_all(self) -> None:
        try:
            while cursors := self._cursors():
                await self._fetch_for(cursors)
        except (SQLAlchemyError, OSError) as error:
            # The next hint or sweep tries again.
            log.warning("feed_fetch_failed", error=repr(error))

    def _cursors(self) -> dict[UUID, int]:
        found = {}
        for room_id in tuple(self._lacking):
            feed = self._feeds.get(room_id)
            if feed is not None and feed.last is not None and feed.lacks:
                found[room_id] = feed.last
            else:
                self._lacking.discard(room_id)
        return found

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
