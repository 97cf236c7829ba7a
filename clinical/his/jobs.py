"""Old lines of the journal go, hospital by hospital, as its setting says."""

from datetime import timedelta

from sqlalchemy import delete, select

from clinical.his.models import HospitalExchange
from clinical.his.settings import JOURNAL_DAYS
from core import settings
from core.jobs import Job
from core.runtime import Runtime


async def forget(runtime: Runtime) -> None:
    """Delete what is older than the hospital keeps it."""
    async with runtime.unit_of_work() as uow:
        hospitals = (
            await uow.session.scalars(select(HospitalExchange.hospital_id).distinct())
        ).all()
        for hospital_id in hospitals:
            days = await settings.get(uow, JOURNAL_DAYS, hospital_id=hospital_id)
            await uow.session.execute(
                delete(HospitalExchange).where(
                    HospitalExchange.hospital_id == hospital_id,
                    HospitalExchange.at < uow.now - timedelta(days=days),
                )
            )


JOBS = [Job("his.forget", timedelta(days=1), forget)]
