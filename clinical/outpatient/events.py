"""What the convenience clinic announces. The aggregate of every event is the patient's order.

The order of locks is that of consultations: the order of payments first, the patient's order
second. Listeners that lock an order of payments therefore react after the commit; only
`SelfOrderApproved` is heard inside it, because the order of payments does not exist before.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from core.events import Event, event


@event("self_order.approved")
@dataclass(frozen=True, kw_only=True)
class SelfOrderApproved(Event):
    """Sent once, when an order with a price passed the review.

    Heard with the commit by payments, which opens the order under the given `order_id`. `subject`
    is what payer and channel read, without health data.
    """

    order_id: UUID
    number: str
    payer_id: UUID
    subject: str
    amount_fen: int
    pay_by: datetime


@event("self_order.closed")
@dataclass(frozen=True, kw_only=True)
class SelfOrderClosed(Event):
    """Sent once, when an order came to nothing: refused, cancelled, not reviewed or not paid in
    time. `close_reason` says which; payments stops waiting for an `order_id` that is not `paid`.
    """

    order_id: UUID | None
    payer_id: UUID
    close_reason: str
    paid: bool


@event("self_order.refund_requested")
@dataclass(frozen=True, kw_only=True)
class SelfOrderRefundRequested(Event):
    """Sent at most once for an order: give the whole amount back.

    Sent when a paid order is cancelled, and when money arrives for one that is over. `reason` is
    the close reason or `paid_after_cancellation`, `reason_text` what the patient reads.
    """

    order_id: UUID
    payer_id: UUID
    amount_fen: int
    reason: str
    reason_text: str
