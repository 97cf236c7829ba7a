"""Upkeep of the HTTP kit."""

from datetime import timedelta

from core.http import idempotency
from core.jobs import Job
from core.runtime import Runtime


async def forget_old_idempotency_keys(runtime: Runtime) -> None:
    """Delete answers that no client can still be retrying."""
    async with runtime.unit_of_work() as uow:
        await idempotency.forget_old(uow.session, uow.now)


JOBS = [Job("http.forget_idempotency_keys", timedelta(hours=1), forget_old_idempotency_keys)]
