"""Who may see a call, and what others may read of calls."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from uuid import UUID

from sqlalchemy import ColumnElement, Select, SQLColumnExpression, exists, func, or_, select

from core import settings
from core.access import Action, Scope, allow, declare, require
from core.errors import NotFound
from core.identity.caller import Caller
from core.identity.roles import Role
from core.uow import UnitOfWork
from media.calls import quality
from media.calls.call import Call, Participant
from media.calls.models import CallParticipantRow, CallRow
from media.calls.rules import (
    OBSERVERS,
    TALKERS,
    CallMedia,
    CallState,
    EndReason,
    Place,
    moderators,
)
from media.calls.schemas import CallView, ParticipantView, QualityView
from media.calls.settings import WITHOUT_RECORDING
from realtime import access as rooms
from realtime import participants
from realtime.models import RoomRow
from realtime.monitor_schemas import CallFigure
from realtime.rules import RecordingPolicy
from realtime.veil import shown

CALL = declare(
    "call",
    "音视频通话",
    area="诊疗",
    here=CallRow.hospital_id,
    # Seeing a call is seeing its room.
    actions={
        "talk": Action("参加通话", tuple(sorted(TALKERS))),
        "observe": Action("旁听通话（不被看到）", tuple(sorted(OBSERVERS))),
    },
    scopes={Scope.ROOMS: None, Scope.HOSPITAL: None},
    only={Scope.HOSPITAL: tuple(sorted(OBSERVERS))},
    defaults=[
        *(allow(role, Scope.ROOMS, "talk") for role in sorted(TALKERS)),
        *(allow(role, Scope.HOSPITAL, "observe") for role in sorted(OBSERVERS)),
    ],
    floors=[allow(Role.PATIENT, Scope.ROOMS, "talk")],
)


@dataclass(frozen=True)
class StoredCall:
    """A call with its rows, for the service that changes it."""

    row: CallRow
    people: list[CallParticipantRow]
    moderators: frozenset[UUID]
    #: Whether it waits for the patient's consent to be recorded.
    asks: bool = False

    @property
    def call(self) -> Call:
        """The pure state."""
        row = self.row
        return Call(
            id=row.id,
            room_id=row.room_id,
            media=CallMedia(row.media),
            state=CallState(row.state),
            started_by=row.started_by,
            started_at=row.started_at,
            ring_until=row.ring_until,
            answered_at=row.answered_at,
            ended_at=row.ended_at,
            end_reason=EndReason(row.end_reason) if row.end_reason else None,
            lecture=row.lecture,
            asks=self.asks,
            moderators=self.moderators,
            people={each.user_id: _participant(each) for each in self.people},
        )

    def of(self, user_id: UUID) -> CallParticipantRow | None:
        return next((each for each in self.people if each.user_id == user_id), None)


def _participant(row: CallParticipantRow) -> Participant:
    return Participant(
        user_id=row.user_id,
        role=Role(row.role),
        name=row.name,
        place=Place(row.place),
        device=row.device,
        audio=row.audio,
        video=row.video,
        screen=row.screen,
        on_stage=row.on_stage,
        hand_at=row.hand_at,
        joined_at=row.joined_at,
        seconds=row.seconds,
        gone_since=row.gone_since,
    )


def _is_shown(row: CallRow, person: CallParticipantRow, viewer: UUID | None) -> bool:
    """Of the many in a lecture, one listener is shown to another only by his hand."""
    if not row.lecture or viewer == row.started_by or viewer == person.user_id:
        return True
    return person.place == Place.JOINED and (person.on_stage or person.hand_at is not None)


def _viewers(stored: StoredCall) -> int:
    return sum(each.place == Place.JOINED and not each.on_stage for each in stored.people)


def view(stored: StoredCall, viewer: UUID | None = None) -> CallView:
    """The call as this user sees it; without one, as everybody may."""
    row = stored.row
    return CallView(
        id=row.id,
        room=row.room_id,
        media=CallMedia(row.media),
        state=CallState(row.state),
        started_by=row.started_by,
        started_at=row.started_at,
        answered_at=row.answered_at,
        ended_at=row.ended_at,
        end_reason=EndReason(row.end_reason) if row.end_reason else None,
        recording=row.record,
        asks_recording=stored.asks and row.state == CallState.RINGING,
        lecture=row.lecture,
        viewers=_viewers(stored) if row.lecture else None,
        moderators=sorted(stored.moderators),
        participants=[
            ParticipantView(
                user_id=each.user_id,
                name=each.name,
                role=Role(each.role),
                state=Place(each.place),
                device=each.device,
                audio=each.audio,
                video=each.video,
                screen=each.screen,
                on_stage=each.on_stage,
                hand_at=each.hand_at,
            )
            for each in stored.people
            if _is_shown(row, each, viewer)
        ],
    )


async def stored(uow: UnitOfWork, call_id: UUID, *, lock: bool = False) -> StoredCall | None:
    """A call by its id, without asking who wants it."""
    query = select(CallRow).where(CallRow.id == call_id)
    if lock:
        query = query.with_for_update()
    row = await uow.session.scalar(query.execution_options(populate_existing=True))
    if row is None:
        return None
    people = await uow.session.scalars(
        select(CallParticipantRow)
        .where(CallParticipantRow.call_id == call_id)
        .order_by(CallParticipantRow.position)
        .execution_options(populate_existing=True)
    )
    return StoredCall(row, list(people), await _moderators(uow, row), await _asks(uow, row))


async def _moderators(uow: UnitOfWork, row: CallRow) -> frozenset[UUID]:
    kind, lead_id = await rooms.lead_of(uow, row.room_id)
    return moderators(kind, lead_id, row.started_by, lecture=row.lecture)


async def _asks(uow: UnitOfWork, row: CallRow) -> bool:
    if row.record or row.state != CallState.RINGING:
        return False
    policy = await rooms.recording_of(uow, row.room_id)
    return policy is RecordingPolicy.ASK and not await may_go_unrecorded(uow, row.hospital_id)


async def may_go_unrecorded(uow: UnitOfWork, hospital_id: UUID) -> bool:
    """Whether the hospital lets its patients' calls be held without a recording."""
    return await settings.get(uow, WITHOUT_RECORDING, hospital_id=hospital_id)


async def require_talk(uow: UnitOfWork, caller: Caller) -> None:
    """Raises NotPermitted for somebody whom the policies let take part in no call."""
    await require(uow, caller, CALL, "talk")


async def room_of(uow: UnitOfWork, caller: Caller, call_id: UUID) -> UUID:
    """The room of a call that the caller takes part in. Raises NotFound alike for any other."""
    room_id = await uow.session.scalar(
        select(CallRow.room_id)
        .join(CallParticipantRow, CallParticipantRow.call_id == CallRow.id)
        .where(
            CallRow.id == call_id,
            CallRow.hospital_id == caller.hospital_id,
            CallParticipantRow.user_id == caller.user_id,
            CallParticipantRow.role == caller.role.value,
        )
    )
    if room_id is None:
        raise NotFound
    return room_id


async def room_to_intervene(uow: UnitOfWork, caller: Caller, call_id: UUID) -> RoomRow:
    """The room of a call in which a supervisor may intervene. Raises NotPermitted, NotFound."""
    room_id = await uow.session.scalar(select(CallRow.room_id).where(CallRow.id == call_id))
    if room_id is None:
        raise NotFound
    return await participants.supervised(uow, caller, room_id)


async def room_to_join(
    uow: UnitOfWork, caller: Caller, call_id: UUID
) -> tuple[UUID, Participant | None]:
    """The room of a call that the caller may come into, and the caller as a newcomer when he was
    not asked at its beginning. Raises NotFound, NotPermitted.
    """
    known = await uow.session.scalar(
        select(CallParticipantRow.role).where(
            CallParticipantRow.call_id == call_id, CallParticipantRow.user_id == caller.user_id
        )
    )
    if known is not None:
        return await room_of(uow, caller, call_id), None
    room_id = await uow.session.scalar(
        select(CallRow.room_id).where(
            CallRow.id == call_id, CallRow.hospital_id == caller.hospital_id
        )
    )
    if room_id is None:
        raise NotFound
    await require_talk(uow, caller)
    room = await rooms.member_of(uow, caller, room_id)
    assert room.mine is not None  # Else `member_of` refuses.
    return room_id, Participant(user_id=caller.user_id, role=caller.role, name=room.mine.name)


async def current_call(
    uow: UnitOfWork, room_id: UUID, viewer: UUID | None = None
) -> CallView | None:
    """The call under way in a room that the caller has been let into."""
    call_id = await uow.session.scalar(
        select(CallRow.id).where(CallRow.room_id == room_id, CallRow.state != CallState.ENDED)
    )
    found = await stored(uow, call_id) if call_id is not None else None
    return view(found, viewer) if found is not None else None


async def rooms_in_call(uow: UnitOfWork, room_ids: Sequence[UUID]) -> set[UUID]:
    """Those of the rooms in which a call is under way."""
    found = select(CallRow.room_id).where(
        CallRow.room_id.in_(room_ids), CallRow.state != CallState.ENDED
    )
    return set(await uow.session.scalars(found))


def rooms_with_calls() -> Select[UUID]:
    """The ids of all rooms in which a call is under way, as a subquery."""
    return select(CallRow.room_id).where(CallRow.state != CallState.ENDED)


def talked_since(
    room_id: SQLColumnExpression[UUID], moment: SQLColumnExpression[datetime]
) -> ColumnElement[bool]:
    """Whether an answered call in that room goes on, or ended at that moment or later."""
    return exists().where(
        CallRow.room_id == room_id,
        CallRow.answered_at.is_not(None),
        or_(CallRow.ended_at.is_(None), CallRow.ended_at >= moment),
    )


async def call_figures(uow: UnitOfWork, room_ids: Sequence[UUID]) -> dict[UUID, CallFigure]:
    """What the room monitor shows of the calls in these rooms."""
    found = await uow.session.scalars(
        select(CallRow).where(CallRow.room_id.in_(room_ids), CallRow.state != CallState.ENDED)
    )
    rows = list(found)
    levels = await quality.worst_levels(uow, [row.id for row in rows])
    return {
        row.room_id: CallFigure(
            state=row.state, media=row.media, since=row.started_at, quality=levels.get(row.id)
        )
        for row in rows
    }


async def call_in_room(uow: UnitOfWork, caller: Caller, room_id: UUID) -> CallView | None:
    """The call under way, for somebody who may see the room. Raises NotFound."""
    room = await rooms.room_for(uow, caller, room_id)
    call = await current_call(uow, room_id, caller.user_id)
    return shown(room.veil, call) if call is not None else None


async def call_quality(uow: UnitOfWork, caller: Caller, room_id: UUID) -> list[QualityView]:
    """The connections of the latest call, for somebody who may see the room. Raises NotFound."""
    await rooms.room_for(uow, caller, room_id)
    call_id = await uow.session.scalar(
        select(CallRow.id)
        .where(CallRow.room_id == room_id)
        .order_by(CallRow.started_at.desc())
        .limit(1)
    )
    return await quality.of_call(uow, call_id) if call_id is not None else []


async def live_calls(uow: UnitOfWork) -> list[CallRow]:
    """Every call that rings or is active, for upkeep."""
    found = await uow.session.scalars(select(CallRow).where(CallRow.state != CallState.ENDED))
    return list(found)


async def people_of(uow: UnitOfWork, call_id: UUID) -> dict[UUID, Participant]:
    """The participants, staff before patients, for what is made of a call."""
    found = await stored(uow, call_id)
    people = found.people if found is not None else []
    ordered = sorted(people, key=lambda each: (each.role == Role.PATIENT, each.position))
    return {each.user_id: _participant(each) for each in ordered}


async def names_of(uow: UnitOfWork, call_id: UUID) -> dict[UUID, str]:
    """Names of the participants, in the order of `people_of`."""
    return {user_id: each.name for user_id, each in (await people_of(uow, call_id)).items()}


@dataclass(frozen=True)
class TalkTime:
    """`calls` answered and ended, their `minutes` (each begun minute of a call counts), and
    `participant_minutes`, the sum over everybody who was in them.
    """

    calls: int
    minutes: int
    participant_minutes: int


async def first_day(uow: UnitOfWork, hospital_id: UUID, zone: tzinfo) -> date | None:
    """The day of a hospital's first call, or None before there was one."""
    first = await uow.session.scalar(
        select(func.min(CallRow.started_at)).where(CallRow.hospital_id == hospital_id)
    )
    return first.astimezone(zone).date() if first is not None else None


async def talk_time(
    uow: UnitOfWork, hospital_id: UUID, since: datetime, until: datetime
) -> TalkTime:
    """What calls of a hospital that ended in [since, until) took (S0-N-021)."""
    length = func.extract("epoch", CallRow.ended_at - CallRow.answered_at)
    ended = (
        CallRow.hospital_id == hospital_id,
        CallRow.answered_at.is_not(None),
        CallRow.ended_at >= since,
        CallRow.ended_at < until,
    )
    calls, minutes = (
        await uow.session.execute(
            select(func.count(), func.coalesce(func.sum(func.ceil(length / 60)), 0)).where(*ended)
        )
    ).one()
    seconds = await uow.session.scalar(
        select(func.coalesce(func.sum(CallParticipantRow.seconds), 0))
        .join(CallRow, CallRow.id == CallParticipantRow.call_id)
        .where(*ended)
    )
    return TalkTime(int(calls), int(minutes), -(-int(seconds or 0) // 60))
