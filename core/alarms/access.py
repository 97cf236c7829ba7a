"""Who may see an alarm: the administrators and supervisors of its hospital."""

from collections.abc import Collection
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import func, or_, select, tuple_

from core.access import READ, Action, Scope, allow, condition, declare
from core.alarms.models import Alarm
from core.errors import NotFound
from core.identity.models import Hospital, RoleAssignment, User
from core.identity.roles import Role

if TYPE_CHECKING:
    from core.identity.caller import Caller
    from core.uow import UnitOfWork

#: Who hears of alarms.
OFFICERS: tuple[Role, ...] = (Role.ADMINISTRATOR, Role.SUPERVISOR)

ALARM = declare(
    "alarm",
    "安全告警",
    area="监管",
    here=Alarm.hospital_id,
    actions={
        READ: Action("查看", OFFICERS, delegable=True),
        "settle": Action("处理", OFFICERS, delegable=True),
    },
    scopes={Scope.HOSPITAL: None},
    defaults=[allow(role, Scope.HOSPITAL, READ, "settle") for role in OFFICERS],
)


async def alarm_for(
    uow: "UnitOfWork", caller: "Caller", alarm_id: UUID, *, lock: bool = False
) -> Alarm:
    """An alarm that the caller may see; with `lock`, settle. Raises NotFound, NotPermitted."""
    allowed = await condition(uow, caller, ALARM, "settle" if lock else READ)
    query = select(Alarm).where(Alarm.id == alarm_id, allowed)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    row = await uow.session.scalar(query)
    if row is None:
        raise NotFound()
    return row


async def alarms_for(
    uow: "UnitOfWork",
    caller: "Caller",
    *,
    kind: str | None,
    resolved: bool | None,
    before: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Alarm]:
    """Alarms of the caller's hospital, newest first; `resolved` None: all."""
    query = select(Alarm).where(await condition(uow, caller, ALARM))
    if kind is not None:
        query = query.where(Alarm.kind == kind)
    if resolved is not None:
        column = Alarm.resolved_at
        query = query.where(column.is_not(None) if resolved else column.is_(None))
    if before is not None:
        query = query.where(tuple_(Alarm.raised_at, Alarm.id) < before)
    query = query.order_by(Alarm.raised_at.desc(), Alarm.id.desc()).limit(limit)
    return list(await uow.session.scalars(query))


async def open_count(uow: "UnitOfWork", caller: "Caller") -> int:
    """How many alarms nobody has resolved."""
    allowed = await condition(uow, caller, ALARM)
    query = select(func.count()).where(allowed, Alarm.resolved_at.is_(None))
    return await uow.session.scalar(query) or 0


async def standing(uow: "UnitOfWork", kind: str, since: datetime) -> list[Alarm]:
    """Alarms of a kind that are open or were resolved after `since`, locked, for who keeps them."""
    rows = await uow.session.scalars(
        select(Alarm)
        .where(Alarm.kind == kind, or_(Alarm.resolved_at.is_(None), Alarm.resolved_at > since))
        .order_by(Alarm.id)
        .with_for_update()
    )
    return list(rows)


async def names(uow: "UnitOfWork", user_ids: Collection[UUID]) -> dict[UUID, str]:
    """The names of the officers who dealt with alarms that the caller has been shown."""
    rows = await uow.session.execute(select(User.id, User.name).where(User.id.in_(user_ids)))
    return {user_id: name for user_id, name in rows}


async def officers_of(uow: "UnitOfWork", hospital_id: UUID) -> list[UUID]:
    """The accounts that hear of a hospital's alarms."""
    rows = await uow.session.scalars(
        select(RoleAssignment.user_id)
        .join(User, User.id == RoleAssignment.user_id)
        .where(
            RoleAssignment.hospital_id == hospital_id,
            RoleAssignment.role.in_(OFFICERS),
            User.enabled,
        )
        .distinct()
    )
    return list(rows)


async def hospitals(uow: "UnitOfWork") -> list[UUID]:
    """Every hospital that is in use, in the order of its position."""
    rows = await uow.session.scalars(
        select(Hospital.id).where(Hospital.enabled).order_by(Hospital.position, Hospital.id)
    )
    return list(rows)
