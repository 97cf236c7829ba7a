"""What alarms announce."""

from dataclasses import dataclass

from core.events import Event, event


@event("alarms.alarm_raised")
@dataclass(frozen=True, kw_only=True)
class AlarmRaised(Event):
    """Sent when a new alarm was stored, not when an open one is raised again."""

    kind: str
    title: str


@event("alarms.alarm_settled")
@dataclass(frozen=True, kw_only=True)
class AlarmSettled(Event):
    """Sent when an officer acknowledged or resolved an alarm."""

    state: str
