"""The verbs of refunds: decide once, keep what the channel says, give up visibly, try again."""

from __future__ import annotations

from uuid import UUID

import structlog
from sqlalchemy import select

from clinical.payments import access, rules
from clinical.payments.errors import RefundNotFailed
from clinical.payments.events import OrderRefunded, OrderRefundFailed, RefundOpened
from clinical.payments.gateway import ChannelRefund, RefundStatus
from clinical.payments.models import Order, Payment, Refund
from clinical.payments.rules import RefundState
from core import audit
from core.errors import NotFound
from core.identity.caller import Caller
from core.ids import new_id
from core.uow import UnitOfWork
from realtime import inbox
from realtime.notices import WECHAT, Category, Kind, Parameter, declare

declare(
    "refund",
    Category.PAYMENT,
    "退款到账",
    outside="您的退款{amount}已原路退回",
    channels=WECHAT,
    parameters=[Parameter("amount", "金额", Kind.MONEY)],
)

log = structlog.get_logger(__name__)

_STATES = {
    RefundStatus.PROCESSING: RefundState.PROCESSING,
    RefundStatus.SUCCESS: RefundState.SUCCEEDED,
    RefundStatus.ABNORMAL: RefundState.FAILED,
    RefundStatus.CLOSED: RefundState.FAILED,
}


async def request_refund(
    uow: UnitOfWork, order_id: UUID, reason: str, reason_text: str
) -> Refund | None:
    """Send the payment of a paid order back, whole; None when that was decided before.

    `reason` is a stable code, `reason_text` what the patient reads. Safe to repeat.
    """
    order = await access.locked_order(uow.session, order_id)
    if order is None:
        log.error("refund_without_order", order=str(order_id), reason=reason)
        return None
    if not rules.may_refund(order.state):
        return None
    payment = await access.accepted_payment(uow.session, order.id)
    assert payment is not None
    return await open_refund(uow, order, payment, reason, reason_text)


async def open_refund(
    uow: UnitOfWork, order: Order, payment: Payment, reason: str, reason_text: str
) -> Refund:
    """Decide that a payment goes back; the order's row must be locked by the caller."""
    known = await access.refund_of_payment(uow.session, payment.id)
    if known is not None:
        return known
    refund = Refund(
        id=new_id(),
        hospital_id=order.hospital_id,
        order_id=order.id,
        payment_id=payment.id,
        amount_fen=payment.amount_fen,
        reason=reason,
        reason_text=reason_text,
        state=RefundState.REQUESTED,
        # Sent by the reaction to the event; the job finds it should that get lost.
        next_attempt_at=rules.next_refund_attempt(uow.now, 1),
        created_at=uow.now,
    )
    uow.session.add(refund)
    order.state = rules.after_refund(order.state, payment.arrival, refund.state)
    order.changed_at = uow.now
    await uow.session.flush()
    await _audit(uow, order, refund, "order.refund_request", None)
    uow.record(
        RefundOpened(
            hospital_id=order.hospital_id,
            aggregate_id=order.id,
            occurred_at=uow.now,
            order_id=order.id,
            refund_id=refund.id,
        )
    )
    return refund


async def record_refund(uow: UnitOfWork, answer: ChannelRefund) -> RefundState | None:
    """Believe the channel about a refund; returns its new state, None when nothing changed.

    Safe to repeat and to come late: success is final.
    """
    found = await _locked(uow, answer.out_refund_no)
    if found is None:
        log.error("refund_unknown", out_refund_no=answer.out_refund_no)
        return None
    order, payment, refund = found
    if answer.amount_fen != refund.amount_fen:
        log.error("refund_amount_differs", refund=str(refund.id), answered=answer.amount_fen)
        return None
    refund.channel_refund_id = answer.refund_id
    state = _STATES[answer.status]
    if not rules.may_follow(refund.state, state):
        return None
    refund.last_error = None
    if state is RefundState.FAILED:
        refund.last_error = f"channel: {answer.status}"
    await _move(uow, order, payment, refund, state)
    return state


async def refund_refused(uow: UnitOfWork, refund_id: UUID, error: str) -> None:
    """The channel refused for good: staff must see it."""
    found = await _locked(uow, refund_id.hex)
    if found is None or not rules.may_follow(found[2].state, RefundState.FAILED):
        return
    order, payment, refund = found
    refund.last_error = error[:500]
    await _move(uow, order, payment, refund, RefundState.FAILED)


async def refund_troubled(uow: UnitOfWork, refund_id: UUID, error: str) -> None:
    """The channel gave no answer: it is asked again later, under the same number."""
    found = await _locked(uow, refund_id.hex)
    if found is not None:
        found[2].last_error = error[:500]


async def begin_attempt(uow: UnitOfWork, refund_id: UUID) -> tuple[Order, Payment, Refund] | None:
    """Count an attempt to send or ask about a refund; None when it has ended."""
    found = await _locked(uow, refund_id.hex)
    if found is None or found[2].state not in (RefundState.REQUESTED, RefundState.PROCESSING):
        return None
    refund = found[2]
    refund.attempts += 1
    refund.next_attempt_at = rules.next_refund_attempt(uow.now, refund.attempts)
    return found


async def retry_refund(uow: UnitOfWork, caller: Caller, refund_id: UUID) -> Order:
    """Staff try a failed refund again. Raises NotFound or RefundNotFailed."""
    await access.failed_refund_for(uow.session, caller, refund_id)
    found = await _locked(uow, refund_id.hex)
    if found is None:
        raise NotFound()
    order, payment, refund = found
    if refund.state is not RefundState.FAILED:
        raise RefundNotFailed()
    refund.state, refund.attempts, refund.last_error = RefundState.REQUESTED, 0, None
    refund.finished_at, refund.next_attempt_at = None, uow.now
    order.state = rules.after_refund(order.state, payment.arrival, refund.state)
    order.changed_at = uow.now
    await _audit(uow, order, refund, "order.refund_retry", caller)
    return order


async def _locked(uow: UnitOfWork, out_refund_no: str) -> tuple[Order, Payment, Refund] | None:
    """Order, payment and refund behind a refund number; the order's row lock guards all three."""
    try:
        refund_id = UUID(hex=out_refund_no)
    except ValueError:
        return None
    order_id = await uow.session.scalar(select(Refund.order_id).where(Refund.id == refund_id))
    if order_id is None:
        return None
    order = await access.locked_order(uow.session, order_id)
    refund = await uow.session.get_one(Refund, refund_id, populate_existing=True)
    payment = await uow.session.get_one(Payment, refund.payment_id)
    assert order is not None
    return order, payment, refund


async def _move(
    uow: UnitOfWork, order: Order, payment: Payment, refund: Refund, state: RefundState
) -> None:
    refund.state = state
    order.state = rules.after_refund(order.state, payment.arrival, state)
    order.changed_at = uow.now
    if state is RefundState.PROCESSING:
        refund.next_attempt_at = rules.next_refund_attempt(uow.now, refund.attempts)
        return
    refund.finished_at, refund.next_attempt_at = uow.now, None
    if state is RefundState.SUCCEEDED:
        await _audit(uow, order, refund, "order.refund", None)
        await _tell_payer(uow, order, refund)
        uow.record(
            OrderRefunded(
                hospital_id=order.hospital_id,
                aggregate_id=order.id,
                occurred_at=uow.now,
                order_id=order.id,
                subject_type=order.subject_type,
                subject_id=order.subject_id,
                user_id=order.user_id,
                refund_id=refund.id,
                amount_fen=refund.amount_fen,
                reason=refund.reason,
                reason_text=refund.reason_text,
            )
        )
        return
    log.error("refund_failed", refund=str(refund.id), error=refund.last_error)
    await _audit(uow, order, refund, "order.refund_fail", None)
    uow.record(
        OrderRefundFailed(
            hospital_id=order.hospital_id,
            aggregate_id=order.id,
            occurred_at=uow.now,
            order_id=order.id,
            subject_type=order.subject_type,
            subject_id=order.subject_id,
            user_id=order.user_id,
            refund_id=refund.id,
            amount_fen=refund.amount_fen,
            reason=refund.reason,
        )
    )


async def _tell_payer(uow: UnitOfWork, order: Order, refund: Refund) -> None:
    yuan = f"{refund.amount_fen // 100}.{refund.amount_fen % 100:02d}"
    await inbox.notify(
        uow,
        [order.user_id],
        hospital_id=order.hospital_id,
        type="refund",
        title="退款已到账",
        text=f"¥{yuan} 已原路退回",
        ref=("order", order.id),
        parameters={"amount": refund.amount_fen},
    )


async def _audit(
    uow: UnitOfWork, order: Order, refund: Refund, action: str, caller: Caller | None
) -> None:
    await audit.record(
        uow,
        caller,
        action,
        "order",
        order.id,
        detail={
            "refund_id": refund.id,
            "amount_fen": refund.amount_fen,
            "reason": refund.reason,
            "state": refund.state,
            "error": refund.last_error,
        },
        changes=audit.changes_of(refund),
        hospital_id=order.hospital_id,
        user_id=None if caller else order.user_id,
    )
