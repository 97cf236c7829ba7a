"""Who may see which consultation: every query made for a person.

A patient sees what he or she pays for; a doctor sees what reached the own queue; supervisors and
administrators see what was submitted in their hospital. For everybody else there is nothing.
"""

from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, false, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from clinical.consultation.models import Consultation, Phrase
from clinical.consultation.states import CloseReason, State
from core.errors import NotFound
from core.identity.caller import Caller
from core.identity.roles import Role

# Endings in which the patient was served; only these count for a doctor and can be rated.
SERVED = (CloseReason.COMPLETED, CloseReason.ENDED_BY_PATIENT)


def visible_to(caller: Caller) -> ColumnElement[bool]:
    """The condition under which a consultation exists for the caller."""
    here = Consultation.hospital_id == caller.hospital_id
    match caller.role:
        case Role.PATIENT:
            return and_(here, Consultation.payer_id == caller.user_id)
        case Role.DOCTOR:
            return and_(
                here,
                Consultation.doctor_id == caller.user_id,
                Consultation.room_id.is_not(None),
            )
        case Role.SUPERVISOR | Role.ADMINISTRATOR:
            return and_(here, Consultation.state != State.DRAFT)
        case _:
            return false()


async def find(
    session: AsyncSession, caller: Caller, consultation_id: UUID, *, lock: bool = False
) -> Consultation:
    """One consultation that the caller may see; `lock` takes its row lock. Raises NotFound."""
    query = select(Consultation).where(Consultation.id == consultation_id, visible_to(caller))
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    row = await session.scalar(query)
    if row is None:
        raise NotFound()
    return row


async def may_see(session: AsyncSession, caller: Caller, row: Consultation) -> bool:
    """Whether the caller may see this one; a doctor also what its patient's history shows."""
    allowed = visible_to(caller)
    if caller.role is Role.DOCTOR and row.state is State.ENDED:
        same_patient = and_(allowed, Consultation.patient_id == row.patient_id)
        return (
            await session.scalar(select(Consultation.id).where(same_patient).limit(1)) is not None
        )
    found = select(Consultation.id).where(Consultation.id == row.id, allowed)
    return await session.scalar(found) is not None


async def find_by_system(
    session: AsyncSession, consultation_id: UUID, *, skip_locked: bool = False
) -> Consultation | None:
    """One consultation under its lock, for reactions and jobs; None if unknown or (then) busy."""
    return await session.scalar(
        select(Consultation)
        .where(Consultation.id == consultation_id)
        .with_for_update(skip_locked=skip_locked)
        .execution_options(populate_existing=True)
    )


async def count_by_state(session: AsyncSession, caller: Caller) -> dict[str, int]:
    """How many consultations the caller has in each state; every state is named."""
    rows = await session.execute(
        select(Consultation.state, func.count())
        .where(visible_to(caller))
        .group_by(Consultation.state)
    )
    found = {state.value: count for state, count in rows}
    return {state.value: found.get(state.value, 0) for state in State}


async def history_of(
    session: AsyncSession, consultation: Consultation, limit: int
) -> list[Consultation]:
    """The patient's earlier consultations at the hospital, with whichever doctor, newest first.

    The caller of this function has already found `consultation` for the asking doctor.
    """
    rows = await session.scalars(
        select(Consultation)
        .where(
            Consultation.hospital_id == consultation.hospital_id,
            Consultation.patient_id == consultation.patient_id,
            Consultation.id != consultation.id,
            Consultation.state == State.ENDED,
        )
        .order_by(Consultation.ended_at.desc(), Consultation.id.desc())
        .limit(limit)
    )
    return list(rows)


def served_counts(hospital_id: UUID) -> Select[UUID, int]:
    """Per doctor of a hospital, how many consultations were served: `(doctor_id, served)`."""
    return (
        select(Consultation.doctor_id, func.count().label("served"))
        .where(
            Consultation.hospital_id == hospital_id,
            Consultation.state == State.ENDED,
            Consultation.close_reason.in_(SERVED),
        )
        .group_by(Consultation.doctor_id)
    )


async def phrase(session: AsyncSession, caller: Caller, phrase_id: UUID) -> Phrase:
    """One of the doctor's own phrases. Raises NotFound."""
    row = await session.scalar(
        select(Phrase).where(
            Phrase.id == phrase_id,
            Phrase.hospital_id == caller.hospital_id,
            Phrase.doctor_id == caller.user_id,
        )
    )
    if row is None:
        raise NotFound()
    return row


async def phrases(session: AsyncSession, caller: Caller) -> list[Phrase]:
    """The doctor's own phrases, by category."""
    rows = await session.scalars(
        select(Phrase)
        .where(Phrase.hospital_id == caller.hospital_id, Phrase.doctor_id == caller.user_id)
        .order_by(Phrase.category, Phrase.created_at, Phrase.id)
    )
    return list(rows)
