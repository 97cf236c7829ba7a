"""What is in force, held in memory by every process; changes reach it through the bus."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import select

from core.access.models import (
    EVERYWHERE,
    AccessDelegation,
    AccessMenu,
    AccessPermit,
    AccessPolicy,
    EmergencyAccess,
)
from core.access.vocabulary import Policy, Scope
from core.identity.models import RoleAssignment, User
from core.identity.roles import STAFF_ROLES, Role
from core.identity.session_cache import USER_CHANNEL
from core.remembered import Remembered

if TYPE_CHECKING:
    from core.uow import UnitOfWork

#: Something that the engine goes by was changed. Payload: {}.
CHANNEL = "access.changed"

_SCOPES = {scope.value: scope for scope in Scope}

#: Hospital or group, base role, own role (`EVERYWHERE`: none), resource, action.
CellKey = tuple[UUID, Role, UUID, str, str]
#: User, hospital, base role.
Holder = tuple[UUID, UUID, Role]


@dataclass(frozen=True)
class Lent:
    """A delegation in force for its receiver: what the giver may, as the giver stands now."""

    id: UUID
    giver_id: UUID
    departments: frozenset[UUID]
    actions: frozenset[str]
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True)
class Permit:
    """A permission that somebody holds for a time."""

    permission: str
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True)
class Opened:
    """A break-glass access that has not been closed."""

    id: UUID
    patient_id: UUID
    ends_at: datetime


@dataclass(frozen=True)
class Book:
    """Everything that decides, as one consistent reading of the tables."""

    cells: Mapping[CellKey, Policy] = field(default_factory=dict)
    own_roles: Mapping[Holder, frozenset[UUID]] = field(default_factory=dict)
    lent: Mapping[Holder, tuple[Lent, ...]] = field(default_factory=dict)
    permits: Mapping[Holder, tuple[Permit, ...]] = field(default_factory=dict)
    opened: Mapping[Holder, tuple[Opened, ...]] = field(default_factory=dict)
    menus: Mapping[tuple[UUID, Role, UUID], tuple[str, ...]] = field(default_factory=dict)

    def roles_of(self, holder: Holder) -> frozenset[UUID]:
        """The own roles that somebody holds; `EVERYWHERE` stands for the base role itself."""
        return self.own_roles.get(holder, frozenset({EVERYWHERE}))


class BookCache(Remembered[Book]):
    """The book of this process."""

    # Who holds which own role, and whether a giver still works here, is in the book too.
    channels = (CHANNEL, USER_CHANNEL)

    async def _load(self, uow: "UnitOfWork") -> Book:
        return await _read(uow)


def changed(uow: "UnitOfWork") -> None:
    """Say that this transaction changes the book; every process reads it anew after the commit."""
    if BookCache.is_changed(uow):
        return
    BookCache.changed(uow)
    runtime = uow.runtime

    async def tell() -> None:
        BookCache.of(runtime).drop()
        await runtime.bus.publish(CHANNEL, {})

    uow.after_commit(tell)


async def _read(uow: "UnitOfWork") -> Book:
    await uow.session.flush()
    return Book(
        cells=await _cells(uow),
        own_roles=await _own_roles(uow),
        lent=await _lent(uow),
        permits=await _permits(uow),
        opened=await _opened(uow),
        menus=await _menus(uow),
    )


async def _cells(uow: "UnitOfWork") -> dict[CellKey, Policy]:
    rows = await uow.session.execute(
        select(
            AccessPolicy.hospital_id,
            AccessPolicy.role,
            AccessPolicy.role_id,
            AccessPolicy.resource,
            AccessPolicy.action,
            AccessPolicy.scope,
            AccessPolicy.filters,
            AccessPolicy.hidden,
            AccessPolicy.masked,
        )
    )
    return {
        (row[0], row[1], row[2], row[3], row[4]): Policy(
            # A scope that this version does not know reaches nothing.
            _SCOPES.get(row[5], Scope.NONE),
            frozenset(row[6]),
            frozenset(row[7]),
            frozenset(row[8]),
        )
        for row in rows
    }


async def _own_roles(uow: "UnitOfWork") -> dict[Holder, frozenset[UUID]]:
    """Only people with an own role are in it; a second assignment without one adds the base."""
    theirs = select(RoleAssignment.user_id).where(RoleAssignment.access_role_id.is_not(None))
    rows = await uow.session.execute(
        select(
            RoleAssignment.user_id,
            RoleAssignment.hospital_id,
            RoleAssignment.role,
            RoleAssignment.access_role_id,
        ).where(RoleAssignment.user_id.in_(theirs), RoleAssignment.role.in_(STAFF_ROLES))
    )
    found: dict[Holder, set[UUID]] = defaultdict(set)
    for user_id, hospital_id, role, own in rows:
        found[user_id, hospital_id, role].add(own or EVERYWHERE)
    return {holder: frozenset(each) for holder, each in found.items()}


async def _lent(uow: "UnitOfWork") -> dict[Holder, tuple[Lent, ...]]:
    rows = await uow.session.execute(
        select(AccessDelegation, RoleAssignment.department_id)
        .join(
            RoleAssignment,
            (RoleAssignment.user_id == AccessDelegation.giver_id)
            & (RoleAssignment.hospital_id == AccessDelegation.hospital_id)
            & (RoleAssignment.role == AccessDelegation.role),
        )
        .join(User, User.id == AccessDelegation.giver_id)
        .where(
            AccessDelegation.revoked_at.is_(None),
            AccessDelegation.ends_at > uow.now,
            User.enabled,
        )
        .order_by(AccessDelegation.id)
    )
    departments: dict[UUID, set[UUID]] = defaultdict(set)
    delegations: dict[UUID, AccessDelegation] = {}
    for row, department_id in rows:
        delegations[row.id] = row
        if department_id is not None:
            departments[row.id].add(department_id)
    found: dict[Holder, list[Lent]] = defaultdict(list)
    for row in delegations.values():
        found[row.receiver_id, row.hospital_id, row.role].append(
            Lent(
                id=row.id,
                giver_id=row.giver_id,
                departments=frozenset(departments[row.id]),
                actions=frozenset(row.actions),
                starts_at=row.starts_at,
                ends_at=row.ends_at,
            )
        )
    return {holder: tuple(each) for holder, each in found.items()}


async def _permits(uow: "UnitOfWork") -> dict[Holder, tuple[Permit, ...]]:
    rows = await uow.session.scalars(
        select(AccessPermit).where(AccessPermit.state == "granted", AccessPermit.ends_at > uow.now)
    )
    found: dict[Holder, list[Permit]] = defaultdict(list)
    for row in rows:
        assert row.starts_at is not None
        assert row.ends_at is not None
        found[row.user_id, row.hospital_id, row.role].append(
            Permit(row.permission, row.starts_at, row.ends_at)
        )
    return {holder: tuple(each) for holder, each in found.items()}


async def _opened(uow: "UnitOfWork") -> dict[Holder, tuple[Opened, ...]]:
    rows = await uow.session.execute(
        select(
            EmergencyAccess.user_id,
            EmergencyAccess.hospital_id,
            EmergencyAccess.role,
            EmergencyAccess.id,
            EmergencyAccess.patient_id,
            EmergencyAccess.ends_at,
        ).where(EmergencyAccess.closed_at.is_(None), EmergencyAccess.ends_at > uow.now)
    )
    found: dict[Holder, list[Opened]] = defaultdict(list)
    for row in rows:
        found[row[0], row[1], row[2]].append(Opened(row[3], row[4], row[5]))
    return {holder: tuple(each) for holder, each in found.items()}


async def _menus(uow: "UnitOfWork") -> dict[tuple[UUID, Role, UUID], tuple[str, ...]]:
    rows = await uow.session.scalars(select(AccessMenu))
    return {(row.hospital_id, row.role, row.role_id): tuple(row.pages) for row in rows}
