"""The public catalogue: clinicians with their stars and prices, and who is online."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import ColumnElement, Float, Select, and_, cast, func, literal, or_, select
from sqlalchemy.orm import selectinload

from clinical.consultation import access as consultations
from clinical.consultation.states import COUNTED, PRACTITIONER, Kind, Mode
from clinical.cursors import bad_cursor
from clinical.days import business_day
from clinical.people import access, rules, settings
from clinical.people.access import Practitioner
from clinical.people.models import Clinician, ClinicianService
from clinical.people.schemas import (
    DoctorCard,
    DoctorView,
    ServiceView,
    doctor_ref,
    service_views,
)
from clinical.people.states import MedicationField
from clinical.rating import access as ratings
from clinical.schedule import access as schedule
from core import settings as core_settings
from core.errors import NotFound
from core.http import decode_cursor, encode_cursor
from core.identity.caller import Caller
from core.identity.models import Department, User
from core.identity.roles import Role
from core.masking import mask_id_number
from core.uow import UnitOfWork
from realtime import presence

Sort = Literal["rating", "volume", "price"]


@dataclass(frozen=True, kw_only=True)
class DoctorQuery:
    """What a patient looks for; everything is optional.

    `offering` a kind, `field` of medicines, `asked_by` an account that was served before, `on_duty`
    with a session on that day which can be booked.
    """

    profession: Role | None = None
    offering: Kind | None = None
    field: MedicationField | None = None
    asked_by: UUID | None = None
    on_duty: date | None = None

    department_id: UUID | None = None
    title: str | None = None
    mode: str | None = None
    q: str | None = None
    sort: Sort = "rating"
    cursor: str | None = None
    limit: int = 20
    favourites_of: UUID | None = None


@dataclass(frozen=True)
class _Found:
    """A doctor with the sums that a card shows and the value by which the list is sorted."""

    practitioner: Practitioner
    rating_count: int
    rating_average: float | None
    served: int
    key: float


async def _listed(uow: UnitOfWork, hospital_id: UUID) -> ColumnElement[bool]:
    """Who may be found: listed, enabled, licensed, in date and long enough in practice."""
    today = await business_day(uow, hospital_id)
    years = await core_settings.get(uow, settings.PRACTICE_YEARS, hospital_id=hospital_id)
    return and_(
        Clinician.hospital_id == hospital_id,
        Clinician.listed,
        User.enabled,
        Clinician.licence_valid_until >= today,
        Clinician.practice_start <= rules.years_before(today, years),
    )


async def search(
    uow: UnitOfWork, caller: Caller | None, hospital_id: UUID, wish: DoctorQuery
) -> tuple[list[DoctorCard], str | None]:
    """One page of doctors and the cursor of the next."""
    sums = ratings.sums(hospital_id).subquery()
    served = consultations.served_counts(hospital_id).subquery()
    key = _key(wish, sums, served)
    query = _cards(sums, served, key).where(await _listed(uow, hospital_id), *_wishes(wish))
    if wish.on_duty is not None:
        mode = Mode(wish.mode) if wish.mode else None
        duty = await schedule.on_duty(uow, hospital_id, wish.on_duty, mode)
        query = query.where(Clinician.user_id.in_(duty))
    query = _after(query, key, wish)
    ascending = wish.sort == "price"
    order = key.asc() if ascending else key.desc()
    rows = await uow.session.execute(query.order_by(order, Clinician.id).limit(wish.limit + 1))
    found = [_found(row) for row in rows]
    page = found[: wish.limit]
    following = None
    if len(found) > wish.limit:
        following = encode_cursor(page[-1].key, page[-1].practitioner.clinician.id)
    return await _doctor_cards(uow, caller, page), following


async def doctor(
    uow: UnitOfWork, caller: Caller | None, hospital_id: UUID, doctor_id: UUID
) -> DoctorView:
    """A doctor's own page. Raises NotFound for one who cannot be found in the catalogue."""
    sums = ratings.sums(hospital_id).subquery()
    served = consultations.served_counts(hospital_id).subquery()
    row = (
        await uow.session.execute(
            _cards(sums, served, cast(literal(0), Float)).where(
                await _listed(uow, hospital_id), Clinician.user_id == doctor_id
            )
        )
    ).one_or_none()
    if row is None:
        raise NotFound()
    found = _found(row)
    card = (await _doctor_cards(uow, caller, [found]))[0]
    clinician = found.practitioner.clinician
    today = await business_day(uow, hospital_id)
    return DoctorView(
        **card.model_dump(),
        introduction=clinician.introduction,
        practice_years=rules.age_at(clinician.practice_start, today),
        licence_number_masked=mask_id_number(clinician.licence_number),
    )


def _cards(sums: Any, served: Any, key: Any) -> Select[Any]:
    return (
        select(
            Clinician,
            User,
            Department,
            func.coalesce(sums.c.rating_count, 0),
            sums.c.rating_average,
            func.coalesce(served.c.served, 0),
            key,
        )
        .join(User, User.id == Clinician.user_id)
        .join(Department, Department.id == Clinician.department_id)
        .outerjoin(sums, sums.c.doctor_id == Clinician.user_id)
        .outerjoin(served, served.c.doctor_id == Clinician.user_id)
        .options(selectinload(Clinician.services))
    )


def _key(wish: DoctorQuery, sums: Any, served: Any) -> ColumnElement[float]:
    match wish.sort:
        case "rating":
            key: Any = func.coalesce(sums.c.rating_average, 0)
        case "volume":
            key = func.coalesce(served.c.served, 0)
        case "price":
            cheapest = select(func.min(ClinicianService.price_fen)).where(
                ClinicianService.clinician_id == Clinician.id, ClinicianService.enabled
            )
            if wish.mode:
                cheapest = cheapest.where(ClinicianService.mode == wish.mode)
            # Who offers nothing comes last.
            key = func.coalesce(cheapest.scalar_subquery(), 2**31)
    return cast(key, Float)


def _after(query: Select[Any], key: ColumnElement[float], wish: DoctorQuery) -> Select[Any]:
    values = decode_cursor(wish.cursor, 2)
    if values is None:
        return query
    try:
        last, last_id = float(values[0]), UUID(values[1])
    except (TypeError, ValueError, AttributeError) as error:
        raise bad_cursor() from error
    beyond = key > last if wish.sort == "price" else key < last
    return query.where(or_(beyond, and_(key == last, Clinician.id > last_id)))


def _wishes(wish: DoctorQuery) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wish.profession is not None:
        conditions.append(Clinician.profession == wish.profession)
    if wish.offering is not None:
        conditions.append(
            Clinician.services.any(
                and_(ClinicianService.kind == wish.offering, ClinicianService.enabled)
            )
        )
    if wish.field is not None:
        conditions.append(Clinician.medication_fields.contains([wish.field.value]))
    if wish.asked_by is not None:
        conditions.append(Clinician.user_id.in_(consultations.asked_by(wish.asked_by)))
    if wish.department_id is not None:
        conditions.append(
            or_(
                Clinician.department_id == wish.department_id,
                Department.parent_id == wish.department_id,
            )
        )
    if wish.title:
        conditions.append(Clinician.title == wish.title)
    if wish.mode:
        conditions.append(
            Clinician.services.any(
                and_(ClinicianService.mode == wish.mode, ClinicianService.enabled)
            )
        )
    if wish.favourites_of is not None:
        conditions.append(access.followed_by(wish.favourites_of))
    if wish.q and wish.q.strip():
        conditions.append(_matches(wish.q.strip()))
    return conditions


def _matches(text: str) -> ColumnElement[bool]:
    """By name, department or expertise; by pinyin or its initials when typed in Latin letters."""
    anywhere = [
        Clinician.name.icontains(text, autoescape=True),
        Clinician.expertise.icontains(text, autoescape=True),
        Department.name.icontains(text, autoescape=True),
    ]
    letters = "".join(text.lower().split())
    if letters.isascii() and letters.isalpha():
        anywhere += [
            Clinician.name_initials.startswith(letters, autoescape=True),
            Clinician.name_pinyin.startswith(letters, autoescape=True),
        ]
    return or_(*anywhere)


def _found(row: Any) -> _Found:
    clinician, user, department, count, average, served, key = row
    return _Found(Practitioner(clinician, user, department), count, average, served, key)


async def _doctor_cards(
    uow: UnitOfWork, caller: Caller | None, page: Sequence[_Found]
) -> list[DoctorCard]:
    counted = await _taken_today(uow, page)
    states = await presence.states(uow, [each.practitioner.user_id for each in page])
    followed = await access.favourite_doctors(
        uow.session, caller, [each.practitioner.clinician.id for each in page]
    )
    return [
        DoctorCard(
            **doctor_ref(each.practitioner).model_dump(),
            expertise=each.practitioner.clinician.expertise,
            medication_fields=[
                MedicationField(word) for word in each.practitioner.clinician.medication_fields
            ],
            rating_average=(
                round(each.rating_average, 1) if each.rating_average is not None else None
            ),
            rating_count=each.rating_count,
            consultation_count=each.served,
            services=await _open_services(uow, each.practitioner, counted),
            online=states.get(each.practitioner.user_id) != "offline",
            favourite=(each.practitioner.clinician.id in followed) if caller else None,
        )
        for each in page
    ]


async def _taken_today(uow: UnitOfWork, page: Sequence[_Found]) -> dict[tuple[UUID, str], int]:
    """How many of today's places are taken, by clinician and kind, where they are counted."""
    found: dict[tuple[UUID, str], int] = {}
    known = [each.practitioner for each in page]
    for kind in COUNTED:
        ids = [each.user_id for each in known if each.profession is PRACTITIONER[kind]]
        if ids:
            hospital_id = known[0].clinician.hospital_id
            taken = await consultations.taken_today(uow, hospital_id, ids, kind)
            found |= {(doctor_id, kind.value): count for doctor_id, count in taken.items()}
    return found


async def _open_services(
    uow: UnitOfWork, doctor: Practitioner, taken: Mapping[tuple[UUID, str], int]
) -> list[ServiceView]:
    """What a doctor offers; a kind that the hospital or department closed is switched off."""
    return [
        each.model_copy(
            update={
                "left_today": (
                    max(0, each.per_day - taken.get((doctor.user_id, each.kind), 0))
                    if each.per_day is not None
                    else None
                ),
                "enabled": each.enabled
                and await consultations.is_open(
                    uow,
                    doctor.clinician.hospital_id,
                    each.kind,
                    doctor.department.id,
                    doctor.user_id,
                ),
            }
        )
        for each in service_views(doctor)
    ]


async def followed(uow: UnitOfWork, caller: Caller) -> list[DoctorCard]:
    """The doctors whom the caller follows, by stars."""
    cards, _ = await search(
        uow,
        caller,
        caller.hospital_id,
        DoctorQuery(favourites_of=caller.user_id, limit=200),
    )
    return cards
