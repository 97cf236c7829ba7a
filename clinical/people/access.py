"""Who may see or act for whom: every query about patients and clinicians made for a person."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import ColumnElement, Select, exists, func, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import contains_eager, selectinload

from clinical.days import business_day
from clinical.people import rules, settings
from clinical.people.admission import Newcomer as Newcomer
from clinical.people.admission import require_before_adding as require_before_adding
from clinical.people.models import (
    Clinician,
    ClinicianService,
    FavouriteDoctor,
    Patient,
    card_number_index,
)
from clinical.people.models import PatientRelation as PatientRelation
from clinical.people.states import IdType, PatientKind, Relation
from core import settings as core_settings
from core.access import READ, Action, Field, Mask, Scope, allow, declare, grant
from core.crypto.blind_index import blind_index
from core.crypto.keyring import Keyring, installed_keyring
from core.errors import NotFound
from core.identity.caller import Caller
from core.identity.id_numbers import Sex
from core.identity.models import Department, RoleAssignment, User
from core.identity.roles import Role
from core.masking import mask_name
from core.uow import UnitOfWork, unit_of

ID_INDEX = "patients.id_number"
NAME_INDEX = "patients.name"
_SEX = {Sex.MALE: "男", Sex.FEMALE: "女"}

#: What may be withheld of a patient, here and wherever else a patient is shown.
PATIENT_FIELDS: tuple[Field, ...] = (
    Field("name", "患者姓名", Mask.NAME),
    Field("id_number_masked", "证件号码"),
    Field("phone_masked", "联系电话"),
    Field("address", "住址", Mask.ADDRESS),
    Field("card_number", "就诊卡号", Mask.ID_NUMBER),
    Field("guardian", "监护人"),
)

PATIENT = declare(
    "patient",
    "就诊人",
    area="诊疗",
    here=PatientRelation.hospital_id,
    actions={
        READ: Action(
            "查看资料",
            (
                Role.PATIENT,
                Role.DOCTOR,
                Role.NURSE,
                Role.PHARMACIST,
                Role.SUPERVISOR,
                Role.ADMINISTRATOR,
            ),
        ),
        "manage": Action("添加与修改", (Role.PATIENT,)),
    },
    scopes={
        Scope.OWN: lambda caller: PatientRelation.user_id == caller.user_id,
        # Staff meet patients through what they may see of them (a consultation); this cell says
        # what of the person is withheld there.
        Scope.HOSPITAL: None,
    },
    only={Scope.OWN: (Role.PATIENT,)},
    fields=PATIENT_FIELDS,
    defaults=[
        allow(Role.PATIENT, Scope.OWN, READ, "manage"),
        allow(Role.DOCTOR, Scope.HOSPITAL, READ),
        allow(Role.NURSE, Scope.HOSPITAL, READ),
        allow(Role.PHARMACIST, Scope.HOSPITAL, READ),
        allow(Role.SUPERVISOR, Scope.HOSPITAL, READ),
        allow(Role.ADMINISTRATOR, Scope.HOSPITAL, READ),
    ],
    floors=[allow(Role.PATIENT, Scope.OWN, READ, "manage")],
)


async def _bound(session: AsyncSession, caller: Caller) -> Select[PatientRelation]:
    """The persons that the caller acts for. Raises NotPermitted."""
    allowed = await grant(unit_of(session), caller, PATIENT, "manage")
    return (
        select(PatientRelation)
        .join(PatientRelation.patient)
        .options(contains_eager(PatientRelation.patient))
        .where(allowed.condition, PatientRelation.unbound_at.is_(None))
    )


async def my_patients(session: AsyncSession, caller: Caller) -> list[PatientRelation]:
    """The persons bound to the caller at this hospital, the default one first."""
    query = (await _bound(session, caller)).order_by(
        PatientRelation.is_default.desc(), PatientRelation.created_at, PatientRelation.id
    )
    return list(await session.scalars(query))


async def my_patient(
    session: AsyncSession, caller: Caller, patient_id: UUID, *, lock: bool = False
) -> PatientRelation:
    """One person bound to the caller. Raises NotFound."""
    query = (await _bound(session, caller)).where(PatientRelation.patient_id == patient_id)
    if lock:
        query = query.with_for_update(of=PatientRelation)
    relation = await session.scalar(query)
    if relation is None:
        raise NotFound()
    return relation


async def count_bound(session: AsyncSession, caller: Caller) -> int:
    """How many persons the caller has bound here. Holds a lock until the transaction ends."""
    await session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"),
        {"key": f"patients:{caller.hospital_id}:{caller.user_id}"},
    )
    return (
        await session.scalar(
            select(func.count())
            .select_from(PatientRelation)
            .where(
                PatientRelation.hospital_id == caller.hospital_id,
                PatientRelation.user_id == caller.user_id,
                PatientRelation.unbound_at.is_(None),
            )
        )
    ) or 0


async def has_self(session: AsyncSession, caller: Caller) -> bool:
    """Whether the caller has bound himself or herself here."""
    query = await _bound(session, caller)
    return (
        await session.scalar(query.where(PatientRelation.relation == Relation.SELF))
    ) is not None


def id_number_index(keyring: Keyring, number: str) -> bytes:
    """The blind index of a certificate number."""
    return blind_index(keyring, ID_INDEX, number)


def name_index(keyring: Keyring, name: str) -> bytes:
    """The blind index of a patient's whole name."""
    return blind_index(keyring, NAME_INDEX, name)


async def patients_called(
    session: AsyncSession, caller: Caller, words: str, limit: int
) -> list[Patient]:
    """Patients with exactly this name, card or identity number. Raises NotPermitted."""
    allowed = await grant(unit_of(session), caller, PATIENT)
    keyring = installed_keyring()
    rows = await session.scalars(
        select(Patient)
        .where(
            Patient.id.in_(select(PatientRelation.patient_id).where(allowed.condition)),
            or_(
                Patient.name_index == name_index(keyring, words),
                Patient.card_number_index == card_number_index(words),
                Patient.id_number_index == id_number_index(keyring, words.upper()),
            ),
        )
        .order_by(Patient.id.desc())
        .limit(limit)
    )
    return list(rows)


async def patient_by_identity_card(
    session: AsyncSession, hospital_id: UUID, number: str
) -> Patient | None:
    """The person whom this hospital already treats under an identity card, for binding."""
    return await session.scalar(
        select(Patient).where(
            Patient.hospital_id == hospital_id,
            Patient.id_type == IdType.IDENTITY_CARD,
            Patient.id_number_index == id_number_index(installed_keyring(), number),
        )
    )


@dataclass(frozen=True)
class EmergencyPatient:
    """Enough of a patient to know that it is the right one, and no more."""

    id: UUID
    name_masked: str
    sex: str
    age_text: str


async def emergency_patient(
    session: AsyncSession, hospital_id: UUID, name: str, number: str, today: date
) -> EmergencyPatient | None:
    """The one patient of a hospital with exactly this name and this certificate or card number.

    Both must fit, so that nobody finds people by trying numbers. For break-glass access.
    """
    rows = await session.scalars(
        select(Patient)
        .where(
            Patient.hospital_id == hospital_id,
            Patient.name_index == name_index(installed_keyring(), name),
        )
        .order_by(Patient.id)
    )
    index = id_number_index(installed_keyring(), number.upper())
    found = [row for row in rows if row.id_number_index == index or row.card_number == number]
    if len(found) != 1:
        return None
    patient = found[0]
    return EmergencyPatient(
        patient.id,
        mask_name(patient.name),
        _SEX[patient.sex],
        rules.age_text(patient.birth_date, today),
    )


async def former_relation(
    session: AsyncSession, user_id: UUID, patient_id: UUID
) -> PatientRelation | None:
    """The relation of a user to a patient, bound or not."""
    return await session.scalar(
        select(PatientRelation).where(
            PatientRelation.user_id == user_id, PatientRelation.patient_id == patient_id
        )
    )


async def relations_by_id(
    session: AsyncSession, hospital_id: UUID, relation_ids: Collection[UUID]
) -> dict[UUID, PatientRelation]:
    """Relations with their patients, unbound ones too, for modules that keep history.

    The caller of this function has already decided that the asking person may see them.
    """
    if not relation_ids:
        return {}
    rows = await session.scalars(
        select(PatientRelation)
        .join(PatientRelation.patient)
        .options(contains_eager(PatientRelation.patient))
        .where(PatientRelation.hospital_id == hospital_id, PatientRelation.id.in_(relation_ids))
    )
    return {row.id: row for row in rows}


async def bound_patient_ids(
    session: AsyncSession, hospital_id: UUID, user_id: UUID, *, former_too: bool = False
) -> frozenset[UUID]:
    """The patients that an account has bound at a hospital, for the rights of its holder."""
    query = select(PatientRelation.patient_id).where(
        PatientRelation.hospital_id == hospital_id, PatientRelation.user_id == user_id
    )
    if not former_too:
        query = query.where(PatientRelation.unbound_at.is_(None))
    return frozenset(await session.scalars(query))


async def holders_of(session: AsyncSession, patient_id: UUID) -> frozenset[UUID]:
    """The accounts that may act for a patient now."""
    bound = (PatientRelation.patient_id == patient_id) & PatientRelation.unbound_at.is_(None)
    return frozenset(await session.scalars(select(PatientRelation.user_id).where(bound)))


async def bound_to_others(
    session: AsyncSession, user_id: UUID, patient_ids: Collection[UUID]
) -> frozenset[UUID]:
    """Those of the patients who are bound to another account than this one."""
    rows = await session.scalars(
        select(PatientRelation.patient_id).where(
            PatientRelation.patient_id.in_(patient_ids),
            PatientRelation.user_id != user_id,
            PatientRelation.unbound_at.is_(None),
        )
    )
    return frozenset(rows)


async def patient_names(
    session: AsyncSession, patient_ids: Collection[UUID], hospital_id: UUID | None = None
) -> dict[UUID, str]:
    """Names by id (of one hospital), for modules that decided that the asker may see them."""
    if not patient_ids:
        return {}
    query = select(Patient).where(Patient.id.in_(patient_ids))
    if hospital_id is not None:
        query = query.where(Patient.hospital_id == hospital_id)
    return {row.id: row.name for row in await session.scalars(query)}


async def account_is_here(session: AsyncSession, hospital_id: UUID, user_id: UUID) -> bool:
    """Whether an account has something to do with a hospital: a role, or a bound patient."""
    role = select(RoleAssignment.id).where(
        RoleAssignment.user_id == user_id, RoleAssignment.hospital_id == hospital_id
    )
    bound = select(PatientRelation.id).where(
        PatientRelation.user_id == user_id, PatientRelation.hospital_id == hospital_id
    )
    return bool(await session.scalar(select(or_(role.exists(), bound.exists()))))


def patients_named(hospital_id: UUID, name: str) -> Select[UUID]:
    """The patients of a hospital with exactly this name, as a subquery of ids."""
    return select(Patient.id).where(
        Patient.hospital_id == hospital_id,
        Patient.name_index == name_index(installed_keyring(), name),
    )


def patients_with_card(hospital_id: UUID, number: str) -> Select[UUID]:
    """The patients of a hospital with exactly this visit card, as a subquery of ids."""
    return select(Patient.id).where(
        Patient.hospital_id == hospital_id,
        Patient.card_number_index == card_number_index(number),
    )


@dataclass(frozen=True)
class CareStanding:
    """Whether a patient is identified well enough to be treated online."""

    patient_verified: bool
    guardian_required: bool
    guardian_verified: bool


async def care_standing(uow: UnitOfWork, relation: PatientRelation) -> CareStanding:
    """How far the patient of a relation, and the guardian where one is needed, are identified."""
    patient = relation.patient
    hospital_id = relation.hospital_id
    below = await core_settings.get(uow, settings.GUARDIAN_BELOW_YEARS, hospital_id=hospital_id)
    unchecked = await core_settings.get(uow, settings.OTHER_DOCUMENTS, hospital_id=hospital_id)
    today = await business_day(uow, hospital_id)
    child = patient.kind is PatientKind.CHILD
    # A child without an identity card is identified by the guardian.
    by_guardian = child and patient.id_type is IdType.NONE
    foreign = patient.id_type not in (IdType.IDENTITY_CARD, IdType.NONE)
    return CareStanding(
        patient_verified=patient.verified or by_guardian or (foreign and unchecked),
        guardian_required=rules.guardian_needed(
            patient.birth_date, today, child=child, below_years=below
        ),
        guardian_verified=relation.guardian_verified,
    )


# --- clinicians ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Practitioner:
    """A clinician with account and department, as other modules need one."""

    clinician: Clinician
    user: User
    department: Department

    @property
    def user_id(self) -> UUID:
        return self.user.id

    @property
    def profession(self) -> Role:
        return self.clinician.profession

    def service(self, kind: str, mode: str) -> ClinicianService | None:
        """The enabled service of this kind and mode, or None."""
        for service in self.clinician.services:
            if (service.kind, service.mode) == (kind, mode) and service.enabled:
                return service
        return None


async def places_a_day(
    session: AsyncSession, doctor: Practitioner, kind: str, mode: str, *, lock: bool = False
) -> int:
    """How many patients a day a clinician takes in a service; 0 when it is closed.

    With `lock` it stands until the transaction ends, and whoever asks next waits.
    """
    query = select(ClinicianService).where(
        ClinicianService.clinician_id == doctor.clinician.id,
        ClinicianService.kind == kind,
        ClinicianService.mode == mode,
    )
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    service = await session.scalar(query)
    return (service.per_day or 0) if service and service.enabled else 0


async def may_treat(uow: UnitOfWork, doctor: Practitioner) -> bool:
    """Licensed, in date, long enough in practice, enabled and listed, today."""
    clinician = doctor.clinician
    today = await business_day(uow, clinician.hospital_id)
    years = await core_settings.get(uow, settings.PRACTICE_YEARS, hospital_id=clinician.hospital_id)
    return (
        clinician.listed
        and doctor.user.enabled
        and rules.may_practise(
            clinician.practice_start, clinician.licence_valid_until, today, years=years
        )
    )


def doctors_named(hospital_id: UUID, text: str) -> Select[UUID]:
    """Doctors of a hospital by a part of the name or its initials, as a subquery of user ids."""
    return select(Clinician.user_id).where(
        Clinician.hospital_id == hospital_id,
        or_(
            Clinician.name.icontains(text, autoescape=True),
            Clinician.name_initials == text.lower(),
        ),
    )


def _practitioners(hospital_id: UUID) -> Select[Clinician, User, Department]:
    return (
        select(Clinician, User, Department)
        .join(User, User.id == Clinician.user_id)
        .join(Department, Department.id == Clinician.department_id)
        .options(selectinload(Clinician.services))
        .where(Clinician.hospital_id == hospital_id)
    )


async def practitioner(session: AsyncSession, hospital_id: UUID, user_id: UUID) -> Practitioner:
    """A clinician of a hospital by user id. Raises NotFound."""
    found = await practitioners_by_id(session, hospital_id, [user_id])
    if user_id not in found:
        raise NotFound()
    return found[user_id]


async def practitioners_by_id(
    session: AsyncSession, hospital_id: UUID, user_ids: Collection[UUID]
) -> dict[UUID, Practitioner]:
    """Clinicians of a hospital by user id; unknown ones are absent."""
    if not user_ids:
        return {}
    rows = await session.execute(_practitioners(hospital_id).where(Clinician.user_id.in_(user_ids)))
    return {
        user.id: Practitioner(clinician, user, department) for clinician, user, department in rows
    }


async def doctors_of(
    session: AsyncSession, hospital_id: UUID, department_id: UUID
) -> frozenset[UUID]:
    """The doctors who belong to a department, by user id."""
    rows = await session.scalars(
        select(RoleAssignment.user_id)
        .join(User, User.id == RoleAssignment.user_id)
        .where(
            RoleAssignment.hospital_id == hospital_id,
            RoleAssignment.role == Role.DOCTOR,
            RoleAssignment.department_id == department_id,
            User.enabled,
        )
    )
    return frozenset(rows)


async def favourite_doctors(
    session: AsyncSession, caller: Caller | None, clinician_ids: Collection[UUID]
) -> set[UUID]:
    """Which of these clinicians the caller follows."""
    if caller is None or not clinician_ids:
        return set()
    rows = await session.scalars(
        select(FavouriteDoctor.clinician_id).where(
            FavouriteDoctor.user_id == caller.user_id,
            FavouriteDoctor.hospital_id == caller.hospital_id,
            FavouriteDoctor.clinician_id.in_(clinician_ids),
        )
    )
    return set(rows)


def followed_by(user_id: UUID) -> ColumnElement[bool]:
    """A condition on `Clinician`: this user follows the doctor."""
    return exists().where(
        FavouriteDoctor.clinician_id == Clinician.id, FavouriteDoctor.user_id == user_id
    )
