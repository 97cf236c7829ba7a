"""The verbs of people: bind and unbind patients, follow doctors, keep clinicians' profiles."""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import undefer

from clinical.people import access, errors, offers, rules
from clinical.people.models import (
    Clinician,
    ClinicianService,
    FavouriteDoctor,
    Patient,
    PatientRelation,
)
from clinical.people.states import IdType, MedicationField, Relation
from core import audit
from core.crypto.keyring import installed_keyring
from core.errors import NotFound
from core.identity.caller import Caller
from core.identity.models import User
from core.identity.roles import Role
from core.uow import UnitOfWork


@dataclass(frozen=True, kw_only=True)
class Guardian:
    """A guardian and the registry's word for the identity."""

    name: str
    id_number: str
    phone: str | None
    address: str | None
    reference: str | None


@dataclass(frozen=True, kw_only=True)
class Binding:
    """Everything about a person to be bound, checked inside and with the registry's word."""

    person: rules.CheckedPerson
    relation: Relation
    phone: str | None
    address: str | None
    card_number: str | None
    reference: str | None
    guardian: Guardian | None


async def check_may_bind(
    uow: UnitOfWork, caller: Caller, person: rules.CheckedPerson, relation: Relation, limit: int
) -> Patient | None:
    """Refuse what will be refused anyway, before an outside system is asked; the person, if known.

    Raises TooManyPatients, PatientAlreadyAdded, SelfAlreadyAdded, RealNameMismatch.
    """
    if await access.count_bound(uow.session, caller) >= limit:
        raise errors.TooManyPatients(f"最多可添加 {limit} 位就诊人")
    if relation is Relation.SELF:
        if await access.has_self(uow.session, caller):
            raise errors.SelfAlreadyAdded()
        await _check_own_name(uow, caller, person)
    known = await _known(uow, caller, person)
    if known is not None:
        former = await access.former_relation(uow.session, caller.user_id, known.id)
        if former is not None and former.unbound_at is None:
            raise errors.PatientAlreadyAdded()
    return known


async def _check_own_name(uow: UnitOfWork, caller: Caller, person: rules.CheckedPerson) -> None:
    user = await uow.session.get_one(User, caller.user_id, options=[undefer(User.id_number)])
    if user.real_name_verified_at is None:
        return
    same_number = person.id_type is not IdType.IDENTITY_CARD or user.id_number == person.id_number
    if user.real_name != person.name or not same_number:
        raise errors.RealNameMismatch("与您的实名信息不一致，请选择其他关系")


async def _known(uow: UnitOfWork, caller: Caller, person: rules.CheckedPerson) -> Patient | None:
    if person.id_type is IdType.IDENTITY_CARD and person.id_number:
        return await access.patient_by_identity_card(
            uow.session, caller.hospital_id, person.id_number
        )
    for relation in await access.my_patients(uow.session, caller):
        patient = relation.patient
        same = (patient.name, patient.birth_date, patient.id_type, patient.id_number)
        if same == (person.name, person.birth_date, person.id_type, person.id_number):
            return patient
    return None


async def bind_patient(
    uow: UnitOfWork, caller: Caller, binding: Binding, limit: int
) -> PatientRelation:
    """Bind a person to the caller: a new one, or one whom the hospital already treats.

    Raises TooManyPatients, PatientAlreadyAdded, SelfAlreadyAdded, RealNameMismatch.
    """
    patient = await check_may_bind(uow, caller, binding.person, binding.relation, limit)
    if patient is None:
        patient = _new_patient(uow, caller, binding)
    else:
        _refresh_patient(uow, patient, binding)
    await uow.session.flush()
    relation = await access.former_relation(uow.session, caller.user_id, patient.id)
    if relation is None:
        relation = PatientRelation(
            hospital_id=caller.hospital_id,
            user_id=caller.user_id,
            patient_id=patient.id,
            created_at=uow.now,
        )
        uow.session.add(relation)
    relation.patient = patient
    relation.unbound_at = None
    relation.relation = binding.relation
    relation.phone, relation.address = binding.phone, binding.address
    set_guardian(uow, relation, binding.guardian)
    relation.is_default = False
    await uow.session.flush()
    if not any(other.is_default for other in await access.my_patients(uow.session, caller)):
        relation.is_default = True
    await uow.session.flush()
    return relation


def _new_patient(uow: UnitOfWork, caller: Caller, binding: Binding) -> Patient:
    person, keyring = binding.person, installed_keyring()
    patient = Patient(
        hospital_id=caller.hospital_id,
        kind=person.kind,
        name=person.name,
        name_index=access.name_index(keyring, person.name),
        sex=person.sex,
        birth_date=person.birth_date,
        id_type=person.id_type,
        id_number=person.id_number,
        id_number_index=(
            access.id_number_index(keyring, person.id_number) if person.id_number else None
        ),
        card_number=binding.card_number,
        verified_at=uow.now if binding.reference else None,
        verified_reference=binding.reference,
        created_at=uow.now,
    )
    uow.session.add(patient)
    return patient


def _refresh_patient(uow: UnitOfWork, patient: Patient, binding: Binding) -> None:
    if patient.name != binding.person.name:
        raise errors.RealNameMismatch()
    patient.kind = binding.person.kind
    patient.card_number = patient.card_number or binding.card_number
    if binding.reference and not patient.verified:
        patient.verified_at, patient.verified_reference = uow.now, binding.reference


def set_guardian(uow: UnitOfWork, relation: PatientRelation, guardian: Guardian | None) -> None:
    """Store a guardian with the registry's word, or take the guardian away."""
    relation.guardian_name = guardian.name if guardian else None
    relation.guardian_id_number = guardian.id_number if guardian else None
    relation.guardian_phone = guardian.phone if guardian else None
    relation.guardian_address = guardian.address if guardian else None
    verified = guardian is not None and guardian.reference is not None
    relation.guardian_verified_at = uow.now if verified else None
    relation.guardian_verified_reference = guardian.reference if guardian else None


async def change_relation(
    uow: UnitOfWork, caller: Caller, relation: PatientRelation, to: Relation
) -> None:
    """Say differently what the patient is to the caller."""
    if to is Relation.SELF and relation.relation is not Relation.SELF:
        if await access.has_self(uow.session, caller):
            raise errors.SelfAlreadyAdded()
        user = await uow.session.get_one(User, caller.user_id)
        if user.real_name_verified_at is not None and user.real_name != relation.patient.name:
            raise errors.RealNameMismatch("与您的实名信息不一致，请选择其他关系")
    relation.relation = to


async def unbind_patient(uow: UnitOfWork, caller: Caller, patient_id: UUID) -> None:
    """Take a person off the caller's list; consultations and records stay."""
    relation = await access.my_patient(uow.session, caller, patient_id, lock=True)
    was_default = relation.is_default
    relation.is_default = False
    relation.unbound_at = uow.now
    await uow.session.flush()
    await audit.record(
        uow,
        caller,
        "patient.unbind",
        "patient_relation",
        relation.id,
        relation.patient_id,
        changes=audit.changes_of(relation),
    )
    remaining = await access.my_patients(uow.session, caller)
    if was_default and remaining:
        remaining[0].is_default = True


async def set_default_patient(uow: UnitOfWork, caller: Caller, patient_id: UUID) -> None:
    """Make one person the default; the former one is not any more."""
    relation = await access.my_patient(uow.session, caller, patient_id, lock=True)
    await uow.session.execute(
        update(PatientRelation)
        .where(
            PatientRelation.hospital_id == caller.hospital_id,
            PatientRelation.user_id == caller.user_id,
            PatientRelation.id != relation.id,
        )
        .values(is_default=False)
    )
    relation.is_default = True


# --- clinicians ----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Profile:
    """A clinician's profile as the hospital enters it; prices by `(kind, mode)` in fen."""

    user_id: UUID
    department_id: UUID
    name: str
    title: str
    licence_number: str
    licence_valid_until: date
    practice_start: date
    expertise: str = ""
    introduction: str = ""
    certificate_number: str | None = None
    profession: Role = Role.DOCTOR
    medication_fields: tuple[MedicationField, ...] = ()
    prices: dict[tuple[str, str], int]


async def enrol_clinician(uow: UnitOfWork, hospital_id: UUID, profile: Profile) -> Clinician:
    """Give a user a clinician's profile at a hospital, with its services switched on."""
    pinyin, initials = rules.pinyin_of(profile.name)
    clinician = Clinician(
        hospital_id=hospital_id,
        user_id=profile.user_id,
        department_id=profile.department_id,
        name=profile.name,
        name_pinyin=pinyin,
        name_initials=initials,
        profession=profile.profession,
        medication_fields=[each.value for each in profile.medication_fields],
        title=profile.title,
        title_rank=rules.title_rank(profile.title),
        expertise=profile.expertise,
        introduction=profile.introduction,
        licence_number=profile.licence_number,
        licence_valid_until=profile.licence_valid_until,
        practice_start=profile.practice_start,
        certificate_number=profile.certificate_number,
        identity_verified_at=uow.now,
        created_at=uow.now,
    )
    uow.session.add(clinician)
    await uow.session.flush()
    uow.session.add_all(
        ClinicianService(
            clinician_id=clinician.id,
            hospital_id=hospital_id,
            kind=kind,
            mode=mode,
            price_fen=price,
            enabled=True,
        )
        for (kind, mode), price in profile.prices.items()
    )
    await uow.session.flush()
    await offers.follow_title(uow, clinician)
    return clinician


async def follow_doctor(uow: UnitOfWork, caller: Caller, doctor_id: UUID) -> None:
    """Put a doctor on the caller's list of favourites; again is the same."""
    clinician_id = await _clinician_id(uow, caller, doctor_id)
    await uow.session.execute(
        insert(FavouriteDoctor)
        .values(
            user_id=caller.user_id,
            clinician_id=clinician_id,
            hospital_id=caller.hospital_id,
            created_at=uow.now,
        )
        .on_conflict_do_nothing()
    )


async def unfollow_doctor(uow: UnitOfWork, caller: Caller, doctor_id: UUID) -> None:
    """Take a doctor off the caller's list; one who is not on it is no error."""
    clinician_id = await _clinician_id(uow, caller, doctor_id)
    await uow.session.execute(
        delete(FavouriteDoctor).where(
            FavouriteDoctor.user_id == caller.user_id,
            FavouriteDoctor.clinician_id == clinician_id,
        )
    )


async def _clinician_id(uow: UnitOfWork, caller: Caller, doctor_id: UUID) -> UUID:
    found = await uow.session.scalar(
        select(Clinician.id).where(
            Clinician.hospital_id == caller.hospital_id, Clinician.user_id == doctor_id
        )
    )
    if found is None:
        raise NotFound()
    return found
