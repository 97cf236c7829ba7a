"""A revisit from the first draft to the closing note, through the API."""

from typing import Any

import pytest

from core.identity.roles import Role
from core.outbox import Relay
from tests.clinical.story import Story


@pytest.mark.requirement("S1-041")
async def test_a_revisit_goes_from_draft_over_payment_to_the_doctors_queue(story: Story) -> None:
    consultation = await story.submitted("video")
    assert consultation["state"] == "awaiting_payment"
    assert consultation["order_id"]
    assert consultation["price_fen"] == 6000
    assert consultation["revisit"]["status"] == "eligible"
    assert consultation["revisit"]["evidence"][0]["department"] == "内科"
    assert (await story.get(story.cast.doctor, "/consultations"))["items"] == []

    await story.pay(consultation["id"])

    queue = (await story.get(story.cast.doctor, "/consultations?state=waiting"))["items"]
    assert [row["id"] for row in queue] == [consultation["id"]]
    assert queue[0]["patient"]["name"] == "林小满"
    assert queue[0]["patient"]["age_text"] == "41岁"
    assert queue[0]["accept_by"]
    assert await story.inbox(story.cast.doctor) == ["consultation_waiting"]
    room = await story.get(story.cast.doctor, f"/rooms/{queue[0]['room_id']}")
    assert room["state"] == "waiting"
    assert {member["role"] for member in room["members"]} == {"patient", "doctor"}


@pytest.mark.requirement("S1-107", "S1-138")
async def test_the_doctor_accepts_writes_the_note_and_ends(story: Story, relay: Relay) -> None:
    consultation = await story.active()
    key, room_id = consultation["id"], consultation["room_id"]
    assert (await story.get(story.cast.patient, f"/rooms/{room_id}"))["state"] == "active"
    assert "consultation_accepted" in await story.inbox(story.cast.patient)

    refused = await story.try_to(story.cast.doctor, key, "end")
    assert refused.code == "closing_note_required"
    note = {"diagnosis": "急性支气管炎恢复期", "advice": "多饮水，一周后复查。"}
    draft = await story.do(story.cast.doctor, key, "closing-note", note)
    assert draft["closing_note"]["final"] is False
    shown = await story.get(story.cast.patient, f"/consultations/{key}")
    assert shown["closing_note"] is None

    ended = await story.do(story.cast.doctor, key, "end")
    assert (ended["state"], ended["close_reason"]) == ("ended", "completed")
    shown = await story.get(story.cast.patient, f"/consultations/{key}")
    assert shown["closing_note"]["diagnosis"] == note["diagnosis"]
    assert shown["closing_note"]["intact"] is True
    room = await story.get(story.cast.patient, f"/rooms/{room_id}")
    assert (room["state"], room["close_reason"]) == ("closed", "completed")
    late = await story.try_to(story.cast.doctor, key, "closing-note", note)
    assert late.code == "closing_note_final"

    await relay.drain()
    await relay.drain()
    assert await story.inbox(story.cast.patient) == [
        "consultation_booked",
        "consultation_accepted",
        "consultation_ended",
        "rating_invited",
    ]


async def test_a_closing_note_that_was_altered_in_the_database_is_shown_as_altered(
    story: Story,
) -> None:
    key = (await story.ended())["id"]
    async with story.runtime.unit_of_work() as uow:
        (await story.row(uow, key)).diagnosis = "别的诊断"
    shown = await story.get(story.cast.doctor, f"/consultations/{key}")
    assert shown["closing_note"]["intact"] is False


async def test_after_the_patient_ended_the_doctor_can_finish_the_note(story: Story) -> None:
    key = (await story.active())["id"]
    ended = await story.do(story.cast.patient, key, "end")
    assert ended["close_reason"] == "ended_by_patient"
    note = {"diagnosis": "上呼吸道感染", "advice": "休息。"}
    await story.do(story.cast.doctor, key, "closing-note", note)
    final = await story.do(story.cast.doctor, key, "end")
    assert final["close_reason"] == "ended_by_patient"
    assert final["closing_note"]["final"] is True


@pytest.mark.parametrize(
    ("verb", "body", "reason"),
    [
        ("decline", {"reason": "不属于本科室"}, "declined"),
        ("refund", {"reason": "需要当面检查"}, "refunded_by_doctor"),
    ],
)
async def test_a_doctor_who_does_not_take_the_patient_gives_everything_back(
    story: Story, verb: str, body: dict[str, Any], reason: str
) -> None:
    await story.permit_refunds()
    key = (await story.waiting())["id"]
    gone = await story.do(story.cast.doctor, key, verb, body)
    assert body["reason"] in gone["close_text"]
    assert await story.state(key) == ("cancelled", reason, True)
    assert len(await story.inbox(story.cast.patient)) == 2


async def test_the_doctor_ends_an_active_consultation_with_a_refund(story: Story) -> None:
    await story.permit_refunds()
    key = (await story.active())["id"]
    await story.do(story.cast.doctor, key, "refund", {"reason": "病情需要到院检查"})
    assert await story.state(key) == ("ended", "refunded_by_doctor", True)


async def test_the_patient_cancels_while_waiting_and_gets_the_money_back(story: Story) -> None:
    key = (await story.waiting())["id"]
    await story.do(story.cast.patient, key, "cancel")
    assert await story.state(key) == ("cancelled", "cancelled_by_patient", True)
    again = await story.try_to(story.cast.patient, key, "cancel")
    assert again.code == "consultation_not_cancellable"
    late = await story.try_to(story.cast.doctor, key, "accept")
    assert late.code == "consultation_not_waiting"


async def test_a_payment_after_cancellation_is_asked_back_once(story: Story) -> None:
    key = (await story.submitted())["id"]
    await story.do(story.cast.patient, key, "cancel")
    assert await story.state(key) == ("cancelled", "cancelled_by_patient", False)
    await story.pay(key)
    assert await story.state(key) == ("cancelled", "cancelled_by_patient", True)
    async with story.runtime.unit_of_work() as uow:
        asked_at = (await story.row(uow, key)).refund_requested_at
    await story.pay(key)
    async with story.runtime.unit_of_work() as uow:
        assert (await story.row(uow, key)).refund_requested_at == asked_at


async def test_a_repeated_payment_message_opens_one_room(story: Story) -> None:
    waiting = await story.waiting()
    await story.pay(waiting["id"])
    shown = await story.get(story.cast.patient, f"/consultations/{waiting['id']}")
    assert shown["room_id"] == waiting["room_id"]
    assert await story.inbox(story.cast.doctor) == ["consultation_waiting"]


async def test_refusing_the_recording_turns_video_into_text_at_its_price_and_a_call_asks_anew(
    story: Story,
) -> None:
    draft = await story.draft("video")
    await story.complete(draft, recording=False)
    shown = await story.get(story.cast.patient, f"/consultations/{draft['id']}")
    assert (shown["mode"], shown["price_fen"]) == ("text", 3000)
    await story.do(story.cast.patient, draft["id"], "submit")
    await story.pay(draft["id"])
    shown = await story.get(story.cast.patient, f"/consultations/{draft['id']}")
    room = await story.get(story.cast.patient, f"/rooms/{shown['room_id']}")
    assert room["recording"] == "ask"


async def test_red_flags_are_marked_for_the_patient_and_in_the_room(story: Story) -> None:
    draft = await story.draft()
    await story.complete(draft)
    path = f"/consultations/{draft['id']}"
    edit = {"answers": {"chest_pain": True}}
    marked = (await story.ask(story.cast.patient, "PATCH", path, edit)).expect(200)
    assert marked["red_flag"] is True
    await story.do(story.cast.patient, draft["id"], "submit")
    await story.pay(draft["id"])
    shown = await story.get(story.cast.doctor, path)
    page = await story.get(story.cast.doctor, f"/rooms/{shown['room_id']}/messages?after=0")
    flags = [m["body"] for m in page["messages"] if m["body"].get("event") == "red_flag"]
    assert len(flags) == 1
    assert "120" in flags[0]["text"]


async def test_a_draft_without_evidence_or_consent_is_refused_by_name(story: Story) -> None:
    draft = await story.draft()
    refused = await story.try_to(story.cast.patient, draft["id"], "submit")
    assert refused.code == "description_required"
    edit = {"description": "复诊"}
    path = f"/consultations/{draft['id']}"
    (await story.ask(story.cast.patient, "PATCH", path, edit)).expect(200)
    refused = await story.try_to(story.cast.patient, draft["id"], "submit")
    assert refused.code == "revisit_unproven"
    checked = await story.do(story.cast.patient, draft["id"], "revisit-check")
    assert checked["status"] == "proof_required"
    story.his.down = True
    refused = await story.try_to(story.cast.patient, draft["id"], "revisit-check")
    assert (refused.status, refused.code) == (503, "his_unavailable")


async def test_a_draft_can_be_thrown_away_and_nothing_else(story: Story) -> None:
    draft = await story.draft()
    path = f"/consultations/{draft['id']}"
    assert (await story.ask(story.cast.patient, "DELETE", path)).status == 204
    assert (await story.ask(story.cast.patient, "GET", path)).code == "not_found"
    submitted = await story.submitted()
    refused = await story.ask(story.cast.patient, "DELETE", f"/consultations/{submitted['id']}")
    assert refused.code == "consultation_not_draft"


@pytest.mark.requirement("S1-134")
async def test_phrases_lie_in_the_order_that_their_owner_gave_them(story: Story) -> None:
    doctor = story.cast.doctor
    kept = []
    for category, text in (("问候", "您好"), ("治疗建议", "多饮水"), ("问候", "请稍候")):
        form = {"category": category, "text": text}
        kept.append((await story.ask(doctor, "POST", "/phrases", form)).expect(201)["id"])
    order = {"ids": [kept[2], kept[0]]}
    found = (await story.ask(doctor, "PUT", "/phrases/order", order)).expect(200)
    assert [each["text"] for each in found] == ["请稍候", "您好", "多饮水"]
    form = {"category": "问候", "text": "再见"}
    (await story.ask(doctor, "POST", "/phrases", form)).expect(201)
    assert [p["text"] for p in await story.get(doctor, "/phrases")][-1] == "再见"
    other = {"ids": [kept[0]]}
    for stranger in (story.cast.other_doctor, story.cast.of(Role.PHARMACIST)):
        assert (await story.ask(stranger, "PUT", "/phrases/order", other)).code == "not_found"
    assert (await story.ask(story.cast.patient, "GET", "/phrases")).code == "forbidden"


@pytest.mark.requirement("S1-134")
async def test_phrases_belong_to_their_doctor(story: Story) -> None:
    doctor, other = story.cast.doctor, story.cast.other_doctor
    form = {"category": "问候", "text": "您好，我看到您的资料了。"}
    kept = (await story.ask(doctor, "POST", "/phrases", form)).expect(201)
    assert await story.get(other, "/phrases") == []
    assert (await story.ask(other, "DELETE", f"/phrases/{kept['id']}")).code == "not_found"
    changed = {**form, "text": "您好。"}
    (await story.ask(doctor, "PUT", f"/phrases/{kept['id']}", changed)).expect(200)
    assert [p["text"] for p in await story.get(doctor, "/phrases")] == ["您好。"]
    assert (await story.ask(doctor, "DELETE", f"/phrases/{kept['id']}")).status == 204
