"""The channel's day bills: fetched once per day, kept as they came, counted."""

from __future__ import annotations

import asyncio
from datetime import date, datetime, time, timedelta

import structlog
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from clinical.payments import wechat
from clinical.payments.gateway import BillEmpty, BillNotReady, PaymentGateway
from clinical.payments.models import Channel, DayBill, Order
from core.ids import new_id
from core.outside import OutsideError
from core.runtime import Runtime

log = structlog.get_logger(__name__)

READY_AT = time(10)
KEPT_BY_CHANNEL = timedelta(days=90)


def finished_days(now: datetime, first: date) -> list[date]:
    """The days since `first` whose bills exist at `now`: until yesterday, from ten o'clock on.

    Bill days are China's, whatever the hospital's time zone.
    """
    local = now.astimezone(wechat.CHINA)
    last = local.date() - timedelta(days=1 if local.time() >= READY_AT else 2)
    first = max(first, local.date() - KEPT_BY_CHANNEL)
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


async def fetch_missing(runtime: Runtime) -> int:
    """Fetch every day bill that exists and is not stored yet; returns how many were stored."""
    async with runtime.unit_of_work() as uow:
        began = await uow.session.scalar(select(func.min(Order.created_at)))
        stored = set(
            await uow.session.scalars(
                select(DayBill.bill_date).where(DayBill.channel == Channel.WECHAT_H5)
            )
        )
    if began is None:
        return 0
    first = began.astimezone(wechat.CHINA).date()
    count = 0
    for day in finished_days(runtime.clock.now(), first):
        if day in stored:
            continue
        try:
            count += await fetch(runtime, day)
        except BillNotReady:
            continue
        except (OutsideError, wechat.ProtocolError) as error:
            log.error("day_bill_failed", day=day.isoformat(), error=str(error))
    return count


async def fetch(runtime: Runtime, day: date) -> bool:
    """Fetch and keep one day bill; False when another worker was first.

    Raises BillNotReady, another OutsideError, or ProtocolError for a bill that does not add up.
    """
    key, sha1 = None, None
    bill = wechat.Bill((), 0, 0, 0)
    try:
        fetched = await runtime.port(PaymentGateway).day_bill(day)
    except BillEmpty:
        log.info("day_bill_empty", day=day.isoformat())
    else:
        bill = await asyncio.to_thread(wechat.parse_bill, fetched.content)
        key, sha1 = f"bills/{Channel.WECHAT_H5}/{day:%Y/%m/%d}-{fetched.sha1}.csv", fetched.sha1
        await runtime.storage.put(key, fetched.content)
    async with runtime.unit_of_work() as uow:
        made = await uow.session.execute(
            insert(DayBill)
            .values(
                id=new_id(),
                channel=Channel.WECHAT_H5,
                bill_date=day,
                storage_key=key,
                sha1=sha1,
                line_count=bill.total_count,
                amount_fen=bill.total_amount_fen,
                refund_fen=bill.total_refund_fen,
                downloaded_at=uow.now,
            )
            .on_conflict_do_nothing()
            .returning(DayBill.id)
        )
        return made.first() is not None
