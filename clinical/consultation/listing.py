"""Lists of consultations: filters, search, pages."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, or_, select, tuple_

from clinical.consultation.models import Consultation
from clinical.consultation.states import State
from clinical.cursors import Moment
from clinical.days import zone_of
from clinical.people import access as people
from core.access import Grant
from core.errors import FieldProblem, InvalidRequest
from core.identity.caller import Caller
from core.uow import UnitOfWork

EARLIEST, LATEST = 1970, 2200


@dataclass(frozen=True, kw_only=True)
class Filters:
    """What somebody looks for; days are business days at the hospital, both ends included."""

    states: tuple[State, ...] = ()
    q: str | None = None
    patient_id: UUID | None = None
    doctor_id: UUID | None = None
    first_day: date | None = None
    last_day: date | None = None


def read_states(text: str | None) -> tuple[State, ...]:
    """`draft,awaiting_payment` as states. Raises InvalidRequest for an unknown word."""
    words = [word.strip() for word in (text or "").split(",") if word.strip()]
    try:
        return tuple(State(word) for word in words)
    except ValueError as error:
        raise InvalidRequest(fields=[FieldProblem("state", "未知的状态")]) from error


async def page(
    uow: UnitOfWork,
    caller: Caller,
    allowed: Grant,
    filters: Filters,
    after: Moment | None,
    limit: int,
) -> list[Consultation]:
    """Consultations within what the caller was granted, newest first."""
    query = select(Consultation).where(
        allowed.condition, *await _conditions(uow, caller, allowed, filters)
    )
    if after is not None:
        query = query.where(tuple_(Consultation.created_at, Consultation.id) < after)
    rows = await uow.session.scalars(
        query.order_by(Consultation.created_at.desc(), Consultation.id.desc()).limit(limit)
    )
    return list(rows)


async def _conditions(
    uow: UnitOfWork, caller: Caller, allowed: Grant, filters: Filters
) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if filters.states:
        conditions.append(Consultation.state.in_(filters.states))
    if filters.patient_id is not None:
        conditions.append(Consultation.patient_id == filters.patient_id)
    if filters.doctor_id is not None:
        conditions.append(Consultation.doctor_id == filters.doctor_id)
    zone = await zone_of(uow, caller.hospital_id)
    if filters.first_day is not None:
        conditions.append(Consultation.created_at >= _midnight(filters.first_day, zone))
    if filters.last_day is not None:
        end = _midnight(filters.last_day, zone) + timedelta(days=1)
        conditions.append(Consultation.created_at < end)
    if filters.q and filters.q.strip():
        conditions.append(_matches(caller, allowed, filters.q.strip()))
    return conditions


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    if not EARLIEST <= day.year <= LATEST:
        raise InvalidRequest(fields=[FieldProblem("from", "日期超出范围")])
    return datetime.combine(day, time(), zone)


def _matches(caller: Caller, allowed: Grant, text: str) -> ColumnElement[bool]:
    """By number, the patient's whole name (it is encrypted), or the doctor's name.

    Who may not see the name does not find by it either: a hit would confirm a guess.
    """
    found = or_(
        Consultation.number.icontains(text, autoescape=True),
        Consultation.doctor_id.in_(people.doctors_named(caller.hospital_id, text)),
    )
    if allowed.withholds("patient.name"):
        return found
    return or_(found, Consultation.patient_id.in_(people.patients_named(caller.hospital_id, text)))
