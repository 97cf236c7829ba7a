"""Request and response shapes of payments. Amounts are integer fen."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from clinical.payments.models import Channel, Order, Refund
from clinical.payments.rules import OrderState, RefundState


class RefundView(BaseModel):
    """`at` is when the refund ended, or was decided while it is under way."""

    id: UUID
    amount_fen: int
    reason: str
    reason_text: str
    state: RefundState
    at: datetime


class OrderView(BaseModel):
    id: UUID
    number: str
    subject: str
    amount_fen: int
    state: OrderState
    close_reason: str | None
    channel: Channel | None
    consultation_id: UUID | None
    self_order_id: UUID | None
    created_at: datetime
    expires_at: datetime
    paid_at: datetime | None
    refunds: list[RefundView]


class BeginPayment(BaseModel):
    """`return_url` is the page of this site to which the cashier sends the payer back."""

    model_config = ConfigDict(extra="forbid")

    channel: Literal[Channel.WECHAT_H5] = Channel.WECHAT_H5
    return_url: str = Field(min_length=1, max_length=1000)


class Cashier(BaseModel):
    """Where to pay: open it in the same window."""

    pay_url: str


def order_view(order: Order, refunds: list[Refund]) -> OrderView:
    return OrderView(
        id=order.id,
        number=order.number,
        subject=order.subject,
        amount_fen=order.amount_fen,
        state=order.state,
        close_reason=order.close_reason,
        channel=order.channel,
        consultation_id=_of(order, "consultation"),
        self_order_id=_of(order, "self_order"),
        created_at=order.created_at,
        expires_at=order.expires_at,
        paid_at=order.paid_at,
        refunds=[_refund_view(refund) for refund in refunds],
    )


def _of(order: Order, subject_type: str) -> UUID | None:
    return order.subject_id if order.subject_type == subject_type else None


def _refund_view(refund: Refund) -> RefundView:
    return RefundView(
        id=refund.id,
        amount_fen=refund.amount_fen,
        reason=refund.reason,
        reason_text=refund.reason_text,
        state=refund.state,
        at=refund.finished_at or refund.created_at,
    )
