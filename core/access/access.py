"""Queries about access made for a person: own roles, changes, delegations, permits, break-glass."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

from sqlalchemy import Select, and_, func, or_, select, text, tuple_

from core.access.engine import condition, require
from core.access.models import (
    EVERYWHERE,
    AccessChange,
    AccessDelegation,
    AccessMenu,
    AccessPermit,
    AccessPolicy,
    AccessRole,
    EmergencyAccess,
)
from core.access.own import ACCESS, DELEGATION, EMERGENCY, PERMIT, place_of
from core.errors import NotFound
from core.identity.models import Department, RoleAssignment, User
from core.identity.roles import STAFF_ROLES, Role

if TYPE_CHECKING:
    from core.identity.caller import Caller
    from core.uow import UnitOfWork

Moment = tuple[datetime, UUID]
T = TypeVar("T")


async def _one(uow: "UnitOfWork", query: Select[T], *, lock: bool) -> T:
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    row = await uow.session.scalar(query)
    if row is None:
        raise NotFound()
    return row


async def hold(uow: "UnitOfWork", place: UUID) -> None:
    """Let one transaction at a time change the roles and policies of a place."""
    await uow.session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": f"access:{place}"}
    )


# ---- own roles -------------------------------------------------------------------------------


async def roles(uow: "UnitOfWork", caller: "Caller") -> list[AccessRole]:
    """The own roles of the caller's place, and those of the group, by base and name."""
    await require(uow, caller, ACCESS)
    rows = await uow.session.scalars(
        select(AccessRole)
        .where(AccessRole.hospital_id.in_({place_of(caller), EVERYWHERE}))
        .order_by(AccessRole.base, AccessRole.name, AccessRole.id)
    )
    return list(rows)


async def role_for(
    uow: "UnitOfWork", caller: "Caller", role_id: UUID, *, own: bool = False, lock: bool = False
) -> AccessRole:
    """A role that the caller may see; `own`: of the caller's own place. Raises NotFound."""
    places = {place_of(caller)} if own else {place_of(caller), EVERYWHERE}
    query = select(AccessRole).where(AccessRole.id == role_id, AccessRole.hospital_id.in_(places))
    return await _one(uow, query, lock=lock)


async def holders(
    uow: "UnitOfWork", caller: "Caller", role_ids: Collection[UUID]
) -> dict[UUID, int]:
    """How many people of the caller's hospital, or of all for an operator, hold each role."""
    query = (
        select(RoleAssignment.access_role_id, func.count(RoleAssignment.user_id.distinct()))
        .where(RoleAssignment.access_role_id.in_(role_ids))
        .group_by(RoleAssignment.access_role_id)
    )
    if place_of(caller) != EVERYWHERE:
        query = query.where(RoleAssignment.hospital_id == caller.hospital_id)
    found = await uow.session.execute(query)
    return {role_id: count for role_id, count in found if role_id is not None}


async def policy_counts(uow: "UnitOfWork", role_ids: Collection[UUID]) -> dict[UUID, int]:
    """How many policies of its own each role has."""
    rows = await uow.session.execute(
        select(AccessPolicy.role_id, func.count())
        .where(AccessPolicy.role_id.in_(role_ids))
        .group_by(AccessPolicy.role_id)
    )
    return {role_id: count for role_id, count in rows}


async def is_held(uow: "UnitOfWork", role_id: UUID) -> bool:
    """Whether anybody anywhere holds a role."""
    held = select(RoleAssignment.id).where(RoleAssignment.access_role_id == role_id).limit(1)
    return await uow.session.scalar(held) is not None


async def role_names(uow: "UnitOfWork", role_ids: Collection[UUID]) -> dict[UUID, str]:
    rows = await uow.session.execute(
        select(AccessRole.id, AccessRole.name).where(AccessRole.id.in_(role_ids))
    )
    return {role_id: name for role_id, name in rows}


async def policies_at(uow: "UnitOfWork", place: UUID) -> list[AccessPolicy]:
    """What is stored at a place."""
    rows = await uow.session.scalars(select(AccessPolicy).where(AccessPolicy.hospital_id == place))
    return list(rows)


async def menus_at(uow: "UnitOfWork", caller: "Caller") -> list[AccessMenu]:
    """The menus that were set at the caller's place."""
    await require(uow, caller, ACCESS)
    rows = await uow.session.scalars(
        select(AccessMenu).where(AccessMenu.hospital_id == place_of(caller))
    )
    return list(rows)


async def assignments(
    uow: "UnitOfWork", caller: "Caller", user_id: UUID, base: Role
) -> list[RoleAssignment]:
    """A colleague's assignments to a base role at this hospital, locked. Raises NotFound."""
    rows = await uow.session.scalars(
        select(RoleAssignment)
        .where(
            RoleAssignment.user_id == user_id,
            RoleAssignment.hospital_id == caller.hospital_id,
            RoleAssignment.role == base,
            RoleAssignment.role.in_(STAFF_ROLES),
        )
        .order_by(RoleAssignment.id)
        .with_for_update()
    )
    found = list(rows)
    if not found:
        raise NotFound()
    return found


async def staff_with_roles(
    uow: "UnitOfWork", caller: "Caller", wanted: str | None, limit: int
) -> list[tuple[User, RoleAssignment, Department | None]]:
    """People of the caller's hospital with each of their roles, by name, for assigning."""
    await require(uow, caller, ACCESS, "assign")
    query = (
        select(User, RoleAssignment, Department)
        .join(RoleAssignment, RoleAssignment.user_id == User.id)
        .outerjoin(Department, Department.id == RoleAssignment.department_id)
        .where(
            RoleAssignment.hospital_id == caller.hospital_id,
            RoleAssignment.role.in_(STAFF_ROLES),
            User.enabled,
        )
        .order_by(User.name, User.id, RoleAssignment.id)
        .limit(limit)
    )
    if wanted:
        query = query.where(
            User.name.icontains(wanted, autoescape=True)
            | User.login.icontains(wanted, autoescape=True)
        )
    rows = await uow.session.execute(query)
    return [(user, assignment, department) for user, assignment, department in rows]


# ---- changes ---------------------------------------------------------------------------------


async def changes(
    uow: "UnitOfWork", caller: "Caller", states: Sequence[str], before: Moment | None, limit: int
) -> list[AccessChange]:
    """Changes of policies at the caller's place, newest first."""
    query = select(AccessChange).where(await condition(uow, caller, ACCESS))
    if states:
        query = query.where(AccessChange.state.in_(states))
    if before is not None:
        query = query.where(tuple_(AccessChange.requested_at, AccessChange.id) < before)
    query = query.order_by(AccessChange.requested_at.desc(), AccessChange.id.desc()).limit(limit)
    return list(await uow.session.scalars(query))


async def change_for(
    uow: "UnitOfWork", caller: "Caller", change_id: UUID, *, lock: bool = False
) -> AccessChange:
    """A change at the caller's place. Raises NotFound."""
    allowed = await condition(uow, caller, ACCESS)
    return await _one(
        uow, select(AccessChange).where(AccessChange.id == change_id, allowed), lock=lock
    )


# ---- delegations -----------------------------------------------------------------------------


async def delegations(
    uow: "UnitOfWork", caller: "Caller", *, everybody: bool, before: Moment | None, limit: int
) -> list[AccessDelegation]:
    """Delegations that the caller gave or received, or (an officer) all, newest first."""
    if everybody:
        allowed = await condition(uow, caller, DELEGATION)
    else:
        allowed = and_(
            AccessDelegation.hospital_id == caller.hospital_id,
            or_(
                AccessDelegation.giver_id == caller.user_id,
                AccessDelegation.receiver_id == caller.user_id,
            ),
        )
    query = select(AccessDelegation).where(allowed)
    if before is not None:
        query = query.where(tuple_(AccessDelegation.created_at, AccessDelegation.id) < before)
    query = query.order_by(AccessDelegation.created_at.desc(), AccessDelegation.id.desc())
    return list(await uow.session.scalars(query.limit(limit)))


async def delegation_for(
    uow: "UnitOfWork", caller: "Caller", delegation_id: UUID
) -> AccessDelegation:
    """A delegation at the caller's hospital, locked. Raises NotFound."""
    query = select(AccessDelegation).where(
        AccessDelegation.id == delegation_id,
        AccessDelegation.hospital_id == caller.hospital_id,
    )
    return await _one(uow, query, lock=True)


async def colleagues(
    uow: "UnitOfWork", caller: "Caller", departments: Collection[UUID] | None
) -> list[tuple[User, Department]]:
    """Others who hold the caller's base role in these departments (None: any), by name."""
    query = (
        select(User, Department)
        .join(RoleAssignment, RoleAssignment.user_id == User.id)
        .join(Department, Department.id == RoleAssignment.department_id)
        .where(
            RoleAssignment.hospital_id == caller.hospital_id,
            RoleAssignment.role == caller.role,
            User.id != caller.user_id,
            User.enabled,
        )
        .order_by(User.name, User.id)
    )
    if departments is not None:
        query = query.where(RoleAssignment.department_id.in_(departments))
    return [(user, department) for user, department in await uow.session.execute(query)]


# ---- permissions on request ------------------------------------------------------------------


async def permits(
    uow: "UnitOfWork", caller: "Caller", states: Sequence[str], before: Moment | None, limit: int
) -> list[AccessPermit]:
    """Applications at the caller's hospital, newest first, for officers."""
    query = select(AccessPermit).where(await condition(uow, caller, PERMIT))
    if states:
        query = query.where(AccessPermit.state.in_(states))
    if before is not None:
        query = query.where(tuple_(AccessPermit.asked_at, AccessPermit.id) < before)
    query = query.order_by(AccessPermit.asked_at.desc(), AccessPermit.id.desc()).limit(limit)
    return list(await uow.session.scalars(query))


async def own_permits(uow: "UnitOfWork", caller: "Caller") -> list[AccessPermit]:
    """What the caller asked for in this role and hospital, newest first."""
    rows = await uow.session.scalars(
        select(AccessPermit)
        .where(
            AccessPermit.user_id == caller.user_id,
            AccessPermit.hospital_id == caller.hospital_id,
            AccessPermit.role == caller.role,
        )
        .order_by(AccessPermit.asked_at.desc(), AccessPermit.id.desc())
        .limit(50)
    )
    return list(rows)


async def permit_for(
    uow: "UnitOfWork", caller: "Caller", permit_id: UUID, *, own: bool = False
) -> AccessPermit:
    """An application, locked: the caller's own, or one of the hospital. Raises NotFound."""
    allowed = (
        and_(
            AccessPermit.user_id == caller.user_id,
            AccessPermit.hospital_id == caller.hospital_id,
        )
        if own
        else await condition(uow, caller, PERMIT)
    )
    query = select(AccessPermit).where(AccessPermit.id == permit_id, allowed)
    return await _one(uow, query, lock=True)


# ---- break-glass -----------------------------------------------------------------------------


async def emergencies(
    uow: "UnitOfWork",
    caller: "Caller",
    *,
    reviewed: bool | None,
    before: Moment | None,
    limit: int,
) -> list[EmergencyAccess]:
    """Break-glass accesses of the hospital, newest first, for officers."""
    query = select(EmergencyAccess).where(await condition(uow, caller, EMERGENCY))
    if reviewed is not None:
        column = EmergencyAccess.verdict
        query = query.where(column.is_not(None) if reviewed else column.is_(None))
    if before is not None:
        query = query.where(tuple_(EmergencyAccess.opened_at, EmergencyAccess.id) < before)
    query = query.order_by(EmergencyAccess.opened_at.desc(), EmergencyAccess.id.desc())
    return list(await uow.session.scalars(query.limit(limit)))


async def own_emergencies(uow: "UnitOfWork", caller: "Caller") -> list[EmergencyAccess]:
    """What the caller opened here, newest first."""
    rows = await uow.session.scalars(
        select(EmergencyAccess)
        .where(
            EmergencyAccess.user_id == caller.user_id,
            EmergencyAccess.hospital_id == caller.hospital_id,
            EmergencyAccess.role == caller.role,
        )
        .order_by(EmergencyAccess.opened_at.desc(), EmergencyAccess.id.desc())
        .limit(50)
    )
    return list(rows)


async def emergency_row(
    uow: "UnitOfWork", caller: "Caller", emergency_id: UUID, *, own: bool = False
) -> EmergencyAccess:
    """A break-glass access, locked: the caller's own, or one of the hospital. Raises NotFound."""
    allowed = (
        and_(
            EmergencyAccess.user_id == caller.user_id,
            EmergencyAccess.hospital_id == caller.hospital_id,
        )
        if own
        else await condition(uow, caller, EMERGENCY)
    )
    query = select(EmergencyAccess).where(EmergencyAccess.id == emergency_id, allowed)
    return await _one(uow, query, lock=True)


# ---- people ----------------------------------------------------------------------------------


async def names(uow: "UnitOfWork", user_ids: Collection[UUID | None]) -> dict[UUID, str]:
    """The names of colleagues in what the caller has been shown."""
    wanted = {each for each in user_ids if each is not None}
    rows = await uow.session.execute(select(User.id, User.name).where(User.id.in_(wanted)))
    return {user_id: name for user_id, name in rows}


async def department_names(uow: "UnitOfWork", ids: Collection[UUID]) -> dict[UUID, str]:
    rows = await uow.session.execute(
        select(Department.id, Department.name).where(Department.id.in_(ids))
    )
    return {department_id: name for department_id, name in rows}


async def keepers_of(uow: "UnitOfWork", place: UUID) -> list[UUID]:
    """Who decides at a place: the administrators of a hospital, the operators of the group."""
    if place == EVERYWHERE:
        wanted = RoleAssignment.role == Role.OPERATOR
    else:
        wanted = and_(
            RoleAssignment.role == Role.ADMINISTRATOR, RoleAssignment.hospital_id == place
        )
    rows = await uow.session.scalars(
        select(RoleAssignment.user_id)
        .join(User, User.id == RoleAssignment.user_id)
        .where(wanted, User.enabled)
        .distinct()
    )
    return list(rows)
