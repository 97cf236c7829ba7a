"""Sealing the ledger, and checking by itself that nobody changed what is protected."""

import time
from datetime import timedelta

from core.audit.alarming import count_open, report, report_at_once
from core.integrity import checker
from core.integrity.adoption import adopt
from core.integrity.anchoring import anchor_head
from core.integrity.metrics import SEALED
from core.integrity.models import CheckOrigin
from core.integrity.sealer import seal
from core.jobs import Job
from core.runtime import Runtime

#: A job lets others run after this many seconds; the next slice comes a moment later.
TURN_SECONDS = 2.0


async def seal_ledger(runtime: Runtime) -> None:
    """Seal what has committed since, and anchor the head of the chain."""
    sealed = await seal(runtime)
    SEALED.inc(sealed.rows)
    wrong = await anchor_head(runtime)
    if wrong:
        async with runtime.unit_of_work() as uow:
            await report_at_once(uow, wrong)


async def begin_daily_check(runtime: Runtime) -> None:
    """Take in tables that became protected, and ask for a check of everything."""
    await adopt(runtime)
    async with runtime.unit_of_work() as uow:
        await checker.begin(uow, CheckOrigin.SCHEDULE)


async def advance_check(runtime: Runtime) -> None:
    """Do some slices of the check under way, if there is one."""
    until = time.monotonic() + TURN_SECONDS
    worked = False
    while time.monotonic() < until and await checker.advance(runtime, report):
        worked = True
    if worked:
        async with runtime.unit_of_work() as uow:
            await count_open(uow)


JOBS = [
    Job("integrity.seal", timedelta(seconds=5), seal_ledger),
    Job("integrity.begin_check", timedelta(hours=24), begin_daily_check),
    Job("integrity.advance_check", timedelta(seconds=1), advance_check),
]
