"""Day bills: fetched once when they exist, kept as they came, refused when they cannot be right."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select

from clinical.payments import bills, wechat
from clinical.payments.models import DayBill
from tests.clinical.payments.conftest import Till


async def stored(till: Till) -> list[DayBill]:
    async with till.runtime.unit_of_work() as uow:
        return list(await uow.session.scalars(select(DayBill).order_by(DayBill.bill_date)))


@pytest.mark.parametrize(
    ("now", "days"),
    [
        # Ten o'clock in China is two o'clock UTC.
        (datetime(2026, 11, 21, 1, 59, tzinfo=UTC), [19]),
        (datetime(2026, 11, 21, 2, 0, tzinfo=UTC), [19, 20]),
        (datetime(2026, 11, 20, 17, 0, tzinfo=UTC), [19]),
        (datetime(2026, 11, 19, 23, 0, tzinfo=UTC), []),
    ],
)
def test_a_day_has_its_bill_from_ten_oclock_on_the_next(now: datetime, days: list[int]) -> None:
    found = bills.finished_days(now, date(2026, 11, 19))
    assert found == [date(2026, 11, day) for day in days]


def test_bills_are_not_asked_for_beyond_ninety_days() -> None:
    now = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
    assert len(bills.finished_days(now, date(2020, 1, 1))) == 90


async def test_each_days_bill_is_fetched_once_and_adds_up(till: Till) -> None:
    order_id = await till.paid(amount_fen=3000)
    await till.paid(amount_fen=1999)
    await till.ask_back(order_id)
    await till.react()
    await till.later(timedelta(hours=25, minutes=30))
    await till.later(timedelta(minutes=30))
    (bill,) = await stored(till)
    assert (bill.bill_date, bill.line_count) == (date(2026, 11, 20), 3)
    assert (bill.amount_fen, bill.refund_fen) == (4999, 3000)
    assert bill.storage_key is not None
    content = await till.runtime.storage.get(bill.storage_key)
    lines = wechat.parse_bill(content).lines
    assert {line.out_trade_no for line in lines if not line.out_refund_no} >= {order_id.hex}
    await till.later(timedelta(days=1))
    empty = (await stored(till))[1]
    assert (empty.bill_date, empty.storage_key, empty.line_count) == (date(2026, 11, 21), None, 0)


@pytest.mark.parametrize("fault", ["broken", "not_ready", "error"])
async def test_a_bill_that_cannot_be_had_today_is_fetched_later(till: Till, fault: str) -> None:
    await till.paid()
    await till.payer.fault(bill=fault)
    till.clock.advance(timedelta(hours=26))
    assert await bills.fetch_missing(till.runtime) == 0
    assert await stored(till) == []
    await till.payer.fault(bill="ok")
    assert await bills.fetch_missing(till.runtime) == 1
    assert await bills.fetch_missing(till.runtime) == 0
