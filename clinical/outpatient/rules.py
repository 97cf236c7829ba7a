"""Decisions about orders of patients: pure, `now` passed in, readable by a clinician.

```
submitted ──approve──> awaiting_payment ──money──> paid ──carried out──> done
   │  │                      │                      │
   │  └─refuse─> refused     │                      │
   └──────── cancel, time over ──> cancelled <──────┘ (money goes back)
```

No payment without approval: only an approved order has something to pay. Whatever ends in
`refused` or `cancelled` gives its times back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from clinical.outpatient import errors
from clinical.outpatient.states import OVER, CloseReason, Desk, ItemKind, State, desk_of

#: Packs of one drug, and lines of one order, at most.
MOST_PACKS = 20
MOST_LINES = 20


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What the rules need to know about an order; `paid`: money has come in for it."""

    state: State
    total_fen: int
    paid: bool = False
    refund_requested: bool = False
    review_by: datetime
    pay_by: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Change:
    """What follows from a command."""

    state: State
    close_reason: CloseReason | None = None
    refund: bool = False

    @property
    def frees_times(self) -> bool:
        return self.state in (State.REFUSED, State.CANCELLED)


# --- what may be ordered -------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """One line of a basket, with what the rules need to know of its item."""

    kind: ItemKind
    special: bool
    needs_time: bool
    times: tuple[str, ...]
    quantity: int
    starts_at: datetime | None


def check_basket(basket: Sequence[Wanted], purpose: str) -> Desk:
    """Where a basket is reviewed.

    Raises MixedBasket, QuantityNotAllowed, PurposeRequired (a special item is ordered).
    """
    desks = {desk_of(line.kind) for line in basket}
    if len(desks) != 1:
        raise errors.MixedBasket()
    for line in basket:
        if not 1 <= line.quantity <= (MOST_PACKS if line.kind is ItemKind.DRUG else 1):
            raise errors.QuantityNotAllowed()
    if any(line.special for line in basket) and not purpose.strip():
        raise errors.PurposeRequired()
    return desks.pop()


@dataclass(frozen=True, kw_only=True)
class Calendar:
    """Which times are offered: `asked` is the hospital's setting, `days` how many days ahead."""

    asked: bool
    days: int
    zone: ZoneInfo

    def offered(self, times: Sequence[str], now: datetime) -> list[datetime]:
        """The moments of an item that lie ahead, in order, as aware times of the hospital."""
        today = now.astimezone(self.zone).date()
        moments = [
            self.moment(today + timedelta(days=day), each)
            for day in range(self.days + 1)
            for each in sorted(times)
        ]
        return [each for each in moments if each > now]

    def moment(self, day: date, clock: str) -> datetime:
        """`08:30` of a day at the hospital."""
        return datetime.combine(day, time.fromisoformat(clock), self.zone)

    def check(self, line: Wanted, now: datetime) -> datetime | None:
        """The time of a line; None when it needs none, or the hospital does not ask for one.

        Raises TimeRequired, TimeNotOffered.
        """
        if not (line.needs_time and self.asked):
            return None
        if line.starts_at is None:
            raise errors.TimeRequired()
        if line.starts_at not in self.offered(line.times, now):
            raise errors.TimeNotOffered()
        return line.starts_at


# --- the life of an order ------------------------------------------------------------------------


def approve(standing: Standing, now: datetime) -> Change:
    """Let the patient have it. Without a price there is nothing to pay.

    Raises AlreadyReviewed, ReviewTooLate.
    """
    _in_review(standing)
    if now >= standing.review_by:
        raise errors.ReviewTooLate()
    return Change(state=State.AWAITING_PAYMENT if standing.total_fen else State.PAID)


def refuse(standing: Standing) -> Change:
    """It does not suit the patient. Raises AlreadyReviewed."""
    _in_review(standing)
    return Change(state=State.REFUSED, close_reason=CloseReason.REFUSED)


def _in_review(standing: Standing) -> None:
    if standing.state is not State.SUBMITTED:
        raise errors.AlreadyReviewed()


def cancel(standing: Standing) -> Change:
    """The patient steps back while it has not been carried out; what was paid goes back.

    Raises NotCancellable.
    """
    if standing.state in OVER:
        raise errors.NotCancellable()
    return _over(standing, CloseReason.CANCELLED_BY_PATIENT)


def fulfil(standing: Standing) -> Change:
    """The test was done, the drug handed out. Raises NotFulfillable."""
    if standing.state is not State.PAID:
        raise errors.NotFulfillable()
    return Change(state=State.DONE)


def payment_arrived(standing: Standing) -> Change | None:
    """Money came in, in time or too late; None when it was known before."""
    if standing.state is State.AWAITING_PAYMENT:
        return Change(state=State.PAID)
    if standing.paid or standing.refund_requested:
        return None
    return Change(state=standing.state, refund=True)


def order_closed(standing: Standing) -> Change | None:
    """The order takes no more money: whoever has not paid is too late."""
    if standing.state is not State.AWAITING_PAYMENT:
        return None
    return _over(standing, CloseReason.PAYMENT_EXPIRED)


def review_deadline(standing: Standing, now: datetime) -> Change | None:
    """Nobody reviewed it in time."""
    if standing.state is not State.SUBMITTED or now < standing.review_by:
        return None
    return _over(standing, CloseReason.REVIEW_EXPIRED)


def payment_deadline(standing: Standing, now: datetime) -> Change | None:
    """Nobody paid in time."""
    if standing.state is not State.AWAITING_PAYMENT:
        return None
    if standing.pay_by is None or now < standing.pay_by:
        return None
    return _over(standing, CloseReason.PAYMENT_EXPIRED)


def _over(standing: Standing, reason: CloseReason) -> Change:
    refund = standing.paid and not standing.refund_requested
    return Change(state=State.CANCELLED, close_reason=reason, refund=refund)


def deadline(now: datetime, allowed: timedelta, first: datetime | None) -> datetime:
    """Until when something must have happened: so long from now, and before the first time."""
    return now + allowed if first is None else min(now + allowed, first)
