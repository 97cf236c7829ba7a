"""What the schedule announces."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from core.events import Event, event


@event("schedule.appointment_moved")
@dataclass(frozen=True, kw_only=True)
class AppointmentMoved(Event):
    """Sent when a patient chose another session of the same doctor; the aggregate is the
    consultation. Heard with the commit, under the lock of the consultation.
    """

    consultation_id: UUID
    shift_id: UUID
    starts_at: datetime
    ends_at: datetime


@event("schedule.shift_suspended")
@dataclass(frozen=True, kw_only=True)
class ShiftSuspended(Event):
    """Sent once, when a shift was called off (停诊): `consultations` had a place in it.

    Heard after the commit, because their locks come before the lock of the shift.
    """

    consultations: tuple[UUID, ...]
