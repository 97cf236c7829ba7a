"""The convenience clinic told as stories: submit, review, pay, cancel; many at the same moment."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from clinical.outpatient import jobs
from core.clock import FakeClock
from core.outbox import Relay
from tests.clinical.outpatient.conftest import Clinic


@pytest.mark.requirement("S0-P-080", "S0-P-084", "S1-033", "S4-039")
async def test_an_examination_is_reviewed_before_it_is_paid_and_then_carried_out(
    clinic: Clinic,
) -> None:
    story, patient, doctor = clinic.story, clinic.story.cast.patient, clinic.story.cast.doctor
    item = await clinic.item(special=True)
    shown = await story.get(patient, "/self-orders/clinic")
    assert (shown["open"], shown["notice_title"]) == (True, "自助开单须知")
    await clinic.person(patient)
    taken_back = {"kind": "self_order_notice"}
    (await story.ask(patient, "POST", "/consents/withdrawals", taken_back)).expect(201)
    unread = await clinic.try_to_order(patient, item, purpose="三个月复查")
    assert unread.code == "consent_missing"
    await clinic.agree(patient)
    assert (await clinic.try_to_order(patient, item)).code == "self_order_purpose_required"
    order = await clinic.order(patient, item, purpose="三个月复查")
    assert (order["state"], order["order_id"], order["total_fen"]) == ("submitted", None, 12000)
    kinds = {each["latest"]["kind"] for each in await story.get(patient, "/consents")}
    assert "self_order_notice" in kinds
    assert await clinic.left(item) == [0, 1]
    [queued] = (await story.get(doctor, "/self-orders?state=submitted"))["items"]
    assert (queued["purpose"], queued["lines"][0]["name"]) == ("三个月复查", "腹部彩超")
    approved = await clinic.do(doctor, order, "approve", words="可以做")
    assert (approved["state"], approved["reviewer_name"]) == ("awaiting_payment", doctor.name)
    due = await story.get(patient, f"/orders/{approved['order_id']}")
    assert (due["amount_fen"], due["self_order_id"]) == (12000, order["id"])
    assert "腹部" not in due["subject"]
    assert (await clinic.try_to(doctor, order, "fulfil")).code == "self_order_not_fulfillable"
    await clinic.money_comes(order)
    assert (await clinic.show(patient, order))["state_text"] == "待检查"
    assert (await clinic.do(doctor, order, "fulfil"))["state"] == "done"
    assert (await clinic.try_to(patient, order, "cancel")).code == "self_order_not_cancellable"
    assert "self_order_approved" in await story.inbox(patient)


async def test_what_is_cancelled_before_it_is_carried_out_is_paid_back_and_its_time_is_free(
    clinic: Clinic, relay: Relay
) -> None:
    story, patient, doctor = clinic.story, clinic.story.cast.patient, clinic.story.cast.doctor
    item = await clinic.item()
    order = await clinic.order(patient, item)
    await clinic.do(doctor, order, "approve")
    await clinic.money_comes(order)
    cancelled = await clinic.do(patient, order, "cancel")
    assert (cancelled["state"], cancelled["close_reason"]) == ("cancelled", "cancelled_by_patient")
    assert cancelled["refund_requested_at"] is not None
    assert await clinic.left(item) == [1, 1]
    other = await clinic.order(story.cast.other_patient, item)
    unpaid = await clinic.do(doctor, other, "approve")
    await clinic.do(story.cast.other_patient, other, "cancel")
    await relay.drain()
    closed = await story.get(story.cast.other_patient, f"/orders/{unpaid['order_id']}")
    assert (closed["state"], closed["close_reason"]) == ("closed", "cancelled")


@pytest.mark.requirement("S4-039")
async def test_a_pharmacist_refuses_a_drug_with_a_reason_and_nothing_can_be_paid(
    clinic: Clinic,
) -> None:
    story, patient = clinic.story, clinic.story.cast.patient
    pharmacist, doctor = story.cast.pharmacist, story.cast.doctor
    drug, item = await clinic.drug(), await clinic.item()
    assert (await clinic.try_to_order(patient, drug, item)).code == "self_order_mixed"
    order = await clinic.order(patient, drug)
    assert (await story.get(doctor, "/self-orders"))["items"] == []
    assert (await clinic.try_to(doctor, order, "approve")).status == 404
    stranger = await story.ask(story.cast.other_patient, "GET", f"/self-orders/{order['id']}")
    assert stranger.status == 404
    refused = await clinic.do(pharmacist, order, "refuse", reason="与您正在服用的药物冲突")
    assert (refused["state"], refused["order_id"]) == ("refused", None)
    shown = await clinic.show(patient, order)
    assert shown["review_words"] == "与您正在服用的药物冲突"
    assert "self_order_refused" in await story.inbox(patient)
    assert (await clinic.try_to(pharmacist, order, "approve")).code == "self_order_reviewed"


async def test_what_nobody_reviews_or_pays_in_time_is_cancelled_and_its_payer_told(
    clinic: Clinic, clock: FakeClock, relay: Relay
) -> None:
    story, patient = clinic.story, clinic.story.cast.patient
    await story.set("outpatient.self_order_review_minutes", 60)
    await story.set("outpatient.self_order_pay_minutes", 60)
    item, drug = await clinic.item(), await clinic.drug()
    forgotten, unpaid = await clinic.order(patient, item), await clinic.order(patient, drug)
    await clinic.do(story.cast.pharmacist, unpaid, "approve")
    clock.advance(timedelta(minutes=35))
    for _ in range(2):
        await jobs.remind_payers(story.runtime)
    assert (await story.inbox(patient)).count("self_order_payment_due") == 1
    clock.advance(timedelta(minutes=26))
    late = await clinic.try_to(story.cast.doctor, forgotten, "approve")
    assert late.code == "self_order_review_too_late"
    await jobs.expire(story.runtime)
    await relay.drain()
    assert (await clinic.show(patient, forgotten))["close_reason"] == "review_expired"
    assert (await clinic.show(patient, unpaid))["close_reason"] == "payment_expired"
    assert (await story.inbox(patient)).count("self_order_expired") == 2
    assert await clinic.taken() == 0


async def test_money_for_an_order_that_is_over_goes_back_and_changes_nothing_else(
    clinic: Clinic,
) -> None:
    patient = clinic.story.cast.patient
    order = await clinic.order(patient, await clinic.item())
    await clinic.do(clinic.story.cast.doctor, order, "approve")
    await clinic.do(patient, order, "cancel")
    for _ in range(2):
        await clinic.money_comes(order)
    shown = await clinic.show(patient, order)
    assert shown["state"] == "cancelled"
    assert shown["refund_requested_at"] is not None


async def test_nobody_oversells_a_time_when_many_press_at_once(clinic: Clinic) -> None:
    first = await clinic.item("US-01", capacity=3)
    second = await clinic.item("CT-01", name="胸部CT", category="放射", capacity=3)
    people = await clinic.patients(8)
    for who in people:
        await clinic.person(who)
    # Half of them name the two items the other way round: nobody waits for each other for ever.
    pairs = [(first, second), (second, first)] * 4
    answers = await asyncio.gather(
        *(clinic.try_to_order(who, *pair) for who, pair in zip(people, pairs, strict=True))
    )
    assert sorted(answer.code for answer in answers) == [""] * 3 + ["self_order_time_full"] * 5
    assert await clinic.taken() == 6
    assert await clinic.left(first) == [0, 3]


async def test_of_two_reviewers_at_once_one_decides_and_the_other_is_told(clinic: Clinic) -> None:
    cast = clinic.story.cast
    order = await clinic.order(cast.patient, await clinic.item())
    answers = await asyncio.gather(
        clinic.try_to(cast.doctor, order, "approve"),
        clinic.try_to(cast.other_doctor, order, "refuse", reason="请先面诊"),
    )
    assert sorted(answer.code for answer in answers) == ["", "self_order_reviewed"]
    shown = await clinic.show(cast.patient, order)
    assert shown["state"] in ("awaiting_payment", "refused")


@pytest.mark.requirement("S0-P-084")
async def test_a_hospital_turns_the_step_of_times_off_and_the_whole_clinic(clinic: Clinic) -> None:
    story, patient = clinic.story, clinic.story.cast.patient
    item = await clinic.item()
    nowhen = {"item_id": item["id"], "price_fen": item["price_fen"], "starts_at": None}
    asked = await clinic.try_to_order(patient, item, lines=[nowhen])
    assert asked.code == "self_order_time_required"
    await story.set("outpatient.self_order_ask_time", False)
    order = await clinic.order(patient, item, lines=[nowhen])
    assert order["lines"][0]["starts_at"] is None
    await story.set("outpatient.self_order_open", False)
    assert (await clinic.try_to_order(patient, item)).code == "self_order_closed"
