"""What a room announces. The aggregate of every event is the room.

Each one took the `seq` that it carries: in the room's log it is a message of kind `system`, so one
cursor replays the room. `ref_type` and `ref_id` say what the room is about, in the words of whoever
opened it (`"consultation"`, its id). Messages announce nothing.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from core.events import Event, event
from core.identity.roles import Role


@dataclass(frozen=True, kw_only=True)
class RoomEvent(Event):
    """What every event of a room says: its place in the log, its kind, what it is about."""

    seq: int
    room_kind: str
    ref_type: str | None
    ref_id: UUID | None


@dataclass(frozen=True, kw_only=True)
class Person:
    """A member as the room shows him: `avatar` is a file id or None."""

    user_id: UUID
    role: Role
    name: str
    avatar: str | None = None


@event("room.opened")
@dataclass(frozen=True, kw_only=True)
class RoomOpened(RoomEvent):
    """Sent once, with the transaction that creates the room; its first members come with it.

    No `ParticipantJoined` is sent for the members that a room opens with.
    """

    state: str
    members: tuple[Person, ...]
    lead_id: UUID | None = None


@event("room.activated")
@dataclass(frozen=True, kw_only=True)
class RoomActivated(RoomEvent):
    """Sent once, when a waiting room becomes active; never for a room that opened as active."""

    by: UUID | None


@event("room.participant_joined")
@dataclass(frozen=True, kw_only=True)
class ParticipantJoined(RoomEvent):
    """Sent when somebody becomes a member of an open room, first or again; not when a socket
    connects.
    """

    person: Person
    reason: str


@event("room.participant_left")
@dataclass(frozen=True, kw_only=True)
class ParticipantLeft(RoomEvent):
    """Sent when a member is taken out of an open room or goes; not when a socket drops, not at
    closing.
    """

    user_id: UUID
    role: Role
    reason: str


@event("room.handed_over")
@dataclass(frozen=True, kw_only=True)
class RoomHandedOver(RoomEvent):
    """Sent when somebody else leads an open room from now on; he is a member by then.

    `by` is who decided: the former lead, or a supervisor.
    """

    from_id: UUID | None
    to: Person
    by: UUID | None


@event("room.message_recalled")
@dataclass(frozen=True, kw_only=True)
class MessageRecalled(RoomEvent):
    """Sent once for a message, when its sender takes it back within the time allowed."""

    target_seq: int
    by: UUID


@event("room.recording_changed")
@dataclass(frozen=True, kw_only=True)
class RoomRecordingChanged(RoomEvent):
    """Sent when calls in an open room shall (not) be recorded from now on: see `recording`."""

    recording: str
    by: UUID | None


@event("room.closed")
@dataclass(frozen=True, kw_only=True)
class RoomClosed(RoomEvent):
    """Sent once, when the room ends for good, whoever or whatever ended it; `reason` names it."""

    reason: str
    by: UUID | None


@event("inbox.notice_stored")
@dataclass(frozen=True, kw_only=True)
class NoticeStored(Event):
    """Sent with the change that put a notice into inboxes, if the notice may leave the house.

    `items` are users with the cursor of their item. `parameters` holds only what may leave, so
    that whoever pushes never sees what must stay. The aggregate is the event itself.
    """

    code: str
    items: tuple[tuple[UUID, int], ...]
    parameters: dict[str, Any]
    ref_type: str | None
    ref_id: str | None
