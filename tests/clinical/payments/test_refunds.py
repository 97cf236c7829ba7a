"""Money goes back exactly once, whatever the channel, the network and the clock do."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select

from clinical.payments import channel, service
from clinical.payments.gateway import (
    ChannelPayment,
    ChannelRefund,
    PaymentGateway,
    RefundRequest,
    TradeState,
)
from clinical.payments.models import Refund
from clinical.payments.rules import RefundState
from core.audit.models import AuditEntry
from tests.clinical.payments.conftest import Till


async def refunded_once(till: Till, order_id: UUID) -> None:
    """The order is refunded, with one refund here and one at the channel."""
    shown = await till.show(order_id)
    assert shown["state"] == "refunded", shown
    assert [refund["state"] for refund in shown["refunds"]] == ["succeeded"]
    assert len([r for r in await till.at_channel("refunds") if r["order"] == order_id.hex]) == 1
    assert (await till.announced(order_id)).count("order.refunded") == 1


async def test_a_refund_goes_back_whole_is_audited_and_told_to_the_payer(till: Till) -> None:
    order_id = await till.paid(amount_fen=4999)
    await till.ask_back(order_id)
    assert (await till.show(order_id))["state"] == "refunding"
    await till.react()
    await refunded_once(till, order_id)
    (refund,) = (await till.show(order_id))["refunds"]
    assert (refund["amount_fen"], refund["reason"]) == (4999, "declined")
    async with till.runtime.unit_of_work() as uow:
        actions = await uow.session.scalars(
            select(AuditEntry.action)
            .where(AuditEntry.object_id == str(order_id))
            .order_by(AuditEntry.id)
        )
        assert list(actions) == ["order.refund_request", "order.refund"]
    inbox = await till.client.get("/inbox", token=till.token(till.cast.patient))
    (item,) = inbox.expect(200)["items"]
    assert (item["type"], item["text"]) == ("refund", "¥49.99 已原路退回")


async def test_a_refund_asked_for_twice_or_at_once_happens_once(till: Till) -> None:
    order_id = await till.paid()
    await asyncio.gather(*(till.ask_back(order_id) for _ in range(4)))
    await till.ask_back(order_id, "not_accepted")
    await till.react()
    await till.ask_back(order_id)
    await till.react()
    await refunded_once(till, order_id)


async def test_an_unpaid_or_closed_order_is_not_refunded(till: Till) -> None:
    order_id = await till.order()
    await till.ask_back(order_id)
    assert (await till.show(order_id))["state"] == "pending"
    await till.close(order_id)
    await till.ask_back(order_id)
    assert (await till.show(order_id))["state"] == "closed"
    assert await till.refunds(order_id) == []


async def test_money_that_arrives_after_cancellation_goes_back_once(till: Till) -> None:
    await till.payer.fault(payment_callback="late")
    order_id = await till.order()
    await till.payer.press(await till.cashier(order_id))
    assert await till.close(order_id)
    await till.payer.release()
    await till.payer.server.world.idle()
    await till.react()
    await refunded_once(till, order_id)
    assert (await till.refunds(order_id))[0].reason == "paid_after_closing"
    assert "order.paid" not in await till.announced(order_id)


async def test_closing_at_the_channel_finds_money_that_came_first_and_gives_it_back(
    till: Till,
) -> None:
    await till.payer.fault(payment_callback="lost")
    order_id = await till.order()
    await till.press_pay(await till.cashier(order_id))
    assert await till.close(order_id)
    await till.react()
    await refunded_once(till, order_id)
    assert ("close", "refused") in await till.calls(order_id)


async def test_a_cashier_still_open_after_closing_is_closed_by_the_last_look(till: Till) -> None:
    order_id = await till.order(minutes=30)
    await till.cashier(order_id)
    await till.payer.fault(wechat_order="error")
    assert await till.close(order_id)
    # The reaction fails; then it is as if the reaction had been lost for good.
    await till.react()
    assert (await till.at_channel("orders"))[0]["trade_state"] == "NOTPAY"
    await till.payer.fault(wechat_order="ok")
    till.clock.advance(timedelta(minutes=32, seconds=1))
    await channel.look(till.runtime, order_id)
    assert (await till.at_channel("orders"))[0]["trade_state"] == "CLOSED"
    (order,) = await till.rows(service.Order, order_id)
    assert order.next_query_at is None


async def test_money_found_by_the_last_look_goes_back(till: Till) -> None:
    await till.payer.fault(payment_callback="lost", wechat_order="ok")
    order_id = await till.order(minutes=30)
    await till.press_pay(await till.cashier(order_id))
    await till.payer.fault(wechat_order="error")
    assert await till.close(order_id)
    await till.react()
    await till.payer.fault(wechat_order="ok")
    await till.later(timedelta(minutes=33))
    await refunded_once(till, order_id)


@pytest.mark.parametrize("fault", ["error", "answer_lost", "not_enough"])
async def test_a_refund_is_sent_again_until_the_channel_takes_it(till: Till, fault: str) -> None:
    order_id = await till.paid()
    await till.payer.fault(wechat_refund={"mode": fault, "times": 2}, refund_callback="lost")
    await till.ask_back(order_id)
    await till.react()
    assert (await till.show(order_id))["state"] == "refunding"
    (refund,) = await till.refunds(order_id)
    assert refund.last_error
    for pause in (31, 61, 121):
        await till.later(timedelta(seconds=pause))
    await refunded_once(till, order_id)


async def test_a_lost_refund_callback_is_made_up_for_by_the_job(till: Till) -> None:
    await till.payer.fault(refund_callback="lost")
    order_id = await till.paid()
    await till.ask_back(order_id)
    await till.react()
    assert (await till.show(order_id))["refunds"][0]["state"] == "processing"
    await till.later(timedelta(seconds=31))
    await refunded_once(till, order_id)


@pytest.mark.parametrize("fault", ["duplicated", "wrong_signature", "late"])
async def test_refund_callbacks_may_come_twice_wrongly_signed_or_late(
    till: Till, fault: str
) -> None:
    await till.payer.fault(refund_callback=fault)
    order_id = await till.paid()
    await till.ask_back(order_id)
    if fault == "late":
        (refund,) = await till.refunds(order_id)
        await channel.send_refund(till.runtime, refund.id)
        await till.payer.release()
    await till.react()
    await refunded_once(till, order_id)


async def test_a_slow_refund_stays_visible_until_it_is_done(till: Till) -> None:
    await till.payer.fault(wechat_refund="slow")
    order_id = await till.paid()
    await till.ask_back(order_id)
    (refund,) = await till.refunds(order_id)
    assert await channel.send_refund(till.runtime, refund.id) is RefundState.PROCESSING
    assert (await till.show(order_id))["state"] == "refunding"
    await till.payer.release()
    await till.payer.server.world.idle()
    await till.react()
    await refunded_once(till, order_id)


async def test_a_refund_that_the_channel_gives_up_fails_visibly_and_can_be_tried_again(
    till: Till,
) -> None:
    await till.payer.fault(wechat_refund={"mode": "abnormal", "times": 1})
    order_id = await till.paid()
    await till.ask_back(order_id)
    await till.react()
    shown = await till.show(order_id)
    assert (shown["state"], shown["refunds"][0]["state"]) == ("refund_failed", "failed")
    assert "order.refund_failed" in await till.announced(order_id)
    refund_id = shown["refunds"][0]["id"]
    for person in (till.cast.patient, till.cast.doctor, till.cast.supervisor):
        answer = await till.client.post(f"/refunds/{refund_id}/retry", token=till.token(person))
        assert (answer.status, answer.code) == (403, "forbidden")
    foreign = till.token(till.cast.foreign_administrator)
    answer = await till.client.post(f"/refunds/{refund_id}/retry", token=foreign)
    assert (answer.status, answer.code) == (404, "not_found")
    # Staff mended it at the channel, which now says that it succeeded.
    world = till.payer.server.world
    stored = world.store.get("refund", UUID(refund_id).hex)
    assert stored is not None
    world.store.put("refund", stored["out_refund_no"], {**stored, "status": "SUCCESS"})
    token = till.token(till.cast.administrator)
    answer = await till.client.post(f"/refunds/{refund_id}/retry", token=token)
    assert answer.expect(200)["state"] == "refunded"
    await refunded_once(till, order_id)
    answer = await till.client.post(f"/refunds/{refund_id}/retry", token=token)
    assert (answer.status, answer.code) == (409, "refund_not_failed")


class _Dying:
    """A gateway whose process dies before or after a refund reached the channel."""

    def __init__(self, real: PaymentGateway, *, after: bool) -> None:
        self._real, self._after = real, after

    async def refund(self, request: RefundRequest) -> ChannelRefund:
        if self._after:
            await self._real.refund(request)
        raise KeyboardInterrupt


@pytest.mark.parametrize("after", [False, True])
async def test_a_crash_around_the_refund_call_refunds_once(till: Till, after: bool) -> None:
    await till.payer.fault(refund_callback="lost")
    order_id = await till.paid()
    await till.ask_back(order_id)
    (refund,) = await till.refunds(order_id)
    real = till.runtime.port(PaymentGateway)  # type: ignore[type-abstract]
    till.runtime.provide(PaymentGateway, _Dying(real, after=after))  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        await channel.send_refund(till.runtime, refund.id)
    till.runtime.provide(PaymentGateway, real)
    assert ("refund", "started") in await till.calls(order_id)
    await till.later(timedelta(seconds=31))
    await till.later(timedelta(seconds=61))
    await refunded_once(till, order_id)


def payment(order_id: UUID, transaction: str, amount_fen: int) -> ChannelPayment:
    return ChannelPayment(
        out_trade_no=order_id.hex,
        state=TradeState.SUCCESS,
        transaction_id=transaction,
        amount_fen=amount_fen,
        currency="CNY",
    )


async def test_money_of_another_amount_pays_nothing_and_goes_back(till: Till) -> None:
    order_id = await till.order(amount_fen=3000)
    pay_url = await till.cashier(order_id)
    world = till.payer.server.world
    stored = world.store.get("order", order_id.hex)
    assert stored is not None
    world.store.put("order", order_id.hex, {**stored, "total": 2999})
    await till.press_pay(pay_url)
    await till.react()
    await refunded_once(till, order_id)
    shown = await till.show(order_id)
    assert (shown["close_reason"], shown["paid_at"]) == ("amount_mismatch", None)
    assert shown["refunds"][0]["amount_fen"] == 2999
    assert "order.paid" not in await till.announced(order_id)


async def test_a_second_payment_goes_back_and_the_order_stays_paid(till: Till) -> None:
    order_id = await till.paid()
    async with till.runtime.unit_of_work() as uow:
        second = payment(order_id, "4200-second", 3000)
        assert await service.record_payment(uow, second, "callback") == "paid_twice"
        assert await service.record_payment(uow, second, "callback") is None
    assert (await till.show(order_id))["state"] == "paid"
    (refund,) = await till.refunds(order_id)
    assert refund.reason == "paid_twice"


async def test_word_of_an_order_that_is_not_ours_or_not_paid_changes_nothing(till: Till) -> None:
    order_id = await till.order()
    async with till.runtime.unit_of_work() as uow:
        for number in ("not-a-number", "0" * 32):
            foreign = ChannelPayment(
                out_trade_no=number,
                state=TradeState.SUCCESS,
                transaction_id="4200-foreign",
                amount_fen=1,
            )
            assert await service.record_payment(uow, foreign, "callback") is None
        waiting = ChannelPayment(out_trade_no=order_id.hex, state=TradeState.NOTPAY)
        assert await service.record_payment(uow, waiting, "query") is None
    assert (await till.show(order_id))["state"] == "pending"


async def test_the_same_money_told_many_times_at_once_counts_once(till: Till) -> None:
    order_id = await till.order()
    await till.cashier(order_id)

    async def tell() -> None:
        async with till.runtime.unit_of_work() as uow:
            await service.record_payment(uow, payment(order_id, "4200-same", 3000), "callback")

    await asyncio.gather(*(tell() for _ in range(6)))
    assert len(await till.payments(order_id)) == 1
    assert await till.announced(order_id) == ["order.paid"]


async def test_paying_and_closing_at_once_ends_paid_or_refunded_never_between(till: Till) -> None:
    for _ in range(6):
        order_id = await till.order()
        await till.cashier(order_id)

        async def tell(order_id: UUID = order_id) -> None:
            async with till.runtime.unit_of_work() as uow:
                money = payment(order_id, f"4200-{order_id.hex}", 3000)
                await service.record_payment(uow, money, "callback")

        await asyncio.gather(tell(), till.close(order_id))
        (order,) = await till.rows(service.Order, order_id)
        refunds: list[Refund] = await till.refunds(order_id)
        assert (order.state.value, len(refunds)) in (("paid", 0), ("refunding", 1))
