"""A child's revisit goes on only with a guardian whose real name was verified."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from clinical.people.models import PatientRelation
from tests.clinical.story import Story, id_number

CHILD = {
    "kind": "child",
    "name": "林小宝",
    "id_type": "none",
    "sex": "male",
    "birth_date": "2021-01-05",
    "relation": "child",
}


def guardian(story: Story) -> dict[str, Any]:
    return {
        "name": "林小满",
        "id_number": story.adult_form()["id_number"],
        "phone": "13900000001",
        "address": "示范市春风路1号",
    }


async def as_once_bound(story: Story, patient_id: str, *, guardian_kept: bool) -> None:
    """The binding as it may stand from earlier days: a guardian not verified, or none at all."""
    async with story.runtime.unit_of_work() as uow:
        relation = await uow.session.scalar(
            select(PatientRelation).where(PatientRelation.patient_id == UUID(patient_id))
        )
        assert relation is not None
        relation.guardian_verified_at = relation.guardian_verified_reference = None
        if not guardian_kept:
            relation.guardian_name = relation.guardian_id_number = None
            relation.guardian_phone = relation.guardian_address = None


async def ready_but_for_the_guardian(story: Story) -> dict[str, Any]:
    """A child's revisit in which everything else has been filled in and agreed to."""
    await story.prove_real_name()
    child = (await story.try_to_add({**CHILD, "guardian": guardian(story)})).expect(201)
    story.seen_before(child["card_number"])
    draft = await story.draft(patient_id=child["id"])
    await story.complete(draft)
    return draft


@pytest.mark.requirement("S2-014")
async def test_the_guardian_is_entered_and_verified_before_a_childs_revisit_begins(
    story: Story,
) -> None:
    await story.prove_real_name()
    missing = await story.try_to_add({**CHILD, "guardian": None})
    assert (missing.status, missing.code) == (422, "guardian_required")
    assert missing.json["fields"][0]["field"] == "guardian.id_number"
    # A guardian whom the registry does not confirm, or cannot be asked about, binds nobody.
    story.registry.liars.add("林小满")
    unknown = await story.try_to_add({**CHILD, "guardian": guardian(story)})
    assert unknown.code == "real_name_mismatch"
    assert unknown.json["fields"][0]["field"] == "guardian.id_number"
    story.registry.liars.clear()
    story.registry.down = True
    asked = await story.try_to_add({**CHILD, "guardian": guardian(story)})
    assert asked.code == "real_name_unavailable"
    story.registry.down = False
    assert await story.get(story.cast.patient, "/patients") == []
    minor = {**guardian(story), "id_number": id_number(date(2012, 2, 2))}
    assert (await story.try_to_add({**CHILD, "guardian": minor})).code == "guardian_minor"


@pytest.mark.requirement("S2-014")
async def test_with_a_verified_guardian_the_revisit_goes_on_to_the_doctor(story: Story) -> None:
    draft = await ready_but_for_the_guardian(story)
    assert draft["patient"]["guardian"]["verified"] is True
    submitted = await story.do(story.cast.patient, draft["id"], "submit")
    await story.pay(submitted["id"])
    assert (await story.state(draft["id"]))[0] == "waiting"
    (await story.ask(story.cast.doctor, "POST", f"/consultations/{draft['id']}/accept")).expect(200)


@pytest.mark.requirement("S2-014")
@pytest.mark.parametrize("guardian_kept", [True, False])
async def test_without_one_the_revisit_stops_until_the_guardian_passes_verification(
    story: Story, guardian_kept: bool
) -> None:
    draft = await ready_but_for_the_guardian(story)
    child = draft["patient"]["id"]
    await as_once_bound(story, child, guardian_kept=guardian_kept)
    refused = await story.try_to(story.cast.patient, draft["id"], "submit")
    assert (refused.status, refused.code) == (409, "guardian_unverified")
    assert (await story.state(draft["id"]))[0] == "draft"
    # Entering a guardian whom the registry does not confirm changes nothing.
    story.registry.liars.add("林小满")
    entered = {"guardian": guardian(story)}
    patch = await story.ask(story.cast.patient, "PATCH", f"/patients/{child}", entered)
    assert patch.code == "real_name_mismatch"
    again = await story.try_to(story.cast.patient, draft["id"], "submit")
    assert again.code == "guardian_unverified"
    story.registry.liars.clear()
    (await story.ask(story.cast.patient, "PATCH", f"/patients/{child}", entered)).expect(200)
    submitted = await story.do(story.cast.patient, draft["id"], "submit")
    assert submitted["state"] == "awaiting_payment"
