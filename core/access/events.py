"""What access announces."""

from dataclasses import dataclass
from uuid import UUID

from core.events import Event, event


@event("access.change_requested")
@dataclass(frozen=True, kw_only=True)
class ChangeRequested(Event):
    """Sent when a change of policies waits for a second person; `place` is the hospital or the
    group.
    """

    place: UUID
    by: UUID


@event("access.change_decided")
@dataclass(frozen=True, kw_only=True)
class ChangeDecided(Event):
    """Sent when a change was confirmed or refused; not when it was withdrawn."""

    requested_by: UUID
    state: str


@event("access.delegation_given")
@dataclass(frozen=True, kw_only=True)
class DelegationGiven(Event):
    """Sent when somebody handed permissions to a colleague."""

    giver_id: UUID
    receiver_id: UUID


@event("access.delegation_ended")
@dataclass(frozen=True, kw_only=True)
class DelegationEnded(Event):
    """Sent when a delegation was ended by hand, not when its time was over."""

    giver_id: UUID
    receiver_id: UUID
    by: UUID


@event("access.permit_asked")
@dataclass(frozen=True, kw_only=True)
class PermitAsked(Event):
    """Sent when somebody asked for a permission."""

    user_id: UUID
    permission: str


@event("access.permit_decided")
@dataclass(frozen=True, kw_only=True)
class PermitDecided(Event):
    """Sent when an application was granted or refused, or a granted permission taken back."""

    user_id: UUID
    permission: str
    state: str


@event("access.emergency_opened")
@dataclass(frozen=True, kw_only=True)
class EmergencyOpened(Event):
    """Sent when a clinician opened a patient in an emergency."""

    user_id: UUID
    patient_id: UUID


@event("access.emergency_reviewed")
@dataclass(frozen=True, kw_only=True)
class EmergencyReviewed(Event):
    """Sent when an officer said whether a break-glass access was justified."""

    user_id: UUID
    verdict: str
