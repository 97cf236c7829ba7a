"""Lists of consultations: filters, search, pages."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, false, or_, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from clinical.consultation.models import Consultation
from clinical.consultation.states import Kind, Mode, Purpose, State
from clinical.cursors import Moment
from clinical.days import zone_of
from clinical.people import access as people
from core.access import Grant
from core.crypto.keyring import installed_keyring
from core.errors import FieldProblem, InvalidRequest
from core.identity.access import phone_key
from core.identity.caller import Caller
from core.identity.models import User
from core.identity.rules import normal_phone
from core.uow import UnitOfWork

EARLIEST, LATEST = 1970, 2200
LONGEST = 50


class Moments(StrEnum):
    """Which of its moments a consultation is looked for by."""

    CREATED = "created"
    ACCEPTED = "accepted"
    ENDED = "ended"
    APPOINTED = "appointed"

    @property
    def column(self) -> InstrumentedAttribute[Any]:
        return _COLUMNS[self]


_COLUMNS: dict[Moments, InstrumentedAttribute[Any]] = {
    Moments.CREATED: Consultation.created_at,
    Moments.ACCEPTED: Consultation.accepted_at,
    Moments.ENDED: Consultation.ended_at,
    Moments.APPOINTED: Consultation.starts_at,
}


@dataclass(frozen=True, kw_only=True)
class Filters:
    """What somebody looks for; days are business days at the hospital, both ends included.

    `booked`: with an appointed time, or without. `q`: number, doctor or patient; `patient` and
    `doctor` look for these alone.
    """

    states: tuple[State, ...] = ()
    q: str | None = None
    patient: str | None = None
    doctor: str | None = None
    patient_id: UUID | None = None
    doctor_id: UUID | None = None
    department_id: UUID | None = None
    kind: Kind | None = None
    booked: bool | None = None
    mode: Mode | None = None
    purpose: Purpose | None = None
    by: Moments = Moments.CREATED
    first_day: date | None = None
    last_day: date | None = None

    def words(self) -> Mapping[str, Any]:
        """What was asked for, for the audit: who was searched for is not told there."""
        asked = asdict(self)
        if self.by is Moments.CREATED:
            del asked["by"]
        for name in ("q", "patient"):
            if asked[name]:
                asked[name] = f"{asked[name][:1]}***"
        return asked


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
        allowed.condition, *await conditions(uow, caller, allowed, filters)
    )
    if after is not None:
        query = query.where(tuple_(Consultation.created_at, Consultation.id) < after)
    rows = await uow.session.scalars(
        query.order_by(Consultation.created_at.desc(), Consultation.id.desc()).limit(limit)
    )
    return list(rows)


async def conditions(
    uow: UnitOfWork, caller: Caller, allowed: Grant, filters: Filters
) -> list[ColumnElement[bool]]:
    """What the filters ask for, beside what the caller was granted."""
    found: list[ColumnElement[bool]] = []
    if filters.states:
        found.append(Consultation.state.in_(filters.states))
    exactly: tuple[tuple[InstrumentedAttribute[Any], Any], ...] = (
        (Consultation.patient_id, filters.patient_id),
        (Consultation.doctor_id, filters.doctor_id),
        (Consultation.department_id, filters.department_id),
        (Consultation.kind, filters.kind),
        (Consultation.mode, filters.mode),
        (Consultation.purpose, filters.purpose),
    )
    found += [column == wanted for column, wanted in exactly if wanted is not None]
    if filters.booked is not None:
        appointed = Consultation.shift_id.is_not(None)
        found.append(appointed if filters.booked else ~appointed)
    zone = await zone_of(uow, caller.hospital_id)
    moment = filters.by.column
    if filters.first_day is not None:
        found.append(moment >= _midnight(filters.first_day, zone))
    if filters.last_day is not None:
        found.append(moment < _midnight(filters.last_day, zone) + timedelta(days=1))
    if q := _words(filters.q):
        of_patient = _of_patient(caller, allowed, q)
        found.append(or_(_numbered(q), _of_doctor(caller, q), *of_patient))
    if patient := _words(filters.patient):
        found.append(or_(false(), *_of_patient(caller, allowed, patient)))
    if doctor := _words(filters.doctor):
        found.append(_of_doctor(caller, doctor))
    return found


def _words(text: str | None) -> str:
    return (text or "").strip()[:LONGEST]


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    if not EARLIEST <= day.year <= LATEST:
        raise InvalidRequest(fields=[FieldProblem("from", "日期超出范围")])
    return datetime.combine(day, time(), zone)


def _numbered(text: str) -> ColumnElement[bool]:
    return Consultation.number.icontains(text, autoescape=True)


def _of_doctor(caller: Caller, text: str) -> ColumnElement[bool]:
    return Consultation.doctor_id.in_(people.doctors_named(caller.hospital_id, text))


def _of_patient(caller: Caller, allowed: Grant, text: str) -> list[ColumnElement[bool]]:
    """By the patient's whole name or visit card, or the phone of the account: all are encrypted,
    so that only the whole of it finds anything.

    Who may not see one of them does not find by it either: a hit would confirm a guess.
    """
    here = caller.hospital_id
    found: list[ColumnElement[bool]] = []
    if not allowed.withholds("patient.name"):
        found.append(Consultation.patient_id.in_(people.patients_named(here, text)))
    if not allowed.withholds("patient.card_number"):
        found.append(Consultation.patient_id.in_(people.patients_with_card(here, text)))
    phone = normal_phone(text)
    if phone is not None and not allowed.withholds("patient.phone_masked"):
        account = select(User.id).where(User.phone_index == phone_key(installed_keyring(), phone))
        found.append(Consultation.payer_id.in_(account))
    return found
