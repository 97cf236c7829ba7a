"""Account holders as the staff of a hospital find them: bound users and whom they are bound to.

An administrator and customer service see their own hospital; an operator names a hospital of the
group or sees all. Only whole numbers are searched for (they are encrypted), names by any part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, true, tuple_, update
from sqlalchemy.orm import contains_eager

from clinical.people import access
from clinical.people.models import Patient, PatientRelation, card_number_index
from clinical.people.policies import HOLDER
from core import audit
from core.access import READ, Grant, Scope, grant
from core.errors import NotFound
from core.identity.access import id_number_key, phone_key
from core.identity.caller import Caller
from core.identity.models import Hospital, RoleAssignment, User
from core.identity.roles import Role
from core.uow import UnitOfWork


@dataclass(frozen=True, slots=True)
class Reach:
    """Which bindings and which accounts the caller sees, and what of them is withheld."""

    caller: Caller
    allowed: Grant
    hospital_id: UUID | None = None

    @property
    def bindings(self) -> ColumnElement[bool]:
        """The condition on `PatientRelation`."""
        if self.hospital_id is None:
            return self.allowed.condition
        return and_(self.allowed.condition, PatientRelation.hospital_id == self.hospital_id)

    @property
    def accounts(self) -> Select[UUID]:
        """Accounts that are patients where the caller may look."""
        roles = RoleAssignment
        here = roles.hospital_id == self.caller.hospital_id
        if Scope.GROUP in self.allowed.scopes:
            here = true()
        if self.hospital_id is not None:
            here = and_(here, roles.hospital_id == self.hospital_id)
        return select(roles.user_id).where(roles.role == Role.PATIENT, here)


@dataclass(frozen=True, slots=True)
class Holder:
    """One account with the number of persons bound to it where the caller may look."""

    user: User
    persons: int


async def reach(
    uow: UnitOfWork, caller: Caller, action: str = READ, hospital_id: UUID | None = None
) -> Reach:
    """Where the caller may look after account holders; a hospital of the group narrows it.

    Raises NotPermitted.
    """
    return Reach(caller, await grant(uow, caller, HOLDER, action), hospital_id)


async def search(
    uow: UnitOfWork,
    where: Reach,
    *,
    text: str,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> Sequence[Holder]:
    """Accounts by nickname (any part), telephone, card or identity number (whole), newest first."""
    here = where.bindings
    count = (
        select(func.count())
        .where(PatientRelation.user_id == User.id, here, PatientRelation.unbound_at.is_(None))
        .scalar_subquery()
    )
    query = select(User, count).where(User.id.in_(where.accounts))
    if text:
        query = query.where(_matches(uow, text, where))
    if after is not None:
        query = query.where(tuple_(User.created_at, User.id) < after)
    rows = await uow.session.execute(
        query.order_by(User.created_at.desc(), User.id.desc()).limit(limit)
    )
    return [Holder(user, persons) for user, persons in rows]


def _matches(uow: UnitOfWork, text: str, where: Reach) -> ColumnElement[bool]:
    keyring = uow.runtime.keyring
    bound = (
        select(PatientRelation.user_id)
        .join(Patient, Patient.id == PatientRelation.patient_id)
        .where(
            where.bindings,
            or_(
                Patient.card_number_index == card_number_index(text),
                Patient.id_number_index == access.id_number_index(keyring, text),
                Patient.name_index == access.name_index(keyring, text),
            ),
        )
    )
    found = [User.id_number_index == id_number_key(keyring, text), User.id.in_(bound)]
    # What is withheld is not found out by searching for it either.
    if not where.allowed.withholds("name"):
        found.append(User.name.icontains(text, autoescape=True))
    if not where.allowed.withholds("phone_masked"):
        found.append(User.phone_index == phone_key(keyring, text))
    return or_(*found)


async def find(
    uow: UnitOfWork, where: Reach, user_id: UUID
) -> tuple[User, Sequence[tuple[PatientRelation, Hospital]]]:
    """One account with every person it was ever bound to where the caller may look.

    Raises NotFound. The look is in the audit.
    """
    user = await uow.session.scalar(
        select(User).where(User.id == user_id, User.id.in_(where.accounts))
    )
    if user is None:
        raise NotFound()
    rows = await uow.session.execute(
        select(PatientRelation, Hospital)
        .join(PatientRelation.patient)
        .join(Hospital, Hospital.id == PatientRelation.hospital_id)
        .options(contains_eager(PatientRelation.patient))
        .where(PatientRelation.user_id == user_id, where.bindings)
        .order_by(PatientRelation.unbound_at.nulls_first(), PatientRelation.created_at)
    )
    await audit.look(uow, where.caller, "account_holder", user_id)
    return user, [(relation, hospital) for relation, hospital in rows]


async def unbind(
    uow: UnitOfWork, caller: Caller, user_id: UUID, relation_id: UUID, reason: str
) -> None:
    """Take a person off an account's list by hand; records stay. Unbinding twice is once.

    Raises NotPermitted, and NotFound for what the caller may not see.
    """
    allowed = await grant(uow, caller, HOLDER, "unbind")
    relation = await uow.session.scalar(
        select(PatientRelation)
        .where(
            and_(
                PatientRelation.id == relation_id,
                PatientRelation.user_id == user_id,
                allowed.condition,
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
