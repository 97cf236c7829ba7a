"""Orders and the consultations that they pay for move together, through events alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from core.jobs import JobRunner
from tests.clinical.payments.conftest import Till
from tests.clinical.story import Story


async def submitted(story: Story) -> tuple[str, UUID]:
    """A consultation that waits for payment, and its order."""
    consultation = await story.submitted()
    return consultation["id"], UUID(consultation["order_id"])


@pytest.mark.requirement("S2-006")
async def test_submitting_opens_the_order_with_price_and_deadline(till: Till, story: Story) -> None:
    consultation: dict[str, Any] = await story.submitted()
    shown = await till.show(UUID(consultation["order_id"]))
    assert shown["consultation_id"] == consultation["id"]
    assert shown["amount_fen"] == consultation["price_fen"] == 3000
    assert (shown["state"], shown["number"]) == ("pending", consultation["number"])


async def test_paying_puts_the_consultation_into_the_doctors_queue(
    till: Till, story: Story
) -> None:
    key, order_id = await submitted(story)
    await till.press_pay(await till.cashier(order_id))
    assert (await story.state(key))[0] == "waiting"
    assert (await till.show(order_id))["state"] == "paid"


async def test_declining_sends_the_whole_amount_back(till: Till, story: Story) -> None:
    key, order_id = await submitted(story)
    await till.press_pay(await till.cashier(order_id))
    await story.do(till.cast.doctor, key, "decline", {"reason": "请到院就诊"})
    await till.react()
    shown = await till.show(order_id)
    assert (shown["state"], shown["refunds"][0]["amount_fen"]) == ("refunded", 3000)
    assert "refund" in await story.inbox(till.cast.patient)


async def test_cancelling_before_payment_closes_the_order_here_and_at_the_channel(
    till: Till, story: Story
) -> None:
    key, order_id = await submitted(story)
    await till.cashier(order_id)
    await story.do(till.cast.patient, key, "cancel")
    await till.react()
    shown = await till.show(order_id)
    assert (shown["state"], shown["close_reason"]) == ("closed", "cancelled")
    assert (await till.at_channel("orders"))[0]["trade_state"] == "CLOSED"


async def test_money_that_arrives_between_the_cancelling_and_the_closing_goes_back_once(
    till: Till, story: Story
) -> None:
    key, order_id = await submitted(story)
    pay_url = await till.cashier(order_id)
    await story.do(till.cast.patient, key, "cancel")
    # The reaction that closes the order has not run yet: the order still takes the money.
    await till.press_pay(pay_url)
    await till.react()
    shown = await till.show(order_id)
    assert shown["state"] == "refunded"
    assert [refund["reason"] for refund in shown["refunds"]] == ["paid_after_cancellation"]
    assert (await story.state(key))[0] == "cancelled"
    assert len(await till.at_channel("refunds")) == 1


async def test_an_unpaid_order_that_expires_cancels_its_consultation(
    till: Till, story: Story
) -> None:
    key, order_id = await submitted(story)
    await till.cashier(order_id)
    await till.later(timedelta(minutes=31))
    assert (await till.show(order_id))["close_reason"] == "payment_expired"
    assert (await story.state(key))[:2] == ("cancelled", "payment_expired")


@pytest.mark.requirement("S1-045")
async def test_a_consultation_not_accepted_in_time_is_paid_back_by_itself(
    till: Till, story: Story, jobs: JobRunner
) -> None:
    key, order_id = await submitted(story)
    await till.press_pay(await till.cashier(order_id))
    till.clock.advance(timedelta(hours=24, minutes=1))
    await jobs.run_due()
    await till.react()
    assert (await story.state(key))[:2] == ("cancelled", "not_accepted")
    shown = await till.show(order_id)
    assert (shown["state"], shown["refunds"][0]["reason"]) == ("refunded", "not_accepted")


@pytest.mark.requirement("S2-011")
async def test_the_doctor_gives_the_fee_back(till: Till, story: Story) -> None:
    await story.permit_refunds()
    key, order_id = await submitted(story)
    await till.press_pay(await till.cashier(order_id))
    await story.do(till.cast.doctor, key, "accept")
    await story.do(till.cast.doctor, key, "refund", {"reason": "患者误下单"})
    await till.react()
    shown = await till.show(order_id)
    assert (shown["state"], shown["refunds"][0]["reason"]) == ("refunded", "refunded_by_doctor")
    assert len(await till.at_channel("refunds")) == 1
