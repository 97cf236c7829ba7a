"""What people hear at once: hints that refresh lists, and what is told to whom."""

from typing import Any
from uuid import UUID

import pytest

from core.outbox import Relay
from realtime import service as rooms
from realtime.rules import CloseReason
from tests.clinical.story import Story


@pytest.fixture
def heard(story: Story, monkeypatch: pytest.MonkeyPatch) -> list[tuple[UUID, str]]:
    """Whom the sockets told about which state."""
    said: list[tuple[UUID, str]] = []

    async def to_user(user_id: UUID, event: str, payload: Any, **_: Any) -> None:
        if event == "notice":
            assert payload["code"] == "consultation_changed"
            said.append((user_id, payload["state"]))

    monkeypatch.setattr(story.runtime.realtime, "to_user", to_user)
    return said


async def test_both_sides_lists_hear_of_every_change_and_the_doctor_of_none_before_payment(
    story: Story, heard: list[tuple[UUID, str]]
) -> None:
    patient, doctor = story.cast.patient.user_id, story.cast.doctor.user_id
    key = (await story.submitted())["id"]
    assert heard == [(patient, "awaiting_payment")]
    await story.pay(key)
    await story.do(story.cast.patient, key, "cancel")
    assert {state for user, state in heard if user == doctor} == {"waiting", "cancelled"}


async def test_a_refused_command_tells_nobody(story: Story, heard: list[tuple[UUID, str]]) -> None:
    key = (await story.active())["id"]
    heard.clear()
    await story.try_to(story.cast.patient, key, "cancel")
    assert heard == []


async def test_a_room_closed_by_a_supervisor_ends_its_consultation(
    story: Story, relay: Relay
) -> None:
    consultation = await story.active()
    async with story.runtime.unit_of_work() as uow:
        await rooms.close_room(
            uow, UUID(consultation["room_id"]), CloseReason.ENDED_BY_SUPERVISOR, None
        )
    await relay.drain()
    assert await story.state(consultation["id"]) == ("ended", "completed", False)


@pytest.mark.requirement("S1-092")
async def test_the_waiting_list_says_who_waits_since_when_and_with_what(story: Story) -> None:
    await story.waiting()
    row = (await story.get(story.cast.doctor, "/consultations?state=waiting"))["items"][0]
    assert (row["patient"]["name"], row["patient"]["sex"]) == ("林小满", "female")
    assert row["patient"]["age_text"] == "41岁"
    assert row["paid_at"]
    assert row["description"].startswith("咳嗽三天")
    assert (await story.get(story.cast.doctor, "/consultations/counts"))["waiting"] == 1


@pytest.mark.requirement("S1-099")
async def test_the_doctor_reads_the_patients_earlier_consultations(story: Story) -> None:
    earlier = await story.ended()
    now = await story.waiting()
    history = await story.get(story.cast.doctor, f"/consultations/{now['id']}/history")
    assert [row["id"] for row in history] == [earlier["id"]]
    assert history[0]["closing_note"]["diagnosis"] == "急性支气管炎恢复期"


async def test_for_a_child_the_doctor_sees_who_the_guardian_is(story: Story) -> None:
    guardian = {"name": "林小满", "id_number": story.adult_form()["id_number"]}
    form = {
        "kind": "child",
        "name": "林小宝",
        "id_type": "none",
        "sex": "male",
        "birth_date": "2022-01-05",
        "relation": "child",
        "guardian": {**guardian, "phone": "13900000001", "address": "示范市"},
    }
    await story.prove_real_name()
    (await story.try_to_add(form)).expect(201)
    story.seen_before("C000001")
    consultation = await story.waiting()
    shown = await story.get(story.cast.doctor, f"/consultations/{consultation['id']}")
    assert shown["patient"]["guardian"]["name"] == "林小满"
    assert shown["patient"]["guardian"]["verified"] is True
    room = await story.get(story.cast.doctor, f"/rooms/{shown['room_id']}")
    assert "林小宝（家属）" in [member["name"] for member in room["members"]]
