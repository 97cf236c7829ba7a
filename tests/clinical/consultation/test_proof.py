"""Proof of an earlier visit: handed in by the patient, decided by the doctor."""

from typing import Any

import pytest

from tests.clinical.story import Story
from tests.core.files.conftest import form, picture
from tests.support.cast import Person


async def upload(story: Story, who: Person) -> str:
    """A picture of somebody's; returns its id."""
    headers = {"content-type": "multipart/form-data; boundary=zhenjian-test"}
    answer = await story.client.post(
        "/files", token=who.token, body=form(picture(), "病历.jpg", "proof"), headers=headers
    )
    return str(answer.expect(201)["id"])


async def proven(story: Story) -> tuple[str, str]:
    """A paid consultation with a picture as proof; the ids of both."""
    draft = await story.draft()
    key = draft["id"]
    proof = await upload(story, story.cast.patient)
    (
        await story.ask(
            story.cast.patient, "PATCH", f"/consultations/{key}", {"description": "复诊咳嗽"}
        )
    ).expect(200)
    checked = await story.do(story.cast.patient, key, "revisit-check")
    assert checked["status"] == "proof_required"
    shown = await story.do(story.cast.patient, key, "proof", {"attachment_ids": [proof]})
    assert shown["revisit"]["status"] == "proof_submitted"
    await story.agree(draft["patient"]["id"])
    notice = await story.get(story.cast.patient, "/consultations/notice")
    agreed = {"version": notice["version"], "recording_agreed": True}
    await story.do(story.cast.patient, key, "consent", agreed)
    await story.do(story.cast.patient, key, "submit")
    await story.pay(key)
    return key, proof


async def links(story: Story, who: Person, file_id: str) -> dict[str, Any]:
    answer = await story.ask(who, "POST", "/files/links", {"ids": [file_id]})
    found: dict[str, Any] = answer.expect(200)
    return found


@pytest.mark.requirement("S1-040")
async def test_the_doctor_confirms_the_proof_and_may_then_diagnose(story: Story) -> None:
    key, proof = await proven(story)
    doctor, note = story.cast.doctor, {"diagnosis": "支气管炎", "advice": "休息"}
    assert proof in await links(story, doctor, proof)
    for stranger in (story.cast.other_doctor, story.cast.foreign_doctor, story.cast.other_patient):
        assert await links(story, stranger, proof) == {}
    await story.do(doctor, key, "accept")
    refused = await story.try_to(doctor, key, "closing-note", note)
    assert refused.code == "proof_undecided"
    confirmed = await story.do(doctor, key, "proof-decision", {"accepted": True})
    assert confirmed["revisit"]["status"] == "proof_confirmed"
    await story.do(doctor, key, "closing-note", note)
    assert (await story.do(doctor, key, "end"))["state"] == "ended"


async def test_a_refused_proof_ends_the_consultation_and_pays_back(story: Story) -> None:
    key, _ = await proven(story)
    refusal = {"accepted": False, "reason": "图片与就诊人不符"}
    shown = await story.do(story.cast.doctor, key, "proof-decision", refusal)
    assert shown["revisit"]["status"] == "proof_rejected"
    assert "图片与就诊人不符" in shown["close_text"]
    assert await story.state(key) == ("cancelled", "not_a_revisit", True)


async def test_somebody_elses_file_is_not_attached(story: Story) -> None:
    draft = await story.draft()
    foreign = await upload(story, story.cast.other_patient)
    refused = await story.try_to(
        story.cast.patient, draft["id"], "proof", {"attachment_ids": [foreign]}
    )
    assert refused.code == "file_not_found"
