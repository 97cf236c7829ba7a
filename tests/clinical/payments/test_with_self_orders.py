"""Orders of the convenience clinic are paid and paid back through the same channel."""

from __future__ import annotations

from uuid import UUID

import pytest

from tests.clinical.outpatient.conftest import Clinic
from tests.clinical.payments.conftest import Till
from tests.clinical.story import Story


@pytest.mark.requirement("S0-P-080", "S4-039")
async def test_an_approved_order_is_paid_at_the_cashier_and_paid_back_when_it_is_cancelled(
    till: Till, story: Story
) -> None:
    clinic, patient = Clinic(story), story.cast.patient
    order = await clinic.order(patient, await clinic.item())
    approved = await clinic.do(story.cast.doctor, order, "approve")
    payment = UUID(approved["order_id"])
    await till.press_pay(await till.cashier(payment))
    assert (await clinic.show(patient, order))["state"] == "paid"
    await clinic.do(patient, order, "cancel")
    await till.react()
    shown = await till.show(payment)
    assert (shown["state"], shown["refunds"][0]["amount_fen"]) == ("refunded", 12000)
    assert shown["refunds"][0]["reason_text"] == "您已取消订单"
    assert len(await till.at_channel("refunds")) == 1
    assert await clinic.taken() == 0
