"""Agreeing, refusing and taking back: who, to what, exactly as it was shown."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from clinical.consent import access
from clinical.consent.access import Matter
from clinical.consent.models import ConsentRecord
from clinical.consent.states import Act, Kind, Method
from core.clock import FakeClock
from core.crypto.sm import sm3
from tests.clinical.consent.desk import TextDesk
from tests.clinical.story import Story, agreement, id_number

CHILD = {
    "kind": "child",
    "name": "林小宝",
    "id_type": "none",
    "sex": "male",
    "birth_date": "2018-01-05",
    "relation": "child",
}


async def records(story: Story) -> list[ConsentRecord]:
    async with story.runtime.unit_of_work() as uow:
        rows = await uow.session.scalars(
            select(ConsentRecord).order_by(ConsentRecord.at, ConsentRecord.id)
        )
        return list(rows)


async def new_version(story: Story, kind: str, version: str, **more: Any) -> dict[str, Any]:
    """One administrator writes a version of the hospital's own, another publishes it."""
    desk = await TextDesk.of(story)
    draft = await desk.draft(kind=kind, version=version, **more)
    return await desk.publish(draft["id"])


@pytest.mark.requirement("S0-P-039")
async def test_agreements_are_accepted_in_the_version_that_was_shown(story: Story) -> None:
    patient = story.cast.patient
    shown = await story.get(patient, "/me/agreements")
    assert [each["code"] for each in shown] == ["user_agreement", "privacy"]
    assert "授权" in shown[0]["text"]
    assert all(each["accepted_at"] is None for each in shown)

    async def accept(code: str, version: str) -> Any:
        return await story.ask(
            patient, "POST", "/me/agreements", {"code": code, "version": version}
        )

    assert (await accept("user_agreement", "0.9")).code == "agreement_outdated"
    assert (await accept("nonsense", "1.0")).code == "not_found"
    for _ in range(2):
        (await accept("user_agreement", shown[0]["version"])).expect(204)
    shown = await story.get(patient, "/me/agreements")
    assert [each["accepted_at"] is not None for each in shown] == [True, False]
    [kept] = await records(story)
    public = (await story.client.get("/texts/user_agreement")).expect(200)
    document = "\n\n".join((public["version"], public["title"], public["text"]))
    assert kept.digest == public["digest"] == sm3(document.encode()).hex()
    assert (kept.address, kept.device) == ("127.0.0.1", "测试设备")
    assert kept.method is Method.TAP


async def test_a_consent_is_never_changed_or_deleted(story: Story) -> None:
    await story.complete(await story.draft())
    for statement in (
        "UPDATE consent_records SET act = 'refused'",
        "DELETE FROM consent_records",
        "UPDATE consent_texts SET body = 'x'",
        "DELETE FROM consent_texts",
    ):
        with pytest.raises(DBAPIError):
            async with story.runtime.engine.begin() as connection:
                await connection.execute(text(statement))


async def test_sensitive_data_needs_each_required_purpose_ticked_by_the_person(
    story: Story,
) -> None:
    patient = await story.add_patient()
    needed = await story.get(story.cast.patient, f"/consents/needed?patient_id={patient['id']}")
    assert [(each["kind"], each["given"]) for each in needed] == [
        ("user_agreement", False),
        ("privacy", False),
        ("sensitive", True),
    ]
    body = agreement(needed[2], patient["id"]) | {"purposes": {"care": True}}
    refused = await story.ask(story.cast.patient, "POST", "/consents", body)
    assert (refused.code, refused.json["details"]) == (
        "purpose_required",
        {"purposes": ["identity"]},
    )
    body["purposes"] = {"care": True, "identity": True}
    given = (await story.ask(story.cast.patient, "POST", "/consents", body)).expect(201)
    assert given["purposes"] == {"care": True, "identity": True, "quality": False}
    assert (given["patient_name"], given["relation"]) == ("林小满", "本人")
    async with story.runtime.unit_of_work() as uow:
        matter = Matter(user_id=story.cast.patient.user_id, kind=Kind.SENSITIVE)
        here = story.cast.hospital_id
        assert await access.has_consent(uow, here, matter)
        assert not await access.has_consent(uow, here, matter, purpose="quality")


async def test_nothing_is_submitted_without_the_consents_and_each_is_named(story: Story) -> None:
    patient = story.cast.patient
    draft = await story.draft()
    await story.complete(draft)
    taken = {"kind": "sensitive", "patient_id": draft["patient"]["id"]}
    (await story.ask(patient, "POST", "/consents/withdrawals", taken)).expect(201)
    refused = await story.try_to(patient, draft["id"], "submit")
    assert (refused.code, refused.json["details"]) == ("consent_missing", {"kinds": ["sensitive"]})
    await story.agree(draft["patient"]["id"])
    await story.do(patient, draft["id"], "submit")


async def test_a_real_name_is_not_checked_without_consent_to_sensitive_data(story: Story) -> None:
    body = {"name": "林小满", "id_number": story.adult_form()["id_number"]}
    refused = await story.ask(story.cast.patient, "POST", "/me/real-name", body)
    assert refused.code == "consent_missing"
    assert story.registry.asked == []
    await story.prove_real_name()


async def test_for_a_child_only_the_identified_guardian_agrees(story: Story) -> None:
    patient = story.cast.patient
    await story.prove_real_name()
    guardian = {"name": "林小满", "id_number": story.adult_form()["id_number"]}
    form = {**CHILD, "guardian": guardian}
    child = (await story.try_to_add(form)).expect(201)["id"]
    needed = await story.get(patient, f"/consents/needed?patient_id={child}")
    assert (needed[2]["kind"], needed[2]["given"], needed[2]["may_answer"]) == (
        "guardian",
        True,
        True,
    )
    taken = {"kind": "guardian", "patient_id": child}
    (await story.ask(patient, "POST", "/consents/withdrawals", taken)).expect(201)
    # Another guardian is entered: the account holder may not speak for the child any more.
    other = {"name": "林大川", "id_number": id_number(date(1984, 2, 2))}
    (await story.ask(patient, "PATCH", f"/patients/{child}", {"guardian": other})).expect(200)
    body = agreement(needed[2], child)
    assert (await story.ask(patient, "POST", "/consents", body)).code == "guardian_only"
    (await story.ask(patient, "PATCH", f"/patients/{child}", {"guardian": guardian})).expect(200)
    given = (await story.ask(patient, "POST", "/consents", body)).expect(201)
    assert given["as_guardian"] is True
    grown = {**body, "patient_id": (await story.add_patient(serial=2, name="林大海"))["id"]}
    assert (await story.ask(patient, "POST", "/consents", grown)).code == "not_under_fourteen"
    foreign = await story.ask(story.cast.other_patient, "POST", "/consents", body)
    assert foreign.code == "not_found"


async def test_notice_and_recording_are_two_answers_of_one_consultation(story: Story) -> None:
    draft = await story.draft()
    await story.complete(draft, recording=False)
    kept = [r for r in await records(story) if r.ref_id is not None]
    assert [(r.kind, r.act) for r in kept] == [
        (Kind.NOTICE, Act.GIVEN),
        (Kind.RECORDING, Act.REFUSED),
    ]
    shown = await story.get(story.cast.patient, f"/consultations/{draft['id']}")
    assert shown["consent"]["recording_agreed"] is False
    row = await story.get(story.cast.patient, f"/consents/{kept[0].id}")
    assert row["text_intact"] is True
    assert "复诊" in row["text"]["text"]
    mine = await story.get(story.cast.patient, "/consents")
    assert {each["latest"]["kind"] for each in mine} == {
        "user_agreement",
        "privacy",
        "sensitive",
        "consultation_notice",
        "recording",
    }
    other = await story.ask(story.cast.other_patient, "GET", f"/consents/{kept[0].id}")
    assert other.code == "not_found"


async def test_a_material_change_asks_again_after_its_grace_and_a_small_one_never(
    story: Story, clock: FakeClock
) -> None:
    draft = await story.draft()
    await story.complete(draft)
    patient_id = draft["patient"]["id"]

    async def kinds() -> list[str]:
        needed = await story.get(story.cast.patient, f"/consents/needed?patient_id={patient_id}")
        return [each["kind"] for each in needed if not each["given"]]

    await new_version(story, "privacy", "1.1", material=False)
    assert await kinds() == []
    await new_version(story, "privacy", "2.0", material=True, grace_days=7)
    assert await kinds() == []
    clock.advance(timedelta(days=8))
    assert await kinds() == ["privacy"]
    assert (await story.try_to(story.cast.patient, draft["id"], "submit")).code == "consent_missing"
    await story.agree(patient_id)
    await story.do(story.cast.patient, draft["id"], "submit")


@pytest.mark.requirement("S4-066")
async def test_a_text_may_ask_for_handwriting(story: Story) -> None:
    draft = await story.draft()
    await story.complete(draft)
    patient_id = draft["patient"]["id"]
    await new_version(story, "sensitive", "2.0", signature_required=True)
    [needed] = [
        each
        for each in await story.get(story.cast.patient, f"/consents/needed?patient_id={patient_id}")
        if not each["given"]
    ]
    body = agreement(needed, patient_id)
    refused = await story.ask(story.cast.patient, "POST", "/consents", body)
    assert refused.code == "signature_needed"
    body["signature"] = "data:image/png;base64,bm8gcGljdHVyZQ=="
    assert (await story.ask(story.cast.patient, "POST", "/consents", body)).code == "invalid"
    body["signature"] = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUg=="
    given = (await story.ask(story.cast.patient, "POST", "/consents", body)).expect(201)
    assert (given["method"], given["signed"]) == ("signature", True)
    shown = await story.get(story.cast.patient, f"/consents/{given['id']}")
    assert shown["signature"] == "iVBORw0KGgoAAAANSUhEUg=="


async def test_a_recording_consent_taken_back_counts_from_then_on_and_everybody_reads_it(
    story: Story,
) -> None:
    patient = story.cast.patient
    running = await story.active("video")
    room = await story.get(patient, f"/rooms/{running['room_id']}")
    assert room["recording"] == "required"
    path = f"/rooms/{running['room_id']}/recording-refusal"
    assert (await story.ask(story.cast.doctor, "POST", path)).code == "forbidden"
    assert (await story.ask(story.cast.other_patient, "POST", path)).code == "not_found"
    taken = (await story.ask(patient, "POST", path)).expect(201)
    assert taken["act"] == "withdrawn"
    room = await story.get(patient, f"/rooms/{running['room_id']}")
    assert room["recording"] == "refused"
    page = await story.get(story.cast.doctor, f"/rooms/{running['room_id']}/messages?after=0")
    said = [m["body"]["text"] for m in page["messages"] if m["kind"] == "system"]
    assert "患者撤回了录制同意，从现在起本诊间的通话不再录制" in said
    shown = await story.get(patient, f"/consultations/{running['id']}")
    assert shown["consent"]["recording_agreed"] is False
    again = await story.ask(patient, "POST", path)
    assert again.code == "nothing_to_withdraw"


async def test_a_notice_is_not_taken_back_and_a_foreign_consent_is_unknown(story: Story) -> None:
    running = await story.active()
    matter = {"kind": "consultation_notice", "ref_type": "consultation", "ref_id": running["id"]}
    refused = await story.ask(story.cast.patient, "POST", "/consents/withdrawals", matter)
    assert refused.code == "not_withdrawable"
    recording = {**matter, "kind": "recording"}
    foreign = await story.ask(story.cast.other_patient, "POST", "/consents/withdrawals", recording)
    assert foreign.code == "nothing_to_withdraw"


async def test_a_published_text_is_compared_counted_and_never_edited(story: Story) -> None:
    desk = await TextDesk.of(story)
    officer = desk.first
    await story.complete(await story.draft())
    listed = await story.get(officer, "/consent-texts")
    old = next(each for each in listed if each["kind"] == "privacy")
    assert (old["phase"], old["own"]) == ("current", False)
    form = {"version": "2.0", "title": "隐私政策", "text": old["text"] + "\n十、新增\n新的一条。"}
    draft = await story.ask(officer, "POST", "/consent-texts", {"kind": "privacy", **form})
    path = f"/consent-texts/{draft.expect(201)['id']}"
    taken = await story.ask(officer, "POST", "/consent-texts", {"kind": "privacy", **form})
    assert taken.code == "version_taken"
    lines = await story.get(officer, f"{path}/diff?base={old['id']}")
    assert [each["text"] for each in lines if each["mark"] == "added"] == ["十、新增", "新的一条。"]
    assert (await story.get(story.cast.patient, "/me/agreements"))[1]["version"] == "1.0"
    published = await desk.publish(draft.expect(201)["id"])
    assert published["phase"] == "current"
    assert (await story.ask(officer, "PUT", path, form)).code == "text_published"
    assert (await story.ask(officer, "DELETE", path)).code == "text_published"
    assert (await story.get(story.cast.patient, "/me/agreements"))[1]["version"] == "2.0"
    answers = await story.get(officer, f"/consent-texts/{old['id']}/answers")
    assert answers["given"] == 1
    # The other hospital goes on with the group's text, and sees nothing of this one's.
    foreign = story.cast.foreign_patient
    assert (await story.get(foreign, "/me/agreements"))[1]["version"] == "1.0"
    refused = await story.ask(story.cast.foreign_administrator, "POST", f"{path}/proposals")
    assert refused.code == "not_found"
    group = await story.ask(officer, "PUT", f"/consent-texts/{old['id']}", form)
    assert group.code == "text_published"
    assert (await story.ask(story.cast.supervisor, "PUT", path, form)).code == "forbidden"
