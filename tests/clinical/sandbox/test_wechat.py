"""WeChat Pay: the real client against the simulator over loopback, with and without faults."""

from __future__ import annotations

import asyncio
import dataclasses
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from clinical.payments import wechat
from clinical.payments.gateway import (
    BillEmpty,
    BillNotReady,
    CallbackRefused,
    ChannelOrderPaid,
    ChannelOrderUnknown,
    PaymentNotice,
    PlaceOrder,
    RefundNotice,
    RefundRequest,
    RefundStatus,
    TradeState,
    WechatPay,
)
from clinical.sandbox.server import SandboxServer
from clinical.sandbox.wechat import callbacks, orders
from core.clock import FakeClock
from core.outside import OutsideClient, OutsideGarbled, OutsideRefused, OutsideUnavailable
from tests.support.outside import Payer, sandbox_config, wechat_gateway

BACK = "https://hospital.test/m/#/pages/pay/done?order=1&x=诊"


class Mailbox:
    """A merchant's callback address that keeps what arrives."""

    def __init__(self) -> None:
        self.letters: list[tuple[dict[str, str], bytes]] = []
        self.statuses: list[int] = []
        self.url = ""
        self._runner: web.AppRunner | None = None

    async def open(self) -> None:
        app = web.Application()
        app.router.add_post("/notify", self._take)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{port}/notify"

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        self.letters.append((dict(request.headers), await request.read()))
        return web.Response(status=self.statuses.pop(0) if self.statuses else 204)


@pytest.fixture
async def mailbox() -> Any:
    box = Mailbox()
    await box.open()
    yield box
    await box.close()


def order(clock: FakeClock, mailbox: Mailbox, **changes: Any) -> PlaceOrder:
    values: dict[str, Any] = {
        "out_trade_no": "0192aabbccddeeff0011223344556677",
        "description": "图文复诊 陈医生",
        "amount_fen": 3000,
        "expires_at": clock.now() + timedelta(minutes=30),
        "notify_url": mailbox.url,
        "client_address": "127.0.0.1",
        **changes,
    }
    return PlaceOrder(**values)


def back_to(transaction_id: str, mailbox: Mailbox, **changes: Any) -> RefundRequest:
    values: dict[str, Any] = {
        "transaction_id": transaction_id,
        "out_refund_no": "r-1",
        "amount_fen": 3000,
        "total_fen": 3000,
        "reason": "医生未接诊",
        "notify_url": mailbox.url,
        **changes,
    }
    return RefundRequest(**values)


async def paid_order(
    wechat_pay: WechatPay, payer: Payer, clock: FakeClock, mailbox: Mailbox, **changes: Any
) -> str:
    """Place and pay; returns the transaction id."""
    placed = order(clock, mailbox, **changes)
    await payer.press(await wechat_pay.place_h5(placed, BACK))
    await payer.server.world.idle()
    found = await wechat_pay.query(placed.out_trade_no)
    assert found.transaction_id is not None
    return found.transaction_id


async def test_an_order_is_placed_paid_in_the_cashier_queried_and_announced(
    wechat_pay: WechatPay,
    payer: Payer,
    clock: FakeClock,
    mailbox: Mailbox,
    sandbox: SandboxServer,
) -> None:
    placed = order(clock, mailbox)
    pay_url = await wechat_pay.place_h5(placed, BACK)
    assert (await wechat_pay.query(placed.out_trade_no)).state is TradeState.NOTPAY
    page = await payer.see(pay_url)
    assert "模拟收银台" in page
    assert "30.00" in page
    assert "图文复诊 陈医生" in page
    status, location = await payer.press(pay_url)
    assert (status, aiohttp.client.URL(location)) == (303, aiohttp.client.URL(BACK))
    await sandbox.world.idle()
    found = await wechat_pay.query(placed.out_trade_no)
    assert (found.state, found.amount_fen, found.paid_at) == (
        TradeState.SUCCESS,
        3000,
        clock.now(),
    )
    notice = await wechat_pay.read_callback(*mailbox.letters[0])
    assert isinstance(notice, PaymentNotice)
    assert notice.payment == found
    assert "该订单已支付" in await payer.see(pay_url)


async def test_cancelling_in_the_cashier_goes_back_and_leaves_the_order_unpaid(
    wechat_pay: WechatPay, payer: Payer, clock: FakeClock, mailbox: Mailbox
) -> None:
    placed = order(clock, mailbox)
    pay_url = await wechat_pay.place_h5(placed, BACK)
    assert (await payer.press(pay_url, "cancel"))[0] == 303
    assert (await wechat_pay.query(placed.out_trade_no)).state is TradeState.NOTPAY
    assert mailbox.letters == []


async def test_the_cashier_sends_nobody_to_an_address_that_is_no_web_page(
    wechat_pay: WechatPay, payer: Payer, clock: FakeClock, mailbox: Mailbox
) -> None:
    pay_url = await wechat_pay.place_h5(order(clock, mailbox), "javascript:alert(1)")
    assert "javascript:" not in await payer.see(pay_url)
    assert await payer.press(pay_url) == (200, "")


async def test_placing_again_gives_the_same_order_a_fresh_address(
    wechat_pay: WechatPay, payer: Payer, clock: FakeClock, mailbox: Mailbox
) -> None:
    first = await wechat_pay.place_h5(order(clock, mailbox), BACK)
    second = await wechat_pay.place_h5(order(clock, mailbox), BACK)
    assert first != second
    await payer.press(second)
    assert (await payer.press(first))[0] == 409
    with pytest.raises(ChannelOrderPaid):
        await wechat_pay.place_h5(order(clock, mailbox), BACK)


async def test_the_same_number_with_another_amount_is_refused(
    wechat_pay: WechatPay, clock: FakeClock, mailbox: Mailbox
) -> None:
    await wechat_pay.place_h5(order(clock, mailbox), BACK)
    with pytest.raises(OutsideRefused, match="OUT_TRADE_NO_USED"):
        await wechat_pay.place_h5(order(clock, mailbox, amount_fen=1), BACK)


@pytest.mark.parametrize(
    "changes",
    [
        {"amount_fen": 0},
        {"out_trade_no": "短"},
        {"description": ""},
        {"notify_url": "ftp://x"},
        {"notify_url": "https://hospital.test/notify?with=query"},
        {"client_address": ""},
    ],
)
async def test_an_order_against_the_rules_is_refused_by_name(
    wechat_pay: WechatPay, clock: FakeClock, mailbox: Mailbox, changes: dict[str, Any]
) -> None:
    with pytest.raises(OutsideRefused, match="PARAM_ERROR"):
        await wechat_pay.place_h5(order(clock, mailbox, **changes), BACK)


async def test_a_closed_or_expired_order_cannot_be_paid_and_a_paid_one_not_closed(
    wechat_pay: WechatPay, payer: Payer, clock: FakeClock, mailbox: Mailbox
) -> None:
    closed = order(clock, mailbox)
    pay_url = await wechat_pay.place_h5(closed, BACK)
    await wechat_pay.close(closed.out_trade_no)
    await wechat_pay.close(closed.out_trade_no)
    assert (await wechat_pay.query(closed.out_trade_no)).state is TradeState.CLOSED
    assert (await payer.press(pay_url))[0] == 409
    late = order(clock, mailbox, out_trade_no="late-order")
    pay_url = await wechat_pay.place_h5(late, BACK)
    clock.advance(timedelta(minutes=31))
    assert "订单已过期" in await payer.see(pay_url)
    assert (await payer.press(pay_url))[0] == 409
    await paid_order(wechat_pay, payer, clock, mailbox, out_trade_no="paid-order")
    with pytest.raises(ChannelOrderPaid):
        await wechat_pay.close("paid-order")
    for call in (wechat_pay.query, wechat_pay.close, wechat_pay.query_refund):
        with pytest.raises(ChannelOrderUnknown):
            await call("unknown-order")


async def test_a_refund_is_accepted_once_finished_and_announced(
    wechat_pay: WechatPay, payer: Payer, clock: FakeClock, mailbox: Mailbox, sandbox: SandboxServer
) -> None:
    transaction = await paid_order(wechat_pay, payer, clock, mailbox)
    first = await wechat_pay.refund(back_to(transaction, mailbox))
    again = await wechat_pay.refund(back_to(transaction, mailbox))
    assert first.refund_id == again.refund_id
    await sandbox.world.idle()
    done = await wechat_pay.query_refund("r-1")
    assert (done.status, done.amount_fen) == (RefundStatus.SUCCESS, 3000)
    notice = await wechat_pay.read_callback(*mailbox.letters[-1])
    assert isinstance(notice, RefundNotice)
    assert notice.refund == done
    assert (await wechat_pay.query(order(clock, mailbox).out_trade_no)).state is TradeState.REFUND


async def test_no_more_can_be_refunded_than_was_paid(
    wechat_pay: WechatPay, payer: Payer, clock: FakeClock, mailbox: Mailbox
) -> None:
    transaction = await paid_order(wechat_pay, payer, clock, mailbox)
    await wechat_pay.refund(back_to(transaction, mailbox, amount_fen=2000))
    with pytest.raises(OutsideRefused, match="INVALID_REQUEST"):
        await wechat_pay.refund(back_to(transaction, mailbox, amount_fen=1001, out_refund_no="r-2"))
    with pytest.raises(OutsideRefused, match="PARAM_ERROR"):
        await wechat_pay.refund(back_to(transaction, mailbox, amount_fen=1999))
    with pytest.raises(OutsideRefused, match="PARAM_ERROR"):
        await wechat_pay.refund(back_to(transaction, mailbox, total_fen=9999, out_refund_no="r-3"))
    with pytest.raises(ChannelOrderUnknown):
        await wechat_pay.refund(back_to("4200", mailbox, out_refund_no="r-4"))


async def test_an_unanswered_callback_comes_again_with_the_same_id_until_it_is_taken(
    wechat_pay: WechatPay, payer: Payer, clock: FakeClock, mailbox: Mailbox
) -> None:
    mailbox.statuses = [500, 401, 503]
    await paid_order(wechat_pay, payer, clock, mailbox)
    notices = [await wechat_pay.read_callback(*letter) for letter in mailbox.letters]
    assert len(notices) == 4
    assert len({notice.notice_id for notice in notices}) == 1
    nonces = {headers["Wechatpay-Nonce"] for headers, _ in mailbox.letters}
    assert len(nonces) == 4


async def test_callbacks_give_up_after_the_published_schedule(
    wechat_pay: WechatPay, payer: Payer, clock: FakeClock, mailbox: Mailbox
) -> None:
    mailbox.statuses = [500] * 50
    await paid_order(wechat_pay, payer, clock, mailbox)
    assert len(mailbox.letters) == 16
    assert (await payer.get("/_sandbox/state"))["callbacks"][0]["state"] == "given_up"


async def test_a_lost_callback_never_comes_and_a_duplicated_one_comes_twice(
    wechat_pay: WechatPay, payer: Payer, clock: FakeClock, mailbox: Mailbox
) -> None:
    await payer.fault(payment_callback={"mode": "lost", "times": 1})
    await paid_order(wechat_pay, payer, clock, mailbox, out_trade_no="first-order")
    assert mailbox.letters == []
    await payer.fault(payment_callback="duplicated")
    await paid_order(wechat_pay, payer, clock, mailbox, out_trade_no="second-order")
    notices = [await wechat_pay.read_callback(*letter) for letter in mailbox.letters]
    assert len(notices) == 2
    assert notices[0] == notices[1]


async def test_a_late_callback_waits_until_it_is_released(
    wechat_pay: WechatPay, payer: Payer, clock: FakeClock, mailbox: Mailbox, sandbox: SandboxServer
) -> None:
    await payer.fault(payment_callback="late")
    await payer.press(await wechat_pay.place_h5(order(clock, mailbox), BACK))
    assert mailbox.letters == []
    await payer.release()
    await sandbox.world.idle()
    assert len(mailbox.letters) == 1


async def test_a_wrongly_signed_stale_foreign_or_changed_callback_is_refused(
    wechat_pay: WechatPay, payer: Payer, clock: FakeClock, mailbox: Mailbox, sandbox: SandboxServer
) -> None:
    await payer.fault(payment_callback="wrong_signature")
    mailbox.statuses = [401]
    await paid_order(wechat_pay, payer, clock, mailbox)
    (spoiled, spoiled_body), (headers, body) = mailbox.letters
    with pytest.raises(CallbackRefused):
        await wechat_pay.read_callback(spoiled, spoiled_body)
    assert await wechat_pay.read_callback(headers, body)
    changed = body.replace(b'"id": "', b'"id": "0', 1)
    assert changed != body
    with pytest.raises(CallbackRefused):
        await wechat_pay.read_callback(headers, changed)
    with pytest.raises(CallbackRefused):
        await wechat_pay.read_callback({**headers, "Wechatpay-Serial": "ABC"}, body)
    with pytest.raises(CallbackRefused):
        await wechat_pay.read_callback({}, body)
    clock.advance(301)
    with pytest.raises(CallbackRefused):
        await wechat_pay.read_callback(headers, body)


async def test_a_callback_for_another_merchant_is_refused_although_the_platform_signed_it(
    wechat_pay: WechatPay, payer: Payer, clock: FakeClock, mailbox: Mailbox, sandbox: SandboxServer
) -> None:
    await paid_order(wechat_pay, payer, clock, mailbox)
    world = sandbox.world
    known = world.store.get("order", order(clock, mailbox).out_trade_no)
    assert known is not None
    content = orders.transaction(world, known)
    for part in ("mchid", "appid"):
        callbacks.announce(
            world,
            "payment_callback",
            mailbox.url,
            "TRANSACTION.SUCCESS",
            "transaction",
            {**content, part: "another"},
        )
        await world.idle()
        with pytest.raises(CallbackRefused, match="another"):
            await wechat_pay.read_callback(*mailbox.letters[-1])
    callbacks.announce(world, "payment_callback", mailbox.url, "COUPON.USE", "coupon", content)
    await world.idle()
    with pytest.raises(CallbackRefused, match="Unknown kind"):
        await wechat_pay.read_callback(*mailbox.letters[-1])


async def test_the_platforms_certificate_is_fetched_when_its_serial_is_unknown(
    sandbox: SandboxServer, payer: Payer, clock: FakeClock, mailbox: Mailbox
) -> None:
    gateway = wechat_gateway(sandbox, clock.now, with_certificate=False, timeout=5)
    try:
        answers = await asyncio.gather(
            gateway.place_h5(order(clock, mailbox), BACK),
            gateway.place_h5(order(clock, mailbox, out_trade_no="another-order"), BACK),
        )
        assert all("prepay_id" in answer for answer in answers)
        await payer.press(answers[0])
        await sandbox.world.idle()
        assert isinstance(await gateway.read_callback(*mailbox.letters[0]), PaymentNotice)
    finally:
        await gateway.aclose()


async def test_a_merchant_with_the_platforms_public_key_alone_needs_no_certificates(
    tmp_path: Path, made_keys: Path, clock: FakeClock, mailbox: Mailbox
) -> None:
    config = sandbox_config(
        tmp_path, made_keys, clock.now, public_key_id="PUB_KEY_ID_0114232134912410000000000000"
    )
    async with SandboxServer(config) as server:
        pair = server.world.keys.platform
        pem = pair.private_key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        payer = Payer(server)
        await payer.fault(certificates="error")
        gateway = wechat_gateway(server, clock.now, platform_pem=pem)
        await payer.press(await gateway.place_h5(order(clock, mailbox), BACK))
        await server.world.idle()
        assert isinstance(await gateway.read_callback(*mailbox.letters[0]), PaymentNotice)
        await gateway.aclose()
        stranger = wechat_gateway(server, clock.now)
        with pytest.raises(CallbackRefused):
            await stranger.read_callback(*mailbox.letters[0])
        await stranger.aclose()
        await payer.close()


async def test_without_a_certificate_a_callback_waits_rather_than_being_called_forged(
    sandbox: SandboxServer,
    wechat_pay: WechatPay,
    payer: Payer,
    clock: FakeClock,
    mailbox: Mailbox,
) -> None:
    await paid_order(wechat_pay, payer, clock, mailbox)
    await payer.fault(certificates="error")
    gateway = wechat_gateway(sandbox, clock.now, with_certificate=False, timeout=5)
    try:
        with pytest.raises(OutsideUnavailable):
            await gateway.read_callback(*mailbox.letters[0])
        await payer.fault(certificates="ok")
        clock.advance(31)
        assert await gateway.read_callback(*mailbox.letters[0])
    finally:
        await gateway.aclose()


async def test_a_merchant_with_a_wrong_key_or_number_gets_no_further_than_the_door(
    sandbox: SandboxServer, clock: FakeClock, mailbox: Mailbox
) -> None:
    gateway = wechat_gateway(sandbox, clock.now, timeout=5)
    right = gateway._merchant
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    try:
        for changes in (
            {"private_key": stranger},
            {"mchid": "1900000000"},
            {"serial": "ABCDEF"},
        ):
            gateway._merchant = dataclasses.replace(right, **changes)
            with pytest.raises(OutsideRefused, match="SIGN_ERROR"):
                await gateway.place_h5(order(clock, mailbox), BACK)
        gateway._merchant = right
        drifted = wechat_gateway(sandbox, lambda: clock.now() + timedelta(minutes=6), timeout=5)
        with pytest.raises(OutsideRefused, match="SIGN_ERROR"):
            await drifted.query("any-order")
        await drifted.aclose()
    finally:
        await gateway.aclose()


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff\xfe"])
async def test_garbage_at_the_api_gets_a_named_error(sandbox: SandboxServer, body: bytes) -> None:
    async with aiohttp.ClientSession() as http:
        address = sandbox.url + "/v3/pay/transactions/h5"
        async with http.post(address, data=body) as answer:
            assert answer.status == 401
            assert (await answer.json())["code"] == "SIGN_ERROR"
        async with http.post(sandbox.url + "/sms/v1/messages", data=body) as answer:
            assert answer.status == 401
        async with http.put(sandbox.url + "/_sandbox/faults", data=body) as answer:
            assert answer.status == 400


async def test_reading_is_tried_again_through_short_faults_and_named_through_long_ones(
    wechat_pay: WechatPay, payer: Payer, clock: FakeClock, mailbox: Mailbox
) -> None:
    placed = order(clock, mailbox)
    await payer.fault(wechat_order={"mode": "error", "times": 2})
    await wechat_pay.place_h5(placed, BACK)
    await payer.fault(wechat_order={"mode": "answer_lost", "times": 1})
    assert (await wechat_pay.query(placed.out_trade_no)).state is TradeState.NOTPAY
    await payer.fault(wechat_order="error")
    with pytest.raises(OutsideUnavailable):
        await wechat_pay.query(placed.out_trade_no)
    await payer.fault(wechat_order="wrong_signature")
    with pytest.raises(OutsideGarbled):
        await wechat_pay.query(placed.out_trade_no)
    await payer.fault(wechat_order="rate_limited")
    with pytest.raises(OutsideUnavailable):
        await wechat_pay.query(placed.out_trade_no)


async def test_a_refund_is_asked_for_once_per_call_and_its_number_makes_repeating_safe(
    wechat_pay: WechatPay, payer: Payer, clock: FakeClock, mailbox: Mailbox, sandbox: SandboxServer
) -> None:
    transaction = await paid_order(wechat_pay, payer, clock, mailbox)
    await payer.fault(wechat_refund={"mode": "error", "times": 1})
    with pytest.raises(OutsideUnavailable):
        await wechat_pay.refund(back_to(transaction, mailbox))
    await payer.fault(wechat_refund={"mode": "answer_lost", "times": 1})
    with pytest.raises(OutsideUnavailable):
        await wechat_pay.refund(back_to(transaction, mailbox))
    assert (await wechat_pay.refund(back_to(transaction, mailbox))).amount_fen == 3000
    await sandbox.world.idle()
    assert len((await payer.get("/_sandbox/state"))["refunds"]) == 1


async def test_a_hanging_platform_ends_in_a_named_timeout(
    sandbox: SandboxServer, payer: Payer, clock: FakeClock
) -> None:
    await payer.fault(wechat_order="timeout")
    gateway = wechat_gateway(sandbox, clock.now, timeout=0.2)
    try:
        with pytest.raises(OutsideUnavailable):
            await gateway.query("any-order")
    finally:
        await gateway.aclose()


async def test_nobody_at_the_address_is_a_named_error(
    sandbox: SandboxServer, clock: FakeClock
) -> None:
    gateway = wechat_gateway(sandbox, clock.now, base_url="http://127.0.0.1:9", timeout=2)
    try:
        with pytest.raises(OutsideUnavailable):
            await gateway.query("any-order")
    finally:
        await gateway.aclose()


async def test_the_day_bill_is_cut_by_the_time_of_success_and_its_hash_is_checked(
    wechat_pay: WechatPay, payer: Payer, clock: FakeClock, mailbox: Mailbox
) -> None:
    # 23:50 on the 20th in China: one order paid before midnight, one placed before and paid after.
    clock.advance(datetime(2026, 11, 20, 15, 50, tzinfo=UTC) - clock.now())
    first = await paid_order(wechat_pay, payer, clock, mailbox, out_trade_no="before-midnight")
    placed = order(clock, mailbox, out_trade_no="after-midnight", amount_fen=1999)
    pay_url = await wechat_pay.place_h5(placed, BACK)
    clock.advance(timedelta(minutes=15))
    await payer.press(pay_url)
    await wechat_pay.refund(back_to(first, mailbox, amount_fen=500))
    with pytest.raises(BillEmpty):
        await wechat_pay.day_bill(date(2026, 11, 21))
    with pytest.raises(BillNotReady):
        await wechat_pay.day_bill(date(2026, 11, 20))
    clock.advance(timedelta(hours=10))
    bill = wechat.parse_bill((await wechat_pay.day_bill(date(2026, 11, 20))).content)
    assert [(line.out_trade_no, line.amount_fen) for line in bill.lines] == [
        ("before-midnight", 3000)
    ]
    clock.advance(timedelta(days=1))
    bill = wechat.parse_bill((await wechat_pay.day_bill(date(2026, 11, 21))).content)
    assert {(line.out_trade_no, line.amount_fen, line.refund_fen) for line in bill.lines} == {
        ("after-midnight", 1999, 0),
        ("before-midnight", 0, 500),
    }
    with pytest.raises(BillEmpty):
        await wechat_pay.day_bill(date(2026, 11, 19))
    with pytest.raises(OutsideRefused, match="PARAM_ERROR"):
        await wechat_pay.day_bill(date(2026, 7, 1))


@pytest.mark.parametrize(
    ("fault", "lines", "amount"), [("missing", 1, None), ("extra", 3, None), ("amount", 2, 3001)]
)
async def test_a_bill_can_differ_on_demand_and_still_add_up(
    wechat_pay: WechatPay,
    payer: Payer,
    clock: FakeClock,
    mailbox: Mailbox,
    fault: str,
    lines: int,
    amount: int | None,
) -> None:
    for number in ("order-1", "order-2"):
        await paid_order(wechat_pay, payer, clock, mailbox, out_trade_no=number)
    clock.advance(timedelta(days=1, hours=2))
    await payer.fault(bill=fault)
    bill = wechat.parse_bill((await wechat_pay.day_bill(date(2026, 11, 20))).content)
    assert len(bill.lines) == lines
    if amount is not None:
        assert amount in {line.amount_fen for line in bill.lines}


async def test_a_broken_bill_is_refused_by_its_hash(
    wechat_pay: WechatPay, payer: Payer, clock: FakeClock, mailbox: Mailbox
) -> None:
    await paid_order(wechat_pay, payer, clock, mailbox)
    clock.advance(timedelta(days=1, hours=2))
    await payer.fault(bill="broken")
    with pytest.raises(OutsideGarbled):
        await wechat_pay.day_bill(date(2026, 11, 20))
    await payer.fault(bill="not_ready")
    with pytest.raises(BillNotReady):
        await wechat_pay.day_bill(date(2026, 11, 20))


async def test_state_keys_and_unfinished_callbacks_survive_a_restart(
    tmp_path: Path, made_keys: Path, clock: FakeClock, mailbox: Mailbox
) -> None:
    config = sandbox_config(tmp_path, made_keys, clock.now)
    async with SandboxServer(config) as server:
        payer, gateway = Payer(server), wechat_gateway(server, clock.now)
        await payer.fault(payment_callback="late")
        await payer.press(await gateway.place_h5(order(clock, mailbox), BACK))
        await payer.close()
        await gateway.aclose()
    assert mailbox.letters == []
    async with SandboxServer(config) as server:
        payer, gateway = Payer(server), wechat_gateway(server, clock.now)
        assert (await gateway.query(order(clock, mailbox).out_trade_no)).has_been_paid
        await payer.release()
        await server.world.idle()
        assert isinstance(await gateway.read_callback(*mailbox.letters[0]), PaymentNotice)
        await payer.close()
        await gateway.aclose()


async def test_jsapi_and_native_orders_are_placed_by_the_same_door(
    sandbox: SandboxServer, wechat_pay: WechatPay, clock: FakeClock, mailbox: Mailbox
) -> None:
    values = sandbox.world.keys.secrets
    body: dict[str, Any] = {
        "appid": values.appid,
        "mchid": values.mchid,
        "description": "图文复诊",
        "out_trade_no": "jsapi-order",
        "notify_url": mailbox.url,
        "amount": {"total": 1, "currency": "CNY"},
        "payer": {"openid": "o123"},
    }
    answer = await wechat_pay._json("POST", "/v3/pay/transactions/jsapi", body, repeat=False)
    assert answer["prepay_id"].startswith("wx")
    body["out_trade_no"] = "native-order"
    answer = await wechat_pay._json("POST", "/v3/pay/transactions/native", body, repeat=False)
    assert "prepay_id=" in answer["code_url"]
    del body["payer"]
    with pytest.raises(OutsideRefused):
        await wechat_pay._json("POST", "/v3/pay/transactions/jsapi", body, repeat=False)
    with pytest.raises(OutsideRefused):
        await wechat_pay._json("POST", "/v3/pay/transactions/teleport", body, repeat=False)


def test_a_bill_on_another_host_never_sees_our_signature() -> None:
    gateway = object.__new__(WechatPay)
    gateway._http = OutsideClient("wechat_pay", "https://api.mch.weixin.qq.com")
    with pytest.raises(OutsideGarbled):
        asyncio.run(gateway._download("https://elsewhere.test/v3/billdownload/file?token=1"))
