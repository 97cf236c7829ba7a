"""Who may see a room: every read made for a person goes through here.

A room is seen by its present members, each in the role in which he is a member, and silently by the
supervisors of its hospital; a supervisor's look is in the audit. For everybody else it does not
exist.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from sqlalchemy import ColumnElement, Select, exists, or_, select, text
from sqlalchemy.orm import aliased

from core import audit
from core.access import (
    READ,
    Action,
    Field,
    Mask,
    NotPermitted,
    Scope,
    allow,
    declare,
    find_grant,
    grant,
    look,
    open_emergencies,
    permitted,
)
from core.access.book import Book, BookCache, Opened
from core.access.engine import sources_of
from core.errors import NotFound
from core.identity.caller import Caller
from core.identity.models import RoleAssignment
from core.identity.roles import Role
from core.runtime import Runtime
from core.uow import UnitOfWork
from realtime import presence, room, rules
from realtime.events import Person
from realtime.models import ParticipantRow, RoomRow
from realtime.reading import last_messages as last_messages
from realtime.reading import message_view as message_view
from realtime.reading import messages_after as messages_after
from realtime.reading import messages_before as messages_before
from realtime.reading import messages_between as messages_between
from realtime.reading import messages_during as messages_during
from realtime.reading import unread_counts as unread_counts
from realtime.room import Member, Room
from realtime.rules import CloseReason, RoomKind, RoomState
from realtime.schemas import (
    MemberView,
    MyPlace,
    Presence,
    RoomView,
    Subject,
)
from realtime.veil import Veil, shown, veil_of

#: Whoever can be a member of a room, and supervisors, who listen silently. Other clinicians come
#: in for what they opened in an emergency.
IN_ROOMS = frozenset(
    {
        Role.PATIENT,
        Role.DOCTOR,
        Role.NURSE,
        Role.PHARMACIST,
        Role.CUSTOMER_SERVICE,
        Role.SUPERVISOR,
    }
)
MEMBERS = IN_ROOMS - {Role.SUPERVISOR}
#: Reading what somebody took back.
RECALLED = "recalled"


@dataclass(frozen=True)
class RoomAccess:
    """A room as one person reached it. `mine` is None for a silent observer."""

    caller: Caller
    row: RoomRow
    participants: Sequence[ParticipantRow]
    mine: ParticipantRow | None
    veil: Veil | None = None
    #: Reached by break-glass access: read page by page, never listened to.
    emergency: bool = False

    @property
    def room(self) -> Room:
        return as_room(self.row, self.participants)


def is_member(caller: Caller) -> ColumnElement[bool]:
    """A condition on `RoomRow`: the caller is a member now, in the role of the token."""
    return exists(
        select(ParticipantRow.room_id).where(
            ParticipantRow.room_id == RoomRow.id,
            ParticipantRow.user_id == caller.user_id,
            ParticipantRow.role == caller.role.value,
            ParticipantRow.left_at.is_(None),
        )
    )


def _supervised(caller: Caller) -> ColumnElement[bool]:
    """Rooms with patients in them, and those of which the supervisor is a member himself: what
    colleagues say to each other, and other supervisors to doctors, is theirs.
    """
    return or_(RoomRow.kind.in_([kind.value for kind in rules.SUPERVISED]), is_member(caller))


ROOM = declare(
    "room",
    "诊间",
    area="诊疗",
    here=RoomRow.hospital_id,
    actions={
        READ: Action("查看聊天", tuple(sorted(IN_ROOMS))),
        RECALLED: Action("查看撤回的内容", (Role.SUPERVISOR,)),
        "speak": Action("发言", tuple(sorted(IN_ROOMS))),
        "gather": Action("发起会话、邀请与转交", tuple(sorted(rules.COLLEAGUES))),
        "monitor": Action("监控诊间", (Role.SUPERVISOR, Role.ADMINISTRATOR)),
        "intervene": Action("督导介入：私信、改派、结束", (Role.SUPERVISOR,)),
    },
    scopes={Scope.ROOMS: is_member, Scope.HOSPITAL: _supervised},
    only={Scope.HOSPITAL: (Role.SUPERVISOR, Role.ADMINISTRATOR)},
    fields=[
        Field("subject.title", "诊间标题", None, "patient:name"),
        Field("patient_names", "患者姓名", Mask.NAME, "patient:name"),
    ],
    defaults=[
        *(allow(role, Scope.ROOMS, READ, "speak") for role in sorted(MEMBERS)),
        *(allow(role, Scope.ROOMS, "gather") for role in sorted(rules.COLLEAGUES)),
        allow(Role.SUPERVISOR, Scope.HOSPITAL, READ, RECALLED, "monitor", "intervene"),
        allow(Role.SUPERVISOR, Scope.ROOMS, "speak"),
        allow(Role.ADMINISTRATOR, Scope.HOSPITAL, "monitor"),
    ],
    floors=[allow(Role.PATIENT, Scope.ROOMS, READ, "speak")],
)


async def room_for(uow: UnitOfWork, caller: Caller, room_id: UUID) -> RoomAccess:
    """The room, if the caller may see it. Raises `not_found` alike for unknown and foreign rooms.

    A supervisor who is not a member gets the room as an observer, and so does a clinician with
    break-glass access to its patient; the look is recorded. Raises NotPermitted.
    """
    allowed = await find_grant(uow, caller, ROOM)
    opened = await open_emergencies(uow, caller)
    if not allowed and not opened:
        raise NotPermitted()
    row = await uow.session.scalar(select(RoomRow).where(RoomRow.id == room_id, allowed.condition))
    veil = veil_of(allowed)
    if row is None:
        return replace(await _in_emergency(uow, caller, room_id, opened), veil=veil)
    participants = await participants_of(uow, room_id)
    mine = next((each for each in participants if _is_mine(each, caller)), None)
    if mine is None:
        patient_id = await audit.patient_of(uow, row.ref_type, row.ref_id)
        await audit.look(uow, caller, "room", row.id, patient_id)
    return RoomAccess(caller, row, participants, mine, veil)


async def rooms_joined(
    uow: UnitOfWork, asked: Sequence[tuple[Caller, UUID]]
) -> list[RoomAccess | None]:
    """The room of each asker who is a member now, where the policies let members in as such.

    None says nothing: `room_for` knows. Read with a few statements for all.
    """
    book = await BookCache.of(uow.runtime).read(uow)
    room_ids = {room_id for _, room_id in asked}
    found = await uow.session.scalars(select(RoomRow).where(RoomRow.id.in_(room_ids)))
    rows = {row.id: row for row in found}
    participants = await _participants_by_room(uow, list(rows))
    accesses: list[RoomAccess | None] = []
    for caller, room_id in asked:
        row = rows.get(room_id)
        mine = next(
            (each for each in participants.get(room_id, ()) if _is_mine(each, caller)), None
        )
        policies = sources_of(book, uow.now, caller, ROOM, READ)
        plain = any(each.scope is Scope.ROOMS and not each.filters for each in policies)
        if row is None or mine is None or row.hospital_id != caller.hospital_id or not plain:
            accesses.append(None)
            continue
        veil = await veil_for(uow, caller)
        accesses.append(RoomAccess(caller, row, participants[room_id], mine, veil))
    return accesses


async def _in_emergency(
    uow: UnitOfWork, caller: Caller, room_id: UUID, opened: Sequence[Opened]
) -> RoomAccess:
    """The room of a patient whom the caller has opened. Raises NotFound."""
    if not opened:
        raise NotFound
    row = await uow.session.scalar(
        select(RoomRow).where(RoomRow.id == room_id, RoomRow.hospital_id == caller.hospital_id)
    )
    patient_id = await audit.patient_of(uow, row.ref_type, row.ref_id) if row else None
    if row is None or patient_id not in {each.patient_id for each in opened}:
        raise NotFound
    await look(uow, caller, "room", row.id, patient_id)
    participants = await participants_of(uow, room_id)
    return RoomAccess(caller, row, participants, None, emergency=True)


async def recording_of(uow: UnitOfWork, room_id: UUID) -> rules.RecordingPolicy:
    """Whether calls in the room are recorded, without asking who wants to know."""
    found = await uow.session.scalars(select(RoomRow.recording).where(RoomRow.id == room_id))
    return rules.RecordingPolicy(found.one())


async def lead_of(uow: UnitOfWork, room_id: UUID) -> tuple[rules.RoomKind, UUID | None]:
    """Of what kind a room is and who leads it, without asking who wants to know."""
    found = await uow.session.execute(
        select(RoomRow.kind, RoomRow.lead_id).where(RoomRow.id == room_id)
    )
    kind, lead_id = found.one()
    return rules.RoomKind(kind), lead_id


async def member_of(uow: UnitOfWork, caller: Caller, room_id: UUID) -> RoomAccess:
    """Like `room_for`, for what only members do: an observer gets `not_found` too."""
    allowed = await grant(uow, caller, ROOM)
    row = await uow.session.scalar(select(RoomRow).where(RoomRow.id == room_id, allowed.condition))
    participants = await participants_of(uow, room_id) if row is not None else []
    mine = next((each for each in participants if _is_mine(each, caller)), None)
    if row is None or mine is None:
        raise NotFound
    return RoomAccess(caller, row, participants, mine, veil_of(allowed))


async def veil_for(uow: UnitOfWork, caller: Caller) -> Veil | None:
    """What is taken out of everything of rooms that reaches the caller; None: nothing."""
    book = await BookCache.of(uow.runtime).read(uow)
    veils, holder = _Known.of(uow.runtime, book).veils, _holder(caller)
    if holder in veils:
        return veils[holder]
    veil = veil_of(await find_grant(uow, caller, ROOM))
    for_a_time = (caller.user_id, caller.hospital_id, caller.role)
    if for_a_time not in book.lent and for_a_time not in book.permits:
        # Whether somebody reads patients' names may hang on what he was given for a time.
        veils[holder] = veil
    return veil


async def still_heard(uow: UnitOfWork, caller: Caller, room_ids: Sequence[UUID]) -> set[UUID]:
    """Those of the rooms to which the caller may still listen."""
    allowed = await find_grant(uow, caller, ROOM)
    if not allowed:
        return set()
    found = select(RoomRow.id).where(RoomRow.id.in_(room_ids), allowed.condition)
    return set(await uow.session.scalars(found))


async def require_speech(runtime: Runtime, caller: Caller) -> None:
    """The right to say something at all, asked before a message is queued. Raises NotPermitted."""
    if not await permitted(runtime, caller, ROOM, "speak"):
        raise NotPermitted()


class _Known:
    """What a book says of each caller about rooms, as far as it holds as long as the book."""

    def __init__(self) -> None:
        self.book: Book | None = None
        self.speech: dict[tuple[int, int, Role], bool] = {}
        self.veils: dict[tuple[int, int, Role], Veil | None] = {}

    @classmethod
    def of(cls, runtime: Runtime, book: Book) -> "_Known":
        known: _Known | None = runtime.ports.get(cls)
        if known is None or known.book is not book:
            known = runtime.ports[cls] = cls()
            known.book = book
        return known


def _holder(caller: Caller) -> tuple[int, int, Role]:
    # The numbers in the ids: hashing an id itself takes several times longer.
    return caller.user_id.int, caller.hospital_id.int, caller.role


def may_speak(runtime: Runtime, caller: Caller) -> bool | None:
    """What `require_speech` asks, from memory; None when it must be read first.

    This right is neither lent nor given for a time, so an answer holds as long as the book.
    """
    book = BookCache.of(runtime).held()
    if book is None:
        return None
    speech, holder = _Known.of(runtime, book).speech, _holder(caller)
    found = speech.get(holder)
    if found is None:
        found = bool(sources_of(book, runtime.clock.now(), caller, ROOM, "speak"))
        speech[holder] = found
    return found


def my_rooms(caller: Caller) -> Select[RoomRow]:
    """The rooms in which the caller is a member now, in this role and hospital."""
    return (
        select(RoomRow)
        .join(ParticipantRow, ParticipantRow.room_id == RoomRow.id)
        .where(
            RoomRow.hospital_id == caller.hospital_id,
            ParticipantRow.user_id == caller.user_id,
            ParticipantRow.role == caller.role.value,
            ParticipantRow.left_at.is_(None),
        )
    )


def rooms_joined_by(caller: Caller) -> Select[UUID]:
    """The ids of the rooms in which the caller is a member now, as a subquery."""
    return select(ParticipantRow.room_id).where(
        ParticipantRow.user_id == caller.user_id,
        ParticipantRow.role == caller.role.value,
        ParticipantRow.left_at.is_(None),
    )


async def require_rooms(uow: UnitOfWork, caller: Caller) -> None:
    """Raises NotPermitted for somebody whom the policies let see no room at all."""
    await grant(uow, caller, ROOM)


async def participants_of(uow: UnitOfWork, room_id: UUID) -> Sequence[ParticipantRow]:
    found = await uow.session.scalars(
        select(ParticipantRow)
        .where(ParticipantRow.room_id == room_id)
        .order_by(ParticipantRow.joined_at, ParticipantRow.user_id)
        .execution_options(populate_existing=True)
    )
    return found.all()


_AHEAD = text(
    "SELECT rooms.id, rooms.seq FROM unnest(CAST(:rooms AS uuid[]), CAST(:heads AS bigint[])) "
    "AS known (id, seq) JOIN rooms ON rooms.id = known.id AND rooms.seq > known.seq"
)


async def heads_above(uow: UnitOfWork, heads: Mapping[UUID, int]) -> dict[UUID, int]:
    """The newest `seq` of those rooms that have come further, for feeds that look whether a hint
    was lost. Arrays, because thousands of rooms are asked about every few seconds.
    """
    arrays = {"rooms": list(heads), "heads": list(heads.values())}
    return {room_id: seq for room_id, seq in await uow.session.execute(_AHEAD, arrays)}


async def member_now(uow: UnitOfWork, room_id: UUID, user_id: UUID) -> MemberView | None:
    """One member as everybody in the room sees him; the room was opened to the listeners before."""
    row = await uow.session.get(ParticipantRow, (room_id, user_id))
    if row is None:
        return None
    found = await presence.states(uow, [user_id])
    return member_view(row, found[user_id])


async def watchable(uow: UnitOfWork, caller: Caller, user_ids: Sequence[UUID]) -> set[UUID]:
    """Those of `user_ids` whose presence the caller may watch.

    Oneself, whoever shares a room of this hospital with the caller, and, for staff, colleagues of
    the caller's departments.
    """
    mine, theirs = aliased(ParticipantRow), aliased(ParticipantRow)
    shared = (
        select(theirs.user_id)
        .join(mine, mine.room_id == theirs.room_id)
        .join(RoomRow, RoomRow.id == mine.room_id)
        .where(
            RoomRow.hospital_id == caller.hospital_id,
            mine.user_id == caller.user_id,
            mine.left_at.is_(None),
            theirs.left_at.is_(None),
            theirs.user_id.in_(user_ids),
        )
    )
    found = set(await uow.session.scalars(shared.distinct()))
    if caller.is_staff and caller.department_ids:
        colleagues = select(RoleAssignment.user_id).where(
            RoleAssignment.user_id.in_(user_ids),
            RoleAssignment.hospital_id == caller.hospital_id,
            RoleAssignment.department_id.in_(caller.department_ids),
        )
        found |= set(await uow.session.scalars(colleagues.distinct()))
    return found | ({caller.user_id} & set(user_ids))


def _is_mine(row: ParticipantRow, caller: Caller) -> bool:
    return row.user_id == caller.user_id and row.role == caller.role and row.left_at is None


def as_room(row: RoomRow, participants: Sequence[ParticipantRow]) -> Room:
    """The pure state of a stored room."""
    return Room(
        id=row.id,
        hospital_id=row.hospital_id,
        kind=RoomKind(row.kind),
        state=RoomState(row.state),
        seq=row.seq,
        ref_type=row.ref_type,
        ref_id=row.ref_id,
        close_reason=CloseReason(row.close_reason) if row.close_reason else None,
        lead_id=row.lead_id,
        members={each.user_id: as_member(each) for each in participants},
    )


def as_member(row: ParticipantRow) -> Member:
    person = Person(user_id=row.user_id, role=Role(row.role), name=row.name, avatar=row.avatar)
    return Member(person, joined=row.left_at is None)


# ---- views -----------------------------------------------------------------------------------


async def room_view(uow: UnitOfWork, access: RoomAccess) -> RoomView:
    """The room as the caller sees it, with everybody's presence and marks."""
    states = await presence.states(uow, [each.user_id for each in access.participants])
    return shown(access.veil, _view(access, states))


async def room_views_of(uow: UnitOfWork, accesses: Sequence[RoomAccess]) -> list[RoomView]:
    """`room_view` for several at once."""
    everybody = {each.user_id for access in accesses for each in access.participants}
    states = await presence.states(uow, list(everybody))
    return [shown(access.veil, _view(access, states)) for access in accesses]


async def _participants_by_room(
    uow: UnitOfWork, room_ids: Sequence[UUID]
) -> dict[UUID, list[ParticipantRow]]:
    found = await uow.session.scalars(
        select(ParticipantRow)
        .where(ParticipantRow.room_id.in_(room_ids))
        .order_by(ParticipantRow.joined_at, ParticipantRow.user_id)
    )
    by_room: dict[UUID, list[ParticipantRow]] = {room_id: [] for room_id in room_ids}
    for each in found:
        by_room[each.room_id].append(each)
    return by_room


async def room_views(uow: UnitOfWork, caller: Caller, rows: Sequence[RoomRow]) -> list[RoomView]:
    """The views of several rooms of which the caller is a member, in the order given."""
    by_room = await _participants_by_room(uow, [row.id for row in rows])
    everybody = {each.user_id for group in by_room.values() for each in group}
    states = await presence.states(uow, list(everybody))
    veil = await veil_for(uow, caller)
    views = []
    for row in rows:
        mine = next((each for each in by_room[row.id] if _is_mine(each, caller)), None)
        views.append(shown(veil, _view(RoomAccess(caller, row, by_room[row.id], mine), states)))
    return views


def _view(access: RoomAccess, states: dict[UUID, Presence]) -> RoomView:
    row, caller, mine = access.row, access.caller, access.mine
    state = access.room
    is_consultation = row.ref_type == "consultation"
    return RoomView(
        id=row.id,
        kind=row.kind,
        state=state.state.value,
        close_reason=row.close_reason,
        seq=row.seq,
        subject=Subject(title=row.title, consultation_id=row.ref_id if is_consultation else None),
        recording=rules.RecordingPolicy(row.recording).value,
        lead_id=row.lead_id,
        members=[
            member_view(each, states.get(each.user_id, "offline")) for each in access.participants
        ],
        me=MyPlace(
            user_id=caller.user_id,
            read_seq=mine.read_seq if mine else 0,
            may_send=mine is not None and room.may_send(state, caller.user_id, caller.role),
        ),
    )


def member_view(row: ParticipantRow, state: Presence) -> MemberView:
    return MemberView(
        user_id=row.user_id,
        name=row.name,
        role=Role(row.role),
        avatar=row.avatar,
        state="joined" if row.left_at is None else "left",
        presence=state,
        read_seq=row.read_seq,
        delivered_seq=row.delivered_seq,
    )
