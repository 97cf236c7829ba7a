"""The verbs of planning: make, change, copy, switch, add places, call off."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import select, text

from clinical.consultation.states import (
    KIND_TEXT,
    MODES,
    PLANNED,
    PRACTITIONER,
    Kind,
    Mode,
)
from clinical.days import zone_of
from clinical.people import access as people
from clinical.schedule import access, errors, rules
from clinical.schedule.access import Span
from clinical.schedule.events import ShiftSuspended
from clinical.schedule.models import Shift
from clinical.schedule.notices import tell_planners, tell_queue
from clinical.schedule.states import BookingState, ShiftState
from core import audit
from core.access import require
from core.errors import InvalidRequest
from core.identity.caller import Caller
from core.uow import UnitOfWork

WEEK = timedelta(days=7)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A shift as it is planned."""

    doctor_id: UUID
    kind: Kind
    mode: Mode
    starts_at: datetime
    ends_at: datetime
    places: int


async def plan(uow: UnitOfWork, caller: Caller, wish: Plan) -> Shift:
    """A new shift. Raises NotPermitted, NotFound, ShiftTimes, ShiftPast, ShiftOverlaps."""
    await require(uow, caller, access.SHIFT, "plan")
    row = await _add(uow, caller, wish)
    # Whoever plans for himself plans for nobody else.
    await access.shift(uow.session, caller, row.id, "plan")
    await audit.record(uow, caller, "shift.plan", "shift", row.id, changes=audit.changes_of(row))
    await tell_planners(uow, caller.hospital_id, [row.doctor_id])
    return row


async def _add(uow: UnitOfWork, caller: Caller, wish: Plan) -> Shift:
    rules.check_times(wish.starts_at, wish.ends_at)
    if wish.ends_at <= uow.now:
        raise errors.ShiftPast()
    if wish.kind not in PLANNED:
        raise InvalidRequest(f"{KIND_TEXT[wish.kind]}不按时段排班")
    if wish.mode not in MODES[wish.kind]:
        raise InvalidRequest("此类问诊不能以这种方式进行")
    doctor = await people.practitioner(uow.session, caller.hospital_id, wish.doctor_id)
    if doctor.profession is not PRACTITIONER[wish.kind]:
        answerer = PRACTITIONER[wish.kind].label
        raise InvalidRequest(f"{KIND_TEXT[wish.kind]}由{answerer}排班")
    await _no_overlap(uow, wish.doctor_id, wish.starts_at, wish.ends_at)
    row = Shift(
        hospital_id=caller.hospital_id,
        doctor_id=wish.doctor_id,
        department_id=doctor.department.id,
        kind=wish.kind,
        mode=wish.mode,
        starts_at=wish.starts_at,
        ends_at=wish.ends_at,
        places=wish.places,
        created_at=uow.now,
        changed_at=uow.now,
    )
    uow.session.add(row)
    await uow.session.flush()
    return row


async def _no_overlap(
    uow: UnitOfWork,
    doctor_id: UUID,
    starts_at: datetime,
    ends_at: datetime,
    but: UUID | None = None,
) -> None:
    """One doctor is in one session at a time; the lock lets two planners in one after another."""
    await uow.session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"),
        {"key": f"shifts:{doctor_id}"},
    )
    query = select(Shift.id).where(
        Shift.doctor_id == doctor_id,
        Shift.starts_at < ends_at,
        Shift.ends_at > starts_at,
        Shift.state != ShiftState.SUSPENDED,
    )
    if but is not None:
        query = query.where(Shift.id != but)
    if await uow.session.scalar(query.limit(1)) is not None:
        raise errors.ShiftOverlaps()


async def change(
    uow: UnitOfWork,
    caller: Caller,
    shift_id: UUID,
    version: int,
    *,
    starts_at: datetime,
    ends_at: datetime,
    places: int,
) -> Shift:
    """Another time or number of places; who booked already keeps the time, so it stays then.

    Raises NotFound, ShiftChanged, ShiftBooked, TooFewPlaces, ShiftOverlaps and what `plan` raises.
    """
    row = await _to_plan(uow, caller, shift_id)
    if row.version != version:
        raise errors.ShiftChanged()
    rules.check_times(starts_at, ends_at)
    if row.taken and (starts_at, ends_at) != (row.starts_at, row.ends_at):
        raise errors.ShiftBooked()
    if places + row.extra < row.taken:
        raise errors.TooFewPlaces()
    await _no_overlap(uow, row.doctor_id, starts_at, ends_at, row.id)
    row.starts_at, row.ends_at, row.places = starts_at, ends_at, places
    await _changed(uow, caller, row, "change")
    return row


async def switch(uow: UnitOfWork, caller: Caller, shift_id: UUID, *, on: bool) -> Shift:
    """Take bookings or not; who booked keeps the place. Raises NotFound, ShiftSuspendedAlready."""
    row = await _to_plan(uow, caller, shift_id)
    row.state = ShiftState.OPEN if on else ShiftState.DISABLED
    await _changed(uow, caller, row, "enable" if on else "disable")
    return row


async def remove(uow: UnitOfWork, caller: Caller, shift_id: UUID) -> None:
    """Take a shift out that nobody ever booked. Raises NotFound, ShiftBooked."""
    row = await access.shift(uow.session, caller, shift_id, "plan", lock=True)
    if await access.ever_booked(uow.session, shift_id):
        raise errors.ShiftBooked()
    await audit.record(uow, caller, "shift.remove", "shift", row.id)
    await uow.session.delete(row)
    await tell_planners(uow, caller.hospital_id, [row.doctor_id])


async def add_extra(uow: UnitOfWork, caller: Caller, shift_id: UUID, places: int) -> Shift:
    """More places than planned (加号), by the doctor or the planners.

    Raises NotFound, ShiftPast, ShiftSuspendedAlready.
    """
    row = await access.shift(uow.session, caller, shift_id, "extra", lock=True)
    _require_living(row, uow.now)
    row.extra += places
    await _changed(uow, caller, row, "extra")
    return row


async def suspend(uow: UnitOfWork, caller: Caller, shift_id: UUID, reason: str) -> Shift:
    """Call a shift off (停诊): its patients are told and get everything back.

    Raises NotFound, ShiftPast, ShiftSuspendedAlready.
    """
    row = await _to_plan(uow, caller, shift_id)
    row.state, row.reason = ShiftState.SUSPENDED, reason
    queue = await access.queue(uow.session, row.id)
    waiting = [
        each.consultation_id
        for each in queue
        if each.state not in (BookingState.SERVING, BookingState.DONE)
    ]
    await _changed(uow, caller, row, "suspend", reason)
    uow.record(
        ShiftSuspended(
            hospital_id=row.hospital_id,
            aggregate_id=row.id,
            occurred_at=uow.now,
            consultations=tuple(waiting),
        )
    )
    await tell_queue(uow, row, queue)
    return row


async def copy_week(
    uow: UnitOfWork,
    caller: Caller,
    from_day: date,
    to_day: date,
    doctor_id: UUID | None,
    department_id: UUID | None,
) -> tuple[int, int]:
    """Plan the seven days from `to_day` like those from `from_day`; returns (made, left out).

    Left out is what is over or would overlap with what is planned already, so that copying twice
    makes nothing twice. Times stay the same by the clock on the wall.
    """
    await require(uow, caller, access.SHIFT, "plan")
    zone = await zone_of(uow, caller.hospital_id)
    span = Span(first=from_day, last=from_day + timedelta(days=6), zone=zone)
    models = await access.shifts(
        uow.session, caller, span, action="plan", doctor_id=doctor_id, department_id=department_id
    )
    days = to_day - from_day
    made: list[Shift] = []
    left_out = 0
    for model in models:
        if model.state is not ShiftState.OPEN:
            continue
        wish = Plan(
            doctor_id=model.doctor_id,
            kind=model.kind,
            mode=model.mode,
            starts_at=(model.starts_at.astimezone(zone) + days).astimezone(model.starts_at.tzinfo),
            ends_at=(model.ends_at.astimezone(zone) + days).astimezone(model.ends_at.tzinfo),
            places=model.places,
        )
        try:
            made.append(await _add(uow, caller, wish))
        except (errors.ShiftOverlaps, errors.ShiftPast):
            left_out += 1
    await audit.record(
        uow,
        caller,
        "shift.copy_week",
        "shift",
        str(to_day),
        detail={"from": str(from_day), "to": str(to_day), "made": len(made)},
    )
    await tell_planners(uow, caller.hospital_id, {row.doctor_id for row in made})
    return len(made), left_out


async def _to_plan(uow: UnitOfWork, caller: Caller, shift_id: UUID) -> Shift:
    row = await access.shift(uow.session, caller, shift_id, "plan", lock=True)
    _require_living(row, uow.now)
    return row


def _require_living(row: Shift, now: datetime) -> None:
    if row.state is ShiftState.SUSPENDED:
        raise errors.ShiftSuspendedAlready()
    if now >= row.ends_at:
        raise errors.ShiftPast()


async def _changed(
    uow: UnitOfWork, caller: Caller, row: Shift, verb: str, reason: str = ""
) -> None:
    row.version += 1
    row.changed_at = uow.now
    await audit.record(
        uow,
        caller,
        f"shift.{verb}",
        "shift",
        row.id,
        reason=reason,
        changes=audit.changes_of(row),
    )
    await uow.session.flush()
    await tell_planners(uow, row.hospital_id, _who(row))


def _who(row: Shift) -> Iterable[UUID]:
    return [row.doctor_id]
