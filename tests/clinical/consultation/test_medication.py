"""Questions about medicines: a pharmacist answers, in rooms of their own, on terms of their own."""

from datetime import date, timedelta
from typing import Any
from urllib.parse import quote

import pytest

from clinical.consultation import errors, rules
from clinical.consultation.rules import Intake, Standing
from clinical.consultation.states import PRACTITIONER, Direction, Kind, Mode, State
from clinical.people import service
from clinical.people.service import Profile
from clinical.people.states import MedicationField
from core.clock import FakeClock
from core.errors import Forbidden
from core.identity.roles import Role
from core.outbox import Relay
from media.calls import service as calls
from media.calls.rules import CallMedia
from realtime import participants
from realtime.service import NewMember
from tests.clinical.consultation.test_kinds import exchange
from tests.clinical.story import Story
from tests.support.cast import Person, hire
from tests.support.policies import put_policy

# --- rules ---------------------------------------------------------------------------------------


def test_a_question_about_medicines_says_what_it_is_about_before_it_is_sent() -> None:
    draft = Standing(state=State.DRAFT, price_fen=1500, kind=Kind.MEDICATION)
    intake = Intake(
        description="两种药能一起吃吗",
        consent_version="1",
        notice_stands=True,
        recording_agreed=True,
        mode=Mode.TEXT,
        patient_verified=True,
        guardian_required=False,
        guardian_verified=False,
    )
    with pytest.raises(errors.DirectionRequired):
        rules.submit(draft, intake)
    about = Direction.INTERACTION
    complete = Intake(**{**vars(intake), "direction": about})
    assert rules.submit(draft, complete).state is State.AWAITING_PAYMENT


def test_pharmacists_answer_questions_about_medicines_and_doctors_everything_else() -> None:
    assert {kind for kind, role in PRACTITIONER.items() if role is Role.PHARMACIST} == {
        Kind.MEDICATION
    }
    with pytest.raises(errors.AdviceOnly):
        rules.diagnose(Standing(state=State.ACTIVE, price_fen=0, kind=Kind.MEDICATION))


# --- stories -------------------------------------------------------------------------------------


async def enrol(
    story: Story,
    who: Person,
    name: str,
    *fields: MedicationField,
    title: str = "主管药师",
    prices: dict[tuple[str, str], int] | None = None,
) -> None:
    """Give a pharmacist a profile with services."""
    known = prices or {("medication", "text"): 1500, ("medication", "video"): 3900}
    async with story.runtime.unit_of_work() as uow:
        profile = Profile(
            user_id=who.user_id,
            department_id=story.cast.department_id,
            name=name,
            profession=Role.PHARMACIST,
            medication_fields=fields,
            title=title,
            licence_number="330000000000001",
            licence_valid_until=date(2030, 1, 1),
            practice_start=date(2012, 1, 1),
            expertise="慢病用药指导",
            prices=known,
        )
        await service.enrol_clinician(uow, story.cast.hospital_id, profile)


async def ordered(
    story: Story, mode: str = "text", pharmacist: Person | None = None, **wish: Any
) -> dict[str, Any]:
    """A paid question to a pharmacist."""
    patient, whom = story.cast.patient, pharmacist or story.cast.pharmacist
    draft = await story.draft(mode, kind="medication", doctor_id=str(whom.user_id), **wish)
    key = draft["id"]
    await story.agree(draft["patient"]["id"])
    edit = {"description": "降压药和感冒药能一起吃吗？", "onset": "今天"}
    (await story.ask(patient, "PATCH", f"/consultations/{key}", edit)).expect(200)
    notice = await story.get(patient, "/consultations/notice")
    agreed = {"version": notice["version"], "recording_agreed": True}
    await story.do(patient, key, "consent", agreed)
    assert (await story.try_to(patient, key, "submit")).code == "direction_required"
    about = {"direction": "interaction"}
    (await story.ask(patient, "PATCH", f"/consultations/{key}", about)).expect(200)
    await story.do(patient, key, "submit")
    await story.pay(key)
    shown: dict[str, Any] = await story.get(patient, f"/consultations/{key}")
    return shown


async def found(story: Story, query: str = "", who: Person | None = None) -> list[str]:
    path = f"/pharmacists?{quote(query, safe='=&%')}"
    page = await story.get(who or story.cast.patient, path)
    return [card["name"] for card in page["items"]]


async def test_pharmacists_are_found_by_field_level_way_department_words_past_and_duty(
    story: Story, clock: FakeClock
) -> None:
    cast = story.cast
    other = await hire(story.runtime, cast.hospital_id, Role.PHARMACIST, "药二", cast.department_id)
    await enrol(story, cast.pharmacist, "方知白", MedicationField.HEART, MedicationField.ELDERLY)
    text_only = {("medication", "text"): 900}
    await enrol(story, other, "温若谷", MedicationField.CHILD, title="副主任药师", prices=text_only)
    assert set(await found(story)) == {"方知白", "温若谷"}
    assert await found(story, "field=heart") == ["方知白"]
    assert await found(story, "field=child") == ["温若谷"]
    assert await found(story, "title=副主任药师") == ["温若谷"]
    assert await found(story, "mode=video") == ["方知白"]
    assert await found(story, "q=wrg") == ["温若谷"]
    assert await found(story, f"department_id={cast.other_department_id}") == []
    assert (await found(story, "sort=price"))[0] == "温若谷"
    doctors = await story.get(cast.patient, "/doctors")
    assert "方知白" not in {card["name"] for card in doctors["items"]}
    page = await story.get(cast.patient, f"/doctors/{cast.pharmacist.user_id}")
    assert (page["profession"], page["medication_fields"]) == ("pharmacist", ["heart", "elderly"])
    # On duty on a day, and asked before.
    tomorrow = clock.now() + timedelta(days=1)
    shift = {
        "doctor_id": str(cast.pharmacist.user_id),
        "kind": "medication",
        "mode": "video",
        "starts_at": tomorrow.isoformat(),
        "ends_at": (tomorrow + timedelta(hours=2)).isoformat(),
        "places": 4,
    }
    (await story.ask(cast.administrator, "POST", "/shifts", shift)).expect(201)
    assert await found(story, f"day={tomorrow.date()}") == ["方知白"]
    assert await found(story, f"day={tomorrow.date() + timedelta(days=1)}") == []
    assert await found(story, "asked=true") == []
    row = await ordered(story)
    await story.do(cast.pharmacist, row["id"], "accept")
    await story.do(cast.patient, row["id"], "end")
    assert await found(story, "asked=true") == ["方知白"]
    assert await found(story, "asked=true", cast.other_patient) == []


@pytest.mark.requirement("S0-P-221")
async def test_a_pharmacist_answers_in_words_pictures_voice_and_calls_and_is_rated(
    story: Story, relay: Relay
) -> None:
    cast, pharmacist = story.cast, story.cast.pharmacist
    await enrol(story, pharmacist, "方知白", MedicationField.HEART)
    row = await ordered(story, "video")
    assert (row["service_text"], row["direction_text"]) == ("视频问药", "联合用药与相互作用")
    assert row["price_fen"] == 3900
    assert "consultation_waiting" in await story.inbox(pharmacist)
    for stranger in (cast.doctor, cast.nurse):
        assert (await story.try_to(stranger, row["id"], "accept")).status in (403, 404)
    shown = await story.do(pharmacist, row["id"], "accept")
    items = (await story.get(cast.patient, "/inbox"))["items"]
    assert "药师已接诊" in {item["title"] for item in items}
    async with story.runtime.unit_of_work() as uow:
        room_id = (await story.row(uow, row["id"])).room_id
    assert room_id is not None
    await exchange(story, room_id, cast.patient, pharmacist)
    async with story.runtime.unit_of_work() as uow:
        call = await calls.start(
            uow, pharmacist.caller, room_id, CallMedia.VIDEO, "desk", "127.0.0.1:1"
        )
    assert call.media is CallMedia.VIDEO
    note = {"diagnosis": "高血压", "advice": "饭后半小时服用，间隔两小时。"}
    assert (await story.try_to(pharmacist, row["id"], "closing-note", note)).code == "advice_only"
    await story.do(pharmacist, row["id"], "closing-note", {**note, "diagnosis": ""})
    await story.do(cast.patient, row["id"], "end")
    shown = await story.do(pharmacist, row["id"], "end")
    assert (shown["state"], shown["close_text"]) == ("ended", "患者已结束问诊")
    assert shown["closing_note"]["final"]
    await relay.drain()
    rating = {"stars": 5, "tags": [], "comment": "讲得很清楚"}
    path = f"/consultations/{row['id']}/rating"
    (await story.ask(cast.patient, "POST", path, rating)).expect(201)
    [received] = (await story.get(pharmacist, "/ratings/received"))["items"]
    assert (received["stars"], received["doctor"]["name"]) == (5, "方知白")


async def test_the_pharmacist_gives_the_money_back_once_the_hospital_permits_it(
    story: Story,
) -> None:
    pharmacist = story.cast.pharmacist
    await enrol(story, pharmacist, "方知白")
    row = await ordered(story)
    await story.do(pharmacist, row["id"], "accept")
    reason = {"reason": "与专长不符"}
    assert (await story.try_to(pharmacist, row["id"], "refund", reason)).status == 403
    here = story.cast.hospital_id
    await put_policy(story.runtime, here, Role.PHARMACIST, "order.refund", "patients")
    await story.do(pharmacist, row["id"], "refund", reason)
    assert await story.state(row["id"]) == ("ended", "refunded_by_doctor", True)
    shown = await story.get(story.cast.patient, f"/consultations/{row['id']}")
    log = await story.get(story.cast.patient, f"/rooms/{shown['room_id']}/messages?after=0")
    assert log["messages"][-1]["body"]["text"] == "药师已退诊，费用将原路退回"


async def test_a_pharmacist_sees_no_queue_of_doctors_and_starts_no_call_as_a_guest(
    story: Story,
) -> None:
    cast, pharmacist = story.cast, story.cast.pharmacist
    await enrol(story, pharmacist, "方知白")
    await story.set("consultation.open_department", True)
    await story.waiting()
    assert (await story.get(pharmacist, "/consultations"))["items"] == []
    mine = await story.active("video")
    async with story.runtime.unit_of_work() as uow:
        room_id = (await story.row(uow, mine["id"])).room_id
    assert room_id is not None
    async with story.runtime.unit_of_work() as uow:
        guest = NewMember(pharmacist.user_id, Role.PHARMACIST)
        await participants.invite(uow, cast.doctor.caller, room_id, [guest])
    assert len((await story.get(pharmacist, "/consultations"))["items"]) == 1
    assert (await story.try_to(pharmacist, mine["id"], "end")).status == 404
    async with story.runtime.unit_of_work() as uow:
        with pytest.raises(Forbidden):
            await calls.start(
                uow, pharmacist.caller, room_id, CallMedia.VIDEO, "desk", "127.0.0.1:1"
            )


async def test_clinicians_set_their_own_prices_and_switches_for_what_they_may_offer(
    story: Story,
) -> None:
    cast = story.cast
    await enrol(story, cast.pharmacist, "方知白")
    terms = {"kind": "medication", "mode": "video", "price_fen": 4500, "minutes": 20}
    on, off = {**terms, "enabled": True}, {**terms, "mode": "text", "enabled": False}
    for body in (on, off):
        (await story.ask(cast.pharmacist, "PUT", "/me/services", body)).expect(200)
    shown = await story.get(cast.patient, f"/doctors/{cast.pharmacist.user_id}")
    assert {(each["mode"], each["price_fen"], each["enabled"]) for each in shown["services"]} == {
        ("video", 4500, True),
        ("text", 4500, False),
    }
    for kind, mode in (("first", "text"), ("revisit", "text"), ("revisit", "video")):
        body = {**on, "kind": kind, "mode": mode, "price_fen": 2600}
        (await story.ask(cast.doctor, "PUT", "/me/services", body)).expect(200)
        wrong = await story.ask(cast.pharmacist, "PUT", "/me/services", body)
        assert wrong.status == 422
    prices = {each["price_fen"] for each in await story.get(cast.doctor, "/me/services")}
    assert prices == {2600}
    assert (await story.ask(cast.doctor, "PUT", "/me/services", on)).status == 422


@pytest.mark.parametrize(
    ("who", "kind", "mode"),
    [
        ("doctor", "first", "text"),
        ("doctor", "revisit", "text"),
        ("doctor", "revisit", "video"),
        ("pharmacist", "medication", "text"),
    ],
)
async def test_clinicians_plan_their_own_sessions_and_switch_them(
    story: Story, clock: FakeClock, who: str, kind: str, mode: str
) -> None:
    cast, person = story.cast, story.cast.of(Role(who))
    await enrol(story, cast.pharmacist, "方知白")
    starts = clock.now() + timedelta(hours=2)
    body = {
        "doctor_id": str(person.user_id),
        "kind": kind,
        "mode": mode,
        "starts_at": starts.isoformat(),
        "ends_at": (starts + timedelta(hours=2)).isoformat(),
        "places": 5,
    }
    shift = (await story.ask(person, "POST", "/shifts", body)).expect(201)
    assert [each["id"] for each in await story.get(person, "/shifts")] == [shift["id"]]
    path = f"/shifts/{shift['id']}"
    more = {**{key: body[key] for key in ("starts_at", "ends_at")}, "places": 8}
    changed = await story.ask(person, "PUT", path, {**more, "version": shift["version"]})
    assert changed.expect(200)["places"] == 8
    assert (await story.ask(person, "POST", f"{path}/disable")).expect(200)["state"] == "disabled"
    assert (await story.ask(person, "POST", f"{path}/enable")).expect(200)["state"] == "open"
    # Nobody plans for a colleague, and each profession its own services.
    theirs = {**body, "doctor_id": str(cast.other_doctor.user_id), "kind": "revisit"}
    assert (await story.ask(person, "POST", "/shifts", theirs)).status in (404, 422)
    assert (await story.ask(cast.other_doctor, "PUT", path, {**more, "version": 1})).status == 404
    wrong = {**body, "kind": "revisit" if who == "pharmacist" else "medication"}
    assert (await story.ask(cast.administrator, "POST", "/shifts", wrong)).status == 422
