"""Composing what waits, and dropping journals that are needed no longer."""

from datetime import timedelta

from core import settings
from core.jobs import Job
from core.runtime import Runtime
from media.recording import service
from media.recording.composer import PREFIX, Composer
from media.recording.settings import KEEP_JOURNAL_DAYS


async def compose_next(runtime: Runtime) -> None:
    """Begin with the next recording that waits; the work goes on beside the jobs."""
    await Composer.of(runtime).poll()


async def drop_journals(runtime: Runtime) -> None:
    """Delete the journals of whole recordings after the time that their hospital has set.

    The side files hold the same packets; recordings with a gap keep their journals.
    """
    now = runtime.clock.now()
    async with runtime.unit_of_work() as uow:
        rows = await service.journals_to_drop(uow, now)
    for row in rows:
        async with runtime.unit_of_work() as uow:
            days = await settings.get(uow, KEEP_JOURNAL_DAYS, hospital_id=row.hospital_id)
        if row.ready_at is None or now - row.ready_at < timedelta(days=days):
            continue
        prefix = f"{PREFIX}/{row.call_id}"
        for info in await runtime.storage.list(prefix):
            if not info.key.startswith(f"{prefix}/files/"):
                await runtime.storage.delete(info.key)
        async with runtime.unit_of_work() as uow:
            await service.journals_dropped(uow, row.id)


JOBS = [
    Job("recording.compose", timedelta(seconds=2), compose_next),
    Job("recording.drop_journals", timedelta(hours=6), drop_journals),
]
