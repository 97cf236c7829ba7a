"""Adding a person: check the form and the consent, ask the registry and the hospital, then bind.

The questions to the outside are asked between two transactions, never inside one. Nothing of a
person is sent or kept before the separate consent to it (PIPL Art. 29, 31).
"""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from clinical.days import business_day
from clinical.people import access, admission, errors, rules, service, settings
from clinical.people.gateway import NewFile, VisitCardGateway
from clinical.people.models import PatientRelation
from clinical.people.schemas import AddPatient, EditPatient, GuardianForm
from clinical.people.service import Binding, Guardian
from clinical.people.states import IdType, PatientKind
from core import audit
from core import settings as core_settings
from core.errors import FieldProblem
from core.identity.caller import Caller
from core.identity.gateway import IdentityCheck, IdentityCheckUnavailable, IdentityVerdict
from core.outside import OutsideError
from core.runtime import Runtime
from core.uow import UnitOfWork


@dataclass(frozen=True)
class _Limits:
    patients: int
    guardian_below: int


async def _limits(uow: UnitOfWork, hospital_id: UUID) -> _Limits:
    return _Limits(
        await core_settings.get(uow, settings.MAX_PATIENTS, hospital_id=hospital_id),
        await core_settings.get(uow, settings.GUARDIAN_BELOW_YEARS, hospital_id=hospital_id),
    )


async def add_patient(runtime: Runtime, caller: Caller, form: AddPatient) -> UUID:
    """Check, verify and bind a person; returns the patient's id.

    Raises IdNumberInvalid, RealNameMismatch, RealNameUnavailable, GuardianRequired,
    TooManyPatients, PatientAlreadyAdded, SelfAlreadyAdded, CardMismatch, CardUnavailable, and what
    an `Admission` raises where a consent is missing.
    """
    async with runtime.unit_of_work() as uow:
        limits = await _limits(uow, caller.hospital_id)
        today = await business_day(uow, caller.hospital_id)
        person = rules.check_person(_form(form), today, guardian_below_years=limits.guardian_below)
        known = await service.check_may_bind(uow, caller, person, form.relation, limits.patients)
        newcomer = admission.Newcomer(
            birth_date=person.birth_date,
            relation=form.relation,
            guardian_number=person.guardian.number if person.guardian else None,
            patient_id=known.id if known else None,
        )
        for condition in admission.admissions():
            await condition.check(uow, caller, newcomer, form.consent)
    reference = None
    if person.id_type is IdType.IDENTITY_CARD and person.id_number:
        reference = await verify(runtime, person.name, person.id_number, "id_number")
    guardian = None
    if form.guardian is not None and person.guardian is not None:
        guardian = await _verified_guardian(runtime, form.guardian, person.guardian.number)
    card = await _card(runtime, form, person, guardian)
    binding = Binding(
        person=person,
        relation=form.relation,
        phone=form.phone,
        address=form.address,
        card_number=card,
        reference=reference,
        guardian=guardian,
    )
    async with runtime.unit_of_work() as uow:
        relation = await service.bind_patient(uow, caller, binding, limits.patients)
        for condition in admission.admissions():
            await condition.keep(uow, caller, relation, form.consent)
        await _audit(uow, caller, relation, "bind")
        return relation.patient_id


def _form(form: AddPatient) -> rules.PersonForm:
    return rules.PersonForm(
        kind=form.kind,
        name=form.name,
        id_type=form.id_type,
        id_number=form.id_number,
        sex=form.sex,
        birth_date=form.birth_date,
        relation=form.relation,
        guardian_id_number=form.guardian.id_number if form.guardian else None,
    )


async def verify(runtime: Runtime, name: str, id_number: str, field: str) -> str:
    """The registry's reference for a name and number that belong together.

    Raises RealNameMismatch naming the field, RealNameUnavailable.
    """
    try:
        answer = await runtime.port(IdentityCheck).check(name, id_number)
    except IdentityCheckUnavailable as error:
        raise errors.RealNameUnavailable() from error
    if answer.verdict is not IdentityVerdict.MATCH:
        raise errors.RealNameMismatch(fields=[FieldProblem(field, "姓名与身份证号不一致")])
    return answer.reference


async def _verified_guardian(runtime: Runtime, form: GuardianForm, number: str) -> Guardian:
    reference = await verify(runtime, form.name, number, "guardian.id_number")
    return Guardian(
        name=form.name,
        id_number=number,
        phone=form.phone,
        address=form.address,
        reference=reference,
    )


async def _card(
    runtime: Runtime, form: AddPatient, person: rules.CheckedPerson, guardian: Guardian | None
) -> str | None:
    """Check the card that was entered, or obtain one; without an answer one is added later."""
    cards = runtime.port(VisitCardGateway)
    if form.card_number:
        await check_card(runtime, form.card_number, person.name, person.id_number)
        return form.card_number
    try:
        if person.id_type is IdType.IDENTITY_CARD:
            known = await cards.find(id_number=person.id_number)
            if known is not None:
                return known.card_number if known.name == person.name else None
        elif person.id_type is not IdType.NONE:
            return None
        holder = await cards.open_file(
            NewFile(
                name=person.name,
                sex=person.sex.value,
                birth_date=person.birth_date,
                id_number=person.id_number,
                phone=form.phone or (guardian.phone if guardian else None) or "",
                guardian_id_number=guardian.id_number if guardian else None,
            )
        )
    except OutsideError:
        # The card is a convenience: nobody is kept from care because the hospital's system is down.
        return None
    return holder.card_number


async def check_card(runtime: Runtime, card_number: str, name: str, id_number: str | None) -> None:
    """That a visit card belongs to this person. Raises CardMismatch, CardUnavailable."""
    cards = runtime.port(VisitCardGateway)
    try:
        holder = await cards.find(card_number=card_number)
        known = await cards.find(id_number=id_number) if id_number else None
    except OutsideError as error:
        raise errors.CardUnavailable() from error
    if holder is None or holder.name != name:
        raise errors.CardMismatch(fields=[FieldProblem("card_number", "请核对就诊卡号")])
    if known is not None and known.person_no != holder.person_no:
        raise errors.CardMismatch(fields=[FieldProblem("card_number", "请核对就诊卡号")])


async def edit_patient(
    runtime: Runtime, caller: Caller, patient_id: UUID, form: EditPatient
) -> None:
    """Change contact, relation, card or guardian of a bound person; only given fields change."""
    given = form.model_fields_set
    async with runtime.unit_of_work() as uow:
        relation = await access.my_patient(uow.session, caller, patient_id)
        patient = relation.patient
        today = await business_day(uow, caller.hospital_id)
        limits = await _limits(uow, caller.hospital_id)
    guardian = None
    if form.guardian is not None:
        number = rules.check_guardian(form.guardian.id_number, today).number
        guardian = await _verified_guardian(runtime, form.guardian, number)
    elif "guardian" in given and _needs_guardian(relation, today, limits):
        raise errors.GuardianRequired()
    if form.card_number:
        await check_card(runtime, form.card_number, patient.name, patient.id_number)
    async with runtime.unit_of_work() as uow:
        relation = await access.my_patient(uow.session, caller, patient_id, lock=True)
        if form.relation is not None:
            await service.change_relation(uow, caller, relation, form.relation)
        if "phone" in given:
            relation.phone = form.phone
        if "address" in given:
            relation.address = form.address
        if form.card_number:
            relation.patient.card_number = form.card_number
        if "guardian" in given:
            service.set_guardian(uow, relation, guardian)
        await _audit(uow, caller, relation, "edit")


async def _audit(uow: UnitOfWork, caller: Caller, relation: PatientRelation, verb: str) -> None:
    changes = {**audit.changes_of(relation.patient), **audit.changes_of(relation)}
    await audit.record(
        uow,
        caller,
        f"patient.{verb}",
        "patient_relation",
        relation.id,
        relation.patient_id,
        changes=changes,
    )


def _needs_guardian(relation: PatientRelation, today: date, limits: _Limits) -> bool:
    age = rules.age_at(relation.patient.birth_date, today)
    return relation.patient.kind is PatientKind.CHILD or age < limits.guardian_below
