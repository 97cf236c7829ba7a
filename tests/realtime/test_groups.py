"""The statement that stores a group, and the writer that gathers them."""

from __future__ import annotations

import asyncio
import itertools
import uuid
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from core.errors import ProblemError
from core.identity.roles import Role
from core.ids import new_id, new_ids
from core.runtime import Runtime
from realtime import access, groups, room, service
from realtime.groups import Entry, Group, Outcome, Send, Sent, group_end
from realtime.messages import LARGE_BATCH, LEAST_OF_MANY, MAX_BATCH, MessageWriter, Store
from realtime.models import MessageRow, RoomRow
from realtime.rules import CloseReason, MessageKind, RoomKind, RoomState
from realtime.schemas import CardBody, MessageView, TextBody
from realtime.sending import send_messages
from realtime.service import NewMember
from tests.realtime.conftest import OpenRoom
from tests.realtime.test_exactly_once import stored
from tests.support.cast import Cast, Person


def say(
    person: Person,
    place: UUID,
    words: str = "好",
    *,
    name: UUID | None = None,
    reply: int | None = None,
) -> Send:
    return Send(
        person.caller, place, name or uuid.uuid4(), MessageKind.TEXT, TextBody(text=words), reply
    )


def told(outcomes: Sequence[Outcome]) -> list[Any]:
    """The place of each stored message, the code of each refusal."""
    return [
        (each.seq, each.duplicate) if isinstance(each, Sent) else each.code for each in outcomes
    ]


async def store(runtime: Runtime, sends: Sequence[Send]) -> list[Outcome]:
    """As the writer does it: each group in one statement, committed."""
    own = Store(runtime)
    outcomes: list[Outcome] = []
    try:
        while len(outcomes) < len(sends):
            start = len(outcomes)
            outcomes += await own.store(sends[start : group_end(sends, start)])
    finally:
        await own.close()
    return outcomes


async def test_one_statement_stores_messages_of_many_rooms(
    runtime: Runtime, cast: Cast, open_room: OpenRoom
) -> None:
    rooms = [await open_room() for _ in range(5)]
    sends = [say(cast.patient, each, str(n)) for n in range(3) for each in rooms]
    outcomes = await store(runtime, sends)
    assert told(outcomes) == [(n, False) for n in (2, 3, 4) for _ in rooms]
    for each in rooms:
        rows = await stored(runtime, each)
        assert [row.seq for row in rows] == [1, 2, 3, 4]
        assert [row.body["text"] for row in rows[1:]] == ["0", "1", "2"]
        async with runtime.unit_of_work() as uow:
            row = await uow.session.get_one(RoomRow, each)
            assert (row.seq, row.last_at) == (4, runtime.clock.now())


async def test_a_refusal_in_the_middle_takes_no_number(
    runtime: Runtime, cast: Cast, open_room: OpenRoom
) -> None:
    good, closed, waiting = await open_room(), await open_room(), await open_room()
    async with runtime.unit_of_work() as uow:
        await service.close_room(uow, closed, CloseReason.COMPLETED)
        await uow.session.execute(
            text("UPDATE rooms SET state = 'waiting' WHERE id = :id"), {"id": waiting}
        )
    outcomes = await store(
        runtime,
        [
            say(cast.patient, good),
            say(cast.patient, closed),
            say(cast.other_patient, good),
            say(cast.patient, waiting),
            say(cast.foreign_doctor, good),
            say(cast.patient, uuid.uuid4()),
            say(cast.doctor, good),
        ],
    )
    assert told(outcomes) == [
        (2, False), "room_closed", "not_found", "room_not_active", "not_found", "not_found",
        (3, False),
    ]  # fmt: skip
    assert [row.seq for row in await stored(runtime, good)] == [1, 2, 3]


async def test_a_message_repeated_in_one_breath_is_stored_once(
    runtime: Runtime, cast: Cast, room: UUID
) -> None:
    name = uuid.uuid4()
    outcomes = await store(
        runtime,
        [
            say(cast.patient, room, "一", name=name),
            say(cast.patient, room, "二", name=name),
            # The same name of somebody else is another message.
            say(cast.doctor, room, "三", name=name),
            say(cast.patient, room, "四", name=name),
        ],
    )
    assert told(outcomes) == [(2, False), (2, True), (3, False), (2, True)]
    assert told(await store(runtime, [say(cast.patient, room, name=name)])) == [(2, True)]
    assert [row.body["text"] for row in (await stored(runtime, room))[1:]] == ["一", "三"]


async def test_a_retry_gets_its_first_place_after_the_room_has_closed(
    runtime: Runtime, cast: Cast, room: UUID
) -> None:
    name = uuid.uuid4()
    [first] = await store(runtime, [say(cast.patient, room, name=name)])
    async with runtime.unit_of_work() as uow:
        await service.close_room(uow, room, CloseReason.COMPLETED)
    [again] = await store(runtime, [say(cast.patient, room, name=name)])
    assert isinstance(first, Sent)
    assert isinstance(again, Sent)
    assert (again.seq, again.at, again.duplicate) == (first.seq, first.at, True)
    async with runtime.unit_of_work() as uow:
        await uow.session.execute(text("UPDATE room_participants SET left_at = now()"))
    assert told(await store(runtime, [say(cast.patient, room, name=name)])) == ["not_found"]


def test_a_reply_in_a_room_that_is_touched_begins_a_group_of_its_own(cast: Cast) -> None:
    here, there = uuid.uuid4(), uuid.uuid4()
    sends = [
        say(cast.patient, here),
        say(cast.patient, there, reply=1),
        say(cast.patient, here, reply=1),
        say(cast.patient, here),
    ]
    assert group_end(sends) == 2
    assert group_end(sends, 2) == 4


def test_a_repeated_message_begins_a_group_that_sees_the_first(cast: Cast) -> None:
    here, name = uuid.uuid4(), uuid.uuid4()
    sends = [say(cast.patient, here, name=name), say(cast.patient, here)] * 2
    assert group_end(sends) == 2
    assert group_end(sends, 2) == 4


async def test_a_reply_to_what_came_just_before_it_is_good_and_to_what_comes_later_is_not(
    runtime: Runtime, cast: Cast, room: UUID
) -> None:
    sends = [
        say(cast.patient, room),
        say(cast.doctor, room, reply=2),
        say(cast.doctor, room, reply=4),
        say(cast.doctor, room, reply=3),
    ]
    async with runtime.unit_of_work() as uow:
        outcomes = await send_messages(uow, sends)
    assert told(outcomes) == [(2, False), (3, False), "invalid", (4, False)]


async def test_the_statement_judges_like_the_pure_room(
    runtime: Runtime, cast: Cast, open_room: OpenRoom
) -> None:
    """Every kind of room, state, role and kind: what `room.check_send` says the statement does."""
    people = [
        cast.patient,
        cast.doctor,
        cast.nurse,
        cast.pharmacist,
        cast.customer_service,
        cast.supervisor,
    ]
    bodies = {MessageKind.CARD: CardBody(type="nobody", ref="1", title="卡")}
    judged = 0
    for where, state in itertools.product(RoomKind, RoomState):
        place = await open_room(cast.patient, cast.doctor)
        async with runtime.unit_of_work() as uow:
            for person in people[2:]:
                await service.add_member(uow, place, NewMember(person.user_id, person.caller.role))
            await uow.session.execute(
                text("UPDATE rooms SET state = :state, kind = :kind WHERE id = :id"),
                {"state": state.value, "kind": where.value, "id": place},
            )
        async with runtime.unit_of_work() as uow:
            row = await uow.session.get_one(RoomRow, place)
            pure = access.as_room(row, await access.participants_of(uow, place))
        kinds = [kind for kind in MessageKind if kind not in (MessageKind.SYSTEM, MessageKind.CARD)]
        for person, kind in itertools.product([*people, cast.other_doctor], kinds):
            body = bodies.get(kind, TextBody(text="x"))
            send = Send(person.caller, place, uuid.uuid4(), kind, body)
            try:
                room.check_send(pure, person.user_id, person.caller.role, kind, None)
                expected = "stored"
            except ProblemError as refusal:
                expected = refusal.code
            [outcome] = await store(runtime, [send])
            assert (outcome.code if isinstance(outcome, ProblemError) else "stored") == expected
            judged += 1
    assert judged == len(RoomKind) * len(RoomState) * 7 * 7


async def test_a_card_of_an_unknown_type_is_refused_and_a_foreign_role_is_no_member(
    runtime: Runtime, cast: Cast, room: UUID
) -> None:
    card = CardBody(type="nobody", ref="1", title="卡")
    sends = [Send(cast.doctor.caller, room, uuid.uuid4(), MessageKind.CARD, card)]
    assert told(await store(runtime, sends)) == ["message_kind_not_allowed"]
    assert groups._places(Role.OPERATOR, MessageKind.TEXT) == ""


async def test_what_goes_out_is_the_view_of_what_was_stored(
    runtime: Runtime, cast: Cast, room: UUID
) -> None:
    [outcome] = await store(runtime, [say(cast.patient, room, '原话 " \\ 😀', reply=1)])
    assert isinstance(outcome, Sent)
    assert outcome.entry is not None
    sent = MessageView.model_validate_json(outcome.entry.json)
    async with runtime.unit_of_work() as uow:
        [fetched] = (await access.messages_after(uow, room, 1, 5)).messages
    assert sent == fetched
    assert outcome.entry.json == fetched.model_dump_json().encode()


async def test_the_body_is_sealed_in_the_database(runtime: Runtime, cast: Cast, room: UUID) -> None:
    await store(runtime, [say(cast.patient, room, "胸口疼")])
    async with runtime.unit_of_work() as uow:
        cell = await uow.session.scalar(text("SELECT body FROM room_messages WHERE seq = 2"))
    assert "胸口疼".encode() not in bytes(cell)


class Answers:
    """What a writer answered, in the order of the answers."""

    def __init__(self, runtime: Runtime) -> None:
        self.delivered: list[Entry] = []
        self.writer = MessageWriter(runtime, self.delivered.extend)
        self.got: list[tuple[int, Outcome]] = []

    def put(self, sends: Sequence[Send]) -> None:
        for index, send in enumerate(sends):
            self.writer.put(send, lambda outcome, index=index: self.got.append((index, outcome)))

    async def all(self, count: int) -> list[Outcome]:
        async with asyncio.timeout(20):
            while len(self.got) < count:
                await asyncio.sleep(0.01)
        assert [index for index, _ in self.got] == list(range(count))
        return [outcome for _, outcome in self.got]


async def test_a_message_that_spoils_its_group_fails_alone(
    runtime: Runtime, cast: Cast, room: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database refuses the whole statement: each message is stored alone, in order."""
    answers = Answers(runtime)
    whole = Group.arguments

    def spoilt(self: Group, now: Any) -> list[Any]:
        arguments = whole(self, now)
        # A kind that is missing is what the table does not take.
        bad = [isinstance(send.body, TextBody) and send.body.text == "坏" for send in self.sends]
        arguments[5] = "{" + ",".join("NULL" if each else "text" for each in bad) + "}"
        return arguments

    monkeypatch.setattr(Group, "arguments", spoilt)
    sends = [say(cast.patient, room, words) for words in ("一", "坏", "二", "三")]
    answers.put(sends)
    answers.writer.start()
    assert told(await answers.all(4)) == [
        (2, False), "service_unavailable", (3, False), (4, False),
    ]  # fmt: skip
    assert [entry.seq for entry in answers.delivered] == [2, 3, 4]
    await answers.writer.stop()


async def test_while_many_wait_the_database_has_the_next_group_before_this_one_is_told_of(
    runtime: Runtime, cast: Cast, room: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = Answers(runtime)
    told_before: list[int] = []

    async def store_group(self: Store, sends: Sequence[Send]) -> list[Outcome]:
        told_before.append(len(answers.got))
        await asyncio.sleep(0.01)
        return [Sent(1, runtime.clock.now(), False, None) for _ in sends]

    monkeypatch.setattr(Store, "store", store_group)
    many = 2 * LEAST_OF_MANY + LARGE_BATCH
    answers.put([say(cast.patient, room, str(n)) for n in range(many)])
    answers.writer.start()
    await answers.all(many)
    assert told_before == [0, 0, LEAST_OF_MANY]
    await answers.writer.stop()


async def test_of_many_that_wait_a_part_goes_at_once_and_of_very_many_a_large_one(
    runtime: Runtime, cast: Cast, room: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = Answers(runtime)
    sizes: list[int] = []

    async def store_group(self: Store, sends: Sequence[Send]) -> list[Outcome]:
        sizes.append(len(sends))
        return [Sent(1, runtime.clock.now(), False, None) for _ in sends]

    monkeypatch.setattr(Store, "store", store_group)
    many = 6 * MAX_BATCH
    answers.put([say(cast.patient, room, str(n)) for n in range(many)])
    answers.writer.start()
    await answers.all(many)
    assert sizes[:3] == [MAX_BATCH] * 3
    left = many
    for size in sizes:
        assert size == min(left, MAX_BATCH, max(LEAST_OF_MANY, left // 4))
        left -= size
    assert left == 0
    await answers.writer.stop()


async def test_a_writer_goes_on_after_its_connection_was_cut(
    runtime: Runtime, cast: Cast, room: UUID
) -> None:
    answers = Answers(runtime)
    answers.writer.start()
    answers.put([say(cast.patient, room, "前")])
    assert told(await answers.all(1)) == [(2, False)]
    async with runtime.unit_of_work() as uow:
        await uow.session.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND query LIKE '%store_messages%' "
                "AND pid <> pg_backend_pid()"
            )
        )
    answers.got.clear()
    name = uuid.uuid4()
    answers.put([say(cast.patient, room, "断", name=name)])
    assert told(await answers.all(1)) == ["service_unavailable"]
    answers.got.clear()
    answers.put([say(cast.patient, room, "断", name=name)])
    assert told(await answers.all(1)) == [(3, False)]
    await answers.writer.stop()


async def test_groups_of_two_writers_in_the_same_rooms_leave_no_hole(
    runtime: Runtime, cast: Cast, open_room: OpenRoom
) -> None:
    rooms = [await open_room() for _ in range(4)]
    writers = [Answers(runtime) for _ in range(2)]
    for number, each in enumerate(writers):
        order = rooms if number else rooms[::-1]
        each.put([say(cast.doctor, place) for _ in range(20) for place in order])
        each.writer.start()
    for each in writers:
        await each.all(80)
        await each.writer.stop()
    for place in rooms:
        assert [row.seq for row in await stored(runtime, place)] == list(range(1, 42))
    assert sum(each.writer.batches for each in writers) < 160


async def test_a_stopped_writer_tells_who_waits(runtime: Runtime, cast: Cast, room: UUID) -> None:
    answers = Answers(runtime)
    answers.put([say(cast.patient, room)])
    await answers.writer.stop()
    assert told(await answers.all(1)) == ["service_unavailable"]
    assert [row.seq for row in await stored(runtime, room)] == [1]


def test_messages_are_stored_by_column_names_that_the_models_know() -> None:
    """The statement names columns; what the models add must not be forgotten in it."""
    known = {column.name for column in MessageRow.__table__.columns}
    assert known == {
        "room_id", "seq", "id", "sender_id", "sender_role", "client_id", "kind", "body",
        "reply_to", "at", "recalled_at",
    }  # fmt: skip


def test_ids_made_at_once_are_ids_in_their_order() -> None:
    made = [*new_ids(500), *new_ids(3), new_id()]
    assert made == sorted(set(made))
    assert {(each.version, each.variant) for each in made} == {(7, uuid.RFC_4122)}


async def test_a_new_message_reads_no_older_ones_even_before_the_table_is_known_to_postgresql(
    runtime: Runtime, cast: Cast, room: UUID
) -> None:
    """Nothing analysed the table yet: the statement must not look through the room for repeats."""
    own = Store(runtime)
    try:
        for _ in range(100):
            await own.store([say(cast.patient, room)])
    finally:
        await own.close()
    # By the room alone it would be 4,950. When an autovacuum tells PostgreSQL in between that all
    # of it lies on one page, a statement may take that way before it is planned again.
    assert await entries_read(runtime, "uq_room_messages_client") < 500


async def entries_read(runtime: Runtime, index: str) -> int:
    """How many entries of an index PostgreSQL has read for anybody, all sessions at rest."""
    async with runtime.unit_of_work() as uow:
        for _ in range(100):
            await uow.session.execute(text("SELECT pg_stat_clear_snapshot()"))
            row = (
                await uow.session.execute(
                    text(
                        "SELECT idx_scan, idx_tup_read FROM pg_stat_user_indexes "
                        "WHERE indexrelname = :index"
                    ),
                    {"index": index},
                )
            ).one()
            # Sessions report when they end, or a second later.
            if row.idx_scan >= 100:
                break
            await asyncio.sleep(0.1)
        assert row.idx_scan >= 100
        return int(row.idx_tup_read)
