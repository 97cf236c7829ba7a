"""Random lives of orders in the real database: the sums hold after every step."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from sqlalchemy import select

from clinical.payments import refunding, service
from clinical.payments.gateway import ChannelPayment, ChannelRefund, RefundStatus, TradeState
from clinical.payments.models import Order, Payment, Refund
from clinical.payments.rules import Arrival, OrderState, RefundState
from core.ids import new_id
from core.outbox import OutboxEvent
from core.runtime import Runtime
from core.uow import UnitOfWork
from tests.support.cast import Cast

PRICE = 3000


class Walk:
    """One order pushed about by a channel and people without any manners."""

    def __init__(self, runtime: Runtime, cast: Cast, seed: int) -> None:
        self.runtime, self.cast, self.dice = runtime, cast, random.Random(seed)
        self.order_id = new_id()

    async def begin(self) -> None:
        async with self.runtime.unit_of_work() as uow:
            await service.open_order(
                uow,
                order_id=self.order_id,
                hospital_id=self.cast.hospital_id,
                user_id=self.cast.patient.user_id,
                subject_type="consultation",
                subject_id=new_id(),
                number=self.order_id.hex,
                subject="图文复诊",
                amount_fen=PRICE,
                expires_at=uow.now + timedelta(minutes=30),
            )

    async def step(self) -> None:
        moves = (self.arrive, self.arrive, self.close, self.ask_back, self.answer, self.answer)
        async with self.runtime.unit_of_work() as uow:
            await self.dice.choice(moves)(uow)
        async with self.runtime.unit_of_work() as uow:
            await self.check(uow)

    async def arrive(self, uow: UnitOfWork) -> None:
        money = ChannelPayment(
            out_trade_no=self.order_id.hex,
            state=self.dice.choice([TradeState.SUCCESS, TradeState.REFUND, TradeState.NOTPAY]),
            transaction_id=f"{self.order_id.hex}-{self.dice.randrange(3)}",
            amount_fen=self.dice.choice([PRICE, PRICE, PRICE - 1]),
            currency="CNY",
        )
        await service.record_payment(uow, money, "callback")

    async def close(self, uow: UnitOfWork) -> None:
        if self.dice.random() < 0.4:
            await service.close_order(uow, self.order_id, "cancelled")

    async def ask_back(self, uow: UnitOfWork) -> None:
        await refunding.request_refund(uow, self.order_id, "declined", "医生未接诊")

    async def answer(self, uow: UnitOfWork) -> None:
        refunds = await self._refunds(uow)
        if not refunds:
            return
        refund = self.dice.choice(refunds)
        said = ChannelRefund(
            out_refund_no=refund.out_refund_no,
            refund_id=f"503-{refund.id.hex}",
            status=self.dice.choice(list(RefundStatus)),
            amount_fen=refund.amount_fen,
        )
        await refunding.record_refund(uow, said)

    async def _refunds(self, uow: UnitOfWork) -> list[Refund]:
        query = select(Refund).where(Refund.order_id == self.order_id).order_by(Refund.id)
        return list(await uow.session.scalars(query))

    async def check(self, uow: UnitOfWork) -> None:
        order = await uow.session.get_one(Order, self.order_id)
        payments = list(
            await uow.session.scalars(select(Payment).where(Payment.order_id == self.order_id))
        )
        refunds = {refund.payment_id: refund for refund in await self._refunds(uow)}
        names = list(
            await uow.session.scalars(
                select(OutboxEvent.name).where(OutboxEvent.aggregate_id == self.order_id)
            )
        )
        accepted = [p for p in payments if p.arrival is Arrival.ACCEPTED]
        strangers = [p for p in payments if p.arrival is not Arrival.ACCEPTED]
        assert len(accepted) <= 1
        assert names.count("order.paid") == len(accepted)
        assert names.count("order.closed") == (order.close_reason is not None)
        assert {p.id for p in strangers} <= set(refunds)
        for payment in payments:
            if payment.id in refunds:
                assert refunds[payment.id].amount_fen == payment.amount_fen
        done = [r for r in refunds.values() if r.state is RefundState.SUCCEEDED]
        assert names.count("order.refunded") == len(done)
        # What the hospital holds in the end is the price of a paid order, or nothing.
        held = sum(p.amount_fen for p in payments if p.id not in refunds)
        assert held == (PRICE if order.state is OrderState.PAID else 0)
        if order.state is OrderState.REFUNDED:
            first = [p for p in payments if p.arrival is not Arrival.SECOND]
            assert refunds[first[0].id].state is RefundState.SUCCEEDED
        if order.state in (OrderState.PENDING, OrderState.CLOSED):
            assert payments == []


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_happens_the_sums_hold(runtime: Runtime, cast: Cast, seed: int) -> None:
    ends: set[OrderState] = set()
    for number in range(6):
        walk = Walk(runtime, cast, seed * 100 + number)
        await walk.begin()
        for _ in range(15):
            await walk.step()
        async with runtime.unit_of_work() as uow:
            ends.add((await uow.session.get_one(Order, walk.order_id)).state)
    assert len(ends) > 1
