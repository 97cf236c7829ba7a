"""What ratings announce. The aggregate is the consultation that was rated."""

from dataclasses import dataclass
from uuid import UUID

from core.events import Event, event


@event("rating.given")
@dataclass(frozen=True, kw_only=True)
class RatingGiven(Event):
    """Sent once, when the patient rated an ended consultation."""

    doctor_id: UUID
    rater_id: UUID
    stars: int
