"""Counting every hour, and telling of quotas."""

from datetime import timedelta

from sqlalchemy import select

from core.alarms import keep_alarms
from core.identity.models import Hospital
from core.jobs import Job
from core.runtime import Runtime
from media.metering import service


async def count_usage(runtime: Runtime) -> None:
    """Count what every hospital used, and keep the alarms of its quotas."""
    async with runtime.unit_of_work() as uow:
        hospitals = list(await uow.session.scalars(select(Hospital)))
    found = []
    for hospital in hospitals:
        async with runtime.unit_of_work() as uow:
            await service.count(uow, hospital)
            found += await service.troubles(uow, hospital)
    async with runtime.unit_of_work() as uow:
        await keep_alarms(uow, "media_quota", found)


JOBS = [Job("metering.count", timedelta(hours=1), count_usage)]
