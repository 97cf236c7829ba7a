"""Past prescriptions: the codec against the simulator, and the card that names one in a room."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import asdict
from datetime import date
from typing import Any
from uuid import UUID

import pytest

from clinical.his.gateway import PersonKey, RecordUnknown, Span
from clinical.his.rest import RestHospital
from clinical.sandbox.server import SandboxServer
from core.clock import FakeClock
from core.outside import OutsideGarbled
from realtime.rules import MessageKind
from realtime.schemas import CardBody
from tests.clinical.consultation import test_nursing as nursing
from tests.clinical.consultation.test_kinds import offer, ordered, say
from tests.clinical.his.papers import HERBS, PRESCRIPTION, person
from tests.clinical.his.test_reading import code, hospital
from tests.clinical.story import Story
from tests.support.cast import Person
from tests.support.outside import Payer, made_keys, payer, sandbox

__all__ = ["hospital", "made_keys", "payer", "sandbox"]

NUMBER = "11010519491231002X"
AUTUMN = Span(since=date(2026, 10, 1), until=date(2026, 11, 20))
CARD = {"type": "past_prescription", "ref": "RX1", "title": "历史处方 2026-10-01"}


@pytest.fixture
async def his(
    sandbox: SandboxServer, clock: FakeClock, payer: Payer
) -> AsyncIterator[RestHospital]:
    secret = sandbox.world.keys.secrets.his_secret
    system = RestHospital(sandbox.url, "zhenjian", secret, clock.now, timeout=2)
    await payer.put("/_sandbox/people", {"people": [person("李建国", NUMBER)]})
    yield system
    await system.aclose()


async def filed(his: RestHospital, number: str = NUMBER) -> str:
    return (await his.find_person(PersonKey(id_number=number, card_number=None))).person_no


async def test_prescriptions_are_listed_by_day_and_come_whole(his: RestHospital) -> None:
    person_no = await filed(his)
    listed = await his.prescriptions(person_no, AUTUMN)
    assert [(each.prescription_no, each.drugs) for each in listed] == [
        ("RX2", ("桑叶", "薄荷")),
        ("RX1", ("盐酸氨溴索口服溶液",)),
    ]
    first = Span(since=date(2026, 10, 1), until=date(2026, 10, 14))
    assert [each.prescription_no for each in await his.prescriptions(person_no, first)] == ["RX1"]
    western = await his.prescription(person_no, "RX1")
    assert western.summary == listed[1]
    assert [asdict(line) for line in western.lines] == PRESCRIPTION["lines"]
    assert (western.doses, western.usage) == (None, "")
    herbs = await his.prescription(person_no, "RX2")
    assert [(line.name, line.quantity, line.unit, line.route) for line in herbs.lines] == [
        ("桑叶", "7.5", "g", ""),
        ("薄荷", "6", "g", "后下"),
    ]
    assert (herbs.doses, herbs.usage) == (5, HERBS["usage"])


async def test_the_number_of_somebody_elses_prescription_is_unknown(
    his: RestHospital, payer: Payer
) -> None:
    other = "110105198503140024"
    papers = {"prescriptions": [{**PRESCRIPTION, "prescription_no": "RX9"}]}
    await payer.put("/_sandbox/people", {"people": [person("王他人", other, **papers)]})
    assert (await his.prescription(await filed(his, other), "RX9")).lines
    for number in ("RX9", "RX404"):
        with pytest.raises(RecordUnknown):
            await his.prescription(await filed(his), number)


@pytest.mark.parametrize("fault", ["garbled", "other_person"])
async def test_an_answer_that_cannot_be_believed_is_shown_to_nobody(
    his: RestHospital, payer: Payer, fault: str
) -> None:
    person_no = await filed(his)
    await payer.fault(his_records=fault)
    with pytest.raises(OutsideGarbled):
        await his.prescriptions(person_no, AUTUMN)
    with pytest.raises(OutsideGarbled):
        await his.prescription(person_no, "RX1")


@pytest.mark.parametrize(
    "broken",
    [
        {"lines": []},
        {"doses": None},
        {"kind": "cosmetic"},
        {"issued_on": "2026-10-15 08:00"},
        {"lines": [{"name": "桑叶", "quantity": "一把", "unit": "g"}]},
        {"lines": [{"name": "桑叶", "quantity": "7.5", "unit": ""}]},
    ],
)
async def test_a_prescription_of_which_a_part_cannot_be_read_is_none(
    his: RestHospital, sandbox: SandboxServer, broken: dict[str, Any]
) -> None:
    person_no = await filed(his)
    stored = sandbox.world.store.get("person", NUMBER)
    assert stored is not None
    changed = {**stored, "prescriptions": [{**HERBS, **broken}]}
    sandbox.world.store.put("person", NUMBER, changed)
    with pytest.raises(OutsideGarbled):
        await his.prescription(person_no, "RX2")


# --- in the room ---------------------------------------------------------------------------------
async def opened(story: Story, kind: str) -> dict[str, Any]:
    """A consultation of this kind that the doctor accepted."""
    if kind == "revisit":
        return await story.active()
    await offer(story, kind)
    row = await ordered(story, kind=kind)
    return dict(await story.do(story.cast.doctor, row["id"], "accept"))


async def send_card(story: Story, who: Person, room: str) -> str:
    return await say(story, who, UUID(room), MessageKind.CARD, CardBody(**CARD))


@pytest.mark.requirement("S0-P-147")
@pytest.mark.parametrize("kind", ["revisit", "first"])
async def test_the_patient_sends_a_past_prescription_and_who_treats_opens_it(
    hospital: Story, kind: str
) -> None:
    consultation, cast = await opened(hospital, kind), hospital.cast
    key, room = consultation["id"], consultation["room_id"]
    own = f"/patients/{consultation['patient']['id']}/past-prescriptions"
    listed = await hospital.get(cast.patient, own)
    assert [(each["prescription_no"], each["issued_on"]) for each in listed["items"]] == [
        ("RX2", "2026-10-15"),
        ("RX1", "2026-10-01"),
    ]
    assert await send_card(hospital, cast.patient, room) == "stored"
    history = await hospital.get(cast.doctor, f"/rooms/{room}/messages")
    card = history["messages"][-1]["body"]
    assert card == CARD, "the card names the prescription and copies nothing of it"

    path = f"/consultations/{key}/past-prescriptions/{card['ref']}"
    whole = await hospital.get(cast.doctor, path)
    assert (whole["kind_text"], whole["diagnosis"]) == ("西药处方", "急性支气管炎")
    assert whole["lines"] == PRESCRIPTION["lines"]
    assert await hospital.get(cast.patient, f"{own}/{card['ref']}") == whole
    hers = await hospital.get(cast.doctor, f"/consultations/{key}/past-prescriptions")
    assert hers["items"] == listed["items"]
    for who in (cast.other_doctor, cast.foreign_doctor, cast.nurse, cast.pharmacist):
        assert await code(hospital, who, path) == "not_found", who.name
    for who in (cast.other_patient, cast.foreign_patient):
        assert await code(hospital, who, f"{own}/RX1") == "not_found"
        assert await code(hospital, who, own) == "not_found"
    assert await code(hospital, cast.supervisor, path) == "forbidden"

    audit = await hospital.get(cast.administrator, f"/audit?object_id={key}&limit=100")
    looks = [each for each in audit["items"] if each["action"] == "hospital_record.look"]
    assert [each["detail"]["what"] for each in looks] == ["prescriptions", "prescription"]
    journal = await hospital.get(cast.administrator, "/his/exchanges?operation=prescription")
    assert {each["parameters"]["prescription_no"] for each in journal["items"]} == {"RX1"}
    assert {each["operation_text"] for each in journal["items"]} == {"历史处方详情"}


async def test_who_was_asked_in_opens_the_card_and_sends_one_until_leaving(hospital: Story) -> None:
    consultation, cast = await hospital.active(), hospital.cast
    room = consultation["room_id"]
    path = f"/consultations/{consultation['id']}/past-prescriptions/RX1"
    for guest in (cast.nurse, cast.pharmacist):
        body = {"people": [{"user_id": str(guest.user_id), "role": guest.caller.role.value}]}
        (await hospital.ask(cast.doctor, "POST", f"/rooms/{room}/members", body)).expect(200)
        assert (await hospital.get(guest, path))["drugs"] == ["盐酸氨溴索口服溶液"]
        assert await send_card(hospital, guest, room) == "stored"
        (await hospital.ask(guest, "POST", f"/rooms/{room}/leave")).expect(204)
        assert await code(hospital, guest, path) == "not_found"
    assert await send_card(hospital, cast.doctor, room) == "stored"


async def test_a_number_that_is_not_this_patients_and_a_his_that_fails_have_names(
    hospital: Story, payer: Payer
) -> None:
    consultation, doctor = await hospital.active(), hospital.cast.doctor
    path = f"/consultations/{consultation['id']}/past-prescriptions"
    other = person("王他人", NUMBER, prescriptions=[{**PRESCRIPTION, "prescription_no": "RX9"}])
    await payer.put("/_sandbox/people", {"people": [other]})
    for number in ("RX9", "RX404"):
        assert await code(hospital, doctor, f"{path}/{number}") == "his_prescription_unknown"
    assert (await hospital.ask(doctor, "GET", f"{path}/..%2Frecords")).status == 404
    await payer.fault(his_records="garbled")
    assert await code(hospital, doctor, path) == "his_malformed"
    assert await code(hospital, doctor, f"{path}/RX1") == "his_malformed"


@pytest.mark.requirement("S0-C-146")
async def test_a_nurse_sends_a_suitable_past_prescription_in_her_room_and_the_patient_opens_it(
    hospital: Story,
) -> None:
    cast = hospital.cast
    patient = (await hospital.add_patient())["id"]
    await nursing.enrol(hospital, cast.nurse, "林护理")
    await nursing.opened(hospital)
    row = await nursing.ordered(hospital)
    room = (await hospital.do(cast.nurse, row["id"], "accept"))["room_id"]
    listed = await hospital.get(cast.nurse, f"/consultations/{row['id']}/past-prescriptions")
    assert "RX1" in [each["prescription_no"] for each in listed["items"]]
    assert await send_card(hospital, cast.nurse, room) == "stored"
    history = await hospital.get(cast.patient, f"/rooms/{room}/messages")
    card = history["messages"][-1]["body"]
    assert card == CARD
    path = f"/patients/{patient}/past-prescriptions/{card['ref']}"
    whole = await hospital.get(cast.patient, path)
    assert whole["lines"] == PRESCRIPTION["lines"]
