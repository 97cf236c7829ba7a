"""Pure decisions about rooms: who may send what in which state, how long a recall is open, limits.

No I/O; `now` is passed in. Every number here is the default of the house.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum

from core.identity.roles import Role


class RoomKind(StrEnum):
    """What sort of meeting a room is; the table of who may send what depends on it."""

    CONSULTATION = "consultation"


class RoomState(StrEnum):
    WAITING = "waiting"
    ACTIVE = "active"
    CLOSED = "closed"


class RecordingPolicy(StrEnum):
    """Whether calls in the room are recorded. Decided before it opens, by consent."""

    REQUIRED = "required"
    REFUSED = "refused"


class MessageKind(StrEnum):
    TEXT = "text"
    IMAGE = "image"
    VOICE = "voice"
    VIDEO = "video"
    FILE = "file"
    STICKER = "sticker"
    LOCATION = "location"
    CARD = "card"
    SYSTEM = "system"


class CloseReason(StrEnum):
    """Why a room ended. Every ending has one of these names."""

    COMPLETED = "completed"
    ENDED_BY_PATIENT = "ended_by_patient"
    CANCELLED_BY_PATIENT = "cancelled_by_patient"
    NOT_ACCEPTED = "not_accepted"
    DECLINED = "declined"
    REFUNDED_BY_DOCTOR = "refunded_by_doctor"
    NOT_A_REVISIT = "not_a_revisit"
    ENDED_BY_SUPERVISOR = "ended_by_supervisor"


class JoinReason(StrEnum):
    INVITED = "invited"
    HANDED_OVER = "handed_over"
    RETURNED = "returned"


class LeaveReason(StrEnum):
    LEFT = "left"
    REMOVED = "removed"
    HANDED_OVER = "handed_over"


Kinds = frozenset[MessageKind]

#: Kinds that carry an attachment which the sender uploaded before.
ATTACHMENT_KINDS: Kinds = frozenset(
    {MessageKind.IMAGE, MessageKind.VOICE, MessageKind.VIDEO, MessageKind.FILE}
)
_NOTHING: Kinds = frozenset()
_TALK: Kinds = ATTACHMENT_KINDS | {MessageKind.TEXT, MessageKind.STICKER, MessageKind.LOCATION}
_TALK_AND_CARDS: Kinds = _TALK | {MessageKind.CARD}

#: Who may send what. A role that is not named may send nothing. Nobody sends `system`: the house
#: writes these. Before the doctor accepts nobody talks (S2-009), and a closed room is a record.
SENDING: Mapping[RoomKind, Mapping[RoomState, Mapping[Role, Kinds]]] = {
    RoomKind.CONSULTATION: {
        RoomState.WAITING: {},
        RoomState.ACTIVE: {
            Role.PATIENT: _TALK_AND_CARDS,
            Role.DOCTOR: _TALK_AND_CARDS,
            Role.PHARMACIST: _TALK_AND_CARDS,
            Role.NURSE: _TALK_AND_CARDS,
            Role.CUSTOMER_SERVICE: _TALK,
        },
        RoomState.CLOSED: {},
    },
}

#: Close reasons that fit a room nobody had accepted yet, and one in which people talked.
CLOSING: Mapping[RoomState, frozenset[CloseReason]] = {
    RoomState.WAITING: frozenset(
        {
            CloseReason.CANCELLED_BY_PATIENT,
            CloseReason.NOT_ACCEPTED,
            CloseReason.DECLINED,
            CloseReason.REFUNDED_BY_DOCTOR,
            CloseReason.NOT_A_REVISIT,
            CloseReason.ENDED_BY_SUPERVISOR,
        }
    ),
    RoomState.ACTIVE: frozenset(
        {
            CloseReason.COMPLETED,
            CloseReason.ENDED_BY_PATIENT,
            CloseReason.REFUNDED_BY_DOCTOR,
            CloseReason.NOT_A_REVISIT,
            CloseReason.ENDED_BY_SUPERVISOR,
        }
    ),
    RoomState.CLOSED: frozenset(),
}

RECALL_WINDOW = timedelta(minutes=2)
MAX_MEMBERS = 200
MAX_TEXT = 5000
MAX_CAPTION = 500
#: Bytes of one client packet; attachments go over HTTP.
MAX_PACKET_BYTES = 64 * 1024
PAGE_DEFAULT = 50
PAGE_MAX = 200
#: How long after the last word in it a consultation keeps its people busy.
BUSY_AFTER_WORD = timedelta(minutes=10)
#: Seconds between the last socket of a user going and others hearing "offline".
OFFLINE_DELAY = 8.0


def sendable(kind: RoomKind, state: RoomState, role: Role) -> Kinds:
    """The message kinds that a member in this role may send in a room of this kind and state."""
    return SENDING[kind][state].get(role, _NOTHING)


def recall_is_open(sent_at: datetime, now: datetime) -> bool:
    """Whether a message sent at `sent_at` may still be taken back; the last moment counts."""
    return now - sent_at <= RECALL_WINDOW
