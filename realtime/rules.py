"""Pure decisions about rooms: who may send what in which state, how long a recall is open, limits.

No I/O; `now` is passed in. Every number here is the default of the house.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from core.identity.roles import CLINICAL_ROLES, Role


class RoomKind(StrEnum):
    """What sort of meeting a room is; the table of who may send what depends on it."""

    CONSULTATION = "consultation"
    #: Two colleagues, for good: the same two always meet in the same room.
    COLLEAGUE = "colleague"
    #: Colleagues around one who made the group.
    GROUP = "group"
    #: Somebody who asks customer service.
    SERVICE = "service"
    #: What a supervisor has to say to the doctor of a room, unseen by everybody in it.
    WORD = "word"


class RoomState(StrEnum):
    WAITING = "waiting"
    ACTIVE = "active"
    CLOSED = "closed"


class RecordingPolicy(StrEnum):
    """Whether calls in the room are recorded. Decided by consent, before it opens or, where nobody
    agreed beforehand, when the first call rings (`ask`).
    """

    REQUIRED = "required"
    REFUSED = "refused"
    ASK = "ask"


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
    SUSPENDED = "suspended"
    ENDED_BY_SUPERVISOR = "ended_by_supervisor"
    #: A group, by whoever leads it.
    DISSOLVED = "dissolved"
    #: A talk with customer service, by the agent and by whoever had asked.
    SERVED = "served"
    WITHDRAWN = "withdrawn"


class JoinReason(StrEnum):
    INVITED = "invited"
    HANDED_OVER = "handed_over"
    RETURNED = "returned"
    #: An agent took a talk that waited for customer service.
    TAKEN = "taken"


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

#: Who can lead a consultation: a doctor, or where no doctor is needed a pharmacist or a nurse.
TREATING_ROLES = CLINICAL_ROLES
#: Who works together in colleague rooms and groups.
COLLEAGUES = CLINICAL_ROLES | {Role.CUSTOMER_SERVICE}

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
    RoomKind.COLLEAGUE: {
        RoomState.WAITING: {},
        RoomState.ACTIVE: dict.fromkeys(COLLEAGUES, _TALK_AND_CARDS),
        RoomState.CLOSED: {},
    },
    RoomKind.GROUP: {
        RoomState.WAITING: {},
        RoomState.ACTIVE: dict.fromkeys(COLLEAGUES, _TALK_AND_CARDS),
        RoomState.CLOSED: {},
    },
    RoomKind.SERVICE: {
        # Who waits for an agent says meanwhile what it is about.
        RoomState.WAITING: dict.fromkeys((Role.PATIENT, *CLINICAL_ROLES), _TALK),
        RoomState.ACTIVE: dict.fromkeys(
            (Role.PATIENT, Role.CUSTOMER_SERVICE, *CLINICAL_ROLES), _TALK
        ),
        RoomState.CLOSED: {},
    },
    RoomKind.WORD: {
        RoomState.WAITING: {},
        RoomState.ACTIVE: dict.fromkeys((Role.SUPERVISOR, *sorted(TREATING_ROLES)), _TALK),
        RoomState.CLOSED: {},
    },
}

Reasons = frozenset[CloseReason]

#: Close reasons that fit a room nobody had accepted yet, and one in which people talked. Colleagues
#: and private words stay open: they have no end of their own.
CLOSING: Mapping[RoomKind, Mapping[RoomState, Reasons]] = {
    RoomKind.CONSULTATION: {
        RoomState.WAITING: frozenset(
            {
                CloseReason.CANCELLED_BY_PATIENT,
                CloseReason.NOT_ACCEPTED,
                CloseReason.DECLINED,
                CloseReason.REFUNDED_BY_DOCTOR,
                CloseReason.NOT_A_REVISIT,
                CloseReason.SUSPENDED,
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
    },
    RoomKind.GROUP: {RoomState.ACTIVE: frozenset({CloseReason.DISSOLVED})},
    RoomKind.SERVICE: {
        RoomState.WAITING: frozenset({CloseReason.WITHDRAWN, CloseReason.ENDED_BY_SUPERVISOR}),
        RoomState.ACTIVE: frozenset(
            {CloseReason.SERVED, CloseReason.WITHDRAWN, CloseReason.ENDED_BY_SUPERVISOR}
        ),
    },
}


@dataclass(frozen=True)
class Company:
    """Who comes into a room of a kind, and how it is left.

    `invited`: the roles that may be asked in; `by_anyone`: by every member who is staff, else only
    by whoever leads the room. `next_lead`: the roles to which the lead can be handed over; with
    `lead_stays` the former one remains a member.
    """

    invited: frozenset[Role] = frozenset()
    by_anyone: bool = False
    next_lead: frozenset[Role] = frozenset()
    lead_stays: bool = False


#: Nobody asks a supervisor in: they look on unseen, and a patient never learns of one.
COMPANY: Mapping[RoomKind, Company] = {
    RoomKind.CONSULTATION: Company(invited=COLLEAGUES, next_lead=TREATING_ROLES),
    RoomKind.COLLEAGUE: Company(),
    RoomKind.GROUP: Company(
        invited=COLLEAGUES, by_anyone=True, next_lead=COLLEAGUES, lead_stays=True
    ),
    RoomKind.SERVICE: Company(
        invited=frozenset({Role.CUSTOMER_SERVICE}), next_lead=frozenset({Role.CUSTOMER_SERVICE})
    ),
    RoomKind.WORD: Company(),
}
#: Rooms that supervisors of the hospital may look into without being members.
SUPERVISED = frozenset({RoomKind.CONSULTATION, RoomKind.SERVICE})

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


_LEADS = (Role.DOCTOR, Role.PHARMACIST, Role.NURSE)


def sendable(kind: RoomKind, state: RoomState, role: Role) -> Kinds:
    """The message kinds that a member in this role may send in a room of this kind and state."""
    return SENDING[kind][state].get(role, _NOTHING)


def closings(kind: RoomKind, state: RoomState) -> Reasons:
    """For which reasons a room of this kind may end in this state."""
    return CLOSING.get(kind, {}).get(state, frozenset())


def first_lead(kind: RoomKind, people: Iterable[tuple[UUID, Role]]) -> UUID | None:
    """Who leads a room that opens with these people, where nobody is named: the first doctor of a
    consultation, and without one the first pharmacist, then nurse.
    """
    if kind is not RoomKind.CONSULTATION:
        return None
    known = list(people)
    by_role = (next((who for who, role in known if role is wanted), None) for wanted in _LEADS)
    return next((who for who in by_role if who is not None), None)


def lead_after_start(kind: RoomKind, lead_id: UUID | None, by: UUID | None) -> UUID | None:
    """Who leads a room that has become active: a talk with customer service, the agent; a
    consultation that was ordered without a doctor, the one who took it.
    """
    taken = kind is RoomKind.CONSULTATION and lead_id is None
    return by if kind is RoomKind.SERVICE or taken else lead_id


def recall_is_open(sent_at: datetime, now: datetime) -> bool:
    """Whether a message sent at `sent_at` may still be taken back; the last moment counts."""
    return now - sent_at <= RECALL_WINDOW
