"""Composing what waits, and dropping what is needed no longer."""

from datetime import timedelta
from uuid import UUID

from core import settings
from core.jobs import Job
from core.runtime import Runtime
from media.recording import retention
from media.recording.composer import Composer
from media.recording.rules import PREFIX
from media.recording.settings import KEEP_JOURNAL_DAYS


async def compose_next(runtime: Runtime) -> None:
    """Begin with the next recording that waits; the work goes on beside the jobs."""
    await Composer.of(runtime).poll()


async def drop_journals(runtime: Runtime) -> None:
    """Delete the journals of whole recordings after the time that their hospital has set.

    The side files hold the same packets; recordings with a gap keep their journals, and so do those
    under a legal hold. A recording is given up in one transaction with the look at its holds; the
    bytes go after it, and again at the next turn when the process died in between.
    """
    await _give_up_journals(runtime)
    async with runtime.unit_of_work() as uow:
        given_up = await retention.journals_given_up(uow)
    for row in given_up:
        prefix = f"{PREFIX}/{row.call_id}"
        for info in await runtime.storage.list(prefix):
            if not info.key.startswith(f"{prefix}/files/"):
                await runtime.storage.delete(info.key)
        async with runtime.unit_of_work() as uow:
            await retention.journals_dropped(uow, row.id)


async def _give_up_journals(runtime: Runtime) -> None:
    now = runtime.clock.now()
    after: UUID | None = None
    while True:
        async with runtime.unit_of_work() as uow:
            rows = await retention.journals_to_drop(uow, now, after)
        for row in rows:
            async with runtime.unit_of_work() as uow:
                days = await settings.get(uow, KEEP_JOURNAL_DAYS, hospital_id=row.hospital_id)
                if row.ready_at is not None and now - row.ready_at >= timedelta(days=days):
                    await retention.give_up_journals(uow, row)
        if len(rows) < retention.PAGE:
            return
        after = rows[-1].id


JOBS = [
    Job("recording.compose", timedelta(seconds=2), compose_next),
    Job("recording.drop_journals", timedelta(hours=6), drop_journals),
    Job("recording.drop_superseded", timedelta(hours=6), retention.drop_superseded),
    Job("recording.remove_what_is_over", timedelta(hours=6), retention.remove_what_is_over),
]
