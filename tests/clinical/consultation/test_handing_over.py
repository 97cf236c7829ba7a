"""A consultation that another doctor takes over, and one into which an expert is asked."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from core.identity.roles import Role
from tests.clinical.story import Story
from tests.support.cast import Person, hire
from tests.support.policies import put_policy


async def colleague(story: Story, serial: int = 0) -> Person:
    """Another doctor of the treating doctor's department."""
    cast = story.cast
    return await hire(
        story.runtime,
        cast.hospital_id,
        Role.DOCTOR,
        f"温如故{serial or ''}",
        cast.department_id,
        serial=serial,
    )


def to(person: Person) -> dict[str, Any]:
    return {
        "to": {"user_id": str(person.user_id), "role": person.caller.role.value},
        "reason": "交班",
    }


@pytest.mark.parametrize("state", ["waiting", "active"])
async def test_a_doctor_hands_a_consultation_over_and_the_colleague_goes_on(
    story: Story, state: str
) -> None:
    consultation = await (story.waiting() if state == "waiting" else story.active())
    key, room = consultation["id"], consultation["room_id"]
    doctor, patient, next_doctor = story.cast.doctor, story.cast.patient, await colleague(story)

    answer = await story.ask(doctor, "POST", f"/rooms/{room}/hand-over", to(next_doctor))
    assert answer.status == 204, answer.body

    assert (await story.ask(doctor, "GET", f"/consultations/{key}")).status == 404
    assert (await story.ask(doctor, "GET", f"/rooms/{room}")).status == 404
    shown = await story.get(patient, f"/consultations/{key}")
    assert (shown["doctor"]["name"], shown["state"]) == ("温如故", state)
    assert "consultation_handed_over" in await story.inbox(patient)
    assert await story.inbox(next_doctor) == ["room_handed_over"]
    log = await story.get(patient, f"/rooms/{room}/messages")
    assert "本次问诊由陈安和医生转交温如故医生继续接诊" in [
        each["body"]["text"] for each in log["messages"]
    ]
    if state == "waiting":
        await story.do(next_doctor, key, "accept")
    note = {"diagnosis": "支气管炎恢复期", "advice": "一周后复查。"}
    await story.do(next_doctor, key, "closing-note", note)
    assert (await story.do(next_doctor, key, "end"))["state"] == "ended"


async def test_only_a_doctor_of_the_department_takes_over(story: Story) -> None:
    consultation = await story.active()
    room = consultation["room_id"]
    path = f"/rooms/{room}/hand-over"
    cast = story.cast
    for person, code in [
        (cast.other_doctor, "not_this_department"),
        (cast.nurse, "not_found"),
        (cast.foreign_doctor, "no_such_colleague"),
    ]:
        answer = await story.ask(cast.doctor, "POST", path, to(person))
        assert answer.code == code, person.name
    shown = await story.get(cast.doctor, f"/consultations/{consultation['id']}")
    assert shown["doctor"]["name"] == "陈安和"


async def test_a_supervisor_reassigns_and_the_patient_reads_no_word_of_him(story: Story) -> None:
    consultation = await story.waiting()
    next_doctor = await colleague(story)
    path = f"/rooms/{consultation['room_id']}/hand-over"
    answer = await story.ask(story.cast.supervisor, "POST", path, to(next_doctor))
    assert answer.status == 204, answer.body
    await story.do(next_doctor, consultation["id"], "accept")
    log = await story.get(story.cast.patient, f"/rooms/{consultation['room_id']}/messages")
    assert story.cast.supervisor.name not in str(log)
    room = await story.get(story.cast.patient, f"/rooms/{consultation['room_id']}")
    joined = [each["name"] for each in room["members"] if each["state"] == "joined"]
    assert joined == ["林小满", "温如故"]


async def test_handing_over_and_ending_at_once_leaves_one_of_both_and_no_deadlock(
    story: Story,
) -> None:
    """Both lock the consultation before its room."""
    consultation = await story.active()
    key, room = consultation["id"], consultation["room_id"]
    note = {"diagnosis": "支气管炎恢复期", "advice": "一周后复查。"}
    await story.do(story.cast.doctor, key, "closing-note", note)
    next_doctor = await colleague(story)
    handed, ended = await asyncio.gather(
        story.ask(story.cast.doctor, "POST", f"/rooms/{room}/hand-over", to(next_doctor)),
        story.ask(story.cast.doctor, "POST", f"/consultations/{key}/end", {}),
    )
    assert sorted([handed.status < 300, ended.status < 300]) == [False, True]
    assert {handed.status, ended.status} <= {200, 204, 404, 409}


@pytest.mark.requirement("S4-020")
async def test_an_expert_sees_the_patient_and_leaves_the_decisions_to_the_doctor(
    story: Story,
) -> None:
    consultation = await story.active()
    key, room = consultation["id"], consultation["room_id"]
    doctor, expert = story.cast.doctor, story.cast.other_doctor
    assert (await story.ask(expert, "GET", f"/consultations/{key}")).status == 404
    body = {"people": [{"user_id": str(expert.user_id), "role": "doctor"}]}
    answer = await story.ask(doctor, "POST", f"/rooms/{room}/members", body)
    assert answer.status == 200, answer.body
    shown = await story.get(expert, f"/consultations/{key}")
    assert shown["patient"]["name"] == "林小满"
    assert shown["description"]
    note = {"diagnosis": "不该由我写", "advice": "不该由我写"}
    assert (await story.try_to(expert, key, "closing-note", note)).status == 404
    assert (await story.try_to(expert, key, "end")).status == 404
    answer = await story.ask(expert, "POST", f"/rooms/{room}/leave")
    assert answer.status == 204
    assert (await story.ask(expert, "GET", f"/consultations/{key}")).status == 404


@pytest.mark.parametrize("role", [Role.NURSE, Role.PHARMACIST])
async def test_a_clinician_who_was_asked_in_reads_the_intake_while_in_the_room(
    story: Story, role: Role
) -> None:
    active = await story.active()
    key, room = active["id"], active["room_id"]
    cast, asked = story.cast, story.cast.of(role)
    bystander = await hire(story.runtime, cast.hospital_id, role, "路过人", cast.department_id)

    async def numbers(who: Person) -> list[str]:
        page = await story.get(who, "/consultations?state=active")
        return [each["number"] for each in page["items"]]

    assert await numbers(asked) == []
    body = {"people": [{"user_id": str(asked.user_id), "role": role.value}]}
    (await story.ask(cast.doctor, "POST", f"/rooms/{room}/members", body)).expect(200)

    shown = await story.get(asked, f"/consultations/{key}")
    assert (shown["patient"]["name"], shown["description"]) == ("林小满", "咳嗽三天，夜间加重。")
    assert shown["withheld"] == []
    assert await numbers(asked) == [active["number"]]
    assert (await story.get(asked, "/consultations/counts"))["active"] == 1
    for verb in ("accept", "end", "refund", "closing-note"):
        # A pharmacist treats where it is about medicines, so for him it is another's.
        said = {"reason": "转走", "diagnosis": "", "advice": "多休息"}
        assert (await story.try_to(asked, key, verb, said)).status in (403, 404), verb
    # Advice about medicines needs to know what was given before; a nurse's task does not.
    history = await story.ask(asked, "GET", f"/consultations/{key}/history")
    assert history.status == (404 if role is Role.NURSE else 200)
    audit = await story.get(cast.administrator, f"/audit?object_id={key}&limit=50")
    looks = [each["role"] for each in audit["items"] if each["action"] == "consultation.look"]
    assert looks == [role.value]

    # A colleague of the same role and department who was not asked in sees nothing of it.
    assert await numbers(bystander) == []
    assert (await story.ask(bystander, "GET", f"/consultations/{key}")).code == "not_found"

    (await story.ask(asked, "POST", f"/rooms/{room}/leave")).expect(204)
    assert (await story.ask(asked, "GET", f"/consultations/{key}")).code == "not_found"
    assert await numbers(asked) == []


async def test_customer_service_talks_along_and_reads_no_intake(story: Story) -> None:
    active = await story.active()
    cast, agent = story.cast, story.cast.customer_service
    body = {"people": [{"user_id": str(agent.user_id), "role": "customer_service"}]}
    path = f"/rooms/{active['room_id']}"
    (await story.ask(cast.doctor, "POST", f"{path}/members", body)).expect(200)
    assert (await story.get(agent, path))["me"]["may_send"] is True
    assert (await story.ask(agent, "GET", f"/consultations/{active['id']}")).code == "forbidden"


async def test_a_scope_of_the_department_keeps_what_one_was_asked_into(story: Story) -> None:
    """A wider scope takes nothing away from who was asked into another department's room."""
    active = await story.active()
    cast, expert = story.cast, story.cast.other_doctor
    await put_policy(
        story.runtime, cast.hospital_id, Role.DOCTOR, "consultation.read", "department"
    )
    path = f"/consultations/{active['id']}"
    assert (await story.ask(expert, "GET", path)).code == "not_found"
    body = {"people": [{"user_id": str(expert.user_id), "role": "doctor"}]}
    room = f"/rooms/{active['room_id']}/members"
    (await story.ask(cast.doctor, "POST", room, body)).expect(200)
    assert (await story.get(expert, path))["number"] == active["number"]
