"""Who may see which ratings, and the sums that a doctor's card shows."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import Float, Select, cast, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from clinical.rating.models import Rating
from core.identity.caller import Caller

Cursor = tuple[datetime, UUID]


async def of_consultations(
    session: AsyncSession, hospital_id: UUID, consultation_ids: Collection[UUID]
) -> dict[UUID, Rating]:
    """Ratings by consultation; the caller of this function has checked who may see these."""
    if not consultation_ids:
        return {}
    rows = await session.scalars(
        select(Rating).where(
            Rating.hospital_id == hospital_id, Rating.consultation_id.in_(consultation_ids)
        )
    )
    return {row.consultation_id: row for row in rows}


def sums(hospital_id: UUID) -> Select[UUID, int, float]:
    """Per doctor of a hospital: `(doctor_id, rating_count, rating_average)`."""
    return (
        select(
            Rating.doctor_id,
            func.count().label("rating_count"),
            cast(func.avg(Rating.stars), Float).label("rating_average"),
        )
        .where(Rating.hospital_id == hospital_id)
        .group_by(Rating.doctor_id)
    )


async def of_doctor(
    session: AsyncSession, hospital_id: UUID, doctor_id: UUID, after: Cursor | None, limit: int
) -> list[Rating]:
    """What patients said about a doctor, newest first; public, with masked names."""
    query = select(Rating).where(Rating.hospital_id == hospital_id, Rating.doctor_id == doctor_id)
    return await _page(session, query, after, limit)


async def given_by(
    session: AsyncSession, caller: Caller, after: Cursor | None, limit: int
) -> list[Rating]:
    """What the caller has given, newest first."""
    query = select(Rating).where(
        Rating.hospital_id == caller.hospital_id, Rating.rater_id == caller.user_id
    )
    return await _page(session, query, after, limit)


async def _page(
    session: AsyncSession, query: Select[Rating], after: Cursor | None, limit: int
) -> list[Rating]:
    if after is not None:
        query = query.where(tuple_(Rating.at, Rating.id) < after)
    rows = await session.scalars(query.order_by(Rating.at.desc(), Rating.id.desc()).limit(limit))
    return list(rows)
