"""Who may see which parked reactions: an administrator the hospital's, an operator all."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from core.errors import NotFound
from core.identity.caller import Caller
from core.identity.roles import Role
from core.outbox import OutboxDelivery, OutboxEvent

Cursor = tuple[datetime, UUID]


def _visible_to(caller: Caller) -> ColumnElement[bool]:
    parked = OutboxDelivery.parked_at.is_not(None)
    if caller.role is Role.OPERATOR:
        return parked
    return and_(parked, OutboxDelivery.hospital_id == caller.hospital_id)


async def parked(
    session: AsyncSession, caller: Caller, after: Cursor | None, limit: int
) -> list[tuple[OutboxDelivery, str]]:
    """Parked reactions with the names of their events, newest first."""
    query = (
        select(OutboxDelivery, OutboxEvent.name)
        .join(OutboxEvent, OutboxEvent.position == OutboxDelivery.position)
        .where(_visible_to(caller))
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
        select(OutboxDelivery).where(OutboxDelivery.id == delivery_id, _visible_to(caller))
    )
    if row is None:
        raise NotFound()
    return row
