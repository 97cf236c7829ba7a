"""What time brings: orders that nobody reviewed or paid, and a reminder before that."""

from datetime import timedelta

import structlog
from sqlalchemy import or_, select
from sqlalchemy.exc import SQLAlchemyError

from clinical.outpatient import closing
from clinical.outpatient.models import SelfOrder
from clinical.outpatient.notices import tell_payer
from clinical.outpatient.settings import PAY_REMIND_MINUTES
from clinical.outpatient.states import State
from core import settings
from core.errors import ProblemError
from core.jobs import Job
from core.runtime import Runtime

log = structlog.get_logger(__name__)

BATCH = 200


async def expire(runtime: Runtime) -> None:
    """One transaction each, so that one that cannot be ended holds up nobody else."""
    async with runtime.unit_of_work() as uow:
        due = list(
            await uow.session.scalars(
                select(SelfOrder.id)
                .where(
                    or_(
                        (SelfOrder.state == State.SUBMITTED) & (SelfOrder.review_by <= uow.now),
                        (SelfOrder.state == State.AWAITING_PAYMENT) & (SelfOrder.pay_by <= uow.now),
                    )
                )
                .order_by(SelfOrder.submitted_at)
                .limit(BATCH)
            )
        )
    for self_order_id in due:
        try:
            async with runtime.unit_of_work() as uow:
                await closing.expire(uow, self_order_id)
        except (ProblemError, SQLAlchemyError) as error:
            log.error("self_order_deadline_failed", order=str(self_order_id), error=repr(error))


async def remind_payers(runtime: Runtime) -> None:
    """Who has not paid is reminded once, some minutes before the time is over."""
    async with runtime.unit_of_work() as uow:
        longest = uow.now + timedelta(minutes=PAY_REMIND_MINUTES.maximum or 1)
        rows = await uow.session.scalars(
            select(SelfOrder)
            .where(
                SelfOrder.state == State.AWAITING_PAYMENT,
                SelfOrder.reminded_at.is_(None),
                SelfOrder.pay_by > uow.now,
                SelfOrder.pay_by <= longest,
            )
            .order_by(SelfOrder.pay_by)
            .limit(BATCH)
            .with_for_update(skip_locked=True)
        )
        for row in rows.all():
            assert row.pay_by is not None
            minutes = await settings.get(uow, PAY_REMIND_MINUTES, hospital_id=row.hospital_id)
            if row.pay_by - uow.now > timedelta(minutes=minutes):
                continue
            row.reminded_at = uow.now
            await tell_payer(
                uow,
                row,
                "self_order_payment_due",
                "便民门诊订单待支付",
                "请尽快完成支付，逾期将自动取消",
                amount=row.total_fen,
                pay_by=row.pay_by,
            )


JOBS = [
    Job("outpatient.expire_self_orders", timedelta(seconds=20), expire),
    Job("outpatient.remind_payers", timedelta(seconds=20), remind_payers),
]
