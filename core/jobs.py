"""Scheduled jobs: run once per due time across all workers, however many there are.

The row lock of a job is held while it runs, so a dead worker frees it at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import Text, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from core.data_classes import INTERNAL
from core.db import Base

if TYPE_CHECKING:
    from core.runtime import Runtime

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Job:
    """Work that is due again and again. ``run`` must be idempotent."""

    name: str
    every: timedelta
    run: Callable[[Runtime], Awaitable[None]]


class ScheduledJob(Base):
    """When a job is due next and how it went last time."""

    __tablename__ = "scheduled_jobs"

    name: Mapped[str] = mapped_column(Text, primary_key=True)
    next_run_at: Mapped[datetime]
    last_run_at: Mapped[datetime | None]
    last_error: Mapped[str | None] = mapped_column(Text, info=INTERNAL)
    runs: Mapped[int] = mapped_column(default=0, info=INTERNAL)


class JobRunner:
    """Runs the jobs of all modules when they are due."""

    def __init__(self, runtime: Runtime, jobs: Sequence[Job], *, poll_seconds: float = 1.0) -> None:
        self._runtime = runtime
        self._jobs = {job.name: job for job in jobs}
        if len(self._jobs) != len(jobs):
            raise ValueError("Two jobs share a name.")
        self._poll_seconds = poll_seconds

    async def register(self) -> None:
        """Make sure that every job has its row; a new job is due at once."""
        if not self._jobs:
            return
        now = self._runtime.clock.now()
        async with AsyncSession(self._runtime.engine) as session, session.begin():
            await session.execute(
                insert(ScheduledJob)
                .values(
                    [{"name": name, "next_run_at": now, "runs": 0} for name in sorted(self._jobs)]
                )
                .on_conflict_do_nothing()
            )

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop`` is set."""
        await self.register()
        while not stop.is_set():
            try:
                while await self.run_one_due():
                    pass
            except (SQLAlchemyError, OSError) as error:
                log.error("job_runner_failed", error=repr(error))
            try:
                async with asyncio.timeout(self._poll_seconds):
                    await stop.wait()
            except TimeoutError:
                continue

    async def run_due(self) -> int:
        """Run everything that is due now, for tests; returns how many jobs ran."""
        await self.register()
        count = 0
        while await self.run_one_due():
            count += 1
        return count

    async def run_one_due(self) -> bool:
        now = self._runtime.clock.now()
        async with AsyncSession(self._runtime.engine) as session, session.begin():
            row = await session.scalar(
                select(ScheduledJob)
                .where(ScheduledJob.name.in_(self._jobs), ScheduledJob.next_run_at <= now)
                .order_by(ScheduledJob.next_run_at)
                .limit(1)
                .with_for_update(skip_locked=True)
            )
            if row is None:
                return False
            job = self._jobs[row.name]
            row.last_error = await self._run(job)
            row.last_run_at, row.next_run_at, row.runs = now, now + job.every, row.runs + 1
        return True

    async def _run(self, job: Job) -> str | None:
        try:
            await job.run(self._runtime)
        # A job may fail in any way; the failure is stored and the job comes round again.
        except Exception as error:
            log.error("job_failed", job=job.name, error=repr(error), exc_info=True)
            return repr(error)[:2000]
        return None
