"""What members do with each other: ask in, go, take out, hand over; rooms that people open.

Each verb runs in the caller's unit of work and never commits. Order of locks: what the room is
about, the room, inboxes.
"""

from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID, uuid5

from sqlalchemy import select, text

from core import audit
from core.access import NotPermitted, find_grant, grant
from core.errors import InvalidRequest, NotFound
from core.identity.caller import Caller
from core.identity.roles import Role
from core.uow import UnitOfWork
from realtime import access, colleagues, inbox, room, rules, service
from realtime.access import ROOM, RoomAccess
from realtime.errors import AlreadyTaken, NotForThisRoom
from realtime.models import ParticipantRow, RoomRow
from realtime.rules import (
    CloseReason,
    JoinReason,
    LeaveReason,
    RecordingPolicy,
    RoomKind,
    RoomState,
)
from realtime.service import NewMember

#: Locks what a room is about and refuses a lead who cannot take it over:
#: `check(uow, hospital_id, ref_id, user_id)`.
LeadCheck = Callable[[UnitOfWork, UUID, UUID, UUID], Awaitable[None]]
_lead_checks: dict[str, LeadCheck] = {}

#: From two people, or a room and two people, to the id under which they find their room again.
_PAIRS = UUID("7c3f9f5e-52a1-4b0e-9a31-6c1d6f5b7a10")


def register_lead_check(ref_type: str, check: LeadCheck) -> None:
    """Have a say in who leads rooms about this; called at import by the module that opens them.

    It runs before the room is locked. The change itself is told by `RoomHandedOver`.
    """
    _lead_checks[ref_type] = check


# ---- members -------------------------------------------------------------------------------------


async def invite(
    uow: UnitOfWork, caller: Caller, room_id: UUID, people: Sequence[NewMember], words: str = ""
) -> None:
    """Ask colleagues of the hospital in, who are told. Who is in already stays as he is.

    Raises `not_found`, `forbidden`, `not_for_this_room`, `no_such_colleague`, `room_full`,
    `room_not_active`, `room_closed`.
    """
    await grant(uow, caller, ROOM, "gather")
    found = await access.member_of(uow, caller, room_id)
    for person in people:
        room.check_invite(found.room, caller.user_id, person.role)
    await colleagues.require(uow, caller, people)
    await service.add_members(uow, room_id, people, JoinReason.INVITED)
    await _audit(uow, caller, found.row, "invite", words, users=_ids(people))
    await _tell_invited(uow, caller, found.row, people)


async def leave(uow: UnitOfWork, caller: Caller, room_id: UUID) -> None:
    """Go out of a room. Raises `not_found`, `lead_may_not_leave`, `not_for_this_room`."""
    found = await access.member_of(uow, caller, room_id)
    room.check_leave(found.room, caller.user_id)
    await service.remove_member(uow, room_id, caller.user_id, LeaveReason.LEFT)
    await _audit(uow, caller, found.row, "leave")


async def remove(
    uow: UnitOfWork, caller: Caller, room_id: UUID, user_id: UUID, words: str = ""
) -> None:
    """Take a colleague out. Raises `not_found`, `forbidden`, `not_for_this_room`."""
    await grant(uow, caller, ROOM, "gather")
    found = await access.member_of(uow, caller, room_id)
    room.check_remove(found.room, caller.user_id, user_id)
    await service.remove_member(uow, room_id, user_id, LeaveReason.REMOVED)
    await _audit(uow, caller, found.row, "remove", words, users=[str(user_id)])


async def hand_over(
    uow: UnitOfWork, caller: Caller, room_id: UUID, to: NewMember, words: str = ""
) -> None:
    """Let a colleague lead the room: by its lead, or by a supervisor who may intervene.

    Raises `not_found`, `forbidden`, `not_for_this_room`, `no_such_colleague`, `room_closed`, and
    whatever stands against it where the room is about something (`register_lead_check`).
    """
    if caller.role is Role.SUPERVISOR:
        row = await supervised(uow, caller, room_id)
    else:
        await grant(uow, caller, ROOM, "gather")
        found = await access.member_of(uow, caller, room_id)
        room.check_hand_over(found.room, caller.user_id)
        row = found.row
    if to.role not in rules.COMPANY[RoomKind(row.kind)].next_lead:
        raise NotForThisRoom
    await colleagues.require(uow, caller, [to])
    check = _lead_checks.get(row.ref_type or "")
    if check is not None and row.ref_id is not None:
        await check(uow, row.hospital_id, row.ref_id, to.user_id)
    await service.hand_over(uow, room_id, to, caller.user_id)
    await _audit(uow, caller, row, "hand_over", words, users=[str(to.user_id)])
    await _tell_lead(uow, row, to)


# ---- rooms that people open ----------------------------------------------------------------------


async def talk_to(uow: UnitOfWork, caller: Caller, other: NewMember) -> UUID:
    """The room of two colleagues: the same two always meet in the same one."""
    await grant(uow, caller, ROOM, "gather")
    if other.user_id == caller.user_id:
        raise InvalidRequest("不能与自己会话")
    await colleagues.require(uow, caller, [other])
    pair = sorted([(caller.user_id, caller.role), (other.user_id, other.role)])
    key = uuid5(_PAIRS, f"{caller.hospital_id} {pair}")
    await _alone(uow, key)
    return await service.open_room(
        uow,
        hospital_id=caller.hospital_id,
        title="同事会话",
        members=[_self(caller), other],
        kind=RoomKind.COLLEAGUE,
        ref_type="pair",
        ref_id=key,
        recording=RecordingPolicy.REFUSED,
        state=RoomState.ACTIVE,
    )


async def open_group(
    uow: UnitOfWork, caller: Caller, title: str, people: Sequence[NewMember]
) -> UUID:
    """A group of colleagues, led by who made it. Raises `no_such_colleague`, `room_full`."""
    await grant(uow, caller, ROOM, "gather")
    if any(person.role not in rules.COLLEAGUES for person in people):
        raise NotForThisRoom
    await colleagues.require(uow, caller, people)
    room_id = await service.open_room(
        uow,
        hospital_id=caller.hospital_id,
        title=title,
        members=[_self(caller), *people],
        kind=RoomKind.GROUP,
        recording=RecordingPolicy.REFUSED,
        state=RoomState.ACTIVE,
        lead_id=caller.user_id,
    )
    await _tell_invited(uow, caller, await service.locked(uow, room_id), people)
    return room_id


async def ask_service(uow: UnitOfWork, caller: Caller) -> UUID:
    """The caller's open talk with customer service, or a new one, of which every agent hears."""
    await access.require_rooms(uow, caller)
    await _alone(uow, caller.user_id)
    existing = await uow.session.scalar(
        access.my_rooms(caller)
        .where(RoomRow.kind == RoomKind.SERVICE, RoomRow.state != RoomState.CLOSED)
        .with_only_columns(RoomRow.id)
        .limit(1)
    )
    if existing is not None:
        return existing
    room_id = await service.open_room(
        uow,
        hospital_id=caller.hospital_id,
        title=f"客服咨询 · {caller.name}",
        members=[_self(caller)],
        kind=RoomKind.SERVICE,
        recording=RecordingPolicy.REFUSED,
    )
    await inbox.notify(
        uow,
        await colleagues.holders(uow, caller.hospital_id, Role.CUSTOMER_SERVICE),
        hospital_id=caller.hospital_id,
        type="service_waiting",
        title="有新的客服咨询",
        text="请及时接入",
        ref=("room", room_id),
    )
    return room_id


async def waiting_for_service(uow: UnitOfWork, caller: Caller) -> Sequence[RoomRow]:
    """Talks that no agent has taken yet, longest waiting first."""
    await grant(uow, caller, ROOM, "gather")
    rows = await uow.session.scalars(
        select(RoomRow)
        .where(
            RoomRow.hospital_id == caller.hospital_id,
            RoomRow.kind == RoomKind.SERVICE,
            RoomRow.state == RoomState.WAITING,
        )
        .order_by(RoomRow.opened_at, RoomRow.id)
        .limit(rules.PAGE_MAX)
    )
    return rows.all()


async def take(uow: UnitOfWork, caller: Caller, room_id: UUID) -> None:
    """An agent takes a talk that waits for one. Raises `not_found`, `already_taken`."""
    await grant(uow, caller, ROOM, "gather")
    row = await service.locked(uow, room_id)
    if row.kind != RoomKind.SERVICE or row.hospital_id != caller.hospital_id:
        raise NotFound
    if row.lead_id == caller.user_id:
        return
    if row.state != RoomState.WAITING:
        raise AlreadyTaken
    await service.add_member(uow, room_id, _self(caller), JoinReason.TAKEN)
    await service.activate_room(uow, room_id, caller.user_id)
    await _audit(uow, caller, row, "take")


async def end(uow: UnitOfWork, caller: Caller, room_id: UUID, words: str = "") -> None:
    """End a room: a group by its lead, a talk with customer service by either side, any room with
    a patient by a supervisor, who gives a reason that people there read.

    A consultation ends by its own verbs. Raises `not_found`, `forbidden`, `not_for_this_room`.
    """
    if caller.role is Role.SUPERVISOR:
        await _end_by_supervisor(uow, caller, room_id, words)
        return
    found = await access.member_of(uow, caller, room_id)
    kind = RoomKind(found.row.kind)
    if kind is RoomKind.GROUP:
        room.check_hand_over(found.room, caller.user_id)
        reason = CloseReason.DISSOLVED
    elif kind is RoomKind.SERVICE:
        agent = caller.role is Role.CUSTOMER_SERVICE
        reason = CloseReason.SERVED if agent else CloseReason.WITHDRAWN
    else:
        raise NotForThisRoom
    await service.close_room(uow, room_id, reason, caller.user_id)
    await _audit(uow, caller, found.row, "end", words)


# ---- supervisors ---------------------------------------------------------------------------------


async def word_to_the_doctor(uow: UnitOfWork, caller: Caller, room_id: UUID) -> UUID:
    """The supervisor's room with whoever leads this one; nobody in it learns of the other.

    The same two meet in the same room about the same one. Raises `not_found`, `not_for_this_room`.
    """
    row = await supervised(uow, caller, room_id)
    lead = await uow.session.get(ParticipantRow, (room_id, row.lead_id)) if row.lead_id else None
    if lead is None or Role(lead.role) not in rules.TREATING_ROLES:
        raise NotForThisRoom
    key = uuid5(_PAIRS, f"{room_id} {caller.user_id} {lead.user_id}")
    await _alone(uow, key)
    word_id = await service.open_room(
        uow,
        hospital_id=row.hospital_id,
        title=f"督导 · {row.title}",
        members=[_self(caller), NewMember(lead.user_id, Role(lead.role))],
        kind=RoomKind.WORD,
        ref_type="word",
        ref_id=key,
        recording=RecordingPolicy.REFUSED,
        state=RoomState.ACTIVE,
        lead_id=caller.user_id,
    )
    await _audit(uow, caller, row, "word", word=str(word_id))
    return word_id


async def _end_by_supervisor(uow: UnitOfWork, caller: Caller, room_id: UUID, words: str) -> None:
    row = await supervised(uow, caller, room_id)
    if not words.strip():
        raise InvalidRequest("请填写结束原因")
    if row.state != RoomState.CLOSED:
        await service.system_message(uow, room_id, "end_reason", f"结束原因：{words.strip()}")
    await service.close_room(uow, room_id, CloseReason.ENDED_BY_SUPERVISOR, caller.user_id)
    await _audit(uow, caller, row, "end", words)


async def supervised(uow: UnitOfWork, caller: Caller, room_id: UUID) -> RoomRow:
    """A room in which the caller may intervene. Raises NotPermitted, `not_found`."""
    allowed = await find_grant(uow, caller, ROOM, "intervene")
    if not allowed:
        raise NotPermitted
    row = await uow.session.scalar(
        select(RoomRow).where(
            RoomRow.id == room_id,
            RoomRow.kind.in_([kind.value for kind in rules.SUPERVISED]),
            allowed.condition,
        )
    )
    if row is None:
        raise NotFound
    return row


# ---- the shared steps ----------------------------------------------------------------------------


async def opened(uow: UnitOfWork, caller: Caller, room_id: UUID) -> RoomAccess:
    """A room that the caller has just opened or changed, as he sees it."""
    return await access.room_for(uow, caller, room_id)


def _self(caller: Caller) -> NewMember:
    return NewMember(caller.user_id, caller.role)


def _ids(people: Sequence[NewMember]) -> list[str]:
    return [str(person.user_id) for person in people]


async def _alone(uow: UnitOfWork, key: UUID) -> None:
    """Whoever opens the same room at the same moment waits here and finds it."""
    await uow.session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": f"room {key}"}
    )


async def _audit(
    uow: UnitOfWork, caller: Caller, row: RoomRow, verb: str, words: str = "", **detail: object
) -> None:
    patient_id = await audit.patient_of(uow, row.ref_type, row.ref_id)
    await audit.record(
        uow, caller, f"room.{verb}", "room", row.id, patient_id, detail, reason=words
    )


async def _tell_invited(
    uow: UnitOfWork, caller: Caller, row: RoomRow, people: Sequence[NewMember]
) -> None:
    group = row.kind == RoomKind.GROUP
    await inbox.notify(
        uow,
        [person.user_id for person in people],
        hospital_id=row.hospital_id,
        type="room_invited",
        title="您被邀请加入群聊" if group else "同事邀请您加入诊间",
        text=f"{caller.name}邀请您加入",
        ref=_reference(row, people),
    )


def _reference(row: RoomRow, people: Sequence[NewMember]) -> tuple[str, UUID]:
    """Where a notice leads: doctors to what the room is about, which their own pages show; a
    company of several professions to the room.
    """
    doctors = all(person.role is Role.DOCTOR for person in people)
    if doctors and row.ref_type in _lead_checks and row.ref_id is not None:
        return row.ref_type or "", row.ref_id
    return "room", row.id


async def _tell_lead(uow: UnitOfWork, row: RoomRow, to: NewMember) -> None:
    await inbox.notify(
        uow,
        [to.user_id],
        hospital_id=row.hospital_id,
        type="room_handed_over",
        title="有诊间转交给您",
        text="请进入诊间继续处理",
        ref=_reference(row, [to]),
    )
