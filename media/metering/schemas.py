"""Shapes of metering on the wire."""

from datetime import date, datetime
from typing import Literal

from pydantic import BaseModel


class DayView(BaseModel):
    """One day: answered calls that ended then, begun minutes of calls, the sum over everybody in
    them, and the bytes that recordings occupied at its end.
    """

    day: date
    calls: int
    minutes: int
    participant_minutes: int
    recordings: int
    stored_bytes: int


class QuotaView(BaseModel):
    """`limit` 0: none was agreed. `level` says whether that is worth a word."""

    used: int
    limit: int
    percent: float | None
    level: Literal["none", "fine", "near", "over"]


class UsageView(BaseModel):
    """`minutes` are participant minutes since `since`, `storage` are bytes now."""

    since: date | None
    counted_at: datetime | None
    minutes: QuotaView
    storage: QuotaView
    days: list[DayView]
