"""What consent and people's rights announce."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from core.events import Event, event


@event("consent.text_published")
@dataclass(frozen=True, kw_only=True)
class TextPublished(Event):
    """Sent once, when a version of a text is published; `aggregate_id` is the version.

    A text of the whole group is announced for the hospital of whoever published it.
    """

    kind: str
    version: str
    digest: str
    effective_at: datetime
    material: bool


@dataclass(frozen=True, kw_only=True)
class ConsentEvent(Event):
    """Who did it, for whom, about which text. `aggregate_id` is the record.

    `digest` is the SM3 in hexadecimal of exactly what was shown; `ref_type` and `ref_id` name the
    one thing that the consent covers (`"consultation"`, its id), if it covers one.
    """

    user_id: UUID
    patient_id: UUID | None
    kind: str
    version: str
    digest: str
    ref_type: str | None
    ref_id: UUID | None


@event("consent.given")
@dataclass(frozen=True, kw_only=True)
class ConsentGiven(ConsentEvent):
    """Sent once for each consent that is given; the hospital's certificate seals its digest."""


@event("consent.refused")
@dataclass(frozen=True, kw_only=True)
class ConsentRefused(ConsentEvent):
    """Sent when somebody answers no to a text that leaves the choice (the recording)."""


@event("consent.withdrawn")
@dataclass(frozen=True, kw_only=True)
class ConsentWithdrawn(ConsentEvent):
    """Sent when a consent is taken back; it holds from `occurred_at` on, never backwards."""


@event("rights.requested")
@dataclass(frozen=True, kw_only=True)
class RightsRequested(Event):
    """Sent once, when somebody asks for a right; `aggregate_id` is the request."""

    user_id: UUID
    right: str
    due_at: datetime


@event("rights.decided")
@dataclass(frozen=True, kw_only=True)
class RightsDecided(Event):
    """Sent once, when a request is answered; `outcome` is granted, partly or refused."""

    user_id: UUID
    right: str
    outcome: str


@event("rights.account_closed")
@dataclass(frozen=True, kw_only=True)
class AccountClosed(Event):
    """Sent once, after the cooling-off time, when an account was closed and what may go is gone.

    `aggregate_id` is the user.
    """
