"""Scheduled jobs run once per due time, across all workers."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from core.clock import FakeClock
from core.jobs import Job, JobRunner, ScheduledJob
from core.runtime import Runtime


class Count:
    """Counts its runs and can be made to fail."""

    def __init__(self) -> None:
        self.runs = 0
        self.fails = False

    async def __call__(self, runtime: Runtime) -> None:
        self.runs += 1
        if self.fails:
            raise ConnectionError("nobody answers")


async def test_a_job_runs_when_due_and_not_before(runtime: Runtime, clock: FakeClock) -> None:
    count = Count()
    runner = JobRunner(runtime, [Job("tests.count", timedelta(minutes=5), count)])
    assert await runner.run_due() == 1
    clock.advance(timedelta(minutes=4))
    assert await runner.run_due() == 0
    clock.advance(timedelta(minutes=1))
    assert await runner.run_due() == 1
    assert count.runs == 2


async def test_five_workers_run_a_due_job_once(runtime: Runtime) -> None:
    count = Count()
    runners = [JobRunner(runtime, [Job("tests.count", timedelta(1), count)]) for _ in range(5)]
    await asyncio.gather(*(runner.run_due() for runner in runners))
    assert count.runs == 1


async def test_a_failed_job_keeps_its_reason_and_comes_round_again(
    runtime: Runtime, clock: FakeClock
) -> None:
    count = Count()
    count.fails = True
    runner = JobRunner(runtime, [Job("tests.count", timedelta(minutes=5), count)])
    await runner.run_due()
    async with AsyncSession(runtime.engine) as session:
        row = (await session.scalars(select(ScheduledJob))).one()
        assert "nobody answers" in (row.last_error or "")
    count.fails = False
    clock.advance(timedelta(minutes=5))
    await runner.run_due()
    async with AsyncSession(runtime.engine) as session:
        row = (await session.scalars(select(ScheduledJob))).one()
        assert row.last_error is None
        assert row.runs == 2


async def test_two_jobs_may_not_share_a_name(runtime: Runtime) -> None:
    with pytest.raises(ValueError, match="share a name"):
        JobRunner(runtime, [Job("a", timedelta(1), Count()), Job("a", timedelta(1), Count())])
