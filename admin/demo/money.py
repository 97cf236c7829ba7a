"""The order, the payment and the refund of a past consultation."""

from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from admin.demo.batch import Batch
from admin.demo.dice import Dice
from clinical.consultation.rules import reason_text
from clinical.consultation.states import Kind, service_text
from clinical.payments.models import Channel, Order, Payment, Refund
from clinical.payments.rules import CURRENCY, Arrival, OrderState, RefundState

if TYPE_CHECKING:
    from admin.demo.past import Visit


def write_money(dice: Dice, batch: Batch, hospital_id: UUID, visit: "Visit") -> None:
    """What payments would have stored."""
    if visit.refunded:
        state = OrderState.REFUNDED
    else:
        state = OrderState.PAID if visit.paid_at else OrderState.CLOSED
    batch.add(
        Order,
        id=visit.order_id,
        hospital_id=hospital_id,
        number=visit.number,
        user_id=visit.person.account_id,
        subject_type="consultation",
        subject_id=visit.id,
        subject=f"{service_text(Kind.REVISIT, visit.mode)}（{visit.doctor.name}）",
        amount_fen=visit.price_fen,
        state=state,
        close_reason=None if visit.paid_at else "payment_expired",
        channel=Channel.WECHAT_H5 if visit.paid_at else None,
        created_at=visit.submitted_at,
        expires_at=visit.submitted_at + timedelta(minutes=30),
        paid_at=visit.paid_at,
        closed_at=None if visit.paid_at else visit.ended_at,
        changed_at=visit.ended_at,
        queries=0,
        queried_at=None,
        next_query_at=None,
    )
    if visit.paid_at is None:
        return
    payment_id = dice.id_at(visit.paid_at)
    batch.add(
        Payment,
        id=payment_id,
        hospital_id=hospital_id,
        order_id=visit.order_id,
        channel=Channel.WECHAT_H5,
        transaction_id=f"DEMO{payment_id.hex[:24]}",
        amount_fen=visit.price_fen,
        currency=CURRENCY,
        arrival=Arrival.ACCEPTED,
        source="callback",
        paid_at=visit.paid_at,
        recorded_at=visit.paid_at,
    )
    if not visit.refunded:
        return
    batch.add(
        Refund,
        id=dice.id_at(visit.ended_at),
        hospital_id=hospital_id,
        order_id=visit.order_id,
        payment_id=payment_id,
        amount_fen=visit.price_fen,
        reason=visit.reason.value,
        reason_text=reason_text(visit.reason, Kind.REVISIT),
        state=RefundState.SUCCEEDED,
        channel_refund_id=f"DEMO{payment_id.hex[8:32]}",
        attempts=1,
        next_attempt_at=None,
        last_error=None,
        created_at=visit.ended_at,
        finished_at=visit.ended_at + timedelta(seconds=40),
    )
