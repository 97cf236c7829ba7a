"""Persons bound to an account, through the API."""

import asyncio
from datetime import date
from typing import Any

import pytest

from clinical.people.gateway import CardHolder
from tests.clinical.story import Story, id_number

GUARDIAN = {
    "name": "林小满",
    "id_number": id_number(date(1985, 3, 14), male=False),
    "phone": "13900000001",
    "address": "示范市春风路1号",
}


def child(**more: Any) -> dict[str, Any]:
    return {
        "kind": "child",
        "name": "林小宝",
        "id_type": "none",
        "sex": "male",
        "birth_date": "2023-01-05",
        "relation": "child",
        "guardian": GUARDIAN,
        **more,
    }


@pytest.mark.requirement("S0-P-010", "S0-P-016")
async def test_an_adult_is_verified_gets_a_card_and_becomes_the_default(story: Story) -> None:
    patient = await story.add_patient()
    assert patient["verified"] is True
    assert patient["is_default"] is True
    assert patient["card_number"] == "C000001"
    assert patient["id_number_masked"].count("*") == 11
    assert patient["phone_masked"] == "139****0001"
    assert story.his.opened[0].name == "林小满"


@pytest.mark.requirement("S0-P-014")
async def test_a_child_without_a_card_is_bound_with_a_verified_guardian(story: Story) -> None:
    await story.prove_real_name()
    answer = await story.try_to_add(child())
    patient = answer.expect(201)
    assert patient["guardian"]["name"] == "林小满"
    assert patient["guardian"]["verified"] is True
    assert patient["id_number_masked"] is None
    assert patient["age_text"] == "3岁10个月"
    assert story.his.opened[0].guardian_id_number == GUARDIAN["id_number"]


async def test_a_child_without_a_guardian_is_refused_beside_the_field(story: Story) -> None:
    answer = await story.try_to_add(child(guardian=None))
    assert answer.code == "guardian_required"
    assert answer.json["fields"][0]["field"] == "guardian.id_number"


@pytest.mark.requirement("S1-077")
async def test_a_sixth_person_is_refused(story: Story) -> None:
    for serial in range(1, 6):
        await story.add_patient(name=f"家人{serial}", serial=serial)
    answer = await story.try_to_add(story.adult_form("家人六", serial=6))
    assert (answer.status, answer.code) == (409, "too_many_patients")
    assert len(await story.get(story.cast.patient, "/patients")) == 5


async def test_people_added_at_the_same_moment_do_not_pass_the_limit(story: Story) -> None:
    for serial in range(2, 6):
        await story.add_patient(name=f"家人{serial}", serial=serial)
    answers = await asyncio.gather(
        *(story.try_to_add(story.adult_form(f"新人{n}", serial=n)) for n in range(10, 14))
    )
    assert sorted(answer.status for answer in answers) == [201, 409, 409, 409]


async def test_a_wrong_number_is_refused_before_anybody_is_asked(story: Story) -> None:
    form = story.adult_form(id_number="119999198503140019")
    answer = await story.try_to_add(form)
    assert answer.code == "id_number_invalid"
    assert answer.json["fields"][0]["field"] == "id_number"
    assert story.registry.asked == []


async def test_a_name_that_does_not_belong_to_the_number_is_refused(story: Story) -> None:
    story.registry.liars.add("林小满")
    answer = await story.try_to_add(story.adult_form())
    assert answer.code == "real_name_mismatch"


async def test_without_the_registry_nobody_is_bound_unverified(story: Story) -> None:
    story.registry.down = True
    answer = await story.try_to_add(story.adult_form())
    assert (answer.status, answer.code) == (503, "real_name_unavailable")
    assert await story.get(story.cast.patient, "/patients") == []


async def test_without_the_hospitals_system_a_person_is_bound_without_a_card(
    story: Story,
) -> None:
    story.his.down = True
    patient = await story.add_patient()
    assert patient["card_number"] is None


async def test_a_card_that_belongs_to_somebody_else_is_refused(story: Story) -> None:
    story.his.holders["K1"] = CardHolder(person_no="P9", card_number="K1", name="别人")
    form = story.adult_form(card_number="K1")
    answer = await story.try_to_add(form)
    assert answer.code == "card_mismatch"


async def test_the_same_person_is_not_added_twice_and_oneself_only_once(story: Story) -> None:
    await story.add_patient()
    again = await story.try_to_add(story.adult_form(relation="other"))
    assert again.code == "patient_already_added"
    second = story.adult_form("别名", serial=7, relation="self")
    assert (await story.try_to_add(second)).code == "self_already_added"


@pytest.mark.requirement("S0-P-015")
async def test_unbinding_keeps_the_history_and_hands_on_the_default(story: Story) -> None:
    consultation = await story.ended()
    other = await story.add_patient(name="家人二", serial=2)
    gone = consultation["patient"]["id"]
    answer = await story.ask(story.cast.patient, "DELETE", f"/patients/{gone}")
    assert answer.status == 204
    left = await story.get(story.cast.patient, "/patients")
    assert [(p["id"], p["is_default"]) for p in left] == [(other["id"], True)]
    shown = await story.get(story.cast.patient, f"/consultations/{consultation['id']}")
    assert shown["patient"]["name"] == "林小满"
    back = await story.add_patient()
    assert back["id"] == gone


async def test_another_account_bound_to_the_same_person_sees_its_own_contact_only(
    story: Story,
) -> None:
    mine = await story.add_patient()
    form = story.adult_form(relation="parent", phone="13900000099", address="别处")
    theirs = (await story.try_to_add(form, story.cast.other_patient)).expect(201)
    assert theirs["id"] == mine["id"]
    assert theirs["phone_masked"] == "139****0099"
    again = await story.get(story.cast.patient, f"/patients/{mine['id']}")
    assert again["phone_masked"] == "139****0001"


async def test_contact_card_and_guardian_can_be_changed_but_not_the_identity(
    story: Story,
) -> None:
    await story.prove_real_name()
    bound = (await story.try_to_add(child())).expect(201)
    path = f"/patients/{bound['id']}"
    father = {**GUARDIAN, "name": "林大川", "id_number": id_number(date(1984, 2, 2))}
    changed = (
        await story.ask(story.cast.patient, "PATCH", path, {"address": "新址", "guardian": father})
    ).expect(200)
    assert changed["guardian"]["name"] == "林大川"
    assert changed["address"] == "新址"
    refused = await story.ask(story.cast.patient, "PATCH", path, {"guardian": None})
    assert refused.code == "guardian_required"


async def test_the_default_moves_to_the_person_chosen(story: Story) -> None:
    await story.add_patient()
    other = await story.add_patient(name="家人二", serial=2)
    answer = await story.ask(story.cast.patient, "PUT", f"/patients/{other['id']}/default")
    assert answer.status == 204
    listed = await story.get(story.cast.patient, "/patients")
    assert [p["is_default"] for p in listed] == [True, False]
    assert listed[0]["id"] == other["id"]


async def test_people_of_others_do_not_exist(story: Story) -> None:
    patient = await story.add_patient()
    for stranger in (story.cast.other_patient, story.cast.foreign_patient):
        path = f"/patients/{patient['id']}"
        assert (await story.ask(stranger, "GET", path)).code == "not_found"
        assert (await story.ask(stranger, "DELETE", path)).code == "not_found"
    assert (await story.ask(story.cast.doctor, "GET", "/patients")).code == "forbidden"


async def test_names_and_numbers_lie_encrypted_in_the_database(story: Story) -> None:
    await story.add_patient()
    async with story.runtime.unit_of_work() as uow:
        connection = await uow.session.connection()
        rows = await connection.exec_driver_sql(
            "SELECT p::text || r::text FROM patients p, patient_relations r"
        )
        stored = rows.scalar_one()
    assert "林小满" not in stored
    assert "春风路" not in stored
    assert story.adult_form()["id_number"] not in stored
