"""Who may see and do what in the schedule: every query made for a person."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Select, and_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from clinical.consultation import states
from clinical.consultation.states import PLANNED, Kind, Mode, kinds_led_by
from clinical.cursors import Moment
from clinical.days import zone_of
from clinical.people import access as people
from clinical.schedule import rules, settings
from clinical.schedule.errors import ShiftUnavailable
from clinical.schedule.models import Booking, QueueCall, Shift
from clinical.schedule.rules import ReleaseRule
from clinical.schedule.states import TAKING, Announcement, BookingState, ShiftState
from core import settings as core_settings
from core.access import READ, Action, Field, Mask, Scope, allow, condition, declare, grant
from core.access import Grant as Grant
from core.errors import NotFound
from core.identity.caller import Caller
from core.identity.roles import Role
from core.uow import UnitOfWork, unit_of

#: Who holds sessions.
TREATERS = tuple(role for role in states.TREATERS if PLANNED.intersection(kinds_led_by(role)))


def _own(caller: Caller) -> ColumnElement[bool]:
    """The caller's sessions in the profession of the token."""
    theirs = Shift.kind.in_(kinds_led_by(caller.role))
    return and_(Shift.doctor_id == caller.user_id, theirs)


SHIFT = declare(
    "shift",
    "排班",
    area="诊疗",
    here=Shift.hospital_id,
    actions={
        READ: Action("查看排班与候诊队列", (*TREATERS, Role.ADMINISTRATOR)),
        "plan": Action("排班、停诊", (*TREATERS, Role.ADMINISTRATOR), delegable=True),
        "extra": Action("加号", (*TREATERS, Role.ADMINISTRATOR)),
        "announce": Action("叫号与过号", TREATERS),
        "export": Action("导出", (Role.ADMINISTRATOR,), delegable=True),
    },
    scopes={Scope.OWN: _own, Scope.HOSPITAL: None},
    only={Scope.OWN: TREATERS, Scope.HOSPITAL: (Role.ADMINISTRATOR,)},
    defaults=[
        *(allow(role, Scope.OWN, READ, "plan", "extra", "announce") for role in TREATERS),
        allow(Role.ADMINISTRATOR, Scope.HOSPITAL, READ, "plan", "extra", "export"),
    ],
)
BOOKING = declare(
    "booking",
    "预约",
    area="诊疗",
    here=Booking.hospital_id,
    actions={
        READ: Action("查看", (Role.PATIENT,)),
        "move": Action("候诊签到与改约", (Role.PATIENT,)),
    },
    scopes={Scope.OWN: lambda caller: Booking.payer_id == caller.user_id},
    defaults=[allow(Role.PATIENT, Scope.OWN, READ, "move")],
    floors=[allow(Role.PATIENT, Scope.OWN, READ, "move")],
)
QUEUE_CALL = declare(
    "queue_call",
    "叫号日志",
    area="监管",
    here=QueueCall.hospital_id,
    actions={
        READ: Action("查看", (Role.ADMINISTRATOR, Role.SUPERVISOR), delegable=True),
        "export": Action("下载与导出", (Role.ADMINISTRATOR, Role.SUPERVISOR), delegable=True),
    },
    scopes={Scope.HOSPITAL: None},
    fields=[Field("patient.name", "患者姓名", Mask.NAME, "patient:name")],
    defaults=[
        allow(Role.ADMINISTRATOR, Scope.HOSPITAL, READ, "export"),
        allow(Role.SUPERVISOR, Scope.HOSPITAL, READ, "export"),
    ],
)


@dataclass(frozen=True, kw_only=True)
class Span:
    """From the first to the last day at the hospital, both included."""

    first: date
    last: date
    zone: ZoneInfo

    def holds(self, column: InstrumentedAttribute[datetime]) -> ColumnElement[bool]:
        return and_(column >= self._midnight(self.first), column < self._end)

    @property
    def _end(self) -> datetime:
        return self._midnight(self.last + timedelta(days=1))

    def _midnight(self, day: date) -> datetime:
        return datetime.combine(day, time(), self.zone)


# --- what patients choose from -------------------------------------------------------------------


async def release_rule(uow: UnitOfWork, shift: Shift) -> ReleaseRule:
    """How far ahead places of this doctor are given out."""
    place = {
        "hospital_id": shift.hospital_id,
        "department_id": shift.department_id,
        "user_id": shift.doctor_id,
    }
    return ReleaseRule(
        await core_settings.get(uow, settings.RELEASE_DAYS, **place),
        await core_settings.get(uow, settings.RELEASE_HOUR, **place),
    )


async def released(
    uow: UnitOfWork, hospital_id: UUID, doctor_id: UUID, kind: Kind | None, mode: Mode | None
) -> list[Shift]:
    """The doctor's sessions that patients may see: released, not over; suspended ones too."""
    query = select(Shift).where(
        Shift.hospital_id == hospital_id,
        Shift.doctor_id == doctor_id,
        Shift.state != ShiftState.DISABLED,
        Shift.ends_at > uow.now,
    )
    if kind is not None:
        query = query.where(Shift.kind == kind)
    if mode is not None:
        query = query.where(Shift.mode == mode)
    zone = await zone_of(uow, hospital_id)
    rows = list(await uow.session.scalars(query.order_by(Shift.starts_at, Shift.id).limit(500)))
    if not rows:
        return []
    rule = await release_rule(uow, rows[0])
    return [row for row in rows if rules.is_released(row.session, rule, uow.now, zone)]


async def on_duty(uow: UnitOfWork, hospital_id: UUID, day: date, mode: Mode | None) -> Select[UUID]:
    """Those with a session on a day that takes bookings and is not over, as user ids."""
    span = Span(first=day, last=day, zone=await zone_of(uow, hospital_id))
    query = select(Shift.doctor_id).where(
        Shift.hospital_id == hospital_id,
        Shift.state == ShiftState.OPEN,
        Shift.ends_at > uow.now,
        span.holds(Shift.starts_at),
    )
    return query if mode is None else query.where(Shift.mode == mode)


async def bookable(
    uow: UnitOfWork,
    hospital_id: UUID,
    shift_id: UUID,
    doctor_id: UUID | None,
    kind: Kind,
    mode: Mode,
) -> Shift:
    """A session of this doctor and service with a place left at this moment.

    Raises ShiftUnavailable, ShiftFull.
    """
    row = await uow.session.scalar(
        select(Shift).where(
            Shift.id == shift_id,
            Shift.hospital_id == hospital_id,
            Shift.doctor_id == doctor_id,
            Shift.kind == kind,
            Shift.mode == mode,
        )
    )
    if row is None:
        raise ShiftUnavailable()
    await require_place(uow, row)
    return row


async def require_place(uow: UnitOfWork, shift: Shift) -> None:
    """Raises ShiftUnavailable, ShiftFull."""
    zone = await zone_of(uow, shift.hospital_id)
    rules.require_place(shift.session, await release_rule(uow, shift), uow.now, zone)


# --- staff ---------------------------------------------------------------------------------------


async def shifts(
    session: AsyncSession,
    caller: Caller,
    span: Span,
    *,
    action: str = READ,
    doctor_id: UUID | None = None,
    department_id: UUID | None = None,
) -> list[Shift]:
    """The shifts of some days that the caller may see, in order of time. Raises NotPermitted."""
    allowed = await condition(unit_of(session), caller, SHIFT, action)
    query = select(Shift).where(allowed, span.holds(Shift.starts_at))
    if doctor_id is not None:
        query = query.where(Shift.doctor_id == doctor_id)
    if department_id is not None:
        query = query.where(Shift.department_id == department_id)
    return list(await session.scalars(query.order_by(Shift.starts_at, Shift.id).limit(5000)))


async def shift(
    session: AsyncSession,
    caller: Caller,
    shift_id: UUID,
    action: str = READ,
    *,
    lock: bool = False,
) -> Shift:
    """One shift with which the caller may do this. Raises NotFound, NotPermitted."""
    allowed = await condition(unit_of(session), caller, SHIFT, action)
    query = select(Shift).where(Shift.id == shift_id, allowed)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    row = await session.scalar(query)
    if row is None:
        raise NotFound()
    return row


async def locked(session: AsyncSession, shift_ids: Collection[UUID]) -> dict[UUID, Shift]:
    """Shifts under their locks, taken in one order, for reactions."""
    rows = await session.scalars(
        select(Shift)
        .where(Shift.id.in_(shift_ids))
        .order_by(Shift.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return {row.id: row for row in rows}


async def queue(session: AsyncSession, shift_id: UUID) -> list[Booking]:
    """Everybody who has a place in a shift, in the order of the queue."""
    rows = await session.scalars(
        select(Booking)
        .where(Booking.shift_id == shift_id, Booking.state.in_(TAKING))
        .order_by(Booking.position, Booking.number)
        .execution_options(populate_existing=True)
    )
    return list(rows)


async def queues(session: AsyncSession, shift_ids: Collection[UUID]) -> dict[UUID, list[Booking]]:
    """The queues of several shifts."""
    found: dict[UUID, list[Booking]] = {shift_id: [] for shift_id in shift_ids}
    if found:
        rows = await session.scalars(
            select(Booking)
            .where(Booking.shift_id.in_(shift_ids), Booking.state.in_(TAKING))
            .order_by(Booking.position, Booking.number)
        )
        for row in rows:
            found[row.shift_id].append(row)
    return found


async def ahead(session: AsyncSession, shift_ids: Collection[UUID]) -> dict[UUID, int]:
    """How many are ahead of each consultation that waits in one of the shifts."""
    return {
        booking.consultation_id: before
        for queue in (await queues(session, shift_ids)).values()
        for booking, before in rules.waiting(queue)
    }


async def place_of(session: AsyncSession, consultation_id: UUID) -> Booking | None:
    """The booking of a consultation, for reactions that hold its lock."""
    return await session.get(Booking, consultation_id, populate_existing=True)


# --- the patient ---------------------------------------------------------------------------------


async def booking(
    session: AsyncSession, caller: Caller, consultation_id: UUID, action: str = READ
) -> Booking:
    """One of the caller's own bookings. Raises NotFound, NotPermitted."""
    allowed = await condition(unit_of(session), caller, BOOKING, action)
    row = await session.scalar(
        select(Booking)
        .where(Booking.consultation_id == consultation_id, allowed)
        .execution_options(populate_existing=True)
    )
    if row is None:
        raise NotFound()
    return row


async def bookings(session: AsyncSession, caller: Caller) -> list[Booking]:
    """The caller's bookings, those that are still to come first. Raises NotPermitted."""
    allowed = await condition(unit_of(session), caller, BOOKING)
    rows = await session.scalars(
        select(Booking)
        .join(Shift, Shift.id == Booking.shift_id)
        .where(allowed, Booking.state != BookingState.RELEASED)
        .order_by(Shift.starts_at.desc(), Booking.consultation_id)
        .limit(200)
    )
    return list(rows)


# --- the calling log -----------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class CallFilters:
    """What somebody looks for in the calling log."""

    span: Span | None = None
    doctor: str = ""
    kind: Announcement | None = None


async def calls(
    session: AsyncSession,
    allowed: Grant,
    caller: Caller,
    filters: CallFilters,
    after: Moment | None,
    limit: int,
) -> list[QueueCall]:
    """Lines of the log within what the caller was granted, newest first."""
    query = select(QueueCall).where(allowed.condition)
    if filters.span is not None:
        query = query.where(filters.span.holds(QueueCall.at))
    if filters.doctor.strip():
        named = people.doctors_named(caller.hospital_id, filters.doctor.strip()[:50])
        query = query.where(QueueCall.doctor_id.in_(named))
    if filters.kind is not None:
        query = query.where(QueueCall.kind == filters.kind)
    if after is not None:
        query = query.where(tuple_(QueueCall.at, QueueCall.id) < after)
    rows = await session.scalars(
        query.order_by(QueueCall.at.desc(), QueueCall.id.desc()).limit(limit)
    )
    return list(rows)


async def calls_grant(uow: UnitOfWork, caller: Caller, action: str = READ) -> Grant:
    """What the caller may see of the calling log. Raises NotPermitted."""
    return await grant(uow, caller, QUEUE_CALL, action)


async def ever_booked(session: AsyncSession, shift_id: UUID) -> bool:
    """Whether anybody has or had a place in a shift."""
    row = await session.scalar(
        select(Booking.consultation_id).where(Booking.shift_id == shift_id).limit(1)
    )
    return row is not None


async def shifts_by_id(session: AsyncSession, shift_ids: Collection[UUID]) -> dict[UUID, Shift]:
    """Shifts of what the caller of this function may see."""
    if not shift_ids:
        return {}
    rows = await session.scalars(select(Shift).where(Shift.id.in_(shift_ids)))
    return {row.id: row for row in rows}
