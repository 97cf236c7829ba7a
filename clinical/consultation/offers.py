"""What a patient can order now: which kind in which way, by whom, at what price, for how long."""

from dataclasses import dataclass
from uuid import UUID

from clinical.consultation import access, errors, rules, settings
from clinical.consultation.states import COUNTED, MODES, PRACTITIONER, Kind, Mode, worded
from clinical.people import access as people
from core import settings as core_settings
from core.errors import FieldProblem, InvalidRequest, NotFound
from core.identity.access import departments
from core.identity.caller import Caller
from core.identity.models import Department
from core.uow import UnitOfWork


@dataclass(frozen=True, kw_only=True)
class Offer:
    """Who answers (nobody yet where a department is asked), the price in fen, the minutes."""

    doctor: people.Practitioner | None
    department: Department
    price_fen: int
    minutes: int

    @property
    def doctor_id(self) -> UUID | None:
        return self.doctor.user_id if self.doctor else None

    @property
    def name(self) -> str:
        """Who is asked, as the order calls it."""
        return self.doctor.clinician.name if self.doctor else self.department.name


async def offered(
    uow: UnitOfWork,
    caller: Caller,
    kind: Kind,
    mode: Mode,
    doctor_id: UUID | None,
    department_id: UUID | None,
) -> Offer:
    """The offer that a patient takes up, as it stands at this moment.

    Raises KindNotOffered, OwnDoctor, DoctorUnavailable, NotFound.
    """
    rules.possible(kind, mode)
    if kind is Kind.DEPARTMENT:
        return await _by_department(uow, caller.hospital_id, department_id)
    if doctor_id is None:
        raise InvalidRequest(fields=[FieldProblem("doctor_id", worded(kind, "请选择医生"))])
    doctor = await people.practitioner(uow.session, caller.hospital_id, doctor_id)
    if doctor.user_id == caller.user_id:
        raise errors.OwnDoctor()
    if not await access.is_open(
        uow, caller.hospital_id, kind, doctor.department.id, doctor.user_id
    ):
        raise errors.KindNotOffered()
    service = doctor.service(kind.value, mode.value)
    theirs = doctor.profession is PRACTITIONER[kind]
    if service is None or not theirs or not await people.may_treat(uow, doctor):
        raise errors.DoctorUnavailable()
    return Offer(
        doctor=doctor,
        department=doctor.department,
        price_fen=service.price_fen,
        minutes=service.minutes,
    )


async def require_place(
    uow: UnitOfWork, offer: Offer, kind: Kind, mode: Mode, *, take: bool = False
) -> None:
    """Where a number a day bounds a service, one is left today. Raises DayFull.

    With `take` whoever asks next waits for the end of the transaction, so that patients who press
    at once are counted one after another.
    """
    doctor = offer.doctor
    if kind not in COUNTED or doctor is None:
        return
    places = await people.places_a_day(uow.session, doctor, kind, mode, lock=take)
    taken = await access.taken_today(uow, doctor.clinician.hospital_id, [doctor.user_id], kind)
    if taken.get(doctor.user_id, 0) >= places:
        raise errors.DayFull()


async def _by_department(uow: UnitOfWork, hospital_id: UUID, department_id: UUID | None) -> Offer:
    if department_id is None:
        raise InvalidRequest(fields=[FieldProblem("department_id", "请选择科室")])
    known = {row.id: row for row, _ in await departments(uow, hospital_id)}
    if department_id not in known:
        raise NotFound()
    if not await access.is_open(uow, hospital_id, Kind.DEPARTMENT, department_id):
        raise errors.KindNotOffered()
    return await _department_offer(uow, hospital_id, known[department_id])


async def _department_offer(uow: UnitOfWork, hospital_id: UUID, department: Department) -> Offer:
    place = {"hospital_id": hospital_id, "department_id": department.id}
    return Offer(
        doctor=None,
        department=department,
        price_fen=await core_settings.get(uow, settings.DEPARTMENT_PRICE_FEN, **place),
        minutes=await core_settings.get(uow, settings.DEPARTMENT_MINUTES, **place),
    )


async def department_offers(uow: UnitOfWork, hospital_id: UUID) -> list[Offer]:
    """The departments that take orders by department, in their order."""
    return [
        await _department_offer(uow, hospital_id, row)
        for row, _ in await departments(uow, hospital_id)
        if await access.is_open(uow, hospital_id, Kind.DEPARTMENT, row.id)
    ]


DEPARTMENT_MODES = MODES[Kind.DEPARTMENT]
