"""The room as a pure state machine: a command and `now` in, events out; no I/O.

    waiting --Activate--> active --Close(reason)--> closed
       `----------------Close(reason)-----------------^

`decide` answers a command with the events that follow from it or refuses with a named error;
`apply` gives the room after an event. Every event takes the next `seq`; `realtime.entries` says
what the log keeps of it and rebuilds a room from its log alone.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from core.errors import Conflict, Forbidden, InvalidRequest, NotFound
from core.identity.roles import Role
from realtime import rules
from realtime.errors import (
    AlreadyRecalled,
    LeadMayNotLeave,
    MessageKindNotAllowed,
    NotForThisRoom,
    RecallTooLate,
    RoomFull,
    RoomIsClosed,
    RoomNotActive,
)
from realtime.events import (
    MessageRecalled,
    ParticipantJoined,
    ParticipantLeft,
    Person,
    RoomActivated,
    RoomClosed,
    RoomEvent,
    RoomHandedOver,
    RoomOpened,
)
from realtime.rules import (
    CloseReason,
    JoinReason,
    LeaveReason,
    MessageKind,
    RoomKind,
    RoomState,
)


@dataclass(frozen=True)
class Member:
    """A person and whether he is in the room now; who left stays listed."""

    person: Person
    joined: bool = True


@dataclass(frozen=True, kw_only=True)
class Room:
    """The state of one room. Immutable: `apply` returns the next one."""

    id: UUID
    hospital_id: UUID
    kind: RoomKind
    state: RoomState
    seq: int
    ref_type: str | None = None
    ref_id: UUID | None = None
    close_reason: CloseReason | None = None
    #: Who leads it: the treating doctor, who made the group, the agent.
    lead_id: UUID | None = None
    members: Mapping[UUID, Member] = field(default_factory=dict)

    def member(self, user_id: UUID) -> Member | None:
        """The member who is in the room now, or None for a stranger and for one who left."""
        found = self.members.get(user_id)
        return found if found is not None and found.joined else None

    @property
    def lead_role(self) -> Role | None:
        """What whoever leads it is in it."""
        lead = self.members.get(self.lead_id) if self.lead_id is not None else None
        return lead.person.role if lead is not None else None

    @property
    def present(self) -> list[Member]:
        return [member for member in self.members.values() if member.joined]


@dataclass(frozen=True)
class Activate:
    by: UUID | None


@dataclass(frozen=True)
class Close:
    reason: CloseReason
    by: UUID | None


@dataclass(frozen=True)
class AddMember:
    person: Person
    reason: JoinReason


@dataclass(frozen=True)
class RemoveMember:
    user_id: UUID
    reason: LeaveReason


@dataclass(frozen=True)
class HandOver:
    """Let somebody else lead the room; the former lead goes where the kind of room says so."""

    to: Person
    by: UUID | None


@dataclass(frozen=True)
class Recall:
    """Take back the message `target_seq`, which `sender_id` sent at `sent_at`."""

    target_seq: int
    by: UUID
    sender_id: UUID | None
    sent_at: datetime
    kind: MessageKind
    recalled: bool


Command = Activate | Close | AddMember | RemoveMember | HandOver | Recall


def open_room(
    room_id: UUID,
    hospital_id: UUID,
    kind: RoomKind,
    people: Iterable[Person],
    now: datetime,
    *,
    ref_type: str | None = None,
    ref_id: UUID | None = None,
    state: RoomState = RoomState.WAITING,
    lead_id: UUID | None = None,
) -> RoomOpened:
    """The first event of a room. Refuses a closed start, nobody at all, and a person named
    twice.
    """
    members = tuple(people)
    if state is RoomState.CLOSED:
        raise InvalidRequest("诊间不能以已结束的状态开启")
    if not members or len({person.user_id for person in members}) != len(members):
        raise InvalidRequest("诊间成员为空或重复")
    if len(members) > rules.MAX_MEMBERS:
        raise RoomFull
    return RoomOpened(
        hospital_id=hospital_id,
        aggregate_id=room_id,
        occurred_at=now,
        seq=1,
        room_kind=kind.value,
        ref_type=ref_type,
        ref_id=ref_id,
        state=state.value,
        members=members,
        lead_id=lead_id
        or rules.first_lead(kind, ((person.user_id, person.role) for person in members)),
    )


def decide(room: Room, command: Command, now: datetime) -> list[RoomEvent]:
    """The events that follow from a command, or a named refusal.

    A command that finds its wish already true (activate an active room, add a member who is in it,
    remove one who is not) gives no event, so that a retried command is harmless. Closing a closed
    room again for the same reason gives none either; for another reason it is `room_closed`.
    """
    match command:
        case Activate():
            return _activate(room, command, now)
        case Close():
            return _close(room, command, now)
        case AddMember():
            return _add_member(room, command, now)
        case RemoveMember():
            return _remove_member(room, command, now)
        case HandOver():
            return _hand_over(room, command, now)
        case Recall():
            return _recall(room, command, now)


def _activate(room: Room, command: Activate, now: datetime) -> list[RoomEvent]:
    if room.state is RoomState.CLOSED:
        raise RoomIsClosed
    if room.state is RoomState.ACTIVE:
        return []
    return [RoomActivated(**_head(room, now), by=command.by)]


def _close(room: Room, command: Close, now: datetime) -> list[RoomEvent]:
    if room.state is RoomState.CLOSED:
        if room.close_reason is command.reason:
            return []
        raise RoomIsClosed
    if command.reason not in rules.closings(room.kind, room.state):
        raise Conflict(f"处于 {room.state} 的诊间不能以 {command.reason} 结束")
    return [RoomClosed(**_head(room, now), reason=command.reason.value, by=command.by)]


def _add_member(room: Room, command: AddMember, now: datetime) -> list[RoomEvent]:
    if room.state is RoomState.CLOSED:
        raise RoomIsClosed
    present = room.member(command.person.user_id)
    if present is not None:
        if present.person.role is not command.person.role:
            raise Conflict("该成员已以其他身份在诊间中")
        return []
    if len(room.present) >= rules.MAX_MEMBERS:
        raise RoomFull
    reason = command.reason
    if reason is JoinReason.INVITED and command.person.user_id in room.members:
        reason = JoinReason.RETURNED
    return [ParticipantJoined(**_head(room, now), person=command.person, reason=reason.value)]


def _remove_member(room: Room, command: RemoveMember, now: datetime) -> list[RoomEvent]:
    if room.state is RoomState.CLOSED:
        raise RoomIsClosed
    present = room.member(command.user_id)
    if present is None:
        return []
    return [
        ParticipantLeft(
            **_head(room, now),
            user_id=command.user_id,
            role=present.person.role,
            reason=command.reason.value,
        )
    ]


def _hand_over(room: Room, command: HandOver, now: datetime) -> list[RoomEvent]:
    if room.state is RoomState.CLOSED:
        raise RoomIsClosed
    to, former = command.to, room.lead_id
    if to.user_id == former:
        return []
    company = rules.COMPANY[room.kind]
    if to.role not in company.next_lead:
        raise NotForThisRoom
    present = room.member(to.user_id)
    if present is not None and present.person.role is not to.role:
        raise Conflict("该成员已以其他身份在诊间中")
    goes = None if former is None or company.lead_stays else room.member(former)
    if present is None and len(room.present) - (goes is not None) >= rules.MAX_MEMBERS:
        raise RoomFull
    events: list[RoomEvent] = []

    def head() -> dict[str, Any]:
        return {**_head(room, now), "seq": room.seq + 1 + len(events)}

    if present is None:
        reason = JoinReason.HANDED_OVER.value
        events.append(ParticipantJoined(**head(), person=to, reason=reason))
    events.append(RoomHandedOver(**head(), from_id=former, to=to, by=command.by))
    if goes is not None:
        events.append(
            ParticipantLeft(
                **head(),
                user_id=goes.person.user_id,
                role=goes.person.role,
                reason=LeaveReason.HANDED_OVER.value,
            )
        )
    return events


def _recall(room: Room, command: Recall, now: datetime) -> list[RoomEvent]:
    if room.member(command.by) is None:
        raise NotFound
    if command.kind is MessageKind.SYSTEM or command.sender_id != command.by:
        raise Forbidden("只能撤回自己发送的消息")
    if command.recalled:
        raise AlreadyRecalled
    if room.state is RoomState.CLOSED:
        raise RoomIsClosed
    if not rules.recall_is_open(command.sent_at, now):
        raise RecallTooLate
    return [MessageRecalled(**_head(room, now), target_seq=command.target_seq, by=command.by)]


def _head(room: Room, now: datetime) -> dict[str, Any]:
    return {
        "hospital_id": room.hospital_id,
        "aggregate_id": room.id,
        "occurred_at": now,
        "seq": room.seq + 1,
        "room_kind": room.kind.value,
        "ref_type": room.ref_type,
        "ref_id": room.ref_id,
    }


def check_send(
    room: Room, sender_id: UUID, role: Role, kind: MessageKind, reply_to: int | None
) -> None:
    """Refuse a message that this person may not send into this room now.

    Raises `not_found` for who is not in the room in this role, `room_closed`, `room_not_active`,
    `message_kind_not_allowed`, and `invalid` for a reply to a message that does not exist yet.
    """
    member = room.member(sender_id)
    if member is None or member.person.role is not role:
        raise NotFound
    if kind not in rules.sendable(room.kind, room.state, role):
        if room.state is RoomState.CLOSED:
            raise RoomIsClosed
        if room.state is RoomState.WAITING:
            raise RoomNotActive
        raise MessageKindNotAllowed
    if reply_to is not None and not 1 <= reply_to <= room.seq:
        raise InvalidRequest("被回复的消息不存在")


def check_invite(room: Room, by: UUID, invited: Role) -> None:
    """Refuse to ask somebody in this role in: `not_found` for who is not in the room himself,
    `forbidden` for who has no say in it, `not_for_this_room` for a role that has no place there.
    """
    company = rules.COMPANY[room.kind]
    if not company.by_anyone or _member_or_refuse(room, by).person.role is Role.PATIENT:
        _check_leads(room, by)
    if invited not in company.invited:
        raise NotForThisRoom
    if room.state is RoomState.WAITING:
        raise RoomNotActive


def check_remove(room: Room, by: UUID, user_id: UUID) -> None:
    """Refuse to take somebody out: only whoever leads may, and nobody takes out a patient, whoever
    asked customer service, or himself.
    """
    _check_leads(room, by)
    found = room.member(user_id)
    if user_id == by or (found is not None and not _may_be_absent(room, found.person)):
        raise NotForThisRoom


def check_leave(room: Room, user_id: UUID) -> None:
    """Refuse to go: whoever leads hands over first, and some rooms cannot be without somebody."""
    found = _member_or_refuse(room, user_id)
    if user_id == room.lead_id:
        raise LeadMayNotLeave
    if not _may_be_absent(room, found.person):
        raise NotForThisRoom


def check_hand_over(room: Room, by: UUID) -> None:
    """Refuse a hand-over by somebody who does not lead the room."""
    _check_leads(room, by)


def _may_be_absent(room: Room, person: Person) -> bool:
    return person.role in rules.COMPANY[room.kind].invited


def _member_or_refuse(room: Room, user_id: UUID) -> Member:
    found = room.member(user_id)
    if found is None:
        raise NotFound
    return found


def _check_leads(room: Room, user_id: UUID) -> None:
    _member_or_refuse(room, user_id)
    if room.lead_id != user_id:
        raise Forbidden("只有诊间的主持人可以这样做")


def may_send(room: Room, user_id: UUID, role: Role) -> bool:
    """Whether this person could send anything at all now."""
    member = room.member(user_id)
    if member is None or member.person.role is not role:
        return False
    return bool(rules.sendable(room.kind, room.state, role))


def apply(room: Room, event: RoomEvent) -> Room:
    """The room after `event`, which must carry the next `seq`."""
    if event.seq != room.seq + 1:
        raise ValueError(f"Event {event.seq} does not follow {room.seq} in room {room.id}.")
    room = replace(room, seq=event.seq)
    match event:
        case RoomActivated():
            return replace(
                room,
                state=RoomState.ACTIVE,
                lead_id=rules.lead_after_start(room.kind, room.lead_id, event.by),
            )
        case RoomClosed():
            return replace(room, state=RoomState.CLOSED, close_reason=CloseReason(event.reason))
        case RoomHandedOver(to=to):
            return replace(room, lead_id=to.user_id)
        case ParticipantJoined(person=person):
            return replace(room, members={**room.members, person.user_id: Member(person)})
        case ParticipantLeft():
            left = replace(room.members[event.user_id], joined=False)
            return replace(room, members={**room.members, event.user_id: left})
        case _:
            return room


def opened(event: RoomOpened) -> Room:
    """The room that `RoomOpened` begins."""
    return Room(
        id=event.aggregate_id,
        hospital_id=event.hospital_id,
        kind=RoomKind(event.room_kind),
        state=RoomState(event.state),
        seq=event.seq,
        ref_type=event.ref_type,
        ref_id=event.ref_id,
        lead_id=event.lead_id,
        members={person.user_id: Member(person) for person in event.members},
    )
