"""Deadlines: what is not paid is released, what is not accepted is paid back."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from clinical.consultation import reminders, rules, service
from clinical.consultation.models import Consultation
from clinical.consultation.states import State
from core.errors import ProblemError
from core.jobs import Job
from core.runtime import Runtime
from core.uow import UnitOfWork

log = structlog.get_logger(__name__)

BATCH = 200


async def expire_unpaid(runtime: Runtime) -> None:
    """Cancel every unpaid consultation whose time to pay is over."""
    await _each_due(runtime, State.AWAITING_PAYMENT, Consultation.pay_by, service.expire_unpaid)


async def expire_unaccepted(runtime: Runtime) -> None:
    """Cancel and pay back every consultation that was not accepted in time."""
    for state in rules.IN_LINE:
        await _each_due(runtime, state, Consultation.accept_by, service.expire_unaccepted)


async def _each_due(
    runtime: Runtime,
    state: State,
    deadline: Any,
    expire: Callable[[UnitOfWork, UUID], Awaitable[bool]],
) -> None:
    """One transaction each, so that one that cannot be ended holds up nobody else's money."""
    async with runtime.unit_of_work() as uow:
        due = list(
            await uow.session.scalars(
                select(Consultation.id)
                .where(Consultation.state == state, deadline <= uow.now)
                .order_by(deadline)
                .limit(BATCH)
            )
        )
    for consultation_id in due:
        try:
            async with runtime.unit_of_work() as uow:
                await expire(uow, consultation_id)
        except (ProblemError, SQLAlchemyError) as error:
            log.error("deadline_failed", consultation=str(consultation_id), error=repr(error))


JOBS = [
    Job("consultation.expire_unpaid", timedelta(seconds=20), expire_unpaid),
    Job("consultation.expire_unaccepted", timedelta(seconds=20), expire_unaccepted),
    Job("consultation.remind_doctors", timedelta(seconds=20), reminders.remind_doctors),
    Job("consultation.remind_payers", timedelta(seconds=20), reminders.remind_payers),
    Job("consultation.remind_in_line", timedelta(seconds=10), reminders.remind_in_line),
]
