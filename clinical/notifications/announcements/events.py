"""What announcements announce. The aggregate of every event is the announcement."""

from dataclasses import dataclass

from core.events import Event, event


@event("announcement.changed")
@dataclass(frozen=True, kw_only=True)
class AnnouncementsChanged(Event):
    """Sent when an announcement appears, when a shown one is changed, and when it is withdrawn;
    not when one runs out.
    """

    kind: str
    title: str
    fresh: bool
