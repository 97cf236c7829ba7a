"""The room monitor: what supervisors see of the open rooms of their hospital.

Every figure is read from the tables, so it is the same on every node. Who is let in was asked
before; looking into a room is `access.room_for`, which records it.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, ScalarSelect, Select, SQLColumnExpression, and_, func, select
from sqlalchemy.orm import aliased

from core import settings
from core.access import Grant, grant
from core.identity.caller import Caller
from core.identity.models import Department, RoleAssignment
from core.identity.roles import Role
from core.uow import UnitOfWork
from realtime import presence, rules
from realtime.access import ROOM
from realtime.models import MessageRow, ParticipantRow, RoomRow
from realtime.monitor_schemas import CallFigure, LastWord, MonitorMember, MonitorRoom, Totals
from realtime.rules import RoomState
from realtime.schemas import Presence, Subject
from realtime.settings import REPLY_MINUTES

_WATCHED = [kind.value for kind in rules.SUPERVISED]

CallReader = Callable[[UnitOfWork, Sequence[UUID]], Awaitable[Mapping[UUID, CallFigure]]]
#: Whether people talked in a room at a moment or later, as a condition on both columns.
TalkedSince = Callable[
    [SQLColumnExpression[UUID], SQLColumnExpression[datetime]], ColumnElement[bool]
]


@dataclass
class _Calls:
    rooms: Select[UUID] | None = None
    reader: CallReader | None = None
    talked_since: TalkedSince | None = None


_calls = _Calls()


def register_calls(rooms: "Select[UUID]", reader: CallReader, talked_since: TalkedSince) -> None:
    """Tell the monitor of calls; called at import by the module that owns them.

    `rooms` selects the ids of the rooms with a call under way, `reader(uow, room_ids)` says what
    is known of each. Whom the doctor talked to (`talked_since`) has an answer.
    """
    _calls.rooms, _calls.reader, _calls.talked_since = rooms, reader, talked_since


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which rooms somebody wants to see. Empty: all."""

    states: frozenset[RoomState] = frozenset()
    department_id: UUID | None = None
    lead_id: UUID | None = None
    overdue: bool = False
    in_call: bool = False


async def require(uow: UnitOfWork, caller: Caller) -> Grant:
    """Raises NotPermitted for who may not watch the rooms of the hospital."""
    return await grant(uow, caller, ROOM, "monitor")


async def reply_limit(uow: UnitOfWork, hospital_id: UUID) -> timedelta:
    """How long a patient's word may wait for an answer."""
    minutes: int = await settings.get(uow, REPLY_MINUTES, hospital_id=hospital_id)
    return timedelta(minutes=minutes)


async def page(
    uow: UnitOfWork, hospital_id: UUID, wanted: Wanted, after: UUID | None, limit: int
) -> list[MonitorRoom]:
    """Open rooms in the order of their ids: an order in which no room moves while one pages."""
    query = select(RoomRow.id).where(*await _conditions(uow, hospital_id, wanted))
    if after is not None:
        query = query.where(RoomRow.id > after)
    ids = list(await uow.session.scalars(query.order_by(RoomRow.id).limit(limit)))
    return await rooms_of(uow, ids)


async def rooms_of(uow: UnitOfWork, room_ids: Sequence[UUID]) -> list[MonitorRoom]:
    """The figures of these rooms, in the order of their ids; a handful of statements for all."""
    if not room_ids:
        return []
    rows = (
        await uow.session.execute(
            select(RoomRow, waits_since().label("waits"))
            .where(RoomRow.id.in_(room_ids))
            .order_by(RoomRow.id)
            .execution_options(populate_existing=True)
        )
    ).all()
    members = await _members(uow, room_ids)
    departments = await _departments(uow, [room for room, _ in rows])
    words = await _last_words(uow, room_ids)
    calls = await _calls.reader(uow, room_ids) if _calls.reader is not None else {}
    return [
        _figures(room, waits, members.get(room.id, []), departments, words, calls)
        for room, waits in rows
    ]


async def totals(uow: UnitOfWork, hospital_id: UUID) -> Totals:
    """How many rooms are open, wait, are overdue, are in a call."""
    late = overdue(uow.now - await reply_limit(uow, hospital_id))
    in_call = _in_call()
    waiting = RoomRow.state == RoomState.WAITING.value
    counts = (
        await uow.session.execute(
            select(
                func.count(),
                func.count().filter(waiting),
                func.count().filter(late),
                func.count().filter(in_call),
            ).where(*open_rooms(hospital_id))
        )
    ).one()
    return Totals(open=counts[0], waiting=counts[1], overdue=counts[2], in_call=counts[3])


# ---- what changed --------------------------------------------------------------------------------


async def heads(
    uow: UnitOfWork, hospital_id: UUID, since: datetime | None = None
) -> list[tuple[UUID, int, bool]]:
    """`(room, seq, open)` of the open rooms; with `since`, of all in which something happened."""
    query = select(RoomRow.id, RoomRow.seq, RoomRow.state != RoomState.CLOSED.value)
    if since is None:
        query = query.where(*open_rooms(hospital_id))
    else:
        query = query.where(
            RoomRow.hospital_id == hospital_id,
            RoomRow.last_at >= since,
            RoomRow.kind.in_(_WATCHED),
        )
    return [(room_id, seq, is_open) for room_id, seq, is_open in await uow.session.execute(query)]


async def present(uow: UnitOfWork, hospital_id: UUID) -> dict[UUID, Presence]:
    """The members of open rooms who are connected now, with their state."""
    members = select(ParticipantRow.user_id).where(
        ParticipantRow.left_at.is_(None),
        ParticipantRow.room_id.in_(select(RoomRow.id).where(*open_rooms(hospital_id))),
    )
    return await presence.connected_among(uow, members)


# ---- the statements ------------------------------------------------------------------------------


def open_rooms(hospital_id: UUID) -> tuple[ColumnElement[bool], ...]:
    """The rooms of which the monitor knows."""
    return (
        RoomRow.hospital_id == hospital_id,
        RoomRow.kind.in_(_WATCHED),
        RoomRow.state != RoomState.CLOSED.value,
    )


async def _conditions(
    uow: UnitOfWork, hospital_id: UUID, wanted: Wanted
) -> list[ColumnElement[bool]]:
    found = list(open_rooms(hospital_id))
    if wanted.states:
        found.append(RoomRow.state.in_([state.value for state in wanted.states]))
    if wanted.lead_id is not None:
        found.append(RoomRow.lead_id == wanted.lead_id)
    if wanted.department_id is not None:
        found.append(
            RoomRow.lead_id.in_(
                select(RoleAssignment.user_id).where(
                    RoleAssignment.hospital_id == hospital_id,
                    RoleAssignment.department_id == wanted.department_id,
                )
            )
        )
    if wanted.overdue:
        found.append(overdue(uow.now - await reply_limit(uow, hospital_id)))
    if wanted.in_call:
        found.append(_in_call())
    return found


def _in_call() -> ColumnElement[bool]:
    if _calls.rooms is None:
        return RoomRow.id.is_(None)
    return RoomRow.id.in_(_calls.rooms)


def overdue(before: datetime) -> ColumnElement[bool]:
    """Rooms in which a patient's word from before that moment has no answer."""
    return and_(RoomRow.state == RoomState.ACTIVE.value, waits_since() < before)


def waits_since() -> ScalarSelect[datetime]:
    """When the patient first said what nobody has answered yet, in writing or in a call."""
    said = aliased(MessageRow)
    answered = aliased(MessageRow)
    last_answer = (
        select(func.max(answered.seq))
        .where(
            answered.room_id == RoomRow.id,
            answered.sender_role.is_not(None),
            answered.sender_role != Role.PATIENT.value,
        )
        .correlate(RoomRow)
        .scalar_subquery()
    )
    waiting = [
        said.room_id == RoomRow.id,
        said.sender_role == Role.PATIENT.value,
        said.recalled_at.is_(None),
        said.seq > func.coalesce(last_answer, 0),
    ]
    if _calls.talked_since is not None:
        waiting.append(~_calls.talked_since(RoomRow.id, said.at))
    return (
        select(said.at)
        .where(*waiting)
        .order_by(said.seq)
        .limit(1)
        .correlate(RoomRow)
        .scalar_subquery()
    )


async def _members(uow: UnitOfWork, room_ids: Sequence[UUID]) -> dict[UUID, list[MonitorMember]]:
    rows = (
        await uow.session.scalars(
            select(ParticipantRow)
            .where(ParticipantRow.room_id.in_(room_ids), ParticipantRow.left_at.is_(None))
            .order_by(ParticipantRow.joined_at, ParticipantRow.user_id)
        )
    ).all()
    here = select(ParticipantRow.user_id).where(ParticipantRow.room_id.in_(room_ids))
    states = await presence.connected_among(uow, here)
    found: dict[UUID, list[MonitorMember]] = {}
    for row in rows:
        member = MonitorMember(
            user_id=row.user_id,
            name=row.name,
            role=Role(row.role),
            presence=states.get(row.user_id, "offline"),
        )
        found.setdefault(row.room_id, []).append(member)
    return found


async def _departments(
    uow: UnitOfWork, rows: Collection[RoomRow]
) -> dict[tuple[UUID, UUID], tuple[UUID, str]]:
    """The first department of whoever leads each room, at its hospital."""
    leads = {row.lead_id for row in rows if row.lead_id is not None}
    found = await uow.session.execute(
        select(RoleAssignment.user_id, RoleAssignment.hospital_id, Department.id, Department.name)
        .join(Department, Department.id == RoleAssignment.department_id)
        .where(RoleAssignment.user_id.in_(leads))
        .order_by(RoleAssignment.created_at.desc(), RoleAssignment.id.desc())
    )
    return {(user_id, hospital_id): (key, name) for user_id, hospital_id, key, name in found}


async def _last_words(uow: UnitOfWork, room_ids: Sequence[UUID]) -> dict[UUID, LastWord]:
    word = aliased(MessageRow)
    last = (
        select(func.max(word.seq))
        .where(word.room_id == RoomRow.id, word.sender_role.is_not(None))
        .correlate(RoomRow)
        .scalar_subquery()
    )
    rows = await uow.session.execute(
        select(MessageRow.room_id, MessageRow.sender_role, MessageRow.at)
        .join(RoomRow, RoomRow.id == MessageRow.room_id)
        .where(RoomRow.id.in_(room_ids), MessageRow.seq == last)
    )
    return {room_id: LastWord(role=Role(role), at=at) for room_id, role, at in rows if role}


def _figures(
    room: RoomRow,
    waits: datetime | None,
    members: list[MonitorMember],
    departments: Mapping[tuple[UUID, UUID], tuple[UUID, str]],
    words: Mapping[UUID, LastWord],
    calls: Mapping[UUID, CallFigure],
) -> MonitorRoom:
    department = departments.get((room.lead_id, room.hospital_id)) if room.lead_id else None
    waiting = room.state == RoomState.WAITING
    return MonitorRoom(
        id=room.id,
        kind=room.kind,
        state=RoomState(room.state).value,
        seq=room.seq,
        subject=Subject(
            title=room.title,
            consultation_id=room.ref_id if room.ref_type == "consultation" else None,
        ),
        lead_id=room.lead_id,
        department_id=department[0] if department else None,
        department=department[1] if department else None,
        members=members,
        opened_at=room.opened_at,
        last_at=room.last_at,
        last_word=words.get(room.id),
        waits_since=room.opened_at if waiting else waits,
        call=calls.get(room.id),
    )
