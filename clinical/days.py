"""Business days follow the hospital's time zone."""

from datetime import date, datetime, time
from uuid import UUID
from zoneinfo import ZoneInfo

from core.identity.models import Hospital
from core.uow import UnitOfWork


async def zone_of(uow: UnitOfWork, hospital_id: UUID) -> ZoneInfo:
    """The time zone of a hospital."""
    return ZoneInfo((await uow.session.get_one(Hospital, hospital_id)).time_zone)


async def business_day(uow: UnitOfWork, hospital_id: UUID, moment: datetime | None = None) -> date:
    """The day at the hospital at a moment, by default now."""
    return (moment or uow.now).astimezone(await zone_of(uow, hospital_id)).date()


async def day_begins(uow: UnitOfWork, hospital_id: UUID) -> datetime:
    """When the present day began at the hospital."""
    zone = await zone_of(uow, hospital_id)
    return datetime.combine(uow.now.astimezone(zone).date(), time(), zone)
