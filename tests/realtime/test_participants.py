"""Members, and the rooms that people open: who asks in whom, what each sees."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select

from core.audit.models import AuditEntry
from core.errors import ProblemError
from core.identity.models import RoleAssignment, User
from core.identity.roles import Role
from core.ids import new_id
from core.runtime import Runtime
from realtime import participants, rules, service
from realtime.models import InboxItemRow, MessageRow, ParticipantRow
from realtime.service import NewMember
from tests.realtime.conftest import Connect, OpenRoom
from tests.support.cast import Cast, Person
from tests.support.http import Client, Response


@pytest.fixture
def ask(client: Client) -> Any:
    async def send(who: Person, method: str, path: str, body: Any = None) -> Response:
        return await client.request(method, path, token=who.token, json=body, key=str(uuid4()))

    return send


def one(person: Person) -> dict[str, str]:
    return {"user_id": str(person.user_id), "role": person.caller.role.value}


def invitation(*people: Person) -> dict[str, Any]:
    return {"people": [one(person) for person in people], "reason": "请协助会诊"}


async def staff(runtime: Runtime, cast: Cast, count: int) -> list[UUID]:
    """Further doctors of the hospital, straight into the tables."""
    ids = [new_id() for _ in range(count)]
    async with runtime.unit_of_work() as uow:
        uow.session.add_all(
            User(id=each, name=f"医{n:03}", created_at=uow.now) for n, each in enumerate(ids)
        )
        await uow.session.flush()
        uow.session.add_all(
            RoleAssignment(
                id=new_id(),
                user_id=each,
                hospital_id=cast.hospital_id,
                role=Role.DOCTOR,
                department_id=cast.department_id,
                created_at=uow.now,
            )
            for each in ids
        )
    return ids


@pytest.mark.requirement("S4-020")
async def test_a_doctor_asks_an_expert_in_who_reads_and_talks_with_the_patient(
    ask: Any, cast: Cast, room: UUID, connect: Connect, runtime: Runtime
) -> None:
    patient = await connect(cast.patient)
    hers = await patient.join(str(room))
    assert (await ask(cast.other_doctor, "GET", f"/rooms/{room}")).status == 404
    view = (
        await ask(cast.doctor, "POST", f"/rooms/{room}/members", invitation(cast.other_doctor))
    ).expect(200)
    assert [each["name"] for each in view["members"]] == ["林小满", "陈安和", "沈若水"]
    expert = await connect(cast.other_doctor)
    his = await expert.join(str(room))
    sent = await his.send_text("我一起看看")
    await hers.wait_for(lambda log: log.last == sent.seq)
    assert "医生沈若水加入诊间" in [each["body"]["text"] for each in hers.log.messages]
    async with runtime.unit_of_work() as uow:
        told = await uow.session.scalars(
            select(InboxItemRow.type).where(InboxItemRow.user_id == cast.other_doctor.user_id)
        )
        assert list(told) == ["room_invited"]
        done = await uow.session.scalars(
            select(AuditEntry.reason).where(AuditEntry.action == "room.invite")
        )
        assert list(done) == ["请协助会诊"]


async def test_who_was_taken_out_hears_nothing_more_until_he_is_asked_in_again(
    ask: Any, cast: Cast, room: UUID, connect: Connect
) -> None:
    path = f"/rooms/{room}/members"
    (await ask(cast.doctor, "POST", path, invitation(cast.nurse))).expect(200)
    nurse, doctor = await connect(cast.nurse), await connect(cast.doctor)
    hers, his = await nurse.join(str(room)), await doctor.join(str(room))
    out = f"{path}/{cast.nurse.user_id}/removal"
    assert (
        await ask(cast.nurse, "POST", f"{path}/{cast.doctor.user_id}/removal", {})
    ).status == 403
    (await ask(cast.doctor, "POST", out, {"reason": "已处理完"})).expect(200)
    sent = await his.send_text("只有我们了")
    await his.wait_for(lambda log: log.last == sent.seq)
    assert (await ask(cast.nurse, "GET", f"/rooms/{room}")).status == 404
    assert hers.log.last < sent.seq
    view = (await ask(cast.doctor, "POST", path, invitation(cast.nurse))).expect(200)
    assert view["members"][-1]["state"] == "joined"
    again = (await ask(cast.nurse, "GET", f"/rooms/{room}/messages")).expect(200)
    assert again["messages"][-1]["body"]["reason"] == "returned"


async def test_the_first_word_of_a_new_talk_reaches_the_colleague_who_looks_at_something_else(
    ask: Any, cast: Cast, connect: Connect
) -> None:
    there = await connect(cast.other_doctor)
    asked = one(cast.other_doctor)
    opened = (await ask(cast.doctor, "POST", "/rooms/colleague", asked)).expect(200)
    told = await there.wait_event("membership")
    assert told == {"room": opened["id"], "state": "joined"}
    theirs = await there.join(told["room"])
    here = await connect(cast.doctor)
    sent = await (await here.join(opened["id"])).send_text("下午三点会诊")
    await theirs.wait_for(lambda log: log.last == sent.seq)
    (await ask(cast.doctor, "POST", "/rooms/colleague", asked)).expect(200)
    assert [name for name, _ in there.events].count("membership") == 1


async def test_a_guest_leaves_by_himself_and_the_doctor_must_hand_over_first(
    ask: Any, cast: Cast, room: UUID
) -> None:
    (await ask(cast.doctor, "POST", f"/rooms/{room}/members", invitation(cast.nurse))).expect(200)
    (await ask(cast.nurse, "POST", f"/rooms/{room}/leave")).expect(204)
    refused = await ask(cast.doctor, "POST", f"/rooms/{room}/leave")
    assert (refused.status, refused.code) == (409, "lead_may_not_leave")


async def test_only_people_who_work_here_in_that_role_are_asked_in(
    ask: Any, cast: Cast, room: UUID
) -> None:
    path = f"/rooms/{room}/members"
    for person, code in [
        (cast.foreign_doctor, "no_such_colleague"),
        (cast.other_patient, "not_for_this_room"),
        (cast.supervisor, "not_for_this_room"),
    ]:
        answer = await ask(cast.doctor, "POST", path, invitation(person))
        assert answer.code == code, person.name
    as_doctor = {"people": [{"user_id": str(cast.nurse.user_id), "role": "doctor"}]}
    assert (await ask(cast.doctor, "POST", path, as_doctor)).code == "no_such_colleague"
    answer = await ask(cast.other_doctor, "POST", path, invitation(cast.nurse))
    assert answer.code == "not_found"


async def test_the_last_place_is_taken_once_however_many_come_at_the_same_moment(
    cast: Cast, runtime: Runtime
) -> None:
    """Each joins in a transaction of his own: the row lock of the room counts, nobody else."""
    free = 8
    crowd = await staff(runtime, cast, rules.MAX_MEMBERS - 1 - free + 20)
    first, late = crowd[:-20], crowd[-20:]
    async with runtime.unit_of_work() as uow:
        members = [NewMember(each, Role.DOCTOR) for each in first]
        room_id = await participants.open_group(uow, cast.doctor.caller, "全院", members)

    async def come(user_id: UUID) -> str:
        try:
            async with runtime.unit_of_work() as uow:
                await service.add_member(uow, room_id, NewMember(user_id, Role.DOCTOR))
        except ProblemError as refusal:
            return refusal.code
        return "in"

    outcomes = await asyncio.gather(*(come(each) for each in late))
    assert sorted(outcomes) == ["in"] * free + ["room_full"] * 12
    async with runtime.unit_of_work() as uow:
        count = await uow.session.scalar(
            select(func.count()).where(
                ParticipantRow.room_id == room_id, ParticipantRow.left_at.is_(None)
            )
        )
        seqs = list(
            await uow.session.scalars(
                select(MessageRow.seq).where(MessageRow.room_id == room_id).order_by("seq")
            )
        )
    assert count == rules.MAX_MEMBERS
    assert seqs == list(range(1, free + 2))


async def test_two_colleagues_who_open_their_room_at_once_meet_in_the_same_one(
    cast: Cast, runtime: Runtime, connect: Connect
) -> None:
    async def open_from(one: Person, other: Person) -> UUID:
        async with runtime.unit_of_work() as uow:
            return await participants.talk_to(
                uow, one.caller, NewMember(other.user_id, other.caller.role)
            )

    rooms = await asyncio.gather(
        *(open_from(cast.doctor, cast.nurse) for _ in range(3)),
        *(open_from(cast.nurse, cast.doctor) for _ in range(3)),
    )
    assert len(set(rooms)) == 1
    doctor, nurse = await connect(cast.doctor), await connect(cast.nurse)
    his, hers = await doctor.join(str(rooms[0])), await nurse.join(str(rooms[0]))
    sent = await his.send_text("三床的结果出来了")
    await hers.wait_for(lambda log: log.last == sent.seq)


async def test_what_colleagues_say_to_each_other_is_not_for_supervisors(
    ask: Any, cast: Cast
) -> None:
    pair = (await ask(cast.doctor, "POST", "/rooms/colleague", one(cast.nurse))).expect(200)
    group = (
        await ask(
            cast.doctor, "POST", "/rooms/group", {"title": "内科晨会", "people": [one(cast.nurse)]}
        )
    ).expect(201)
    for view in (pair, group):
        answer = await ask(cast.supervisor, "GET", f"/rooms/{view['id']}")
        assert answer.status == 404
        mine = (await ask(cast.nurse, "GET", f"/rooms/{view['id']}")).expect(200)
        assert mine["me"]["may_send"]
    listed = (await ask(cast.nurse, "GET", "/rooms/mine?kind=colleague,group")).expect(200)
    assert {item["room"]["id"] for item in listed["items"]} == {pair["id"], group["id"]}


async def test_a_group_is_led_handed_over_and_dissolved(ask: Any, cast: Cast) -> None:
    people = [one(cast.nurse), one(cast.other_doctor)]
    made = await ask(cast.doctor, "POST", "/rooms/group", {"title": "抢救组", "people": people})
    room = made.expect(201)["id"]
    (await ask(cast.nurse, "POST", f"/rooms/{room}/members", invitation(cast.pharmacist))).expect(
        200
    )
    assert (await ask(cast.nurse, "POST", f"/rooms/{room}/end", {})).status == 403
    body = {"to": one(cast.other_doctor)}
    (await ask(cast.doctor, "POST", f"/rooms/{room}/hand-over", body)).expect(204)
    (await ask(cast.doctor, "POST", f"/rooms/{room}/leave")).expect(204)
    (await ask(cast.other_doctor, "POST", f"/rooms/{room}/end", {})).expect(204)
    view = (await ask(cast.nurse, "GET", f"/rooms/{room}")).expect(200)
    assert (view["state"], view["close_reason"]) == ("closed", "dissolved")
    assert view["lead_id"] == str(cast.other_doctor.user_id)


async def test_customer_service_takes_a_talk_once_and_ends_it(
    ask: Any, cast: Cast, connect: Connect
) -> None:
    opened = (await ask(cast.patient, "POST", "/rooms/service")).expect(200)
    again = (await ask(cast.patient, "POST", "/rooms/service")).expect(200)
    assert opened["id"] == again["id"]
    patient = await connect(cast.patient)
    hers = await patient.join(opened["id"])
    await hers.send_text("怎么改预约？")
    waiting = (await ask(cast.customer_service, "GET", "/rooms/service/waiting")).expect(200)
    assert [each["id"] for each in waiting] == [opened["id"]]
    taken = (await ask(cast.customer_service, "POST", f"/rooms/{opened['id']}/take")).expect(200)
    assert taken["lead_id"] == str(cast.customer_service.user_id)
    assert (await ask(cast.customer_service, "GET", "/rooms/service/waiting")).expect(200) == []
    (await ask(cast.customer_service, "POST", f"/rooms/{opened['id']}/end", {})).expect(204)
    assert (await ask(cast.patient, "POST", "/rooms/service")).expect(200)["id"] != opened["id"]


async def test_a_supervisors_word_reaches_the_doctor_and_nobody_in_the_room(
    ask: Any, cast: Cast, room: UUID, connect: Connect
) -> None:
    patient, doctor = await connect(cast.patient), await connect(cast.doctor)
    hers = await patient.join(str(room))
    word = (await ask(cast.supervisor, "POST", f"/rooms/{room}/word")).expect(200)
    assert (await ask(cast.supervisor, "POST", f"/rooms/{room}/word")).expect(200)["id"] == word[
        "id"
    ]
    watcher = await connect(cast.supervisor)
    theirs = await watcher.join(word["id"])
    his = await doctor.join(word["id"])
    sent = await theirs.send_text("请注意用语")
    await his.wait_for(lambda log: log.last == sent.seq)
    assert word["kind"] == "word"
    assert (await ask(cast.patient, "GET", f"/rooms/{word['id']}")).status == 404
    assert len((await ask(cast.patient, "GET", "/rooms/mine")).expect(200)["items"]) == 1
    log = (await ask(cast.patient, "GET", f"/rooms/{room}/messages")).expect(200)
    assert "督" not in str(log) + str(hers.view) + str(patient.events)


async def test_a_supervisor_ends_a_room_with_a_reason(ask: Any, cast: Cast, room: UUID) -> None:
    end = f"/rooms/{room}/end"
    assert (await ask(cast.supervisor, "POST", end, {"reason": " "})).status == 422
    assert (await ask(cast.doctor, "POST", end, {})).code == "not_for_this_room"
    (await ask(cast.supervisor, "POST", end, {"reason": "医生长时间未回复"})).expect(204)
    view = (await ask(cast.patient, "GET", f"/rooms/{room}")).expect(200)
    assert (view["state"], view["close_reason"]) == ("closed", "ended_by_supervisor")
    log = (await ask(cast.patient, "GET", f"/rooms/{room}/messages")).expect(200)
    assert "结束原因：医生长时间未回复" in [each["body"]["text"] for each in log["messages"]]
    assert cast.supervisor.name not in str(log)


async def test_colleagues_are_found_by_name_pinyin_initials_and_department(
    ask: Any, cast: Cast
) -> None:
    async def found(**query: str) -> list[str]:
        answer = await ask(cast.doctor, "GET", f"/colleagues?{urlencode(query)}")
        return [each["name"] for each in answer.expect(200)]

    assert await found(q="若水") == ["沈若水"]
    assert await found(q="shenr") == ["沈若水"]
    assert await found(q="SRS") == ["沈若水"]
    assert await found(q="儿科") == ["沈若水"]
    assert sorted(await found(department_id=str(cast.department_id))) == ["何清", "方知白"]
    assert await found(role="customer_service") == ["客小暖"]
    assert await found(role="supervisor") == []
    # Everybody of this hospital, the own department first, never oneself and nobody foreign.
    everybody = await found()
    assert set(everybody[:2]) == {"何清", "方知白"}
    assert set(everybody[2:]) == {"沈若水", "客小暖"}


async def test_rooms_are_led_by_nobody_who_stands_outside(
    ask: Any, cast: Cast, open_room: OpenRoom
) -> None:
    foreign = await open_room(cast.other_patient, cast.other_doctor)
    body = {"to": one(cast.nurse)}
    assert (await ask(cast.doctor, "POST", f"/rooms/{foreign}/hand-over", body)).status == 404
    for person in (cast.doctor, cast.administrator, cast.foreign_supervisor):
        assert (await ask(person, "POST", f"/rooms/{foreign}/word")).status in (403, 404)
