"""Nothing of one hospital is seen or touched from another, and nothing of one person by another."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from clinical.people.models import Patient
from core.clock import FakeClock
from core.identity.roles import Role
from tests.clinical.story import Story
from tests.support.policies import put_policy

VERBS: dict[str, Any] = {
    "accept": None,
    "decline": {"reason": "不行"},
    "refund": {"reason": "不行"},
    "cancel": None,
    "end": None,
    "proof-decision": {"accepted": False},
    "closing-note": {"diagnosis": "a", "advice": "b"},
    "submit": None,
    "consent": {"version": "2026-11", "recording_agreed": True},
    "proof": {"attachment_ids": []},
    "revisit-check": None,
    "rating": {"stars": 5},
}


@pytest.mark.parametrize("verb", VERBS)
async def test_strangers_of_both_hospitals_get_not_found_or_forbidden(
    story: Story, verb: str
) -> None:
    key = (await story.waiting())["id"]
    cast = story.cast
    strangers = (
        cast.foreign_patient,
        cast.foreign_doctor,
        cast.foreign_administrator,
        cast.other_doctor,
        cast.other_patient,
        cast.nurse,
    )
    for stranger in strangers:
        answer = await story.try_to(stranger, key, verb, VERBS[verb])
        refused = ("not_found", "forbidden", "not_permitted")
        assert answer.code in refused, (stranger.name, verb)
    assert await story.state(key) == ("waiting", None, False)


async def test_lists_counts_exports_and_histories_stay_at_home(story: Story) -> None:
    key = (await story.ended())["id"]
    cast = story.cast
    for stranger in (
        cast.foreign_doctor,
        cast.foreign_supervisor,
        cast.foreign_administrator,
        cast.foreign_patient,
        cast.other_doctor,
        cast.other_patient,
    ):
        assert (await story.get(stranger, "/consultations"))["items"] == []
        counts = await story.get(stranger, "/consultations/counts")
        assert set(counts.values()) == {0}
        answer = await story.ask(stranger, "GET", f"/consultations/{key}")
        assert answer.code == "not_found"
    csv = await story.ask(cast.foreign_administrator, "GET", "/consultations/export.csv")
    assert len(csv.body.decode("utf-8-sig").splitlines()) == 1
    history = await story.ask(cast.foreign_doctor, "GET", f"/consultations/{key}/history")
    assert history.code == "not_found"


async def test_a_patient_cannot_consult_for_a_person_or_with_a_doctor_of_elsewhere(
    story: Story,
) -> None:
    patient = await story.add_patient()
    body = {
        "patient_id": patient["id"],
        "doctor_id": str(story.cast.doctor.user_id),
        "mode": "text",
    }
    foreign = {**body, "doctor_id": str(story.cast.foreign_doctor.user_id)}
    answer = await story.ask(story.cast.patient, "POST", "/consultations", foreign)
    assert answer.code == "not_found"
    answer = await story.ask(story.cast.other_patient, "POST", "/consultations", body)
    assert answer.code == "not_found"


async def test_a_doctor_does_not_see_what_has_not_reached_the_queue(story: Story) -> None:
    key = (await story.submitted())["id"]
    answer = await story.ask(story.cast.doctor, "GET", f"/consultations/{key}")
    assert answer.code == "not_found"
    await story.do(story.cast.patient, key, "cancel")
    answer = await story.ask(story.cast.doctor, "GET", f"/consultations/{key}")
    assert answer.code == "not_found"


@pytest.mark.requirement("S0-A-089", "S1-138")
async def test_supervisors_and_administrators_see_their_hospital_and_every_look_is_audited(
    story: Story,
) -> None:
    key = (await story.ended())["id"]
    for who in (story.cast.supervisor, story.cast.administrator, story.cast.doctor):
        shown = await story.get(who, f"/consultations/{key}")
        assert shown["closing_note"]["diagnosis"] == "急性支气管炎恢复期"
    csv = await story.ask(story.cast.administrator, "GET", "/consultations/export.csv?state=ended")
    lines = csv.body.decode("utf-8-sig").splitlines()
    assert len(lines) == 2
    assert "林*满" in lines[1]
    assert "支气管炎" not in csv.body.decode()
    audit = await story.get(story.cast.administrator, f"/audit?object_id={key}&limit=50")
    looks = [e["role"] for e in audit["items"] if e["action"] == "consultation.look"]
    assert sorted(looks) == ["administrator", "doctor", "supervisor"]
    exports = await story.get(story.cast.administrator, "/audit?action=consultation.export")
    assert exports["items"][0]["detail"] == {"rows": 1, "filters": {"states": ["ended"]}}


@pytest.mark.requirement("S4-008", "S3-038")
async def test_lists_are_filtered_by_day_state_name_number_and_doctor_together(
    story: Story,
) -> None:
    ended = await story.ended()
    waiting = await story.waiting()
    who = story.cast.administrator

    async def found(query: str) -> set[str]:
        items = (await story.get(who, f"/consultations?{query}"))["items"]
        return {item["id"] for item in items}

    assert await found("state=ended") == {ended["id"]}
    assert await found("state=ended,waiting") == {ended["id"], waiting["id"]}
    assert await found(f"q={waiting['number']}") == {waiting["id"]}
    assert await found("q=%E6%9E%97%E5%B0%8F%E6%BB%A1") == {ended["id"], waiting["id"]}
    assert await found("q=%E6%97%A0%E4%BA%BA") == set()
    assert await found("from=2026-11-20&to=2026-11-20") == {ended["id"], waiting["id"]}
    assert await found("to=2026-11-19") == set()
    doctor, other = story.cast.doctor.user_id, story.cast.other_doctor.user_id
    assert await found(f"doctor_id={doctor}&state=waiting") == {waiting["id"]}
    assert await found(f"doctor_id={other}") == set()
    patient = f"patient_id={ended['patient']['id']}"
    assert await found(f"{patient}&doctor_id={doctor}&state=ended&from=2026-11-20") == {ended["id"]}
    department = ended["doctor"]["department"]["id"]
    assert await found(f"department_id={department}&mode=text") == {ended["id"], waiting["id"]}
    assert await found(f"department_id={story.cast.other_department_id}") == set()
    assert await found("mode=video") == set()
    assert await found("purpose=refill") == set()
    assert await found("by=ended&from=2026-11-20&to=2026-11-20") == {ended["id"]}
    assert await found("by=accepted&to=2026-11-19") == set()
    shown = await story.get(who, f"/consultations/{ended['id']}")
    assert (shown["number"], shown["state"]) == (ended["number"], "ended")
    answer = await story.ask(who, "GET", "/consultations?state=nonsense")
    assert (answer.status, answer.code) == (422, "invalid")


async def test_a_patient_is_found_by_the_whole_name_card_or_phone_beside_the_doctors_name(
    story: Story,
) -> None:
    """All of them lie encrypted: only the whole of it finds, and nothing that is withheld does."""
    waiting = await story.waiting()
    cast, who = story.cast, story.cast.supervisor
    async with story.runtime.unit_of_work() as uow:
        row = await story.row(uow, waiting["id"])
        (await uow.session.get_one(Patient, row.patient_id)).card_number = "C000123"

    async def found(**asked: str) -> bool:
        items = (await story.get(who, f"/consultations?{urlencode(asked)}"))["items"]
        return [item["id"] for item in items] == [waiting["id"]]

    phone = cast.patient.phone
    for whole in ("林小满", "C000123", phone, f"+86 {phone[:3]}-{phone[3:7]}-{phone[7:]}"):
        assert await found(patient=whole), whole
        assert await found(q=whole), whole
        assert await found(patient=whole, doctor="陈安")
        assert not await found(patient=whole, doctor="叶")
    for part in (
        "林小",
        "C00012",
        phone[:10],
        cast.other_patient.phone,
        "陈安和",
        waiting["number"],
    ):
        assert not await found(patient=part), part
    assert await found(doctor="陈安和")
    assert not await found(doctor="林小满")

    query = urlencode({"patient": phone, "by": "ended", "doctor": "陈安和"})
    await story.ask(who, "GET", f"/consultations/export.csv?{query}")
    audit = await story.get(cast.administrator, "/audit?action=consultation.export")
    assert audit["items"][0]["detail"]["filters"] == {
        "patient": "1***",
        "doctor": "陈安和",
        "by": "ended",
    }

    await put_policy(
        story.runtime,
        cast.hospital_id,
        Role.SUPERVISOR,
        "patient.read",
        "hospital",
        hidden=["name", "card_number", "phone_masked"],
    )
    for whole in ("林小满", "C000123", phone):
        assert not await found(patient=whole), whole
        assert not await found(q=whole), whole


async def test_only_the_first_consultation_in_which_a_patient_was_served_is_called_the_first(
    story: Story, clock: FakeClock
) -> None:
    declined = await story.waiting()
    await story.do(story.cast.doctor, declined["id"], "decline", {"reason": "请到医院就诊"})
    served = await story.ended()
    clock.advance(timedelta(minutes=1))
    later = await story.active()
    firsts = {}
    for each in (declined, served, later):
        shown = await story.get(story.cast.administrator, f"/consultations/{each['id']}")
        firsts[each["id"]] = shown["first"]
    assert firsts == {declined["id"]: True, served["id"]: True, later["id"]: False}


async def test_medical_words_lie_encrypted_in_the_database(story: Story) -> None:
    await story.ended()
    async with story.runtime.unit_of_work() as uow:
        connection = await uow.session.connection()
        rows = await connection.exec_driver_sql("SELECT c::text FROM consultations c")
        stored = rows.scalar_one()
    for words in ("咳嗽", "支气管炎", "多饮水", "内科"):
        assert words not in stored
