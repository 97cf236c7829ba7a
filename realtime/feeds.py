"""Bringing the log of each room to the sockets that listen to it in this process, in its order.

A feed knows the `seq` that it has delivered. What follows it directly is delivered at once. What
came before the entries below it waits for them a moment; when they do not come, and for a mere hint
that there is more, the feed fetches what it lacks. So every process delivers every room in the one
order of its log, whatever the bus loses, doubles or turns round.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError

from core.bus import LOST
from realtime.groups import Entry

log = structlog.get_logger(__name__)

#: Entries fetched at once.
FETCH_LIMIT = 500
#: Seconds in which hints gather behind a fetch: a fetch costs the same for one room as for thirty.
GATHER_SECONDS = 0.003
#: Seconds that an entry waits for those below it. Two processes that speak in one room at the same
#: moment are told of each other's words in either order, and both are under way already.
PATIENCE_SECONDS = 0.015
#: Entries of a room that may wait so; the log has them as well.
MOST_EARLY = 64

Fetch = Callable[[dict[UUID, int], int], Awaitable[list[Entry]]]
#: Must not wait: an entry that overtook another would break the order.
Deliver = Callable[[Entry], None]


@dataclass(slots=True)
class Feed:
    """`last` is None until the first listener has read where the room stands. `early`: entries
    above a hole, by `seq`.
    """

    listeners: int = 0
    last: int | None = None
    head: int = 0
    early: dict[int, Entry] | None = None

    @property
    def lacks(self) -> bool:
        return self.last is not None and self.last < self.head

    def keep(self, entry: Entry) -> None:
        """Let an entry wait for those below it."""
        if self.early is None:
            self.early = {}
        if len(self.early) < MOST_EARLY:
            self.early[entry.seq] = entry


class Feeds:
    """The feeds of all rooms that somebody here listens to."""

    def __init__(self, fetch: Fetch, deliver: Deliver) -> None:
        self._fetch = fetch
        self._deliver = deliver
        self._feeds: dict[UUID, Feed] = {}
        self._lacking: set[UUID] = set()
        self._holes: set[UUID] = set()
        self._patience: asyncio.TimerHandle | None = None
        self._fetching: asyncio.Task[None] | None = None

    async def stop(self) -> None:
        """Fetch no more."""
        if self._patience is not None:
            self._patience.cancel()
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.gather(self._fetching, return_exceptions=True)

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

    def wants(self, room_id: UUID, seq: int) -> bool:
        """Whether this entry is of use here; before the room was read it is only noted."""
        feed = self._feeds.get(room_id)
        if feed is None:
            return False
        if feed.last is None:
            feed.head = max(feed.head, seq)
            return False
        return seq > feed.last and not (feed.early and seq in feed.early)

    def offer(self, messages: Sequence[Entry]) -> None:
        """Entries that are committed: deliver those that follow directly, and soon the others."""
        for message in messages:
            feed = self._feeds.get(message.room)
            if feed is None:
                continue
            feed.head = max(feed.head, message.seq)
            if feed.last is None:
                continue
            if message.seq == feed.last + 1:
                self._advance(feed, message)
            elif message.seq > feed.last:
                feed.keep(message)
            if feed.lacks:
                self._holes.add(message.room)
        if self._holes and self._patience is None:
            loop = asyncio.get_running_loop()
            self._patience = loop.call_later(PATIENCE_SECONDS, self._fill_holes)

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

    def _advance(self, feed: Feed, entry: Entry) -> None:
        """Deliver an entry and what waited for it."""
        following: Entry | None = entry
        while following is not None:
            feed.last = following.seq
            self._deliver(following)
            following = feed.early.pop(feed.last + 1, None) if feed.early else None
        if not feed.lacks:
            feed.early = None

    def _fill_holes(self) -> None:
        self._patience = None
        self._lacking |= self._holes
        self._holes.clear()
        self._catch_up()

    def _catch_up(self) -> None:
        """Fetch what feeds lack; one fetch at a time, so that order is kept."""
        if self._lacking and (self._fetching is None or self._fetching.done()):
            self._fetching = asyncio.create_task(self._fetch_all())

    async def _fetch_all(self) -> None:
        try:
            while cursors := self._cursors():
                if await self._fetch_for(cursors) < FETCH_LIMIT:
                    await asyncio.sleep(GATHER_SECONDS)
        except (SQLAlchemyError, *LOST) as error:
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

    async def _fetch_for(self, lacking: dict[UUID, int]) -> int:
        """Fetch for these rooms; how many entries there were."""
        heads = {room_id: self._feeds[room_id].head for room_id in lacking}
        found = await self._fetch(lacking, FETCH_LIMIT)
        for message in found:
            feed = self._feeds.get(message.room)
            # What the log itself lacks is not waited for, so a fetch always moves on.
            if feed is not None and feed.last is not None and message.seq > feed.last:
                self._advance(feed, message)
        if not found:
            # A hint without anything behind it: nothing above the cursor is committed. What was
            # hinted at meanwhile is asked for again.
            for room_id, head in heads.items():
                feed = self._feeds.get(room_id)
                if feed is not None and feed.last is not None and feed.head == head:
                    feed.head = min(feed.head, feed.last)
        return len(found)
