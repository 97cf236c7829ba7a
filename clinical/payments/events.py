"""What payments announces. The aggregate of every event is the order.

Whoever needs both rows locks the order first and what it was opened for second, so a listener
inside the commit may lock its own row.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AliasChoices, Field

from core.events import Event, event

#: What an order is for when its event does not say: older versions knew consultations alone.
CONSULTATION = "consultation"
SubjectId = Annotated[UUID, Field(validation_alias=AliasChoices("subject_id", "consultation_id"))]


@event("order.paid")
@dataclass(frozen=True, kw_only=True)
class OrderPaid(Event):
    """Sent once, when the whole amount arrived for an order that was still pending."""

    order_id: UUID
    subject_id: SubjectId
    subject_type: str = CONSULTATION
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
    subject_id: SubjectId
    subject_type: str = CONSULTATION
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
    subject_id: SubjectId
    subject_type: str = CONSULTATION
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
    subject_id: SubjectId
    subject_type: str = CONSULTATION
    user_id: UUID
    refund_id: UUID
    amount_fen: int
    reason: str
