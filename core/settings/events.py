"""What the settings announce."""

from dataclasses import dataclass
from uuid import UUID

from core.events import Event, event


@event("settings.setting_changed")
@dataclass(frozen=True, kw_only=True)
class SettingChanged(Event):
    """Sent when a value was set or removed; `aggregate_id` is the change, no `scope_id`: group."""

    key: str
    scope: str
    scope_id: UUID | None
