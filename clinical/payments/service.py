"""The verbs of orders: open, begin to pay, take money, close. Refunds are in `refunding`.

Nothing here talks to a channel: `channel` does, between two units of work.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from clinical.payments import access, refunding, rules
from clinical.payments.errors import OrderAlreadyPaid, OrderHasExpired, OrderIsClosed
from clinical.payments.events import OrderClosed, OrderPaid
from clinical.payments.gateway import ChannelPayment
from clinical.payments.models import (
    Action,
    CallState,
    Channel,
    ChannelCall,
    ChannelNotice,
    Order,
    Payment,
)
from clinical.payments.rules import Arrival, OrderState
from core import audit
from core.identity.caller import Caller
from core.ids import new_id
from core.uow import UnitOfWork

log = structlog.get_logger(__name__)


async def open_order(
    uow: UnitOfWork,
    *,
    order_id: UUID,
    hospital_id: UUID,
    user_id: UUID,
    subject_type: str,
    subject_id: UUID,
    number: str,
    subject: str,
    amount_fen: int,
    expires_at: datetime,
) -> Order:
    """Open an order under an id that the caller chose; opening it again changes nothing.

    `number` is unique at the hospital, `subject` is what payer and channel read (no health data).
    """
    known = await uow.session.get(Order, order_id)
    if known is not None:
        return known
    order = Order(
        id=order_id,
        hospital_id=hospital_id,
        number=number,
        user_id=user_id,
        subject_type=subject_type,
        subject_id=subject_id,
        subject=subject,
        amount_fen=amount_fen,
        state=OrderState.PENDING,
        created_at=uow.now,
        expires_at=expires_at,
        changed_at=uow.now,
    )
    uow.session.add(order)
    await uow.session.flush()
    return order


async def begin_payment(
    uow: UnitOfWork, caller: Caller, order_id: UUID, channel: Channel
) -> tuple[Order, UUID]:
    """Write down that the channel will be asked for a cashier; returns the order and the intent.

    Raises NotFound, OrderAlreadyPaid, OrderIsClosed or OrderHasExpired.
    """
    order = await access.own_order(uow.session, caller, order_id)
    require_payable(order, uow.now)
    order.channel = channel
    order.queries = 0
    order.next_query_at = rules.next_query(uow.now, 0, order.expires_at)
    order.changed_at = uow.now
    return order, start_call(uow, order, Action.PLACE)


def require_payable(order: Order, now: datetime) -> None:
    """Raise the named reason why an order takes no money."""
    if order.state is OrderState.CLOSED:
        raise OrderIsClosed()
    if order.state is not OrderState.PENDING:
        raise OrderAlreadyPaid()
    if now >= order.expires_at:
        raise OrderHasExpired()


def start_call(
    uow: UnitOfWork, order: Order, action: Action, refund_id: UUID | None = None
) -> UUID:
    """Write the intent to ask the channel; `finish_call` writes what came of it."""
    call = ChannelCall(
        id=new_id(),
        hospital_id=order.hospital_id,
        order_id=order.id,
        refund_id=refund_id,
        action=action,
        state=CallState.STARTED,
        started_at=uow.now,
    )
    uow.session.add(call)
    return call.id


async def finish_call(
    uow: UnitOfWork, call_id: UUID, state: CallState, error: str | None = None
) -> None:
    """Write the result of a talk with the channel."""
    call = await uow.session.get_one(ChannelCall, call_id)
    call.state, call.error, call.finished_at = state, error, uow.now


async def record_notice(uow: UnitOfWork, notice_id: str, kind: str, number: str) -> None:
    """Keep that a verified callback came, and how often."""
    values = {
        "notice_id": notice_id,
        "channel": Channel.WECHAT_H5,
        "kind": kind,
        "number": number,
        "times": 1,
        "first_at": uow.now,
        "last_at": uow.now,
    }
    await uow.session.execute(
        insert(ChannelNotice)
        .values(values)
        .on_conflict_do_update(
            index_elements=[ChannelNotice.notice_id],
            set_={"times": ChannelNotice.times + 1, "last_at": uow.now},
        )
    )


async def record_payment(uow: UnitOfWork, payment: ChannelPayment, source: str) -> Arrival | None:
    """Believe the channel that an order has been paid; returns how the money counts.

    None when there is nothing new: not paid, recorded before, or no order of ours. Safe to repeat
    in any order with anything else. `source` is `callback`, `query` or `close`.
    """
    if not payment.has_been_paid or payment.transaction_id is None or payment.amount_fen is None:
        return None
    order = await _order_of(uow, payment.out_trade_no)
    if order is None:
        return None
    channel = order.channel or Channel.WECHAT_H5
    known = await uow.session.scalar(
        select(Payment.id).where(
            Payment.channel == channel, Payment.transaction_id == payment.transaction_id
        )
    )
    if known is not None:
        return None
    decision = rules.on_arrival(
        order.state, order.amount_fen, payment.amount_fen, payment.currency or rules.CURRENCY
    )
    row = Payment(
        id=new_id(),
        hospital_id=order.hospital_id,
        order_id=order.id,
        channel=channel,
        transaction_id=payment.transaction_id,
        amount_fen=payment.amount_fen,
        currency=payment.currency or rules.CURRENCY,
        arrival=decision.arrival,
        source=source,
        paid_at=payment.paid_at or uow.now,
        recorded_at=uow.now,
    )
    uow.session.add(row)
    await uow.session.flush()
    await _take(uow, order, row, decision)
    return decision.arrival


async def _order_of(uow: UnitOfWork, out_trade_no: str) -> Order | None:
    try:
        order_id = UUID(hex=out_trade_no)
    except ValueError:
        order_id = None
    order = None if order_id is None else await access.locked_order(uow.session, order_id)
    if order is None:
        # Money without an order of ours shows up again in the day bill.
        log.error("payment_without_order", out_trade_no=out_trade_no)
    return order


async def _take(
    uow: UnitOfWork, order: Order, row: Payment, decision: rules.ArrivalDecision
) -> None:
    order.state, order.changed_at = decision.state, uow.now
    if decision.arrival is not Arrival.SECOND:
        order.next_query_at = None
    if decision.arrival is Arrival.ACCEPTED:
        order.paid_at = row.paid_at
        uow.record(
            OrderPaid(
                hospital_id=order.hospital_id,
                aggregate_id=order.id,
                occurred_at=uow.now,
                order_id=order.id,
                subject_type=order.subject_type,
                subject_id=order.subject_id,
                user_id=order.user_id,
                amount_fen=order.amount_fen,
                paid_at=row.paid_at,
            )
        )
        return
    if decision.closes:
        _announce_closed(uow, order, decision.arrival.value)
    await audit.record(
        uow,
        None,
        "order.unexpected_payment",
        "order",
        order.id,
        detail={"arrival": decision.arrival, "amount_fen": row.amount_fen},
        changes=audit.changes_of(order),
        hospital_id=order.hospital_id,
        user_id=order.user_id,
    )
    text = rules.REFUND_TEXT[decision.arrival]
    await refunding.open_refund(uow, order, row, decision.arrival.value, text)


async def close_order(uow: UnitOfWork, order_id: UUID, reason: str) -> bool:
    """Stop waiting for money; False when the order was not waiting. Safe to repeat.

    `reason` is `payment_expired` or `cancelled`. The channel is told after the commit.
    """
    order = await access.locked_order(uow.session, order_id)
    if order is None or not rules.may_close(order.state):
        return False
    order.state, order.changed_at = OrderState.CLOSED, uow.now
    _announce_closed(uow, order, reason)
    return True


def _announce_closed(uow: UnitOfWork, order: Order, reason: str) -> None:
    order.close_reason, order.closed_at = reason, uow.now
    asked = order.channel is not None and order.state is OrderState.CLOSED
    order.next_query_at = rules.last_look(uow.now, order.expires_at) if asked else None
    uow.record(
        OrderClosed(
            hospital_id=order.hospital_id,
            aggregate_id=order.id,
            occurred_at=uow.now,
            order_id=order.id,
            subject_type=order.subject_type,
            subject_id=order.subject_id,
            user_id=order.user_id,
            reason=reason,
        )
    )
