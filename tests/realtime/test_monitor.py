"""The room monitor: pages and changes of three thousand rooms, what is overdue, who may look."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import insert, select

from core.audit.models import AuditEntry
from core.clock import FakeClock
from core.identity.models import User
from core.identity.roles import Role
from core.ids import new_id, new_ids
from core.runtime import Runtime
from media.calls.models import CallRow
from realtime import monitor_feed, service
from realtime.groups import Send, Sent
from realtime.models import InboxItemRow, ParticipantRow, RoomRow
from realtime.reminding import remind_of_overdue_replies
from realtime.rules import CloseReason, MessageKind, RoomState
from realtime.schemas import TextBody
from realtime.sending import send_messages
from realtime.service import NewMember
from tests.realtime.conftest import Connect, OpenRoom, StartNode
from tests.support.cast import Cast, Person
from tests.support.http import Client
from tests.support.nodes import Node
from zhenjian_client import RoomClient

MANY = 3000


async def fill(runtime: Runtime, cast: Cast, count: int = MANY) -> list[UUID]:
    """Active rooms of the doctor with one patient each, straight into the tables."""
    rooms, patients = new_ids(count), new_ids(count)
    async with runtime.unit_of_work() as uow:
        now, session = uow.now, uow.session
        await session.execute(
            insert(User),
            [
                {"id": each, "name": f"患{n}", "reminders": None, "created_at": now}
                for n, each in enumerate(patients)
            ],
        )
        await session.execute(
            insert(RoomRow),
            [
                {
                    "id": each,
                    "hospital_id": cast.hospital_id,
                    "kind": "consultation",
                    "state": "active",
                    "seq": 1,
                    "title": "图文复诊",
                    "recording": "required",
                    "lead_id": cast.doctor.user_id,
                    "opened_at": now,
                    "last_at": now - timedelta(hours=1),
                }
                for each in rooms
            ],
        )
        await session.execute(
            insert(ParticipantRow),
            [
                {
                    "room_id": room,
                    "user_id": user,
                    "role": role.value,
                    "name": "某人",
                    "joined_at": now,
                    "read_seq": 0,
                    "delivered_seq": 0,
                }
                for room, patient in zip(rooms, patients, strict=True)
                for user, role in ((patient, Role.PATIENT), (cast.doctor.user_id, Role.DOCTOR))
            ],
        )
    return sorted(rooms)


async def listed(client: Client, who: Person, query: str = "") -> list[dict[str, Any]]:
    """Every page of the list, one after the other."""
    items: list[dict[str, Any]] = []
    after = ""
    while True:
        answer = await client.get(f"/monitor/rooms?{query}{after}", token=who.token)
        page = answer.expect(200)
        items += page["items"]
        if page["next"] is None:
            return items
        after = f"&after={page['next']}"


def changes(client: RoomClient) -> dict[str, dict[str, Any]]:
    """The newest figures of each room that a watcher was told of."""
    found: dict[str, dict[str, Any]] = {}
    for name, payload in client.events:
        if name == "monitor:rooms":
            found |= {room["id"]: room for room in payload["rooms"]}
    return found


def gone(client: RoomClient) -> set[str]:
    return {
        room
        for name, payload in client.events
        if name == "monitor:rooms"
        for room in payload["gone"]
    }


async def until(condition: Any) -> None:
    async with asyncio.timeout(15):
        while not condition():
            await asyncio.sleep(0.05)


@pytest.mark.requirement("S4-001")
async def test_three_thousand_rooms_come_page_by_page_and_then_only_what_changes(
    client: Client, cast: Cast, runtime: Runtime, connect: Connect
) -> None:
    rooms = await fill(runtime, cast)
    watcher = await connect(cast.supervisor)
    await watcher.call("monitor:watch", {})
    items = await listed(client, cast.supervisor, "limit=500")
    assert [item["id"] for item in items] == [str(each) for each in rooms]
    assert {item["lead_id"] for item in items} == {str(cast.doctor.user_id)}
    assert {item["department"] for item in items} == {"内科"}

    touched = rooms[:: MANY // 250]
    for room in touched:
        async with runtime.unit_of_work() as uow:
            await service.system_message(uow, room, "red_flag", "危急信号")
    async with runtime.unit_of_work() as uow:
        await service.close_room(uow, rooms[-1], CloseReason.COMPLETED)
    await until(lambda: len(changes(watcher)) >= len(touched) and gone(watcher))
    assert set(changes(watcher)) == {str(each) for each in touched}
    assert {each["seq"] for each in changes(watcher).values()} == {2}
    assert gone(watcher) == {str(rooms[-1])}
    frames = [payload for name, payload in watcher.events if name == "monitor:rooms"]
    assert max(len(frame["rooms"]) for frame in frames) <= monitor_feed.ROOMS_PER_FRAME


async def test_what_happens_on_another_node_is_seen_and_changes_are_gathered(
    cast: Cast, connect: Connect, room: UUID, start_node: StartNode
) -> None:
    there = await start_node()
    watcher = await connect(cast.supervisor)
    await watcher.call("monitor:watch", {})
    patient = await connect(cast.patient, to=there)
    joined = await patient.join(str(room))
    for n in range(30):
        sent = await joined.send_text(f"第{n}句")
    await until(lambda: changes(watcher).get(str(room), {}).get("seq") == sent.seq)
    assert changes(watcher)[str(room)]["last_word"]["role"] == "patient"
    frames = [name for name, _ in watcher.events if name == "monitor:rooms"]
    assert len(frames) < 30


async def test_a_watcher_too_slow_for_the_changes_is_told_to_read_the_list_again(
    cast: Cast, connect: Connect, open_room: OpenRoom, node: Node, runtime: Runtime
) -> None:
    rooms = [await open_room() for _ in range(3)]
    watcher = await connect(cast.supervisor)
    await watcher.call("monitor:watch", {})
    [slow] = node.gateway.connections.of_user(cast.supervisor.user_id)
    outgoing = slow.socket.outgoing
    outgoing.pause()
    outgoing.limit = outgoing.size
    async with runtime.unit_of_work() as uow:
        await service.system_message(uow, rooms[0], "red_flag", "危急信号")
    await until(lambda: cast.hospital_id in slow.behind)
    outgoing.limit = 1_000_000
    outgoing.resume()
    await until(lambda: ("resync", {"room": str(cast.hospital_id)}) in watcher.events)
    assert changes(watcher) == {}
    async with runtime.unit_of_work() as uow:
        await service.system_message(uow, rooms[1], "red_flag", "危急信号")
    await until(lambda: set(changes(watcher)) == {str(rooms[1])})


async def test_what_waits_for_an_answer_becomes_overdue_by_the_hospitals_setting(
    client: Client, cast: Cast, open_room: OpenRoom, connect: Connect, clock: FakeClock
) -> None:
    late, answered = await open_room(), await open_room(cast.other_patient, cast.doctor)
    patient, other = await connect(cast.patient), await connect(cast.other_patient)
    doctor = await connect(cast.doctor)
    await (await patient.join(str(late))).send_text("医生在吗")
    asked_at = clock.now()
    await (await other.join(str(answered))).send_text("谢谢")
    await (await doctor.join(str(answered))).send_text("不客气")
    clock.advance(timedelta(minutes=5))
    await patient.rooms[str(late)].send_text("在吗？")
    assert await listed(client, cast.supervisor, "overdue=true") == []
    clock.advance(timedelta(minutes=5, seconds=1))
    [found] = await listed(client, cast.supervisor, "overdue=true")
    assert found["id"] == str(late)
    # Since the first word without an answer, not since the last.
    assert found["waits_since"] == asked_at.isoformat().replace("+00:00", "Z")
    page = (await client.get("/monitor/rooms", token=cast.supervisor.token)).expect(200)
    assert page["totals"] == {"open": 2, "waiting": 0, "overdue": 1, "in_call": 0}
    assert page["reply_seconds"] == 600


async def test_a_call_is_an_answer_to_what_was_said_before_its_end(
    client: Client, cast: Cast, room: UUID, connect: Connect, clock: FakeClock, runtime: Runtime
) -> None:
    soon = {"value": 1, "scope": "hospital"}
    path = "/settings/rooms.reply_minutes"
    (await client.put(path, token=cast.administrator.token, json=soon)).expect(200)
    patient = await (await connect(cast.patient)).join(str(room))
    await patient.send_text("现在可以视频吗")
    clock.advance(timedelta(minutes=1, seconds=1))
    [late] = await listed(client, cast.supervisor, "overdue=true")
    assert late["id"] == str(room)
    call = CallRow(
        id=new_id(),
        hospital_id=cast.hospital_id,
        room_id=room,
        media="video",
        state="ringing",
        started_by=cast.doctor.user_id,
        started_at=clock.now(),
        ring_until=clock.now(),
        record=True,
        worker="ws://nowhere",
        assigned_at=clock.now(),
    )
    async with runtime.unit_of_work() as uow:
        uow.session.add(call)
    # Ringing alone answers nobody.
    assert len(await listed(client, cast.supervisor, "overdue=true")) == 1
    async with runtime.unit_of_work() as uow:
        talk = await uow.session.get_one(CallRow, call.id)
        talk.state, talk.answered_at = "active", clock.now()
    assert await listed(client, cast.supervisor, "overdue=true") == []
    [now] = await listed(client, cast.supervisor, "in_call=true")
    assert now["waits_since"] is None
    clock.advance(timedelta(minutes=3))
    assert await listed(client, cast.supervisor, "overdue=true") == []
    async with runtime.unit_of_work() as uow:
        talk = await uow.session.get_one(CallRow, call.id)
        talk.state, talk.ended_at, talk.end_reason = "ended", clock.now(), "hung_up"
    clock.advance(timedelta(minutes=1, seconds=1))
    assert await listed(client, cast.supervisor, "overdue=true") == []
    await patient.send_text("还有一个问题")
    clock.advance(timedelta(minutes=1, seconds=1))
    [again] = await listed(client, cast.supervisor, "overdue=true")
    assert again["id"] == str(room)


@pytest.mark.requirement("S1-197")
async def test_the_doctor_is_reminded_once_of_each_word_that_waits_too_long(
    cast: Cast, room: UUID, clock: FakeClock, runtime: Runtime
) -> None:
    async def say(who: Person, words: str) -> None:
        send = Send(who.caller, room, uuid4(), MessageKind.TEXT, TextBody(text=words))
        async with runtime.unit_of_work() as uow:
            [outcome] = await send_messages(uow, [send])
        assert isinstance(outcome, Sent)

    async def reminders() -> int:
        await remind_of_overdue_replies(runtime)
        async with runtime.unit_of_work() as uow:
            items = await uow.session.scalars(
                select(InboxItemRow.user_id).where(InboxItemRow.type == "reply_overdue")
            )
            found = list(items)
        assert set(found) <= {cast.doctor.user_id}
        return len(found)

    await say(cast.patient, "医生在吗")
    clock.advance(timedelta(minutes=10))
    assert await reminders() == 0
    clock.advance(timedelta(seconds=1))
    assert [await reminders(), await reminders()] == [1, 1]
    await say(cast.doctor, "在的，请说")
    clock.advance(timedelta(minutes=11))
    assert await reminders() == 1
    await say(cast.patient, "又咳嗽了")
    clock.advance(timedelta(minutes=11))
    assert [await reminders(), await reminders()] == [2, 2]


async def test_the_list_is_filtered_by_state_department_and_doctor(
    client: Client, cast: Cast, open_room: OpenRoom
) -> None:
    waiting = await open_room(cast.patient, cast.doctor, state=RoomState.WAITING)
    other = await open_room(cast.other_patient, cast.other_doctor)

    async def ids(query: str) -> list[str]:
        return [item["id"] for item in await listed(client, cast.supervisor, query)]

    assert await ids("state=waiting") == [str(waiting)]
    assert await ids("state=waiting,active") == sorted([str(waiting), str(other)])
    assert await ids(f"department_id={cast.other_department_id}") == [str(other)]
    assert await ids(f"doctor_id={cast.doctor.user_id}") == [str(waiting)]
    assert await ids("in_call=true") == []
    answer = await client.get("/monitor/rooms?state=asleep", token=cast.supervisor.token)
    assert answer.status == 422


async def test_members_are_seen_to_come_and_go(
    client: Client, cast: Cast, connect: Connect, room: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitor_feed, "PRESENCE_EVERY", 1)
    watcher = await connect(cast.supervisor)
    await watcher.call("monitor:watch", {})

    def told(person: Person) -> list[str]:
        return [
            payload["users"][str(person.user_id)]
            for name, payload in watcher.events
            if name == "monitor:presence" and str(person.user_id) in payload["users"]
        ]

    patient = await connect(cast.patient)
    await until(lambda: told(cast.patient) == ["online"])
    [item] = await listed(client, cast.supervisor)
    assert {each["role"]: each["presence"] for each in item["members"]} == {
        "patient": "online",
        "doctor": "offline",
    }
    await patient.close()
    await until(lambda: told(cast.patient) == ["online", "offline"])


async def test_only_supervisors_and_administrators_of_the_hospital_watch(
    client: Client, cast: Cast, connect: Connect, room: UUID, runtime: Runtime
) -> None:
    for person in (cast.supervisor, cast.administrator):
        assert len(await listed(client, person)) == 1
    assert await listed(client, cast.foreign_supervisor) == []
    for person in (cast.patient, cast.doctor, cast.operator, cast.customer_service):
        answer = await client.get("/monitor/rooms", token=person.token)
        assert (answer.status, answer.code) == (403, "forbidden")
    stranger = await connect(cast.foreign_supervisor)
    await stranger.call("monitor:watch", {})
    async with runtime.unit_of_work() as uow:
        await service.add_member(uow, room, NewMember(cast.nurse.user_id, Role.NURSE))
        looks = await uow.session.scalars(
            select(AuditEntry.user_id).where(AuditEntry.object_id == "monitor")
        )
        assert cast.administrator.user_id in set(looks)
    await asyncio.sleep(3 * monitor_feed.TICK_SECONDS)
    assert not changes(stranger)


async def test_colleagues_rooms_are_not_in_the_monitor(
    client: Client, cast: Cast, runtime: Runtime
) -> None:
    body = {"user_id": str(cast.nurse.user_id), "role": "nurse"}
    answer = await client.request("POST", "/rooms/colleague", token=cast.doctor.token, json=body)
    answer.expect(200)
    assert await listed(client, cast.supervisor) == []
