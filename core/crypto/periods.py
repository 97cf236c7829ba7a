"""Which period a moment belongs to, and which keys are to be made. No I/O.

Periods are those of UTC: a key changes hands a few hours off the local calendar, which nobody sees.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from core.crypto.keys import Purpose
from core.crypto.vault import NewKey

#: Keys of the next period are made this long ahead, so that a backup can hold them in time.
AHEAD: Final = timedelta(days=30)

Owner = UUID | None
#: Purpose, owner and period of a key.
Place = tuple[Purpose, Owner, str | None]


class Period(StrEnum):
    """How long one set of keys writes."""

    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"

    @property
    def months(self) -> int:
        return {Period.MONTH: 1, Period.QUARTER: 3, Period.YEAR: 12}[self]

    def start(self, moment: datetime) -> datetime:
        """When the period of `moment` began."""
        utc = moment.astimezone(UTC)
        month = (utc.month - 1) // self.months * self.months + 1
        return datetime(utc.year, month, 1, tzinfo=UTC)

    def following(self, moment: datetime) -> datetime:
        """When the next period begins."""
        begin = self.start(moment)
        place = begin.year * 12 + begin.month - 1 + self.months
        return datetime(place // 12, place % 12 + 1, 1, tzinfo=UTC)

    def label(self, moment: datetime) -> str:
        """`2026Q4`, `2026-11` or `2026`."""
        begin = self.start(moment)
        match self:
            case Period.MONTH:
                return f"{begin:%Y-%m}"
            case Period.QUARTER:
                return f"{begin.year}Q{(begin.month + 2) // 3}"
            case Period.YEAR:
                return f"{begin.year}"


def keys_to_make(
    owners: Iterable[Owner],
    present: frozenset[Place],
    period: Period,
    now: datetime,
    activation: timedelta,
) -> list[NewKey]:
    """The keys that owners lack for this period and, when it is near, for the next one."""
    wanted = [(period.label(now), now + activation)]
    following = period.following(now)
    if following - now <= AHEAD:
        wanted.append((period.label(following), max(following, now + activation)))
    return [
        NewKey(purpose, owner, name, active_from)
        for owner in owners
        for purpose in Purpose
        if purpose.of_hospitals
        for name, active_from in wanted
        if (purpose, owner, name) not in present
    ]
