"""Paying through the API, the cashier and the callback, with the faults of real networks."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from clinical.payments import channel
from clinical.payments.gateway import PaymentGateway, PlaceOrder
from clinical.payments.models import ChannelNotice, Order
from core.outside import OutsideUnavailable
from tests.clinical.payments.conftest import BACK, Till


@pytest.mark.requirement("S1-042", "S2-006", "S2-062")
async def test_a_patient_pays_an_order_in_the_cashier(till: Till) -> None:
    order_id = await till.order()
    shown = await till.show(order_id)
    assert (shown["state"], shown["channel"], shown["refunds"]) == ("pending", None, [])
    pay_url = await till.cashier(order_id)
    assert "redirect_url=http%3A%2F%2Fhospital.test%2Fm%2F%23%2Fpages%2Fpay%2Fdone" in pay_url
    await till.press_pay(pay_url)
    shown = await till.show(order_id)
    assert (shown["state"], shown["channel"], shown["amount_fen"]) == ("paid", "wechat_h5", 3000)
    assert shown["paid_at"] == "2026-11-20T01:00:00Z"
    assert await till.announced(order_id) == ["order.paid"]
    assert await till.calls(order_id) == [("place", "done")]


async def test_a_duplicated_callback_changes_nothing_and_is_counted(till: Till) -> None:
    await till.payer.fault(payment_callback="duplicated")
    order_id = await till.paid()
    assert len(await till.payments(order_id)) == 1
    assert await till.announced(order_id) == ["order.paid"]
    async with till.runtime.unit_of_work() as uow:
        notice = (await uow.session.scalars(select(ChannelNotice))).one()
        assert (notice.times, notice.number) == (2, order_id.hex)


async def test_a_lost_callback_is_made_up_for_by_the_job(till: Till) -> None:
    await till.payer.fault(payment_callback="lost")
    order_id = await till.order()
    await till.press_pay(await till.cashier(order_id))
    assert (await till.show(order_id))["state"] == "pending"
    await till.later(timedelta(seconds=21))
    assert (await till.show(order_id))["state"] == "paid"
    assert (await till.payments(order_id))[0].source == "query"


async def test_a_lost_callback_is_made_up_for_when_the_patient_comes_back(till: Till) -> None:
    await till.payer.fault(payment_callback="lost")
    order_id = await till.order()
    await till.press_pay(await till.cashier(order_id))
    answer = await till.client.post(f"/orders/{order_id}/sync", token=till.token(till.cast.patient))
    assert answer.expect(200)["state"] == "paid"


async def test_a_late_callback_after_the_query_changes_nothing(till: Till) -> None:
    await till.payer.fault(payment_callback="late")
    order_id = await till.order()
    await till.payer.press(await till.cashier(order_id))
    await till.sync(order_id)
    await till.payer.release()
    await till.react()
    assert len(await till.payments(order_id)) == 1
    assert await till.announced(order_id) == ["order.paid"]
    assert (await till.at_channel("callbacks"))[0]["state"] == "delivered"


async def test_a_wrongly_signed_callback_is_refused_and_the_right_one_believed(till: Till) -> None:
    await till.payer.fault(payment_callback="wrong_signature")
    order_id = await till.paid()
    (callback,) = await till.at_channel("callbacks")
    assert (callback["attempts"], callback["state"]) == (2, "delivered")
    assert await till.announced(order_id) == ["order.paid"]


@pytest.mark.parametrize("path", ["notify", "refund-notify"])
@pytest.mark.parametrize("body", [b"", b"{}", b"[1]", b"\xff\x00", b'{"resource":{}}'])
async def test_a_callback_without_a_signature_is_refused_by_name(
    till: Till, path: str, body: bytes
) -> None:
    answer = await till.client.post(f"/payments/wechat/{path}", body=body)
    assert (answer.status, answer.code) == (401, "callback_not_trusted")
    answer = await till.client.post(f"/payments/wechat/{path}", body=b"x" * 70000)
    assert (answer.status, answer.code) == (413, "body_too_large")


async def test_paying_twice_is_refused_by_name(till: Till) -> None:
    order_id = await till.paid()
    body = {"channel": "wechat_h5", "return_url": BACK}
    answer = await till.client.post(
        f"/orders/{order_id}/pay", token=till.token(till.cast.patient), json=body
    )
    assert (answer.status, answer.code) == (409, "order_already_paid")


async def test_a_patient_who_leaves_the_cashier_may_come_back_to_it(till: Till) -> None:
    order_id = await till.order()
    status, location = await till.payer.press(await till.cashier(order_id), "cancel")
    assert (status, location) == (303, BACK)
    assert (await till.show(order_id))["state"] == "pending"
    await till.press_pay(await till.cashier(order_id))
    assert (await till.show(order_id))["state"] == "paid"


async def test_the_same_key_gets_the_same_cashier(till: Till) -> None:
    order_id = await till.order()
    body = {"channel": "wechat_h5", "return_url": BACK}
    answers = [
        await till.client.post(
            f"/orders/{order_id}/pay", token=till.token(till.cast.patient), json=body, key="k1"
        )
        for _ in range(2)
    ]
    assert answers[0].expect(200) == answers[1].expect(200)
    assert await till.calls(order_id) == [("place", "done")]


async def test_the_cashier_sends_nobody_to_a_foreign_site(till: Till) -> None:
    order_id = await till.order()
    for address in ("https://evil.test/", "javascript:alert(1)", "//evil.test", "/pay/done"):
        answer = await till.client.post(
            f"/orders/{order_id}/pay",
            token=till.token(till.cast.patient),
            json={"channel": "wechat_h5", "return_url": address},
        )
        assert (answer.status, answer.code) == (422, "return_url_not_allowed"), address


async def test_an_expired_order_takes_no_money_and_is_closed_at_the_channel(till: Till) -> None:
    order_id = await till.order(minutes=30)
    pay_url = await till.cashier(order_id)
    await till.later(timedelta(minutes=30))
    shown = await till.show(order_id)
    assert (shown["state"], shown["close_reason"]) == ("closed", "payment_expired")
    assert await till.announced(order_id) == ["order.closed"]
    assert (await till.at_channel("orders"))[0]["trade_state"] == "CLOSED"
    assert (await till.payer.press(pay_url))[0] == 409
    body = {"channel": "wechat_h5", "return_url": BACK}
    answer = await till.client.post(
        f"/orders/{order_id}/pay", token=till.token(till.cast.patient), json=body
    )
    assert (answer.status, answer.code) == (409, "order_closed")


async def test_an_order_that_nobody_tried_to_pay_expires_without_asking_the_channel(
    till: Till,
) -> None:
    order_id = await till.order(minutes=5)
    await till.later(timedelta(minutes=5))
    assert (await till.show(order_id))["state"] == "closed"
    assert await till.calls(order_id) == []


async def test_between_the_expiry_and_the_job_the_cashier_is_refused(till: Till) -> None:
    order_id = await till.order(minutes=5)
    till.clock.advance(timedelta(minutes=5))
    body = {"channel": "wechat_h5", "return_url": BACK}
    answer = await till.client.post(
        f"/orders/{order_id}/pay", token=till.token(till.cast.patient), json=body
    )
    assert (answer.status, answer.code) == (409, "order_expired")


async def test_money_paid_in_time_counts_although_its_callback_was_lost_until_the_expiry(
    till: Till,
) -> None:
    await till.payer.fault(payment_callback="lost")
    order_id = await till.order(minutes=30)
    pay_url = await till.cashier(order_id)
    till.clock.advance(timedelta(minutes=29, seconds=59))
    await till.press_pay(pay_url)
    till.clock.advance(timedelta(seconds=2))
    assert await channel.expire(till.runtime, order_id) is False
    assert (await till.show(order_id))["state"] == "paid"


async def test_an_expiry_waits_for_a_silent_channel_but_not_for_ever(till: Till) -> None:
    order_id = await till.order(minutes=5)
    await till.cashier(order_id)
    await till.payer.fault(wechat_order="error")
    till.clock.advance(timedelta(minutes=6))
    assert await channel.expire(till.runtime, order_id) is False
    assert (await till.show(order_id))["state"] == "pending"
    till.clock.advance(timedelta(minutes=10))
    assert await channel.expire(till.runtime, order_id) is True
    assert (await till.show(order_id))["state"] == "closed"


async def test_a_channel_that_is_down_is_told_to_the_patient_and_paying_works_later(
    till: Till,
) -> None:
    order_id = await till.order()
    body = {"channel": "wechat_h5", "return_url": BACK}
    await till.payer.fault(wechat_order="error")
    answer = await till.client.post(
        f"/orders/{order_id}/pay", token=till.token(till.cast.patient), json=body
    )
    assert (answer.status, answer.code) == (503, "payment_unavailable")
    assert answer.headers["retry-after"] == "5"
    assert await till.calls(order_id) == [("place", "unknown")]
    await till.payer.fault(wechat_order="ok")
    await till.press_pay(await till.cashier(order_id))
    assert (await till.show(order_id))["state"] == "paid"


async def test_a_channel_that_refuses_is_told_apart_from_one_that_is_down(till: Till) -> None:
    order_id = await till.order()
    async with till.runtime.unit_of_work() as uow:
        (await uow.session.get_one(Order, order_id)).subject = ""
    body = {"channel": "wechat_h5", "return_url": BACK}
    answer = await till.client.post(
        f"/orders/{order_id}/pay", token=till.token(till.cast.patient), json=body
    )
    assert (answer.status, answer.code) == (502, "payment_refused")
    assert await till.calls(order_id) == [("place", "refused")]


class _Dying:
    """A gateway whose process dies before or after the channel has been asked."""

    def __init__(self, real: PaymentGateway, *, after: bool) -> None:
        self._real, self._after = real, after

    async def place_h5(self, order: PlaceOrder, return_url: str) -> str:
        if self._after:
            self.pay_url = await self._real.place_h5(order, return_url)
        raise KeyboardInterrupt


@pytest.mark.parametrize("after", [False, True])
async def test_a_crash_around_the_call_leaves_an_intent_and_an_order_that_can_be_paid(
    till: Till, after: bool
) -> None:
    order_id = await till.order()
    real = till.runtime.port(PaymentGateway)  # type: ignore[type-abstract]
    dying = _Dying(real, after=after)
    till.runtime.provide(PaymentGateway, dying)  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        await channel.place(
            till.runtime,
            till.cast.patient.caller,
            order_id,
            channel.Channel.WECHAT_H5,
            BACK,
            "127.0.0.1",
        )
    till.runtime.provide(PaymentGateway, real)
    assert await till.calls(order_id) == [("place", "started")]
    if after:
        # The cashier was announced to nobody, yet somebody who had its address could pay.
        await till.payer.fault(payment_callback="lost")
        await till.press_pay(dying.pay_url)
        await till.later(timedelta(seconds=21))
    else:
        await till.later(timedelta(seconds=21))
        await till.press_pay(await till.cashier(order_id))
    assert (await till.show(order_id))["state"] == "paid"


async def test_an_order_closed_while_its_cashier_was_being_fetched_is_closed_there_too(
    till: Till,
) -> None:
    order_id = await till.order()
    real = till.runtime.port(PaymentGateway)  # type: ignore[type-abstract]

    class Slow:
        async def place_h5(self, order: PlaceOrder, return_url: str) -> str:
            assert await till.close(order_id)
            return await real.place_h5(order, return_url)

        def __getattr__(self, name: str) -> object:
            return getattr(real, name)

    till.runtime.provide(PaymentGateway, Slow())  # type: ignore[arg-type]
    body = {"channel": "wechat_h5", "return_url": BACK}
    answer = await till.client.post(
        f"/orders/{order_id}/pay", token=till.token(till.cast.patient), json=body
    )
    assert (answer.status, answer.code) == (409, "order_closed")
    assert (await till.at_channel("orders"))[0]["trade_state"] == "CLOSED"


async def test_sync_of_a_silent_channel_is_a_named_error(till: Till) -> None:
    order_id = await till.order()
    await till.cashier(order_id)
    await till.payer.fault(wechat_order="error")
    answer = await till.client.post(f"/orders/{order_id}/sync", token=till.token(till.cast.patient))
    assert (answer.status, answer.code) == (503, "payment_unavailable")
    with pytest.raises(OutsideUnavailable):
        await till.sync(order_id)


async def test_a_job_that_cannot_ask_about_one_order_still_asks_about_the_others(
    till: Till,
) -> None:
    await till.payer.fault(payment_callback="lost")
    first, second = await till.order(), await till.order()
    for order_id in (first, second):
        await till.press_pay(await till.cashier(order_id))
    await till.payer.fault(wechat_order={"mode": "error", "times": 3})
    await till.later(timedelta(seconds=21))
    states = {(await till.show(order_id))["state"] for order_id in (first, second)}
    assert states == {"pending", "paid"}
    await till.later(timedelta(seconds=300))
    assert (await till.show(first))["state"] == (await till.show(second))["state"] == "paid"
