"""Break-glass access: one patient, a short time, read only, and everybody concerned knows."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from core.clock import FakeClock
from core.outbox import Relay
from tests.clinical.story import Story
from tests.core.access.conftest import Desk
from tests.support.cast import Cast, Person

CATEGORY = {"category": "life_threat", "reason": "患者在急诊抢救，需要立即了解过敏史"}


def identity(story: Story) -> dict[str, str]:
    form = story.adult_form()
    return {"name": form["name"], "number": form["id_number"]}


async def open_patient(story: Story, who: Person, **more: str) -> dict[str, Any]:
    body = {**identity(story), **CATEGORY, **more}
    opened: dict[str, Any] = (await story.ask(who, "POST", "/access/emergencies", body)).expect(201)
    return opened


@pytest.fixture
async def strangers(cast: Cast) -> tuple[Person, ...]:
    """Clinicians to whom the patient of the stories is nobody's."""
    return (cast.other_doctor, cast.nurse, cast.pharmacist)


async def test_a_clinician_without_scope_reads_one_patient_for_a_short_time_and_changes_nothing(
    story: Story, cast: Cast, strangers: tuple[Person, ...], clock: FakeClock
) -> None:
    active = await story.active()
    path = f"/consultations/{active['id']}"
    for who in strangers:
        assert (await story.ask(who, "GET", path)).code in ("not_found", "not_permitted")
        opened = await open_patient(story, who)
        shown = (await story.ask(who, "GET", path)).expect(200)
        assert shown["emergency"] == {"id": opened["id"], "ends_at": opened["ends_at"]}
        listed = await story.get(who, "/consultations")
        assert [each["id"] for each in listed["items"]] == [active["id"]]
        (await story.ask(who, "GET", f"/rooms/{active['room_id']}/messages")).expect(200)
    note = {"diagnosis": "改", "advice": "改"}
    changed = await story.ask(cast.other_doctor, "PUT", f"{path}/closing-note", note)
    assert changed.code == "not_found"
    assert (await story.ask(cast.nurse, "POST", f"{path}/end")).code == "not_found"
    clock.advance(timedelta(minutes=61))
    for who in strangers:
        assert (await story.ask(who, "GET", path)).code in ("not_found", "not_permitted")
        room = await story.ask(who, "GET", f"/rooms/{active['room_id']}/messages")
        assert room.code == "not_found"


async def test_officers_hear_at_once_and_every_look_carries_the_number_of_the_access(
    story: Story, cast: Cast, relay: Relay
) -> None:
    active = await story.active()
    opened = await open_patient(story, cast.other_doctor)
    await relay.drain()
    assert "alarm" in await story.inbox(cast.administrator)
    assert "alarm" in await story.inbox(cast.supervisor)
    (alarm,) = (await story.get(cast.supervisor, "/alarms"))["items"]
    assert alarm["ref_id"] == opened["id"]
    assert "林*满" in alarm["text"]
    assert "林小满" not in alarm["text"]
    await story.get(cast.other_doctor, f"/consultations/{active['id']}")
    await story.get(cast.other_doctor, f"/rooms/{active['room_id']}/messages")
    query = f"/audit?user_id={cast.other_doctor.user_id}"
    entries = (await story.get(cast.supervisor, query))["items"]
    looks = [each for each in entries if each["action"].endswith(".look")]
    assert {each["action"] for each in looks} == {"consultation.look", "room.look"}
    assert {each["detail"]["break_glass"] for each in looks} == {opened["id"]}


async def test_only_exactly_the_name_with_exactly_the_number_finds_a_patient(
    story: Story, cast: Cast
) -> None:
    patient = await story.add_patient()
    right = identity(story)
    found = await story.ask(cast.other_doctor, "POST", "/access/emergencies/search", right)
    assert found.expect(200)["name_masked"] == "林*满"
    by_card = {"name": right["name"], "number": patient["card_number"]}
    wrong = [
        {**right, "name": "林小"},
        {**right, "number": right["number"][:-1]},
        {**right, "name": "周未来"},
    ]
    for body in wrong:
        answer = await story.ask(cast.other_doctor, "POST", "/access/emergencies/search", body)
        assert answer.code == "not_found"
    if patient["card_number"]:
        answer = await story.ask(cast.nurse, "POST", "/access/emergencies/search", by_card)
        answer.expect(200)
    foreign = await story.ask(cast.foreign_doctor, "POST", "/access/emergencies/search", right)
    assert foreign.code == "not_found"


@pytest.mark.parametrize(
    "wrong", [{"reason": "太短"}, {"reason": " " * 20}, {"category": "curiosity"}]
)
async def test_a_break_glass_access_needs_a_category_and_a_written_reason(
    story: Story, cast: Cast, wrong: dict[str, str]
) -> None:
    await story.add_patient()
    body = {**identity(story), **CATEGORY, **wrong}
    answer = await story.ask(cast.other_doctor, "POST", "/access/emergencies", body)
    assert answer.status == 422


async def test_an_officer_reviews_it_and_what_was_not_justified_ends_at_once(
    story: Story, cast: Cast, desk: Desk
) -> None:
    active = await story.active()
    opened = await open_patient(story, cast.other_doctor)
    (queued,) = (await story.get(cast.supervisor, "/access/emergencies?reviewed=false"))["items"]
    assert queued["id"] == opened["id"]
    assert queued["reason"] == CATEGORY["reason"]
    path = f"/access/emergencies/{opened['id']}/review"
    verdict = {"justified": False, "note": "患者当日并未就诊"}
    assert (await story.ask(cast.foreign_supervisor, "POST", path, verdict)).code == "not_found"
    reviewed = (await story.ask(cast.supervisor, "POST", path, verdict)).expect(200)
    assert reviewed["verdict"] == "unjustified"
    assert (await story.ask(desk.first, "POST", path, verdict)).code == "emergency_reviewed"
    seen = await story.ask(cast.other_doctor, "GET", f"/consultations/{active['id']}")
    assert seen.code == "not_found"
    assert "emergency_reviewed" in await story.inbox(cast.other_doctor)


async def test_opening_twice_is_one_access_and_closing_ends_it(story: Story, cast: Cast) -> None:
    active = await story.active()
    opened = await open_patient(story, cast.other_doctor)
    assert (await open_patient(story, cast.other_doctor))["id"] == opened["id"]
    (own,) = await story.get(cast.other_doctor, "/access/emergencies/mine")
    assert own["open"]
    path = f"/access/emergencies/{opened['id']}/close"
    assert (await story.ask(cast.nurse, "POST", path)).code == "not_found"
    assert not (await story.ask(cast.other_doctor, "POST", path)).expect(200)["open"]
    seen = await story.ask(cast.other_doctor, "GET", f"/consultations/{active['id']}")
    assert seen.code == "not_found"
