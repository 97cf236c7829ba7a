"""Account holders as the staff of a hospital find them: bound users and whom they are bound to.

An administrator and customer service see their own hospital; an operator names a hospital of the
group or sees all. Only whole numbers are searched for (they are encrypted), names by any part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, false, func, or_, select, tuple_, update
from sqlalchemy.orm import contains_eager

from clinical.people import access
from clinical.people.models import Patient, PatientRelation, card_number_index
from core import audit
from core.errors import NotFound
from core.identity.access import id_number_key, phone_key
from core.identity.caller import Caller
from core.identity.models import Hospital, RoleAssignment, User
from core.identity.roles import Role
from core.uow import UnitOfWork

READERS = (Role.ADMINISTRATOR, Role.OPERATOR, Role.CUSTOMER_SERVICE)


@dataclass(frozen=True, slots=True)
class Holder:
    """One account with the number of persons bound to it where the caller may look."""

    user: User
    persons: int


def _here(caller: Caller, hospital_id: UUID | None) -> ColumnElement[bool]:
    """Which hospital's bindings the caller sees."""
    match caller.role:
        case Role.OPERATOR:
            if hospital_id is None:
                return PatientRelation.hospital_id.is_not(None)
            return PatientRelation.hospital_id == hospital_id
        case Role.ADMINISTRATOR | Role.CUSTOMER_SERVICE:
            return PatientRelation.hospital_id == caller.hospital_id
        case _:
            return false()


def _patients_of(caller: Caller, hospital_id: UUID | None) -> Select[UUID]:
    """Accounts that are patients where the caller may look."""
    query = select(RoleAssignment.user_id).where(RoleAssignment.role == Role.PATIENT)
    if caller.role is Role.OPERATOR:
        if hospital_id is not None:
            query = query.where(RoleAssignment.hospital_id == hospital_id)
        return query
    return query.where(RoleAssignment.hospital_id == caller.hospital_id)


async def search(
    uow: UnitOfWork,
    caller: Caller,
    *,
    text: str,
    hospital_id: UUID | None,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> Sequence[Holder]:
    """Accounts by nickname (any part), telephone, card or identity number (whole), newest first."""
    here = _here(caller, hospital_id)
    count = (
        select(func.count())
        .where(PatientRelation.user_id == User.id, here, PatientRelation.unbound_at.is_(None))
        .scalar_subquery()
    )
    query = select(User, count).where(User.id.in_(_patients_of(caller, hospital_id)))
    if text:
        query = query.where(_matches(uow, text, here))
    if after is not None:
        query = query.where(tuple_(User.created_at, User.id) < after)
    rows = await uow.session.execute(
        query.order_by(User.created_at.desc(), User.id.desc()).limit(limit)
    )
    return [Holder(user, persons) for user, persons in rows]


def _matches(uow: UnitOfWork, text: str, here: ColumnElement[bool]) -> ColumnElement[bool]:
    keyring = uow.runtime.keyring
    bound = (
        select(PatientRelation.user_id)
        .join(Patient, Patient.id == PatientRelation.patient_id)
        .where(
            here,
            or_(
                Patient.card_number_index == card_number_index(text),
                Patient.id_number_index == access.id_number_index(keyring, text),
                Patient.name_index == access.name_index(keyring, text),
            ),
        )
    )
    return or_(
        User.name.icontains(text, autoescape=True),
        User.phone_index == phone_key(keyring, text),
        User.id_number_index == id_number_key(keyring, text),
        User.id.in_(bound),
    )


async def find(
    uow: UnitOfWork, caller: Caller, user_id: UUID
) -> tuple[User, Sequence[tuple[PatientRelation, Hospital]]]:
    """One account with every person it was ever bound to where the caller may look.

    Raises NotFound. The look is in the audit.
    """
    user = await uow.session.scalar(
        select(User).where(User.id == user_id, User.id.in_(_patients_of(caller, None)))
    )
    if user is None:
        raise NotFound()
    rows = await uow.session.execute(
        select(PatientRelation, Hospital)
        .join(PatientRelation.patient)
        .join(Hospital, Hospital.id == PatientRelation.hospital_id)
        .options(contains_eager(PatientRelation.patient))
        .where(PatientRelation.user_id == user_id, _here(caller, None))
        .order_by(PatientRelation.unbound_at.nulls_first(), PatientRelation.created_at)
    )
    await audit.look(uow, caller, "account_holder", user_id)
    return user, [(relation, hospital) for relation, hospital in rows]


async def unbind(
    uow: UnitOfWork, caller: Caller, user_id: UUID, relation_id: UUID, reason: str
) -> None:
    """Take a person off an account's list by hand; records stay. Unbinding twice is once.

    Raises NotFound for what the caller may not see.
    """
    relation = await uow.session.scalar(
        select(PatientRelation)
        .where(
            and_(
                PatientRelation.id == relation_id,
                PatientRelation.user_id == user_id,
                _here(caller, None),
            )
        )
        .with_for_update()
    )
    if relation is None:
        raise NotFound()
    if relation.unbound_at is not None:
        return
    relation.is_default, relation.unbound_at = False, uow.now
    await uow.session.flush()
    await _choose_default(uow, relation)
    await audit.record(
        uow, caller, "patient.unbind", "patient_relation", relation_id,
        patient_id=relation.patient_id, detail={"user_id": str(user_id)}, reason=reason,
        changes=audit.changes_of(relation),
        hospital_id=relation.hospital_id,
    )  # fmt: skip


async def _choose_default(uow: UnitOfWork, gone: PatientRelation) -> None:
    """The oldest remaining person becomes the default where there is none."""
    remaining = select(PatientRelation.id).where(
        PatientRelation.hospital_id == gone.hospital_id,
        PatientRelation.user_id == gone.user_id,
        PatientRelation.unbound_at.is_(None),
    )
    if await uow.session.scalar(remaining.where(PatientRelation.is_default).limit(1)) is None:
        first = await uow.session.scalar(remaining.order_by(PatientRelation.created_at).limit(1))
        await uow.session.execute(
            update(PatientRelation).where(PatientRelation.id == first).values(is_default=True)
        )
