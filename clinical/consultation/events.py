"""What a consultation announces. The aggregate of every event is the consultation.

The order of locks is fixed: whoever needs both rows locks the order first and the consultation
second. Listeners that lock an order therefore react to these events after the commit; only
`ConsultationSubmitted` is heard inside it, because the order does not exist before.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from core.events import Event, event


@event("consultation.submitted")
@dataclass(frozen=True, kw_only=True)
class ConsultationSubmitted(Event):
    """Sent once, when a draft with a price becomes `awaiting_payment`.

    Heard with the commit by payments, which creates the order under the given `order_id` (chosen
    here, so that the answer to the patient can name it). A consultation without a price is never
    announced so: it goes to `ConsultationPaid` with `order_id=None` at once.
    """

    order_id: UUID
    number: str
    patient_id: UUID
    payer_id: UUID
    doctor_id: UUID | None
    subject: str
    amount_fen: int
    pay_by: datetime


@event("consultation.appointment_requested")
@dataclass(frozen=True, kw_only=True)
class AppointmentRequested(Event):
    """Sent once, when a consultation in a session of the doctor is submitted.

    Heard with the commit by the schedule, which takes the place or refuses the whole submission.
    `paid`: nothing is to be paid any more, the place is kept.
    """

    shift_id: UUID
    payer_id: UUID
    patient_id: UUID
    relation_id: UUID
    paid: bool


@event("consultation.paid")
@dataclass(frozen=True, kw_only=True)
class ConsultationPaid(Event):
    """Sent once, when the payment arrived in time and the room waits in the queue of
    the doctor, or of the department (`doctor_id` None), or for its appointed time."""

    order_id: UUID | None
    room_id: UUID
    patient_id: UUID
    payer_id: UUID
    doctor_id: UUID | None
    mode: str
    accept_by: datetime


@event("consultation.accepted")
@dataclass(frozen=True, kw_only=True)
class ConsultationAccepted(Event):
    """Sent once, when the doctor accepted and the room became active."""

    room_id: UUID
    patient_id: UUID
    payer_id: UUID
    doctor_id: UUID


@event("consultation.handed_over")
@dataclass(frozen=True, kw_only=True)
class ConsultationHandedOver(Event):
    """Sent when another doctor treats from now on, before acceptance or after.

    `by` is who decided: the former doctor, a supervisor, an administrator; `from_doctor_id` is None
    where an order by department had no doctor yet.
    """

    room_id: UUID
    patient_id: UUID
    payer_id: UUID
    from_doctor_id: UUID | None
    doctor_id: UUID
    by: UUID | None


@event("consultation.declined")
@dataclass(frozen=True, kw_only=True)
class ConsultationDeclined(Event):
    """Sent once, when the doctor declined; `RefundRequested` goes with it if money had arrived."""

    order_id: UUID | None
    room_id: UUID
    payer_id: UUID
    doctor_id: UUID
    reason: str


@event("consultation.cancelled")
@dataclass(frozen=True, kw_only=True)
class ConsultationCancelled(Event):
    """Sent once, when it ended before acceptance for another reason than the doctor's refusal.

    `close_reason` is `cancelled_by_patient`, `payment_expired`, `not_accepted`,
    `suspended` or `not_a_revisit`. `paid` says whether money had arrived by then: if so,
    `RefundRequested` goes with it; if not, payments closes the order after the commit.
    """

    order_id: UUID | None
    payer_id: UUID
    doctor_id: UUID | None
    close_reason: str
    paid: bool


@event("consultation.ended")
@dataclass(frozen=True, kw_only=True)
class ConsultationEnded(Event):
    """Sent once, when an active consultation ended and its room was closed.

    `close_reason` is `completed`, `ended_by_patient`, `refunded_by_doctor` or `not_a_revisit`.
    """

    order_id: UUID | None
    room_id: UUID
    patient_id: UUID
    payer_id: UUID
    doctor_id: UUID
    close_reason: str


@event("consultation.refund_requested")
@dataclass(frozen=True, kw_only=True)
class RefundRequested(Event):
    """Sent at most once for an order: give the whole amount back.

    Sent when a paid consultation is cancelled, declined, not accepted in time or refunded by the
    doctor, and when a payment arrives for a consultation that was already cancelled. Payments hears
    it after the commit; `order_id` is the key that keeps a repeated delivery from refunding twice.
    `reason` is the close reason or `paid_after_cancellation`, `reason_text` what the patient reads.
    """

    order_id: UUID
    payer_id: UUID
    amount_fen: int
    reason: str
    reason_text: str
