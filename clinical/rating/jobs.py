"""What time does to ratings: who has not rated is reminded once."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import select

from clinical.consultation import access as consultations
from clinical.rating import access
from clinical.rating.models import RatingInvitation
from clinical.rating.settings import REMIND_HOURS
from core import settings
from core.jobs import Job
from core.runtime import Runtime
from core.uow import UnitOfWork
from realtime import inbox

BATCH = 200
#: An invitation that is older is left alone: nobody wants to be asked about last month.
FORGOTTEN = timedelta(hours=2 * (REMIND_HOURS.maximum or 1))


async def remind(runtime: Runtime) -> None:
    """Remind payers of consultations that ended a while ago and were not rated."""
    after: UUID | None = None
    while True:
        async with runtime.unit_of_work() as uow:
            rows = await _open(uow, after)
            for row in rows:
                await _remind(uow, row)
        if len(rows) < BATCH:
            return
        after = rows[-1].consultation_id


async def _open(uow: UnitOfWork, after: UUID | None) -> list[RatingInvitation]:
    query = select(RatingInvitation).where(
        RatingInvitation.reminded_at.is_(None),
        RatingInvitation.invited_at > uow.now - FORGOTTEN,
        RatingInvitation.invited_at <= uow.now - timedelta(hours=1),
    )
    if after is not None:
        query = query.where(RatingInvitation.consultation_id > after)
    query = query.order_by(RatingInvitation.consultation_id).limit(BATCH)
    return list(await uow.session.scalars(query.with_for_update(skip_locked=True)))


async def _remind(uow: UnitOfWork, row: RatingInvitation) -> None:
    consultation = await consultations.find_by_system(
        uow.session, row.consultation_id, skip_locked=True
    )
    if consultation is None:
        return
    hospital_id = consultation.hospital_id
    hours = await settings.get(uow, REMIND_HOURS, hospital_id=hospital_id)
    if hours == 0 or uow.now < row.invited_at + timedelta(hours=hours):
        return
    row.reminded_at = uow.now
    if await access.of_consultations(uow.session, hospital_id, [row.consultation_id]):
        return
    await inbox.notify(
        uow,
        [consultation.payer_id],
        hospital_id=hospital_id,
        type="rating_reminder",
        title="还没有评价上次问诊",
        text="您的评价会帮助我们改进服务",
        ref=("consultation", row.consultation_id),
    )


JOBS = [Job("rating.remind", timedelta(minutes=10), remind)]
