"""Feeds deliver every room once and in the order of its log, whatever they are told and when."""

from __future__ import annotations

import asyncio
import uuid
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime import feeds
from realtime.feeds import MOST_EARLY, Feeds
from realtime.groups import Entry
from realtime.rules import MessageKind

ROOM, OTHER = uuid.uuid4(), uuid.uuid4()


def entry(seq: int, room: UUID = ROOM) -> Entry:
    return Entry(room, seq, MessageKind.TEXT, b"{}")


class Log:
    """What is committed, and what feeds made of it."""

    def __init__(self) -> None:
        self.heads: dict[UUID, int] = {}
        self.fetched: list[dict[UUID, int]] = []
        self.told: list[tuple[UUID, int]] = []
        self.down = False
        self.feeds = Feeds(self.above, lambda each: self.told.append((each.room, each.seq)))

    async def above(self, cursors: dict[UUID, int], limit: int) -> list[Entry]:
        """As the database: what is committed when it looks, told a moment later."""
        self.fetched.append(cursors)
        if self.down:
            raise ConnectionError
        found = [
            entry(seq, room)
            for room, after in cursors.items()
            for seq in range(after + 1, self.heads.get(room, 0) + 1)
        ]
        await asyncio.sleep(0)
        return found[:limit]

    def listen(self, *rooms: UUID) -> None:
        for room in rooms:
            self.feeds.subscribe(room)
            self.feeds.start(room, self.heads.setdefault(room, 0))

    def commit(self, count: int, room: UUID = ROOM) -> list[Entry]:
        first = self.heads.get(room, 0) + 1
        self.heads[room] = first + count - 1
        return [entry(seq, room) for seq in range(first, first + count)]

    def of(self, room: UUID = ROOM) -> list[int]:
        return [seq for each, seq in self.told if each == room]

    async def arrives(self, seq: int, room: UUID = ROOM) -> None:
        async with asyncio.timeout(5):
            while self.of(room)[-1:] != [seq]:
                await asyncio.sleep(0.001)


async def test_what_follows_directly_is_delivered_at_once_and_nothing_is_fetched() -> None:
    log = Log()
    log.listen(ROOM)
    log.feeds.offer(log.commit(3))
    assert log.of() == [1, 2, 3]
    await asyncio.sleep(3 * feeds.PATIENCE_SECONDS)
    assert log.fetched == []


async def test_entries_that_overtook_wait_for_those_below_and_nothing_is_fetched() -> None:
    log = Log()
    log.listen(ROOM)
    first, second, third = log.commit(3)
    log.feeds.offer([third])
    log.feeds.offer([second])
    assert log.of() == []
    log.feeds.offer([first])
    assert log.of() == [1, 2, 3]
    await asyncio.sleep(3 * feeds.PATIENCE_SECONDS)
    assert log.fetched == []


async def test_an_entry_that_never_comes_is_fetched_and_what_waited_follows_it() -> None:
    log = Log()
    log.listen(ROOM)
    _, *others = log.commit(3)
    log.feeds.offer(others)
    await log.arrives(3)
    assert log.of() == [1, 2, 3]
    assert len(log.fetched) == 1
    # The lost one comes after all, and all of them again.
    log.feeds.offer([entry(1), *others])
    assert log.of() == [1, 2, 3]
    assert not log.feeds.wants(ROOM, 3)
    assert log.feeds.wants(ROOM, 4)


async def test_an_entry_that_comes_while_it_is_fetched_is_delivered_once() -> None:
    log = Log()
    log.listen(ROOM)
    [first] = log.commit(1)
    log.feeds.hint({ROOM: 1})
    await asyncio.sleep(0)
    log.feeds.offer([first])
    assert log.of() == [1]
    log.feeds.offer(log.commit(1))
    await asyncio.sleep(0.02)
    assert log.of() == [1, 2]


async def test_hints_that_come_together_are_fetched_together() -> None:
    log, rooms = Log(), [uuid.uuid4() for _ in range(50)]
    log.listen(*rooms)
    for room in rooms:
        log.commit(1, room)
        log.feeds.hint({room: 1})
        await asyncio.sleep(0)
    await log.arrives(1, rooms[-1])
    assert sorted(log.told) == sorted((room, 1) for room in rooms)
    assert len(log.fetched) <= 5


async def test_what_waits_is_bounded_and_the_log_has_the_rest() -> None:
    log = Log()
    log.listen(ROOM)
    _, *others = log.commit(3 * MOST_EARLY)
    log.feeds.offer(others)
    assert len(log.feeds._feeds[ROOM].early or ()) == MOST_EARLY
    await log.arrives(3 * MOST_EARLY)
    assert log.of() == list(range(1, 3 * MOST_EARLY + 1))
    assert log.feeds._feeds[ROOM].early is None


async def test_a_hint_of_what_is_not_committed_is_forgotten_unless_it_was_given_again() -> None:
    log = Log()
    log.listen(ROOM)
    log.feeds.hint({ROOM: 5})
    await asyncio.sleep(0.02)
    assert log.fetched == [{ROOM: 0}]
    assert log.feeds.known() == {ROOM: 0}
    log.feeds.hint({ROOM: 1})
    await asyncio.sleep(0)
    # It was committed after the database looked, and is hinted at before the answer is there.
    log.commit(2)
    log.feeds.hint({ROOM: 2})
    await log.arrives(2)
    assert log.of() == [1, 2]


async def test_before_the_room_was_read_entries_are_only_noted() -> None:
    log = Log()
    log.commit(2)
    log.feeds.subscribe(ROOM)
    assert not log.feeds.wants(ROOM, 2)
    log.feeds.offer([entry(2)])
    assert log.of() == []
    log.feeds.start(ROOM, 1)
    await log.arrives(2)
    assert log.of() == [2]
    assert not log.feeds.wants(OTHER, 1)


async def test_what_could_not_be_fetched_is_tried_again_with_the_next_look() -> None:
    log = Log()
    log.listen(ROOM)
    _, second = log.commit(2)
    log.down = True
    log.feeds.offer([second])
    async with asyncio.timeout(5):
        while not log.fetched:
            await asyncio.sleep(0.001)
    await asyncio.sleep(0.01)
    assert log.of() == []
    log.down = False
    log.feeds.hint({})
    await log.arrives(2)
    assert log.of() == [1, 2]


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["commit", "offer", "again", "lose", "hint", "wait"]), st.integers(0, 9)
    ),
    max_size=60,
)


@given(STEPS)
def test_whatever_is_lost_doubled_or_turned_round_each_room_arrives_once_and_in_order(
    steps: list[tuple[str, int]],
) -> None:
    async def play() -> None:
        log = Log()
        log.listen(ROOM, OTHER)
        under_way: list[Entry] = []
        seen: list[Entry] = []
        for step, number in steps:
            room = (ROOM, OTHER)[number % 2]
            match step:
                case "commit":
                    under_way += log.commit(1 + number // 4, room)
                case "offer" | "lose" if under_way:
                    taken = under_way.pop(number % len(under_way))
                    if step == "offer":
                        log.feeds.offer([taken])
                        seen.append(taken)
                case "again" if seen:
                    log.feeds.offer([seen[number % len(seen)]])
                case "hint":
                    log.feeds.hint({room: log.heads[room]})
                case "wait":
                    await asyncio.sleep(number / 2000)
        # The sweep.
        log.feeds.hint(dict(log.heads))
        async with asyncio.timeout(5):
            while any(len(log.of(room)) < head for room, head in log.heads.items()):
                await asyncio.sleep(0.001)
        for room in (ROOM, OTHER):
            assert log.of(room) == list(range(1, log.heads[room] + 1))
        await log.feeds.stop()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(feeds, "PATIENCE_SECONDS", 0.002)
        patch.setattr(feeds, "GATHER_SECONDS", 0.001)
        asyncio.run(play())
