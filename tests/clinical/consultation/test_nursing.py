"""Nursing consultations: a nurse opens them for so many patients a day, and leads their rooms."""

import asyncio
from datetime import date, timedelta
from typing import Any
from urllib.parse import quote

import pytest

from clinical.consultation import errors, rules
from clinical.consultation.rules import Standing
from clinical.consultation.states import TREATERS, Kind, Mode, State, kinds_led_by, worded
from clinical.people import service
from clinical.people.service import Profile
from core.clock import FakeClock
from core.identity.roles import Role
from core.outbox import Relay
from realtime import participants
from realtime.service import NewMember
from tests.clinical.consultation.test_kinds import exchange
from tests.clinical.consultation.test_proof import upload
from tests.clinical.story import Story, id_number
from tests.support.cast import Person, hire
from tests.support.policies import put_policy

TERMS: dict[str, Any] = {
    "kind": "nursing",
    "mode": "text",
    "price_fen": 1900,
    "minutes": 15,
    "enabled": True,
    "per_day": 2,
}


def test_every_kind_is_led_by_one_profession_and_texts_call_it_by_its_name() -> None:
    led = [kind for role in TREATERS for kind in kinds_led_by(role)]
    assert sorted(led) == sorted(Kind)
    assert kinds_led_by(Role.NURSE) == (Kind.NURSING,)
    assert worded(Kind.NURSING, "医生已接诊") == "护士已接诊"
    assert worded(Kind.MEDICATION, "医生已接诊") == "药师已接诊"
    with pytest.raises(errors.AdviceOnly):
        rules.diagnose(Standing(state=State.ACTIVE, price_fen=0, kind=Kind.NURSING))
    with pytest.raises(errors.KindNotOffered):
        rules.possible(Kind.NURSING, Mode.VIDEO)


async def enrol(story: Story, who: Person, name: str, title: str = "主管护师") -> None:
    """Give a nurse a profile; nothing is offered yet."""
    async with story.runtime.unit_of_work() as uow:
        profile = Profile(
            user_id=who.user_id,
            department_id=story.cast.department_id,
            name=name,
            profession=Role.NURSE,
            title=title,
            licence_number="330000000000002",
            licence_valid_until=date(2030, 1, 1),
            practice_start=date(2012, 1, 1),
            expertise="伤口与造口护理",
            prices={},
        )
        await service.enrol_clinician(uow, story.cast.hospital_id, profile)


async def opened(story: Story, who: Person | None = None, **terms: Any) -> None:
    """The nurse switches nursing consultation on."""
    person = who or story.cast.nurse
    (await story.ask(person, "PUT", "/me/services", {**TERMS, **terms})).expect(200)


async def complete(story: Story, who: Person, serial: int = 1, **wish: Any) -> dict[str, Any]:
    """A draft to the nurse with everything that it needs, and a picture."""
    found = await story.get(who, "/patients")
    if not found:
        number = id_number(date(1985, 3, 14), male=False, serial=serial)
        form = story.adult_form(name=who.name, serial=serial, relation="self")
        found = [(await story.try_to_add({**form, "id_number": number}, who)).expect(201)]
    body = {
        "patient_id": found[0]["id"],
        "doctor_id": str(story.cast.nurse.user_id),
        "kind": "nursing",
        "mode": "text",
        **wish,
    }
    draft: dict[str, Any] = (await story.ask(who, "POST", "/consultations", body)).expect(201)
    key = draft["id"]
    edit = {"description": "术后伤口有些渗液，要不要换药？", "onset": "昨天"}
    (await story.ask(who, "PATCH", f"/consultations/{key}", edit)).expect(200)
    await story.agree(found[0]["id"], who)
    notice = await story.get(who, "/consultations/notice")
    agreed = {"version": notice["version"], "recording_agreed": True}
    await story.do(who, key, "consent", agreed)
    return draft


async def ordered(story: Story) -> dict[str, Any]:
    """A paid consultation that waits for the nurse, with a picture."""
    patient = story.cast.patient
    key = (await complete(story, patient))["id"]
    picture = {"attachment_ids": [await upload(story, patient)]}
    (await story.ask(patient, "PATCH", f"/consultations/{key}", picture)).expect(200)
    await story.do(patient, key, "submit")
    await story.pay(key)
    shown: dict[str, Any] = await story.get(patient, f"/consultations/{key}")
    return shown


async def found(story: Story, query: str = "") -> list[str]:
    page = await story.get(story.cast.patient, f"/nurses?{quote(query, safe='=&')}")
    return [card["name"] for card in page["items"]]


@pytest.mark.requirement("S0-A-119b", "S0-C-119")
async def test_nursing_consultation_is_off_until_price_and_number_a_day_are_set(
    story: Story,
) -> None:
    cast, nurse = story.cast, story.cast.nurse
    await enrol(story, nurse, "何清和")
    assert await story.get(nurse, "/me/services") == []
    assert await found(story) == []
    path = f"/doctors/{nurse.user_id}"
    assert (await story.get(cast.patient, path))["services"] == []
    patient = await story.add_patient()
    wish = {
        "patient_id": patient["id"],
        "doctor_id": str(nurse.user_id),
        "kind": "nursing",
        "mode": "text",
    }
    begin = ("POST", "/consultations", wish)
    assert (await story.ask(cast.patient, *begin)).code == "doctor_unavailable"
    for missing in ("per_day", "price_fen"):
        body = {key: value for key, value in TERMS.items() if key != missing}
        refused = await story.ask(nurse, "PUT", "/me/services", body)
        assert (refused.status, refused.json["fields"][0]["field"]) == (422, missing)
    await opened(story)
    assert await found(story) == ["何清和"]
    [shown] = (await story.get(cast.patient, path))["services"]
    assert (shown["price_fen"], shown["enabled"], shown["left_today"]) == (1900, True, 2)
    await opened(story, enabled=False)
    assert await found(story) == []
    assert (await story.ask(cast.patient, *begin)).code == "doctor_unavailable"
    # Nobody else opens it, it has no sessions, and other services have no number a day.
    for person in (cast.doctor, cast.pharmacist):
        assert (await story.ask(person, "PUT", "/me/services", TERMS)).status in (404, 422)
    other = {**TERMS, "kind": "revisit"}
    assert (await story.ask(cast.doctor, "PUT", "/me/services", other)).status == 422
    starts = story.runtime.clock.now() + timedelta(hours=2)
    session = {
        "doctor_id": str(nurse.user_id),
        "kind": "nursing",
        "mode": "text",
        "starts_at": starts.isoformat(),
        "ends_at": (starts + timedelta(hours=2)).isoformat(),
        "places": 3,
    }
    assert (await story.ask(cast.administrator, "POST", "/shifts", session)).status == 422


async def test_nurses_are_found_by_title_words_volume_and_who_was_asked_before(
    story: Story,
) -> None:
    cast = story.cast
    other = await hire(story.runtime, cast.hospital_id, Role.NURSE, "护二", cast.department_id)
    await enrol(story, cast.nurse, "何清和")
    await enrol(story, other, "江雪如", title="副主任护师")
    for nurse in (cast.nurse, other):
        await opened(story, nurse)
    assert set(await found(story)) == {"何清和", "江雪如"}
    assert await found(story, "title=副主任护师") == ["江雪如"]
    assert await found(story, "q=jxr") == ["江雪如"]
    assert await found(story, f"department_id={cast.other_department_id}") == []
    assert await found(story, "asked=true") == []
    row = await ordered(story)
    await story.do(cast.nurse, row["id"], "accept")
    await story.do(cast.patient, row["id"], "end")
    assert await found(story, "asked=true") == ["何清和"]
    assert (await found(story, "sort=volume"))[0] == "何清和"
    doctors = await story.get(cast.patient, "/doctors")
    assert not {"何清和", "江雪如"} & {card["name"] for card in doctors["items"]}


async def test_no_nurse_gets_more_patients_a_day_than_she_set_when_many_press_at_once(
    story: Story, clock: FakeClock
) -> None:
    here, nurse = story.cast.hospital_id, story.cast.nurse
    await enrol(story, nurse, "何清和")
    await opened(story, per_day=3)
    people = [
        await hire(story.runtime, here, Role.PATIENT, f"候诊{n}", serial=300 + n) for n in range(8)
    ]
    drafts = [(who, (await complete(story, who, 300 + n))["id"]) for n, who in enumerate(people)]
    answers = await asyncio.gather(*(story.try_to(who, key, "submit") for who, key in drafts))
    assert sorted(answer.code for answer in answers) == [""] * 3 + ["day_full"] * 5
    by_code: dict[str, list[tuple[Person, str]]] = {"": [], "day_full": []}
    for draft, answer in zip(drafts, answers, strict=True):
        by_code[answer.code].append(draft)
    (first, taken), (late, refused) = by_code[""][0], by_code["day_full"][0]
    assert (await story.state(refused))[0] == "draft"
    [shown] = (await story.get(late, f"/doctors/{nurse.user_id}"))["services"]
    assert shown["left_today"] == 0
    # Who steps back leaves the place to somebody else, and tomorrow is another day.
    await story.do(first, taken, "cancel")
    await story.do(late, refused, "submit")
    (another, waits) = by_code["day_full"][1]
    assert (await story.try_to(another, waits, "submit")).code == "day_full"
    await opened(story, per_day=4)
    await story.do(another, waits, "submit")
    clock.advance(timedelta(days=1))
    third, tomorrow = by_code["day_full"][2]
    await story.do(third, tomorrow, "submit")


@pytest.mark.requirement("S0-C-139", "S0-C-147", "S4-056")
async def test_a_nurse_takes_a_waiting_patient_in_answers_with_words_and_pictures_and_ends(
    story: Story, relay: Relay
) -> None:
    cast, nurse = story.cast, story.cast.nurse
    await enrol(story, nurse, "何清和")
    await opened(story)
    row = await ordered(story)
    assert (row["service_text"], row["price_fen"], row["state"]) == ("护理咨询", 1900, "waiting")
    assert "consultation_waiting" in await story.inbox(nurse)
    [queued] = (await story.get(nurse, "/consultations?state=waiting"))["items"]
    assert (queued["id"], queued["patient"]["name"]) == (row["id"], cast.patient.name)
    assert (queued["description"], len(queued["attachments"])) == (
        "术后伤口有些渗液，要不要换药？",
        1,
    )
    for stranger in (cast.doctor, cast.pharmacist):
        assert (await story.try_to(stranger, row["id"], "accept")).status == 404
    await story.do(nurse, row["id"], "accept")
    titles = {each["title"] for each in (await story.get(cast.patient, "/inbox"))["items"]}
    assert "护士已接诊" in titles
    async with story.runtime.unit_of_work() as uow:
        room_id = (await story.row(uow, row["id"])).room_id
    assert room_id is not None
    await exchange(story, room_id, cast.patient, nurse)
    assert await story.get(nurse, f"/consultations/{row['id']}/history") == []
    word = await story.ask(cast.supervisor, "POST", f"/rooms/{room_id}/word")
    assert word.status in (200, 201), word.body
    note = {"diagnosis": "切口感染", "advice": "保持干燥，渗液变黄或发热请到院。"}
    assert (await story.try_to(nurse, row["id"], "closing-note", note)).code == "advice_only"
    await story.do(nurse, row["id"], "closing-note", {**note, "diagnosis": ""})
    shown = await story.do(nurse, row["id"], "end")
    assert (shown["state"], shown["close_text"]) == ("ended", "护士已结束问诊")
    await relay.drain()
    rating = {"stars": 5, "tags": [], "comment": "很耐心"}
    path = f"/consultations/{row['id']}/rating"
    (await story.ask(cast.patient, "POST", path, rating)).expect(201)
    [received] = (await story.get(nurse, "/ratings/received"))["items"]
    assert received["doctor"]["name"] == "何清和"
    records = await story.get(cast.administrator, "/consultations?kind=nursing")
    assert [each["number"] for each in records["items"]] == [row["number"]]


@pytest.mark.requirement("S0-C-141")
async def test_whoever_treats_tags_the_patient_for_the_next_time_and_nobody_else_sees_it(
    story: Story,
) -> None:
    cast, nurse = story.cast, story.cast.nurse
    await enrol(story, nurse, "何清和")
    await opened(story)
    row = await ordered(story)
    path = f"/consultations/{row['id']}/tags"
    body = {"tags": ["造口", "独居老人", "造口"]}
    for stranger in (cast.doctor, cast.pharmacist):
        assert (await story.ask(stranger, "PUT", path, body)).status == 404
    assert (await story.ask(nurse, "PUT", path, body)).expect(200) == ["造口", "独居老人"]
    await story.do(nurse, row["id"], "accept")
    await story.do(cast.patient, row["id"], "end")
    # The patient comes back: known at once, to this nurse alone.
    again = await ordered(story)
    [queued] = (await story.get(nurse, "/consultations?state=waiting"))["items"]
    assert (queued["id"], queued["tags"]) == (again["id"], ["造口", "独居老人"])
    assert await story.get(nurse, "/patient-tags") == ["造口", "独居老人"]
    assert (await story.get(cast.patient, f"/consultations/{again['id']}"))["tags"] == []
    assert (await story.get(cast.administrator, f"/consultations/{again['id']}"))["tags"] == []
    assert await story.get(cast.doctor, "/patient-tags") == []
    path = f"/consultations/{again['id']}/tags"
    assert (await story.ask(nurse, "PUT", path, {"tags": []})).expect(200) == []
    assert (await story.get(nurse, f"/consultations/{again['id']}"))["tags"] == []
    assert (await story.ask(nurse, "PUT", path, {"tags": ["长" * 21]})).status == 422


@pytest.mark.requirement("S0-C-144")
async def test_the_nurse_gives_the_money_back_with_a_reason(story: Story) -> None:
    nurse, here = story.cast.nurse, story.cast.hospital_id
    await enrol(story, nurse, "何清和")
    await opened(story)
    row = await ordered(story)
    await story.do(nurse, row["id"], "accept")
    reason = {"reason": "需要到院处理"}
    assert (await story.try_to(nurse, row["id"], "refund", reason)).status == 403
    await put_policy(story.runtime, here, Role.NURSE, "order.refund", "patients")
    await story.do(nurse, row["id"], "refund", reason)
    assert await story.state(row["id"]) == ("ended", "refunded_by_doctor", True)
    shown = await story.get(story.cast.patient, f"/consultations/{row['id']}")
    assert shown["close_text"] == "护士已退诊，费用全额退回（需要到院处理）"
    table = await story.ask(story.cast.administrator, "GET", "/consultations/export.csv")
    [titles, line] = table.body.decode("utf-8-sig").splitlines()
    told = dict(zip(titles.split(","), line.split(","), strict=True))
    assert (told["结束原因"], told["医务人员"]) == ("护士已退诊，费用全额退回", "何清和")


async def test_a_nurse_who_was_asked_in_leads_nothing_and_reads_no_past(story: Story) -> None:
    cast, nurse = story.cast, story.cast.nurse
    await enrol(story, nurse, "何清和")
    active = await story.active()
    async with story.runtime.unit_of_work() as uow:
        room_id = (await story.row(uow, active["id"])).room_id
        assert room_id is not None
        guest = NewMember(nurse.user_id, Role.NURSE)
        await participants.invite(uow, cast.doctor.caller, room_id, [guest])
    await story.get(nurse, f"/consultations/{active['id']}")
    assert (await story.try_to(nurse, active["id"], "end")).status == 404
    history = await story.ask(nurse, "GET", f"/consultations/{active['id']}/history")
    assert history.status == 404
    over = {"to": {"user_id": str(nurse.user_id), "role": "nurse"}, "reason": "交班"}
    refused = await story.ask(cast.doctor, "POST", f"/rooms/{room_id}/hand-over", over)
    assert refused.code == "practitioner_unqualified"
