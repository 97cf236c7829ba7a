"""Who may see which ratings, and the sums that a doctor's card shows."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import Float, Select, cast, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from clinical.consultation.states import TREATERS
from clinical.rating.models import Rating
from core.access import READ, Action, Scope, allow, condition, declare
from core.identity.caller import Caller
from core.identity.roles import Role
from core.uow import unit_of

Cursor = tuple[datetime, UUID]

RATING = declare(
    "rating",
    "评价",
    area="诊疗",
    here=Rating.hospital_id,
    actions={
        READ: Action("查看自己给出的", (Role.PATIENT,)),
        "received": Action("查看收到的", TREATERS, delegable=True),
    },
    scopes={
        Scope.OWN: lambda caller: Rating.rater_id == caller.user_id,
        Scope.PATIENTS: lambda caller: Rating.doctor_id == caller.user_id,
    },
    only={Scope.OWN: (Role.PATIENT,), Scope.PATIENTS: TREATERS},
    defaults=[
        allow(Role.PATIENT, Scope.OWN, READ),
        *(allow(role, Scope.PATIENTS, "received") for role in TREATERS),
    ],
    floors=[allow(Role.PATIENT, Scope.OWN, READ)],
)


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


async def received_by(
    session: AsyncSession, caller: Caller, after: Cursor | None, limit: int
) -> list[Rating]:
    """What was said of the caller, newest first. Raises NotPermitted."""
    allowed = await condition(unit_of(session), caller, RATING, "received")
    return await _page(session, select(Rating).where(allowed), after, limit)


async def given_by(
    session: AsyncSession, caller: Caller, after: Cursor | None, limit: int
) -> list[Rating]:
    """What the caller has given, newest first."""
    query = select(Rating).where(await condition(unit_of(session), caller, RATING))
    return await _page(session, query, after, limit)


async def _page(
    session: AsyncSession, query: Select[Rating], after: Cursor | None, limit: int
) -> list[Rating]:
    if after is not None:
        query = query.where(tuple_(Rating.at, Rating.id) < after)
    rows = await session.scalars(query.order_by(Rating.at.desc(), Rating.id.desc()).limit(limit))
    return list(rows)
