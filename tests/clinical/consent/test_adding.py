"""Nobody's data is taken in before the separate consent to it."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from clinical.consent.models import ConsentRecord
from clinical.consent.states import Kind
from clinical.people.models import Patient
from core.clock import FakeClock
from tests.clinical.consent.desk import TextDesk
from tests.clinical.story import Story, id_number

CHILD = {
    "kind": "child",
    "name": "林小宝",
    "id_type": "none",
    "sex": "male",
    "birth_date": "2018-01-05",
    "relation": "child",
}


def child(story: Story, **more: Any) -> dict[str, Any]:
    """A child whose guardian is the account holder."""
    guardian = {"name": "林小满", "id_number": story.adult_form()["id_number"]}
    return {**CHILD, "guardian": guardian, **more}


async def try_without(story: Story, form: dict[str, Any], **consent: Any) -> Any:
    """Send a form whose consent differs from a good one; with nothing named, none at all."""
    if consent:
        good = await story.consent_for(form)
        form = {**form, "consent": {**good, **consent}}
    return await story.ask(story.cast.patient, "POST", "/patients", form)


async def nothing_happened(story: Story) -> bool:
    async with story.runtime.unit_of_work() as uow:
        kept = await uow.session.scalar(select(func.count()).select_from(Patient))
        said = await uow.session.scalar(
            select(func.count()).where(ConsentRecord.patient_id.is_not(None))
        )
    return (kept, said, story.his.opened) == (0, 0, [])


async def test_without_consent_nothing_of_a_person_is_asked_sent_or_kept(story: Story) -> None:
    form = story.adult_form()
    refused = await try_without(story, form)
    assert (refused.status, refused.code) == (409, "consent_missing")
    assert refused.json["details"] == {"kinds": ["sensitive"]}
    assert (await try_without(story, form, version="0.9")).code == "agreement_outdated"
    assert (await try_without(story, form, digest="0" * 64)).code == "agreement_outdated"
    partly = await try_without(story, form, purposes={"care": True})
    assert (partly.code, partly.json["details"]) == (
        "purpose_required",
        {"purposes": ["identity"]},
    )
    assert (await try_without(story, form, kind="privacy")).code == "invalid"
    assert story.registry.asked == []
    assert await nothing_happened(story)


async def test_the_consent_is_kept_with_the_person_and_names_the_text_that_was_shown(
    story: Story,
) -> None:
    [needed] = await story.get(story.cast.patient, "/consents/needed?adding=other")
    assert (needed["kind"], needed["given"], needed["may_answer"]) == ("sensitive", False, True)
    added = await story.add_patient(name="林大海", serial=2)
    async with story.runtime.unit_of_work() as uow:
        [kept] = await uow.session.scalars(select(ConsentRecord))
    assert (kept.kind, str(kept.patient_id), kept.relation) == (
        Kind.SENSITIVE,
        added["id"],
        "other",
    )
    assert kept.digest == needed["text"]["digest"]
    assert kept.purposes == {"identity": True, "care": True, "quality": True}
    shown = await story.get(story.cast.patient, f"/consents/needed?patient_id={added['id']}")
    assert [each["given"] for each in shown if each["kind"] == "sensitive"] == [True]


async def test_what_was_agreed_for_one_person_counts_for_nobody_else(story: Story) -> None:
    await story.add_patient(name="林大海", serial=2)
    again = await try_without(story, story.adult_form("林二海", serial=3))
    assert again.code == "consent_missing"
    # Nor does it open the account holder's own name and number.
    body = {"name": "林小满", "id_number": story.adult_form()["id_number"]}
    own = await story.ask(story.cast.patient, "POST", "/me/real-name", body)
    assert own.code == "consent_missing"


async def test_who_agreed_for_the_own_real_name_adds_himself_without_being_asked_again(
    story: Story,
) -> None:
    await story.prove_real_name()
    [needed] = await story.get(story.cast.patient, "/consents/needed?adding=self")
    assert needed["given"] is True
    (await try_without(story, story.adult_form())).expect(201)
    # Taken back, it is asked for again.
    mine = (await story.get(story.cast.patient, "/patients"))[0]["id"]
    (await story.ask(story.cast.patient, "DELETE", f"/patients/{mine}")).expect(204)
    taken = {"kind": "sensitive"}
    (await story.ask(story.cast.patient, "POST", "/consents/withdrawals", taken)).expect(201)
    assert (await try_without(story, story.adult_form())).code == "consent_missing"


async def test_a_text_that_asks_for_handwriting_is_signed_before_a_person_is_added(
    story: Story,
) -> None:
    desk = await TextDesk.of(story)
    draft = await desk.draft(kind="sensitive", signature_required=True)
    await desk.publish(draft["id"])
    form = story.adult_form()
    assert (await try_without(story, form, signature=None)).code == "signature_needed"
    assert await nothing_happened(story)
    good = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUg=="
    (await try_without(story, form, signature=good)).expect(201)


async def test_a_child_is_added_by_the_identified_guardian_alone(story: Story) -> None:
    patient = story.cast.patient
    [needed] = await story.get(patient, "/consents/needed?adding=child")
    assert (needed["kind"], needed["may_answer"]) == ("guardian", False)
    # The account holder has not proved who he is.
    refused = await story.try_to_add(child(story))
    assert (refused.status, refused.code) == (403, "guardian_only")
    await story.prove_real_name()
    story.registry.asked.clear()
    [needed] = await story.get(patient, "/consents/needed?adding=child")
    assert needed["may_answer"] is True
    # Somebody else is entered as the guardian.
    other = {"name": "林大川", "id_number": id_number(date(1984, 2, 2))}
    assert (await story.try_to_add(child(story, guardian=other))).code == "guardian_only"
    # The consent to an adult's data is not the one that a child needs.
    adult = await story.consent_for({"relation": "other", "kind": "adult"})
    wrong = await try_without(story, child(story), **adult)
    assert (wrong.code, wrong.json["details"]) == ("consent_missing", {"kinds": ["guardian"]})
    assert story.registry.asked == []
    assert await nothing_happened(story)
    added = (await story.try_to_add(child(story))).expect(201)
    async with story.runtime.unit_of_work() as uow:
        kept = await uow.session.scalar(
            select(ConsentRecord).where(ConsentRecord.kind == Kind.GUARDIAN)
        )
    assert kept is not None
    assert (str(kept.patient_id), kept.as_guardian) == (added["id"], True)


async def test_a_child_under_fourteen_entered_as_an_adult_needs_a_guardian_all_the_same(
    story: Story,
) -> None:
    number = id_number(date(2015, 5, 5), male=False)
    form = story.adult_form("林小妹", serial=4, id_number=number)
    refused = await story.try_to_add(form)
    assert refused.code == "guardian_required"
    assert refused.json["fields"][0]["field"] == "guardian.id_number"
    assert await nothing_happened(story)


async def test_from_fourteen_on_the_account_holder_agrees(story: Story, clock: FakeClock) -> None:
    clock.advance(timedelta(days=1))
    birthday = date(story.today.year - 14, story.today.month, story.today.day)
    form = child(story, birth_date=birthday.isoformat())
    consent = await story.consent_for({"relation": "other", "kind": "adult"})
    answer = await story.ask(story.cast.patient, "POST", "/patients", {**form, "consent": consent})
    answer.expect(201)
    younger = {**form, "birth_date": (birthday + timedelta(days=1)).isoformat(), "name": "林二宝"}
    refused = await story.ask(
        story.cast.patient, "POST", "/patients", {**younger, "consent": consent}
    )
    assert refused.code == "guardian_only"


@pytest.mark.parametrize("liar", ["林小满", "林小宝"])
async def test_whom_the_registry_does_not_know_leaves_no_consent_behind(
    story: Story, liar: str
) -> None:
    await story.prove_real_name()
    story.registry.liars.add(liar)
    form = child(story, id_type="identity_card", id_number=id_number(date(2018, 1, 5)), sex=None)
    assert (await story.try_to_add(form)).code == "real_name_mismatch"
    assert await nothing_happened(story)
