"""The verbs of a room. Each runs in the caller's unit of work and never commits.

Whoever takes a `seq` locks the room's row first, so the log of a room has one order everywhere.
Lock rooms in the order of their ids when a transaction needs several. Sockets hear after the
commit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update

from core.errors import InvalidRequest, NotFound
from core.identity.caller import Caller
from core.identity.models import User
from core.identity.roles import Role
from core.ids import new_id
from core.uow import UnitOfWork
from realtime import access, entries, room
from realtime.errors import RoomIsClosed
from realtime.events import (
    ParticipantJoined,
    ParticipantLeft,
    Person,
    RoomEvent,
    RoomRecordingChanged,
)
from realtime.models import MessageRow, ParticipantRow, RoomRow
from realtime.room import (
    Activate,
    AddMember,
    Close,
    Command,
    HandOver,
    Recall,
    RemoveMember,
    Room,
)
from realtime.rules import (
    CloseReason,
    JoinReason,
    LeaveReason,
    MessageKind,
    RecordingPolicy,
    RoomKind,
    RoomState,
)
from realtime.schemas import CardBody


@dataclass(frozen=True)
class NewMember:
    """Somebody who is to be in a room. `name` overrides the account's own name in this room."""

    user_id: UUID
    role: Role
    name: str | None = None


async def open_room(
    uow: UnitOfWork,
    *,
    hospital_id: UUID,
    title: str,
    members: Sequence[NewMember],
    kind: RoomKind = RoomKind.CONSULTATION,
    ref_type: str | None = None,
    ref_id: UUID | None = None,
    recording: RecordingPolicy = RecordingPolicy.REQUIRED,
    state: RoomState = RoomState.WAITING,
    lead_id: UUID | None = None,
) -> UUID:
    """Open a room and return its id; announces `RoomOpened`.

    `ref_type` and `ref_id` say what it is about (`"consultation"`, its id). A room that is already
    open for the same thing is returned as it is, so that a repeated event opens nothing twice.
    `lead_id` leads the room; in a consultation it is the doctor if nobody is named.
    """
    if ref_id is not None:
        existing = await uow.session.scalar(
            select(RoomRow.id).where(
                RoomRow.ref_type == ref_type, RoomRow.ref_id == ref_id, RoomRow.kind == kind.value
            )
        )
        if existing is not None:
            return existing
    people = await _people(uow, members)
    event = room.open_room(
        new_id(),
        hospital_id,
        kind,
        people,
        uow.now,
        ref_type=ref_type,
        ref_id=ref_id,
        state=state,
        lead_id=lead_id,
    )
    uow.session.add(
        RoomRow(
            id=event.aggregate_id,
            hospital_id=hospital_id,
            kind=kind.value,
            state=state.value,
            seq=event.seq,
            title=title,
            ref_type=ref_type,
            ref_id=ref_id,
            recording=recording.value,
            lead_id=event.lead_id,
            opened_at=uow.now,
            activated_at=uow.now if state is RoomState.ACTIVE else None,
            last_at=uow.now,
        )
    )
    await uow.session.flush()
    uow.session.add_all(_participant(event.aggregate_id, person, uow.now) for person in people)
    _write_entry(uow, event.aggregate_id, event.seq, entries.entry_of(event, {}))
    await uow.session.flush()
    uow.record(event)
    _hint(uow, event.aggregate_id, event.seq)
    for person in people:
        _tell_member(uow, hospital_id, event.aggregate_id, person.user_id, "joined")
    return event.aggregate_id


async def activate_room(uow: UnitOfWork, room_id: UUID, by: UUID | None) -> None:
    """Let the members talk; announces `RoomActivated`. Nothing happens when they already may."""
    await _command(uow, room_id, Activate(by))


async def close_room(
    uow: UnitOfWork, room_id: UUID, reason: CloseReason, by: UUID | None = None
) -> None:
    """End a room for good; announces `RoomClosed`. Again for the same reason: nothing happens."""
    await _command(uow, room_id, Close(reason, by))


async def add_member(
    uow: UnitOfWork, room_id: UUID, member: NewMember, reason: JoinReason = JoinReason.INVITED
) -> None:
    """Take somebody in; announces `ParticipantJoined`. Nothing happens when he is in already."""
    await add_members(uow, room_id, [member], reason)


async def add_members(
    uow: UnitOfWork,
    room_id: UUID,
    members: Sequence[NewMember],
    reason: JoinReason = JoinReason.INVITED,
) -> None:
    """Take several in, in the order given: all of them or, where there is no room, none."""
    people = await _people(uow, members)
    row = await locked(uow, room_id)
    await _apply(uow, row, *(AddMember(person, reason) for person in people))


async def remove_member(
    uow: UnitOfWork, room_id: UUID, user_id: UUID, reason: LeaveReason = LeaveReason.REMOVED
) -> None:
    """Take somebody out; announces `ParticipantLeft`. Nothing happens when he is not in."""
    await _command(uow, room_id, RemoveMember(user_id, reason))


async def hand_over(uow: UnitOfWork, room_id: UUID, member: NewMember, by: UUID | None) -> None:
    """Let somebody else lead the room; announces `RoomHandedOver`, and who came and went for it.
    Nothing happens when he leads it already. Raises `not_for_this_room`, `room_full`.
    """
    [person] = await _people(uow, [member])
    await _command(uow, room_id, HandOver(person, by))


RECORDING_TEXTS = {
    RecordingPolicy.ASK: "本诊间的通话在接听前征求患者的录制同意",
    RecordingPolicy.REFUSED: "患者撤回了录制同意，从现在起本诊间的通话不再录制",
    RecordingPolicy.REQUIRED: "患者同意录制，本诊间的通话将录音录像",
}
#: Of somebody who was asked when a call rang, and had agreed to nothing before.
REFUSED_WHEN_ASKED = "患者不同意录音录像，可继续图文沟通"


async def set_recording(
    uow: UnitOfWork, room_id: UUID, policy: RecordingPolicy, by: UUID | None
) -> None:
    """Say whether calls in the room are recorded from now on; announces `RoomRecordingChanged`.

    Everybody in the room reads it. Nothing happens when it is so already, or the room is closed.
    """
    row = await locked(uow, room_id)
    if row.state == RoomState.CLOSED or row.recording == policy:
        return
    was, row.recording = RecordingPolicy(row.recording), policy.value
    asked = was is RecordingPolicy.ASK and policy is RecordingPolicy.REFUSED
    text = REFUSED_WHEN_ASKED if asked else RECORDING_TEXTS[policy]
    data = {"recording": policy.value, "by": None if by is None else str(by)}
    seq = await system_message(uow, room_id, "recording_changed", text, data)
    uow.record(
        RoomRecordingChanged(
            hospital_id=row.hospital_id,
            aggregate_id=row.id,
            occurred_at=uow.now,
            seq=seq,
            room_kind=row.kind,
            ref_type=row.ref_type,
            ref_id=row.ref_id,
            recording=policy.value,
            by=by,
        )
    )


async def system_message(
    uow: UnitOfWork,
    room_id: UUID,
    event: str,
    text: str,
    data: Mapping[str, Any] | None = None,
    *,
    even_if_closed: bool = False,
) -> int:
    """Write what happened into the room's log and return its `seq`.

    `event` is a stable name (`"red_flag"`, `"call_started"`), `text` the Chinese line people read,
    `data` further JSON fields. A closed room refuses (`room_closed`) unless the matter belongs to
    its end (`even_if_closed`: a call that ends because the room did). No core event is announced.
    """
    if event in entries.OWN_ENTRIES:
        raise ValueError(f"Only the room itself writes {event!r}.")
    row = await locked(uow, room_id)
    if row.state == RoomState.CLOSED and not even_if_closed:
        raise RoomIsClosed
    body = {**(data or {}), "event": event, "text": text}
    return await _append(uow, row, MessageKind.SYSTEM, body)


async def card_message(
    uow: UnitOfWork,
    room_id: UUID,
    card: CardBody,
    *,
    sender: Caller | None = None,
    even_if_closed: bool = False,
) -> int:
    """Put a card into the room and return its `seq`; without a sender it is the house that speaks.

    For modules that have just made what the card names (a prescription, a rating invitation).
    """
    row = await locked(uow, room_id)
    if row.state == RoomState.CLOSED and not even_if_closed:
        raise RoomIsClosed
    body = card.model_dump(mode="json", exclude_none=True)
    return await _append(uow, row, MessageKind.CARD, body, sender)


async def _append(
    uow: UnitOfWork,
    row: RoomRow,
    kind: MessageKind,
    body: dict[str, Any],
    sender: Caller | None = None,
) -> int:
    row.seq += 1
    row.last_at = uow.now
    _write_entry(uow, row.id, row.seq, body, kind, sender)
    await uow.session.flush()
    _hint(uow, row.id, row.seq)
    return row.seq


async def recall(uow: UnitOfWork, caller: Caller, room_id: UUID, seq: int) -> int:
    """Take back an own message within two minutes; returns the `seq` of the recall.

    Announces `MessageRecalled`. The body stays stored, encrypted, and is served to nobody. Raises
    `not_found`, `forbidden`, `already_recalled`, `recall_too_late`, `room_closed`.
    """
    await access.member_of(uow, caller, room_id)
    row = await locked(uow, room_id)
    target = await uow.session.get(MessageRow, (room_id, seq), with_for_update=True)
    if target is None:
        raise NotFound
    command = Recall(
        target_seq=seq,
        by=caller.user_id,
        sender_id=target.sender_id,
        sent_at=target.at,
        kind=MessageKind(target.kind),
        recalled=target.recalled_at is not None,
    )
    await _apply(uow, row, command)
    target.recalled_at = uow.now
    await uow.session.flush()
    return row.seq


@dataclass(frozen=True)
class Marks:
    """How far somebody has received and read, and whether this call moved it."""

    read_seq: int
    delivered_seq: int
    moved: bool


async def mark_read(uow: UnitOfWork, caller: Caller, room_id: UUID, seq: int) -> Marks:
    """Move the caller's read mark (and with it the delivered mark) up to `seq`; never back."""
    return await _mark(uow, caller, room_id, seq, read=True)


async def mark_delivered(uow: UnitOfWork, caller: Caller, room_id: UUID, seq: int) -> Marks:
    """Move the caller's delivered mark up to `seq`; never back."""
    return await _mark(uow, caller, room_id, seq, read=False)


async def _mark(uow: UnitOfWork, caller: Caller, room_id: UUID, seq: int, *, read: bool) -> Marks:
    found = await access.member_of(uow, caller, room_id)
    assert found.mine is not None
    reached = min(seq, found.row.seq)
    old = found.mine
    if reached <= (old.read_seq if read else old.delivered_seq):
        return Marks(old.read_seq, old.delivered_seq, moved=False)
    values = {"delivered_seq": func.greatest(ParticipantRow.delivered_seq, reached)}
    if read:
        values["read_seq"] = func.greatest(ParticipantRow.read_seq, reached)
    moved = (
        await uow.session.execute(
            update(ParticipantRow)
            .where(ParticipantRow.room_id == room_id, ParticipantRow.user_id == caller.user_id)
            .values(values)
            .returning(ParticipantRow.read_seq, ParticipantRow.delivered_seq)
            .execution_options(synchronize_session=False)
        )
    ).one()
    return Marks(moved.read_seq, moved.delivered_seq, moved=True)


# ---- the shared steps ------------------------------------------------------------------------


async def locked(uow: UnitOfWork, room_id: UUID) -> RoomRow:
    """The room's row under its lock. Raises `not_found`."""
    row = await uow.session.scalar(
        select(RoomRow)
        .where(RoomRow.id == room_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if row is None:
        raise NotFound
    return row


async def _command(uow: UnitOfWork, room_id: UUID, command: Command) -> None:
    await _apply(uow, await locked(uow, room_id), command)


async def _apply(uow: UnitOfWork, row: RoomRow, *commands: Command) -> None:
    """Decide, store what follows, announce it. The row must be locked."""
    participants = await access.participants_of(uow, row.id)
    state = access.as_room(row, participants)
    names = {each.user_id: each.name for each in participants}
    for command in commands:
        for event in room.decide(state, command, uow.now):
            state = room.apply(state, event)
            body = entries.entry_of(event, names, state.lead_role or Role.DOCTOR)
            _write_entry(uow, row.id, event.seq, body)
            await _store_member_change(uow, event)
            if isinstance(event, ParticipantJoined):
                _tell_member(uow, row.hospital_id, row.id, event.person.user_id, "joined")
            if isinstance(event, ParticipantLeft):
                _tell_member(uow, row.hospital_id, row.id, event.user_id, "left")
            uow.record(event)
    _store_state(row, state, uow.now)
    await uow.session.flush()
    _hint(uow, row.id, row.seq)


def _store_state(row: RoomRow, state: Room, now: datetime) -> None:
    if row.seq == state.seq:
        return
    if row.state != state.state:
        if state.state is RoomState.ACTIVE:
            row.activated_at = now
        if state.state is RoomState.CLOSED:
            row.closed_at = now
    row.state = state.state.value
    row.close_reason = state.close_reason.value if state.close_reason else None
    row.lead_id = state.lead_id
    row.seq = state.seq
    row.last_at = now


async def _store_member_change(uow: UnitOfWork, event: RoomEvent) -> None:
    match event:
        case ParticipantJoined(person=person):
            row = await uow.session.get(ParticipantRow, (event.aggregate_id, person.user_id))
            if row is None:
                uow.session.add(_participant(event.aggregate_id, person, uow.now))
                return
            row.role, row.name, row.avatar = person.role.value, person.name, person.avatar
            row.joined_at, row.left_at, row.leave_reason = uow.now, None, None
        case ParticipantLeft():
            row = await uow.session.get(ParticipantRow, (event.aggregate_id, event.user_id))
            assert row is not None
            row.left_at, row.leave_reason = uow.now, event.reason
        case _:
            return


def _participant(room_id: UUID, person: Person, now: datetime) -> ParticipantRow:
    return ParticipantRow(
        room_id=room_id,
        user_id=person.user_id,
        role=person.role.value,
        name=person.name,
        avatar=person.avatar,
        joined_at=now,
        read_seq=0,
        delivered_seq=0,
    )


def _write_entry(
    uow: UnitOfWork,
    room_id: UUID,
    seq: int,
    body: dict[str, Any],
    kind: MessageKind = MessageKind.SYSTEM,
    sender: Caller | None = None,
) -> None:
    uow.session.add(
        MessageRow(
            room_id=room_id,
            seq=seq,
            id=new_id(),
            sender_id=None if sender is None else sender.user_id,
            sender_role=None if sender is None else sender.role.value,
            kind=kind.value,
            body=body,
            at=uow.now,
        )
    )


async def _people(uow: UnitOfWork, members: Sequence[NewMember]) -> list[Person]:
    """Members with the names and pictures of their accounts. Raises `invalid` for an unknown
    one.
    """
    found = await uow.session.execute(
        select(User.id, User.name, User.avatar_file_id).where(
            User.id.in_([member.user_id for member in members])
        )
    )
    accounts = {user_id: (name, avatar) for user_id, name, avatar in found}
    people = []
    for member in members:
        if member.user_id not in accounts:
            raise InvalidRequest("诊间成员不存在")
        name, avatar = accounts[member.user_id]
        people.append(
            Person(
                user_id=member.user_id,
                role=member.role,
                name=member.name or name or member.role.label,
                avatar=None if avatar is None else str(avatar),
            )
        )
    return people


def _hint(uow: UnitOfWork, room_id: UUID, seq: int) -> None:
    """Tell the sockets after the commit: one hint per transaction, however much it wrote."""
    heads: dict[UUID, int] | None = uow.session.info.get("room_heads")
    if heads is not None:
        heads[room_id] = seq
        return
    heads = uow.session.info["room_heads"] = {room_id: seq}

    async def tell() -> None:
        await uow.runtime.realtime.rooms_changed(heads)

    uow.after_commit(tell)


def _tell_member(
    uow: UnitOfWork, hospital_id: UUID, room_id: UUID, user_id: UUID, state: str
) -> None:
    """Tell a person's own devices after the commit that he is in a room now, or out of it.

    Who has joined no room yet hears nothing in it: without this a colleague's first word would
    wait for the next look at the list.
    """
    payload = {"room": str(room_id), "state": state}

    async def tell() -> None:
        await uow.runtime.realtime.to_user(user_id, "membership", payload, hospital_id=hospital_id)

    uow.after_commit(tell)
