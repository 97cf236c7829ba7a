"""What feeds fetch is what history shows, in one statement that survives its connection."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from sqlalchemy import text

from core.runtime import Runtime
from realtime import access, service
from realtime.fetching import ABOVE, LogReader
from realtime.rules import JoinReason, MessageKind
from realtime.schemas import MessageView, TextBody
from realtime.sending import Send, send_messages
from tests.realtime.conftest import OpenRoom, member
from tests.support.cast import Cast, Person


@pytest.fixture
async def reader(runtime: Runtime) -> AsyncIterator[LogReader]:
    own = LogReader(runtime)
    yield own
    await own.close()


async def say(runtime: Runtime, person: Person, room: UUID, *words: str) -> None:
    sends = [
        Send(person.caller, room, uuid.uuid4(), MessageKind.TEXT, TextBody(text=word))
        for word in words
    ]
    async with runtime.unit_of_work() as uow:
        await send_messages(uow, sends)


async def test_every_kind_of_entry_is_fetched_as_history_shows_it(
    runtime: Runtime, cast: Cast, room: UUID, reader: LogReader
) -> None:
    await say(runtime, cast.patient, room, '原话 " \\ 😀', "收回的", "留下的")
    async with runtime.unit_of_work() as uow:
        await service.recall(uow, cast.patient.caller, room, 3)
        await service.add_member(uow, room, member(cast.other_doctor), JoinReason.INVITED)
    async with runtime.unit_of_work() as uow:
        shown = (await access.messages_after(uow, room, 0, 50)).messages
    fetched = await reader.above({room: 0}, 50)
    assert [MessageView.model_validate_json(each.json) for each in fetched] == shown
    assert [each.json for each in fetched] == [each.model_dump_json().encode() for each in shown]
    assert [(each.seq, each.kind) for each in fetched] == [(each.seq, each.kind) for each in shown]
    assert shown[2].recalled
    for view, entry in zip(shown, fetched, strict=True):
        assert entry.body == (view.body if view.kind is MessageKind.SYSTEM else None)


async def test_each_room_is_fetched_above_its_own_cursor_and_no_more_than_asked_for(
    runtime: Runtime, cast: Cast, open_room: OpenRoom, reader: LogReader
) -> None:
    rooms = [await open_room() for _ in range(3)]
    for room in rooms:
        await say(runtime, cast.doctor, room, "一", "二", "三")
    cursors = {rooms[0]: 2, rooms[1]: 4, rooms[2]: 0}
    found = [(entry.room, entry.seq) for entry in await reader.above(cursors, 50)]
    assert sorted(found) == sorted(
        [(rooms[0], 3), (rooms[0], 4), *((rooms[2], seq) for seq in range(1, 5))]
    )
    for room in rooms:
        assert [seq for each, seq in found if each == room] == sorted(
            seq for each, seq in found if each == room
        )
    assert len(await reader.above(cursors, 3)) == 3


async def test_a_fetch_looks_by_cursor_and_room_whatever_the_planner_believes(
    runtime: Runtime,
) -> None:
    """Neither the log nor the rooms of a busy doctor are read through."""
    async with runtime.unit_of_work() as uow:
        await uow.session.execute(text("SET LOCAL plan_cache_mode = force_generic_plan"))
        # A table that was analysed while it had one page is rightly read as a whole.
        await uow.session.execute(text("SET LOCAL enable_seqscan = off"))
        await uow.session.execute(text(f"PREPARE looked (text, text, int) AS {ABOVE}"))
        plan = "\n".join(
            await uow.session.scalars(text("EXPLAIN EXECUTE looked ('{}', '{}', 500)"))
        )
        await uow.session.execute(text("DEALLOCATE looked"))
    assert "Seq Scan" not in plan
    assert "((room_id = wanted.room_id) AND (seq > wanted.after))" in plan
    assert "pk_room_participants" in plan
    assert "ix_room_participants_user" not in plan


async def test_a_connection_that_was_cut_is_replaced_while_it_fetches(
    runtime: Runtime, cast: Cast, room: UUID, reader: LogReader
) -> None:
    assert [entry.seq for entry in await reader.above({room: 0}, 50)] == [1]
    async with runtime.unit_of_work() as uow:
        cut = await uow.session.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid() "
                "AND query LIKE 'SELECT m.*%'"
            )
        )
        assert len(cut.all()) == 1
    await say(runtime, cast.patient, room, "还在")
    assert [entry.seq for entry in await reader.above({room: 1}, 50)] == [2]
