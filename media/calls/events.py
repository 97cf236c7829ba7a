"""What a call announces. The aggregate of every event is the call."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from core.events import Event, event


@dataclass(frozen=True, kw_only=True)
class CallEvent(Event):
    """What every event of a call says; `recorded` is whether the talk is recorded."""

    room_id: UUID
    media: str
    recorded: bool


@event("call.started")
@dataclass(frozen=True, kw_only=True)
class CallStarted(CallEvent):
    """Sent once, when somebody begins to ring the others."""

    started_by: UUID


@event("call.answered")
@dataclass(frozen=True, kw_only=True)
class CallAnswered(CallEvent):
    """Sent once, when the first of the others accepts: from here on people talk."""

    answered_by: UUID


@event("call.recording_stopped")
@dataclass(frozen=True, kw_only=True)
class CallRecordingStopped(CallEvent):
    """Sent once, when the consent to record is taken back and the call goes on unrecorded."""


@event("call.ended")
@dataclass(frozen=True, kw_only=True)
class CallEnded(CallEvent):
    """Sent once, however the call ended; `answered_at` is None when nobody accepted."""

    reason: str
    answered_at: datetime | None
