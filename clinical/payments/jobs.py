"""What time does to orders and refunds. Each order is on its own: one failure holds up no other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, select
from sqlalchemy.exc import SQLAlchemyError

from clinical.payments import bills, channel
from clinical.payments.models import Order, Refund
from clinical.payments.rules import OrderState, RefundState
from core.errors import ProblemError
from core.jobs import Job
from core.outside import OutsideError, OutsideUnavailable
from core.runtime import Runtime

log = structlog.get_logger(__name__)

BATCH = 200
PATIENCE = 5


async def query_pending(runtime: Runtime) -> None:
    """Ask about orders whose callback has not come: it may be lost."""
    waiting = Order.state.in_([OrderState.PENDING, OrderState.CLOSED])
    due = Order.next_query_at <= runtime.clock.now()
    await _each(runtime, Order, Order.next_query_at, [waiting, due], channel.look)


async def expire_orders(runtime: Runtime) -> None:
    """Close what was not paid in time."""
    pending = Order.state == OrderState.PENDING
    over = Order.expires_at <= runtime.clock.now()
    await _each(runtime, Order, Order.expires_at, [pending, over], channel.expire)


async def push_refunds(runtime: Runtime) -> None:
    """Send what was not sent, ask about what is not finished."""
    open_states = Refund.state.in_([RefundState.REQUESTED, RefundState.PROCESSING])
    due = Refund.next_attempt_at <= runtime.clock.now()
    await _each(runtime, Refund, Refund.next_attempt_at, [open_states, due], channel.send_refund)


async def fetch_day_bills(runtime: Runtime) -> None:
    """Fetch the bills of finished days."""
    await bills.fetch_missing(runtime)


async def _each(
    runtime: Runtime,
    table: type[Order] | type[Refund],
    order_by: Any,
    conditions: list[ColumnElement[bool]],
    act: Callable[[Runtime, UUID], Awaitable[object]],
) -> None:
    async with runtime.unit_of_work() as uow:
        query = select(table.id).where(*conditions).order_by(order_by).limit(BATCH)
        due = list(await uow.session.scalars(query))
    silent = 0
    for row_id in due:
        try:
            await act(runtime, row_id)
        except OutsideUnavailable as error:
            log.warning("payment_job_without_answer", row=str(row_id), error=repr(error))
            silent += 1
            if silent >= PATIENCE:
                # The channel is down: asking for each order in turn would only take hours.
                return
        except (OutsideError, ProblemError, SQLAlchemyError) as error:
            log.warning("payment_job_failed", row=str(row_id), error=repr(error))


JOBS = [
    Job("payments.query_pending", timedelta(seconds=15), query_pending),
    Job("payments.expire", timedelta(seconds=20), expire_orders),
    Job("payments.refunds", timedelta(seconds=15), push_refunds),
    Job("payments.day_bills", timedelta(minutes=30), fetch_day_bills),
]
