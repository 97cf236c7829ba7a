"""Decisions about shifts and queues: pure, `now` passed in, readable by a clinician."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Protocol, TypeVar
from zoneinfo import ZoneInfo

from clinical.schedule import errors
from clinical.schedule.states import AHEAD, BookingState, ShiftState

LONGEST = timedelta(hours=24)


class Queued(Protocol):
    """A place in a queue."""

    @property
    def state(self) -> BookingState: ...
    @property
    def position(self) -> int: ...


Q = TypeVar("Q", bound=Queued)


@dataclass(frozen=True, kw_only=True)
class Session:
    """What the rules need to know about a shift."""

    state: ShiftState
    starts_at: datetime
    ends_at: datetime
    places: int
    extra: int
    taken: int

    @property
    def left(self) -> int:
        """Places that nobody has."""
        return max(0, self.places + self.extra - self.taken)


@dataclass(frozen=True)
class ReleaseRule:
    """Up to how many days ahead places are given out; the farthest day from `hour` o'clock on."""

    days: int
    hour: int

    def last_day(self, now: datetime, zone: ZoneInfo) -> date:
        """The farthest day that can be booked at this moment."""
        local = now.astimezone(zone)
        days = self.days if local.hour >= self.hour or self.days == 0 else self.days - 1
        return local.date() + timedelta(days=days)


def check_times(starts_at: datetime, ends_at: datetime) -> None:
    """A session has a length, and not more than a day."""
    if not timedelta() < ends_at - starts_at <= LONGEST:
        raise errors.ShiftTimes()


def is_released(session: Session, rule: ReleaseRule, now: datetime, zone: ZoneInfo) -> bool:
    """Whether the day of the session can be booked by now."""
    return session.starts_at.astimezone(zone).date() <= rule.last_day(now, zone)


def require_place(session: Session, rule: ReleaseRule, now: datetime, zone: ZoneInfo) -> None:
    """Raise why nobody gets a place: closed, over, not released, full."""
    over = now >= session.ends_at
    if session.state is not ShiftState.OPEN or over or not is_released(session, rule, now, zone):
        raise errors.ShiftUnavailable()
    if session.left == 0:
        raise errors.ShiftFull()


def free_number(taken: Collection[int]) -> int:
    """The smallest number that nobody has: one that was given back is given out again."""
    number = 1
    while number in taken:
        number += 1
    return number


def require_started(session: Session, now: datetime) -> None:
    """Nobody is called, and nobody enters, before the session begins."""
    if now < session.starts_at:
        raise errors.NotYetTime()


def next_to_call(queue: Iterable[Q]) -> Q:
    """Whose turn it is. Raises CallPending while somebody called has not come, NobodyWaits."""
    bookings = list(queue)
    if any(each.state is BookingState.CALLED for each in bookings):
        raise errors.CallPending()
    waiting = [each for each in bookings if each.state is BookingState.QUEUED]
    if not waiting:
        raise errors.NobodyWaits()
    return min(waiting, key=lambda each: each.position)


def ahead_of(mine: Queued, queue: Iterable[Queued]) -> int:
    """How many are before this one; nobody once the turn has come."""
    if mine.state is not BookingState.QUEUED:
        return 0
    return sum(each.state in AHEAD and each.position < mine.position for each in queue)


def waiting(queue: Iterable[Q]) -> list[tuple[Q, int]]:
    """Whoever waits to be called, with how many are ahead."""
    bookings = list(queue)
    return [
        (each, ahead_of(each, bookings)) for each in bookings if each.state is BookingState.QUEUED
    ]


def last_position(queue: Iterable[Queued]) -> int:
    """Where somebody stands who comes back after being passed over: behind everybody."""
    return max((each.position for each in queue), default=0) + 1


def estimated(session: Session, ahead: int, minutes: int, now: datetime) -> datetime:
    """About when the turn comes: those before, one after the other."""
    return max(session.starts_at, now) + timedelta(minutes=ahead * minutes)


def may_move(state: BookingState) -> None:
    """Another time can be chosen while the place is kept and nobody has been called to it."""
    if state not in (BookingState.QUEUED, BookingState.PASSED):
        raise errors.NotMovable()
