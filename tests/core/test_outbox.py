"""The outbox: nothing announced is lost, order is kept where it matters, failure is visible."""

from __future__ import annotations

import asyncio
import dataclasses
import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from core import outbox
from core.clock import FakeClock
from core.events import Event, Handlers, dump, event, load
from core.outbox import MAX_ATTEMPTS, OutboxDelivery, Relay, retry_delay
from core.runtime import Runtime
from core.uow import UnitOfWork

HOSPITAL = uuid.uuid4()


@event("tests.lamp_lit")
@dataclasses.dataclass(frozen=True, kw_only=True)
class LampLit(Event):
    """A lamp went on, in a test."""

    number: int


def lamp(runtime: Runtime, number: int, aggregate: uuid.UUID | None = None) -> LampLit:
    return LampLit(
        hospital_id=HOSPITAL,
        aggregate_id=aggregate or uuid.uuid4(),
        occurred_at=runtime.clock.now(),
        number=number,
    )


seen: list[int] = []
failing: set[int] = set()


async def note_lamp(runtime: Runtime, event: LampLit) -> None:
    if event.number in failing:
        raise ConnectionError("the outside world is away")
    seen.append(event.number)


async def light_twin(uow: UnitOfWork, event: LampLit) -> None:
    if event.number == 13_000:
        raise ValueError("this one must not be lit")


@pytest.fixture
def lamps(runtime: Runtime) -> Runtime:
    seen.clear()
    failing.clear()
    runtime.handlers = Handlers.merge([{LampLit: [light_twin]}], [{LampLit: [note_lamp]}])
    return runtime


async def announce(runtime: Runtime, *events: Event) -> None:
    async with runtime.unit_of_work() as uow:
        for item in events:
            uow.record(item)


async def change_ones_mind(runtime: Runtime, act: Callable[[UnitOfWork], None]) -> None:
    """Do something in a transaction and give it up before the commit."""
    async with runtime.unit_of_work() as uow:
        act(uow)
        raise RuntimeError("changed my mind")


def test_an_event_survives_its_way_through_the_database(runtime: Runtime) -> None:
    original = lamp(runtime, 7)
    assert load("tests.lamp_lit", dump(original)) == original


async def test_a_reaction_runs_once_after_the_commit(lamps: Runtime) -> None:
    await announce(lamps, lamp(lamps, 1))
    assert seen == []
    await Relay(lamps).drain()
    await Relay(lamps).drain()
    assert seen == [1]


async def test_a_change_that_is_rolled_back_announces_nothing(lamps: Runtime) -> None:
    with pytest.raises(RuntimeError, match="changed my mind"):
        await change_ones_mind(lamps, lambda uow: uow.record(lamp(lamps, 1)))
    await Relay(lamps).drain()
    assert seen == []


async def test_a_failing_reaction_with_commit_takes_the_change_back(lamps: Runtime) -> None:
    with pytest.raises(ValueError, match="must not be lit"):
        await announce(lamps, lamp(lamps, 13_000))
    assert await Relay(lamps).drain() == 0


async def test_after_commit_callbacks_run_only_after_a_commit(lamps: Runtime) -> None:
    heard = []

    async def hear() -> None:
        heard.append("heard")

    with pytest.raises(RuntimeError, match="changed my mind"):
        await change_ones_mind(lamps, lambda uow: uow.after_commit(hear))
    assert heard == []
    async with lamps.unit_of_work() as uow:
        uow.after_commit(hear)
        assert heard == []
    assert heard == ["heard"]


async def test_the_events_of_one_aggregate_wait_for_each_other_and_others_overtake(
    lamps: Runtime, clock: FakeClock
) -> None:
    slow = uuid.uuid4()
    failing.add(1)
    await announce(lamps, lamp(lamps, 1, slow), lamp(lamps, 2, slow), lamp(lamps, 3))
    relay = Relay(lamps)
    await relay.drain()
    assert seen == [3]
    failing.clear()
    clock.advance(timedelta(seconds=2))
    await relay.drain()
    assert seen == [3, 1, 2]


async def test_a_reaction_that_keeps_failing_is_parked_visibly_and_can_be_retried(
    lamps: Runtime, clock: FakeClock
) -> None:
    failing.add(1)
    await announce(lamps, lamp(lamps, 1))
    relay = Relay(lamps)
    for _ in range(MAX_ATTEMPTS):
        await relay.drain()
        clock.advance(timedelta(minutes=20))
    async with AsyncSession(lamps.engine) as session, session.begin():
        parked = (await session.scalars(select(OutboxDelivery))).one()
        assert parked.parked_at is not None
        assert parked.attempts == MAX_ATTEMPTS
        assert "the outside world is away" in (parked.error or "")
        assert await outbox.counts(session) == {"pending": 0, "parked": 1}
        assert await outbox.retry_parked(session, parked.id, clock.now())
        assert not await outbox.retry_parked(session, uuid.uuid4(), clock.now())
    failing.clear()
    await relay.drain()
    assert seen == [1]


async def test_many_relays_share_the_work_and_nothing_runs_twice(lamps: Runtime) -> None:
    rooms = [uuid.uuid4() for _ in range(8)]
    await announce(lamps, *[lamp(lamps, i, rooms[i % 8]) for i in range(120)])
    await asyncio.gather(*(Relay(lamps).drain() for _ in range(5)))
    assert sorted(seen) == list(range(120))
    for room in range(8):
        in_room = [number for number in seen if number % 8 == room]
        assert in_room == sorted(in_room), "order within an aggregate was lost"


async def test_the_death_of_a_relay_frees_its_delivery_at_once(lamps: Runtime) -> None:
    entered = asyncio.Event()

    async def hang(runtime: Runtime, event: LampLit) -> None:
        if not entered.is_set():
            entered.set()
            await asyncio.Event().wait()
        seen.append(event.number)

    lamps.handlers = Handlers.merge([], [{LampLit: [hang]}])
    await announce(lamps, lamp(lamps, 1))
    dying = asyncio.create_task(Relay(lamps).drain())
    await entered.wait()
    dying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await dying
    await Relay(lamps).drain()
    assert seen == [1]


async def test_a_running_relay_wakes_when_something_is_announced(lamps: Runtime) -> None:
    stop, relay = asyncio.Event(), Relay(lamps, poll_seconds=60)

    async def wake(payload: object) -> None:
        relay.wake()

    lamps.bus.subscribe(outbox.WAKE_CHANNEL, wake)
    running = asyncio.create_task(relay.run(stop))
    await asyncio.sleep(0.1)
    await announce(lamps, lamp(lamps, 5))
    async with asyncio.timeout(10):
        while seen != [5]:
            await asyncio.sleep(0.01)
    stop.set()
    await running


def test_pauses_grow_and_stay_below_the_limit() -> None:
    pauses = [retry_delay(attempt, 0.5) for attempt in range(1, 15)]
    assert pauses == sorted(pauses)
    assert pauses[0] == timedelta(seconds=1)
    assert pauses[-1] == timedelta(minutes=10)


async def test_the_schema_uses_the_time_zone_of_the_world(lamps: Runtime) -> None:
    async with lamps.engine.connect() as connection:
        assert await connection.scalar(text("SHOW timezone")) == "UTC"
