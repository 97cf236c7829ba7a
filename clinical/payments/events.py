"""What payments announces. The aggregate of every event is the order.

Whoever needs both rows locks the order first and what it was opened for second, so a listener
inside the commit may lock its own row.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from core.events import Event, event


@event("order.paid")
@dataclass(frozen=True, kw_only=True)
class OrderPaid(Event):
    """Sent once, when the whole amount arrived for an order that was still pending."""

    order_id: UUID
    consultation_id: UUID
    user_id: UUID
    amount_fen: int
    paid_at: datetime


@event("order.closed")
@dataclass(frozen=True, kw_only=True)
class OrderClosed(Event):
    """Sent once, when a pending order stopped accepting money.

    `reason` is `payment_expired`, `cancelled` or `amount_mismatch`. Money that arrives afterwards
    is given back without further announcement than `OrderRefunded`.
    """

    order_id: UUID
    consultation_id: UUID
    user_id: UUID
    reason: str


@event("order.refund_opened")
@dataclass(frozen=True, kw_only=True)
class RefundOpened(Event):
    """Sent once per refund, when it was decided and before the channel is asked."""

    order_id: UUID
    refund_id: UUID


@event("order.refunded")
@dataclass(frozen=True, kw_only=True)
class OrderRefunded(Event):
    """Sent once per refund, when the channel said that the money went back.

    `reason` is the code with which the refund was requested, or `paid_after_closing`,
    `amount_mismatch`, `paid_twice`; `reason_text` is what the patient reads.
    """

    order_id: UUID
    consultation_id: UUID
    user_id: UUID
    refund_id: UUID
    amount_fen: int
    reason: str
    reason_text: str


@event("order.refund_failed")
@dataclass(frozen=True, kw_only=True)
class OrderRefundFailed(Event):
    """Sent once per failure, when the channel refused a refund for good and staff must act."""

    order_id: UUID
    consultation_id: UUID
    user_id: UUID
    refund_id: UUID
    amount_fen: int
    reason: str
