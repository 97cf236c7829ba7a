"""Kinds and ways of consultations: what each may come to, who takes it, what it costs."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from clinical.consultation import errors, rules
from clinical.consultation.rules import Standing
from clinical.consultation.settings import TEXT_CALLS
from clinical.consultation.states import MODES, Kind, Mode, RevisitStatus, State, TextCalls
from core.identity.roles import Role
from core.ids import new_id
from media.calls import service as calls
from media.calls.rules import CallMedia
from realtime import access as rooms
from realtime.groups import Send, Sent
from realtime.rules import MessageKind, RoomKind, RoomState, sendable
from realtime.schemas import Body, FileBody, FileHandle, StickerBody, TextBody
from realtime.sending import send_messages
from tests.clinical.story import Story
from tests.core.files.conftest import form, picture, sound
from tests.support.cast import Person, hire

NOW = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
MULTIPART = {"content-type": "multipart/form-data; boundary=zhenjian-test"}
ADVICE = (Kind.FIRST, Kind.ADVICE, Kind.DEPARTMENT)


# --- rules ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ADVICE)
def test_what_is_no_revisit_needs_no_evidence_and_never_comes_to_a_diagnosis(kind: Kind) -> None:
    active = Standing(state=State.ACTIVE, price_fen=0, kind=kind, note_complete=True)
    with pytest.raises(errors.AdviceOnly):
        rules.diagnose(active)
    assert rules.end_by_doctor(active, note_required=True).finalise_note
    bare = Standing(state=State.ACTIVE, price_fen=0, kind=kind)
    with pytest.raises(errors.AdviceRequired):
        rules.end_by_doctor(bare, note_required=True)
    with pytest.raises(errors.ProofNotExpected):
        rules.hand_in_proof(Standing(state=State.DRAFT, price_fen=0, kind=kind), 1)


@pytest.mark.parametrize("kind", ADVICE)
def test_advice_alone_completes_the_note_of_a_consultation_that_treats_nobody(kind: Kind) -> None:
    assert rules.note_complete(kind, "", "多休息")
    assert not rules.note_complete(Kind.REVISIT, "", "多休息")


def test_a_first_consultation_is_held_in_text_alone() -> None:
    assert MODES[Kind.FIRST] == MODES[Kind.ADVICE] == (Mode.TEXT,)
    with pytest.raises(errors.KindNotOffered):
        rules.possible(Kind.FIRST, Mode.VIDEO)


@pytest.mark.parametrize(
    ("mode", "in_text", "allowed"),
    [
        (Mode.TEXT, TextCalls.NONE, ()),
        (Mode.TEXT, TextCalls.VOICE, ("voice",)),
        (Mode.TEXT, TextCalls.VIDEO, ("voice", "video")),
        (Mode.VOICE, TextCalls.VIDEO, ("voice",)),
        (Mode.VIDEO, TextCalls.NONE, ("voice", "video")),
    ],
)
def test_a_call_belongs_to_the_way_that_was_booked_or_is_open_in_text(
    mode: Mode, in_text: TextCalls, allowed: tuple[str, ...]
) -> None:
    assert rules.calls(mode, in_text) == allowed
    for media in ("voice", "video"):
        if media in allowed:
            rules.may_call(mode, in_text, media)
            continue
        with pytest.raises(errors.CallNotBooked):
            rules.may_call(mode, in_text, media)


@pytest.mark.requirement("S0-P-146")
def test_a_first_consultation_has_no_call_until_the_hospital_opens_it() -> None:
    from_the_start = {kind: TextCalls(setting.default) for kind, setting in TEXT_CALLS.items()}
    assert from_the_start.pop(Kind.ADVICE) is from_the_start.pop(Kind.REVISIT) is TextCalls.VIDEO
    assert set(from_the_start.values()) == {TextCalls.NONE}


def test_nobody_is_taken_in_before_the_appointed_time() -> None:
    booked = Standing(
        state=State.BOOKED, price_fen=1, paid=True, starts_at=NOW, revisit=RevisitStatus.ELIGIBLE
    )
    with pytest.raises(errors.NotYetTime):
        rules.accept(booked, NOW - timedelta(seconds=1))
    assert rules.accept(booked, NOW).state is State.ACTIVE


# --- stories -------------------------------------------------------------------------------------


async def offer(
    story: Story, kind: str, mode: str = "text", price: int = 1900, **more: Any
) -> None:
    body = {"kind": kind, "mode": mode, "price_fen": price, "minutes": 20, "enabled": True, **more}
    doctor = story.cast.doctor.user_id
    path = f"/service-terms/doctors/{doctor}"
    (await story.ask(story.cast.administrator, "PUT", path, body)).expect(204)


async def ordered(story: Story, **wish: Any) -> dict[str, Any]:
    """A paid consultation of any kind; nothing but what that kind asks for is filled in."""
    draft = await story.draft(**wish)
    patient, key = story.cast.patient, draft["id"]
    edit = {"description": "想咨询一下日常注意事项。", "onset": "一周前"}
    (await story.ask(patient, "PATCH", f"/consultations/{key}", edit)).expect(200)
    await story.agree(draft["patient"]["id"])
    notice = await story.get(patient, "/consultations/notice")
    agreed = {"version": notice["version"], "recording_agreed": True}
    await story.do(patient, key, "consent", agreed)
    shown: dict[str, Any] = await story.do(patient, key, "submit")
    if shown["state"] == "awaiting_payment":
        await story.pay(key)
    again: dict[str, Any] = await story.get(patient, f"/consultations/{key}")
    return again


@pytest.mark.requirement("S4-005")
async def test_a_first_consultation_costs_its_own_price_and_ends_with_advice(story: Story) -> None:
    refused = await story.ask(
        story.cast.patient,
        "POST",
        "/consultations",
        {
            "patient_id": (await story.add_patient())["id"],
            "doctor_id": str(story.cast.doctor.user_id),
            "kind": "first",
            "mode": "text",
        },
    )
    assert refused.code == "doctor_unavailable"
    await offer(story, "first", price=1200)
    row = await ordered(story, kind="first")
    assert (row["state"], row["price_fen"], row["minutes"]) == ("waiting", 1200, 20)
    assert row["service_text"] == "图文首诊咨询"
    doctor, key = story.cast.doctor, row["id"]
    await story.do(doctor, key, "accept")
    diagnosis = {"diagnosis": "上呼吸道感染", "advice": "多饮水"}
    assert (await story.try_to(doctor, key, "closing-note", diagnosis)).code == "advice_only"
    await story.do(doctor, key, "closing-note", {"diagnosis": "", "advice": "多饮水，如加重请就诊"})
    assert (await story.do(doctor, key, "end"))["closing_note"]["final"] is True


@pytest.mark.requirement("S4-005")
async def test_the_terms_of_a_title_hold_for_who_has_none_of_his_own(story: Story) -> None:
    admin, doctor = story.cast.administrator, story.cast.doctor.user_id
    title = {"title": "主任医师", "kind": "advice", "mode": "text", "enabled": True}
    body = {**title, "price_fen": 2600, "minutes": 25}
    (await story.ask(admin, "PUT", "/service-terms", body)).expect(204)

    async def price() -> tuple[int, int]:
        shown = await story.get(story.cast.patient, f"/doctors/{doctor}")
        [line] = [each for each in shown["services"] if each["kind"] == "advice"]
        return line["price_fen"], line["minutes"]

    assert await price() == (2600, 25)
    await offer(story, "advice", price=990)
    (await story.ask(admin, "PUT", "/service-terms", {**body, "price_fen": 3000})).expect(204)
    assert await price() == (990, 20)
    back = f"/service-terms/doctors/{doctor}/advice/text"
    (await story.ask(admin, "DELETE", back)).expect(204)
    assert await price() == (3000, 25)


async def test_a_kind_that_the_hospital_closed_cannot_be_ordered(story: Story) -> None:
    await offer(story, "advice")
    await story.set("consultation.open_advice", False)
    body = {
        "patient_id": (await story.add_patient())["id"],
        "doctor_id": str(story.cast.doctor.user_id),
        "kind": "advice",
        "mode": "text",
    }
    answer = await story.ask(story.cast.patient, "POST", "/consultations", body)
    assert answer.code == "kind_not_offered"
    shown = await story.get(story.cast.patient, f"/doctors/{body['doctor_id']}")
    assert [s["enabled"] for s in shown["services"] if s["kind"] == "advice"] == [False]


async def department_order(story: Story) -> dict[str, Any]:
    await story.set("consultation.open_department", True)
    return await ordered(
        story, kind="department", doctor_id=None, department_id=str(story.cast.department_id)
    )


@pytest.mark.requirement("S0-P-175")
@pytest.mark.requirement("S0-C-017")
async def test_of_a_department_order_every_doctor_of_it_hears_and_exactly_one_takes_it(
    story: Story,
) -> None:
    here = story.cast.hospital_id
    colleague = await hire(
        story.runtime, here, Role.DOCTOR, "同科医", story.cast.department_id, serial=7
    )
    row = await department_order(story)
    assert (row["state"], row["doctor"], row["department"]["name"]) == ("waiting", None, "内科")
    for doctor in (story.cast.doctor, colleague):
        pool = await story.get(doctor, "/consultations?state=waiting&kind=department")
        assert [each["id"] for each in pool["items"]] == [row["id"]]
        assert "consultation_waiting" in await story.inbox(doctor)
    stranger = await story.get(story.cast.other_doctor, "/consultations?state=waiting")
    assert stranger["items"] == []
    answers = await asyncio.gather(
        story.try_to(story.cast.doctor, row["id"], "accept"),
        story.try_to(colleague, row["id"], "accept"),
    )
    assert sorted(answer.status for answer in answers) == [200, 409]
    assert {answer.code for answer in answers} == {"", "consultation_not_waiting"}
    shown = await story.get(story.cast.patient, f"/consultations/{row['id']}")
    assert shown["state"] == "active"
    assert shown["doctor"]["name"] in ("陈安和", "同科医")
    taker = story.cast.doctor if shown["doctor"]["name"] == "陈安和" else colleague
    async with story.runtime.unit_of_work() as uow:
        room = (await rooms.member_of(uow, taker.caller, shown["room_id"])).room
    assert room.lead_id == taker.user_id


async def test_nobody_declines_for_a_whole_department(story: Story) -> None:
    row = await department_order(story)
    reason = {"reason": "不合适"}
    assert (await story.try_to(story.cast.doctor, row["id"], "decline", reason)).code == (
        "accept_first"
    )


@pytest.mark.requirement("S1-196")
async def test_the_administrator_assigns_a_waiting_order_to_a_doctor_of_the_department(
    story: Story,
) -> None:
    row = await department_order(story)
    admin = story.cast.administrator
    wrong = {"doctor_id": str(story.cast.other_doctor.user_id), "reason": "患者等待较久"}
    assert (await story.try_to(admin, row["id"], "assign", wrong)).code == "not_this_department"
    right = {**wrong, "doctor_id": str(story.cast.doctor.user_id)}
    shown = await story.do(admin, row["id"], "assign", right)
    assert (shown["state"], shown["doctor"]["name"]) == ("waiting", "陈安和")
    assert "consultation_handed_over" in await story.inbox(story.cast.patient)
    accepted = await story.do(story.cast.doctor, row["id"], "accept")
    assert accepted["state"] == "active"


async def start_call(story: Story, who: Person, room_id: UUID | None, media: CallMedia) -> None:
    assert room_id is not None
    async with story.runtime.unit_of_work() as uow:
        await calls.start(uow, who.caller, room_id, media, "device", "worker")


async def test_in_a_voice_consultation_the_doctor_calls_by_voice_and_not_by_video(
    story: Story,
) -> None:
    await offer(story, "revisit", "voice", 4500)
    row = await story.active("voice")
    assert row["service_text"] == "语音复诊"
    async with story.runtime.unit_of_work() as uow:
        found = await story.row(uow, row["id"])
        room_id = found.room_id
    with pytest.raises(errors.CallNotBooked):
        await start_call(story, story.cast.doctor, room_id, CallMedia.VIDEO)
    await start_call(story, story.cast.doctor, room_id, CallMedia.VOICE)


@pytest.mark.requirement("S0-P-146")
async def test_in_a_first_consultation_nobody_calls_until_the_hospital_opens_it(
    story: Story,
) -> None:
    await offer(story, "first")
    row = await ordered(story, kind="first")
    doctor, patient = story.cast.doctor, story.cast.patient
    await story.do(doctor, row["id"], "accept")
    path, setting = f"/consultations/{row['id']}", "/settings/consultation.text_calls_first"
    async with story.runtime.unit_of_work() as uow:
        room_id = (await story.row(uow, row["id"])).room_id
    for media in CallMedia:
        with pytest.raises(errors.CallNotBooked):
            await start_call(story, doctor, room_id, media)
    assert (await story.get(patient, path))["calls"] == []
    body = {"value": "voice", "scope": "hospital"}
    (await story.ask(story.cast.administrator, "PUT", setting, body)).expect(200)
    for reader in (doctor, patient):
        assert (await story.get(reader, path))["calls"] == ["voice"]
    with pytest.raises(errors.CallNotBooked):
        await start_call(story, doctor, room_id, CallMedia.VIDEO)
    await start_call(story, doctor, room_id, CallMedia.VOICE)


async def say(story: Story, who: Person, room_id: UUID, kind: MessageKind, body: Body) -> str:
    """The verdict on one message of somebody."""
    send = Send(who.caller, room_id, new_id(), kind, body)
    async with story.runtime.unit_of_work() as uow:
        [outcome] = await send_messages(uow, [send])
    return "stored" if isinstance(outcome, Sent) else outcome.code


async def exchange(story: Story, room_id: UUID, *people: Person) -> None:
    """Each says words, sends a picture, a voice message and a sticker; each reads and opens all."""
    files = []
    for person in people:
        for kind, data, name in (
            (MessageKind.IMAGE, picture("PNG", (64, 48)), "photo.png"),
            (MessageKind.VOICE, sound(), "voice.webm"),
        ):
            upload = await story.client.post(
                "/files", token=person.token, body=form(data, name), headers=MULTIPART
            )
            files.append(upload.expect(201)["id"])
            body = FileBody(file=FileHandle(id=files[-1]))
            assert await say(story, person, room_id, kind, body) == "stored"
        hello, smile = TextBody(text="您好😀"), StickerBody(code="smile")
        assert await say(story, person, room_id, MessageKind.TEXT, hello) == "stored"
        assert await say(story, person, room_id, MessageKind.STICKER, smile) == "stored"
    for person in people:
        page = await story.get(person, f"/rooms/{room_id}/messages")
        said = [each["kind"] for each in page["messages"] if each["sender"]]
        assert said == ["image", "voice", "text", "sticker"] * len(people)
        links = await story.ask(person, "POST", "/files/links", {"ids": files})
        assert set(links.expect(200)) == set(files)


@pytest.mark.requirement("S2-009")
@pytest.mark.parametrize(
    "kind",
    ["revisit", "advice", pytest.param("first", marks=pytest.mark.requirement("S0-P-146"))],
)
async def test_nothing_is_said_before_acceptance_and_then_words_pictures_voice_and_emoji(
    story: Story, kind: str
) -> None:
    if kind != "revisit":
        await offer(story, kind)
    row = await (story.waiting() if kind == "revisit" else ordered(story, kind=kind))
    patient, doctor = story.cast.patient, story.cast.doctor
    async with story.runtime.unit_of_work() as uow:
        room_id = (await story.row(uow, row["id"])).room_id
    assert room_id is not None
    hello = TextBody(text="您好")
    for person in (patient, doctor):
        assert await say(story, person, room_id, MessageKind.TEXT, hello) == "room_not_active"
    await story.do(doctor, row["id"], "accept")
    await exchange(story, room_id, patient, doctor)
    for person in (patient, doctor):
        may = sendable(RoomKind.CONSULTATION, RoomState.ACTIVE, person.caller.role)
        assert MessageKind.VIDEO in may
