"""New words in rooms: whoever is not there is told once for a burst, on however many nodes."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import event, update

from clinical.notifications.sweeping import sweep
from core.clock import FakeClock
from core.runtime import Runtime
from core.uow import UnitOfWork
from realtime.groups import Send
from realtime.messages import Store
from realtime.models import ParticipantRow
from realtime.rules import MessageKind
from realtime.schemas import TextBody
from tests.clinical.notifications.desk import Desk
from tests.clinical.story import Story
from tests.support.cast import Person


class Talk:
    """A consultation that goes on, and who says what in it."""

    def __init__(self, desk: Desk, room_id: UUID) -> None:
        self.desk, self.room_id = desk, room_id

    async def say(self, who: Person, words: str = "医生您好，我的血糖又高了") -> None:
        store = Store(self.desk.runtime)
        body = TextBody(text=words)
        await store.store([Send(who.caller, self.room_id, uuid4(), MessageKind.TEXT, body)])
        await store.close()

    async def read(self, who: Person, seq: int) -> None:
        async with self.desk.runtime.unit_of_work() as uow:
            await uow.session.execute(
                update(ParticipantRow)
                .where(
                    ParticipantRow.room_id == self.room_id, ParticipantRow.user_id == who.user_id
                )
                .values(read_seq=seq)
            )

    async def look(self, clock: FakeClock, **later: Any) -> int:
        clock.advance(timedelta(**later))
        return await sweep(self.desk.runtime)


@pytest.fixture
async def talk(story: Story, desk: Desk) -> Talk:
    await desk.runtime.bus.start()
    shown = await story.active()
    await sweep(desk.runtime)
    return Talk(desk, UUID(shown["room_id"]))


async def newest_seq(desk: Desk, room_id: UUID) -> int:
    from realtime.models import RoomRow

    async with desk.runtime.unit_of_work() as uow:
        return (await uow.session.get_one(RoomRow, room_id)).seq


async def test_a_burst_makes_one_notice_without_a_word_of_what_was_said(
    desk: Desk, talk: Talk, clock: FakeClock
) -> None:
    patient, doctor = desk.cast.patient, desk.cast.doctor
    for _ in range(5):
        await talk.say(doctor)
    assert await talk.look(clock, seconds=10) == 0, "he may still come"
    assert await talk.look(clock, seconds=11) == 1
    await talk.say(doctor)
    assert await talk.look(clock, seconds=30) == 0, "the same burst"
    await desk.push()
    [text] = [each for each in await desk.sms(patient) if "room" in each]
    assert "血糖" not in text
    assert "pages/room/index?id=" in text
    assert [each for each in await desk.sms(doctor) if "room" in each] == []


async def test_a_later_word_tells_again_once_he_has_read_or_the_window_is_over(
    desk: Desk, talk: Talk, clock: FakeClock
) -> None:
    doctor, patient = desk.cast.doctor, desk.cast.patient
    await talk.say(doctor)
    assert await talk.look(clock, seconds=30) == 1
    await talk.read(patient, await newest_seq(desk, talk.room_id))
    await talk.say(doctor)
    assert await talk.look(clock, seconds=30) == 1, "he had read"
    await talk.say(doctor)
    assert await talk.look(clock, minutes=11) == 1, "the window is over"


async def test_who_is_connected_or_has_read_is_not_told_and_a_dead_socket_is_found_out(
    desk: Desk, talk: Talk, clock: FakeClock, runtime: Runtime
) -> None:
    patient, doctor = desk.cast.patient, desk.cast.doctor
    await desk.connect(patient)
    await talk.say(doctor)
    assert await talk.look(clock, seconds=30) == 0
    async with runtime.unit_of_work() as uow:
        await _drop_sockets(uow)
    assert await talk.look(clock, seconds=30) == 1
    await talk.say(doctor)
    await talk.read(patient, await newest_seq(desk, talk.room_id))
    assert await talk.look(clock, minutes=11) == 0


async def _drop_sockets(uow: UnitOfWork) -> None:
    from sqlalchemy import delete

    from realtime.models import NodeRow

    await uow.session.execute(delete(NodeRow))


async def test_the_job_tells_once_on_several_nodes_and_costs_no_more_for_many_words(
    desk: Desk, talk: Talk, clock: FakeClock, runtime: Runtime
) -> None:
    for _ in range(3):
        await talk.say(desk.cast.doctor)
    clock.advance(timedelta(seconds=30))
    from clinical.notifications.jobs import JOBS
    from core.jobs import JobRunner

    wanted = [job for job in JOBS if job.name == "notifications.rooms"]
    runners = [JobRunner(runtime, wanted) for _ in range(3)]
    await runners[0].register()
    await asyncio.gather(*(runner.run_one_due() for runner in runners))
    assert (await desk.states(desk.cast.patient)).count("due") == 1
    first = await _statements(runtime)
    for _ in range(20):
        await talk.say(desk.cast.doctor)
    clock.advance(timedelta(seconds=30))
    assert await _statements(runtime) <= first + 2


async def _statements(runtime: Runtime) -> int:
    """How many statements one look takes."""
    seen: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        seen.append(statement)

    event.listen(runtime.engine.sync_engine, "before_cursor_execute", note)
    try:
        await sweep(runtime)
    finally:
        event.remove(runtime.engine.sync_engine, "before_cursor_execute", note)
    return len(seen)
