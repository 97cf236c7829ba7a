"""What recordings announce. The aggregate of every event is the recording."""

from dataclasses import dataclass
from uuid import UUID

from core.events import Event, event


@dataclass(frozen=True, kw_only=True)
class RecordingEvent(Event):
    """What was recorded: a call in a room, or (without a call) something that was uploaded."""

    room_id: UUID | None
    call_id: UUID | None


@event("recording.ready")
@dataclass(frozen=True, kw_only=True)
class RecordingReady(RecordingEvent):
    """Sent when the files of a recording can be played; again when a lost take was found later."""

    duration_ms: int
    size: int
    note: str | None


@event("recording.failed")
@dataclass(frozen=True, kw_only=True)
class RecordingFailed(RecordingEvent):
    """Sent when nothing playable could be made; `reason` names why."""

    reason: str


@event("recording.removed")
@dataclass(frozen=True, kw_only=True)
class RecordingRemoved(RecordingEvent):
    """Sent in the transaction in which a recording is removed because its time is over."""
