"""Who may see which parked reactions: an administrator the hospital's, an operator all."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from core.access import READ, Action, Scope, allow, condition, declare, require
from core.errors import NotFound
from core.identity.caller import Caller
from core.identity.roles import Role
from core.outbox import OutboxDelivery, OutboxEvent
from core.uow import UnitOfWork, unit_of

Cursor = tuple[datetime, UUID]
KEEPERS = (Role.ADMINISTRATOR, Role.OPERATOR)

SYSTEM = declare(
    "system",
    "系统运行",
    area="管理",
    here=OutboxDelivery.hospital_id,
    actions={
        READ: Action("查看系统状态", KEEPERS),
        "mend": Action("重试停下的事件", KEEPERS),
    },
    scopes={Scope.HOSPITAL: None, Scope.GROUP: None},
    only={Scope.GROUP: (Role.OPERATOR,)},
    defaults=[
        allow(Role.ADMINISTRATOR, Scope.HOSPITAL, READ, "mend"),
        allow(Role.OPERATOR, Scope.GROUP, READ, "mend"),
    ],
)


async def require_status(uow: UnitOfWork, caller: Caller) -> None:
    """Raises NotPermitted for somebody who may not see how the installation is doing."""
    await require(uow, caller, SYSTEM)


async def _visible_to(session: AsyncSession, caller: Caller) -> ColumnElement[bool]:
    allowed = await condition(unit_of(session), caller, SYSTEM, "mend")
    return and_(OutboxDelivery.parked_at.is_not(None), allowed)


async def parked(
    session: AsyncSession, caller: Caller, after: Cursor | None, limit: int
) -> list[tuple[OutboxDelivery, str]]:
    """Parked reactions with the names of their events, newest first."""
    query = (
        select(OutboxDelivery, OutboxEvent.name)
        .join(OutboxEvent, OutboxEvent.position == OutboxDelivery.position)
        .where(await _visible_to(session, caller))
    )
    if after is not None:
        query = query.where(tuple_(OutboxDelivery.parked_at, OutboxDelivery.id) < after)
    rows = await session.execute(
        query.order_by(OutboxDelivery.parked_at.desc(), OutboxDelivery.id.desc()).limit(limit)
    )
    return [(delivery, name) for delivery, name in rows]


async def parked_one(session: AsyncSession, caller: Caller, delivery_id: UUID) -> OutboxDelivery:
    """One parked reaction. Raises NotFound."""
    row = await session.scalar(
        select(OutboxDelivery).where(
            OutboxDelivery.id == delivery_id, await _visible_to(session, caller)
        )
    )
    if row is None:
        raise NotFound()
    return row
