"""Whose data a request is about: the account, its patients, and what lies under a legal hold."""

from uuid import UUID

from sqlalchemy import select

from clinical.consent.models import LegalHold
from clinical.consent.states import HeldThing
from clinical.consultation import access as consultations
from clinical.days import business_day
from clinical.outpatient import access as self_orders
from clinical.people import access as people
from core.personal_data import Subject
from core.uow import UnitOfWork


async def subject_of(
    uow: UnitOfWork, hospital_id: UUID, user_id: UUID, *, closing: bool = False
) -> Subject:
    """The subject of an account at a hospital; a closed account with everybody it ever bound."""
    patient_ids = await people.bound_patient_ids(
        uow.session, hospital_id, user_id, former_too=closing
    )
    holds = await uow.session.scalars(
        select(LegalHold).where(LegalHold.hospital_id == hospital_id, LegalHold.lifted_at.is_(None))
    )
    held: dict[HeldThing, set[UUID]] = {thing: set() for thing in HeldThing}
    for hold in holds:
        held[hold.thing].add(hold.thing_id)
    return Subject(
        hospital_id=hospital_id,
        user_id=user_id,
        patient_ids=patient_ids,
        today=await business_day(uow, hospital_id),
        closing=closing,
        held_users=frozenset(held[HeldThing.USER]),
        held_patients=frozenset(held[HeldThing.PATIENT]),
        held_objects=frozenset(held[HeldThing.CONSULTATION]),
        kept_patients=await consultations.patients_with_records(uow.session, patient_ids)
        | await self_orders.patients_with_orders(uow.session, patient_ids),
    )
