"""What becomes of an order when money arrives, time passes or money must go back. Pure decisions.

```
pending ──paid──> paid ──refund──> refunding ──> refunded
   │                                  ^  │ ^
   └─expired, cancelled─> closed ─late┘  v │ again
                                      refund_failed
```

Money that an order cannot take (too late, another amount, a second time) always goes back whole,
and each payment goes back at most once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

CURRENCY = "CNY"
FIRST_QUERY = timedelta(seconds=20)
LONGEST_QUERY = timedelta(minutes=5)
LAST_QUERY_BEFORE_EXPIRY = timedelta(seconds=15)
LAST_LOOK_AFTER_EXPIRY = timedelta(minutes=2)
PATIENCE_AFTER_EXPIRY = timedelta(minutes=10)
REFUND_POLL = timedelta(seconds=30)
LONGEST_REFUND_PAUSE = timedelta(hours=1)


class OrderState(StrEnum):
    """Where an order stands."""

    PENDING = "pending"
    PAID = "paid"
    CLOSED = "closed"
    REFUNDING = "refunding"
    REFUNDED = "refunded"
    REFUND_FAILED = "refund_failed"


class Arrival(StrEnum):
    """What money meant for the order that it arrived for."""

    ACCEPTED = "accepted"
    AFTER_CLOSING = "paid_after_closing"
    AMOUNT_MISMATCH = "amount_mismatch"
    SECOND = "paid_twice"


class RefundState(StrEnum):
    """Where a refund stands: decided, taken by the channel, done, or refused for good."""

    REQUESTED = "requested"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


REFUND_TEXT = {
    Arrival.AFTER_CLOSING: "订单关闭后到账，已原路退回",
    Arrival.AMOUNT_MISMATCH: "支付金额与订单不符，已原路退回",
    Arrival.SECOND: "重复支付，已原路退回",
}


@dataclass(frozen=True)
class ArrivalDecision:
    """What to do about money: how it counts, the order's next state, whether it goes back."""

    arrival: Arrival
    state: OrderState
    closes: bool = False

    @property
    def goes_back(self) -> bool:
        return self.arrival is not Arrival.ACCEPTED


def on_arrival(
    state: OrderState, amount_fen: int, arrived_fen: int, currency: str
) -> ArrivalDecision:
    """Money that has not been recorded before arrives for an order."""
    match state:
        case OrderState.PENDING if arrived_fen == amount_fen and currency == CURRENCY:
            return ArrivalDecision(Arrival.ACCEPTED, OrderState.PAID)
        case OrderState.PENDING:
            return ArrivalDecision(Arrival.AMOUNT_MISMATCH, OrderState.REFUNDING, closes=True)
        case OrderState.CLOSED:
            return ArrivalDecision(Arrival.AFTER_CLOSING, OrderState.REFUNDING)
        case _:
            return ArrivalDecision(Arrival.SECOND, state)


def may_close(state: OrderState) -> bool:
    """Whether an order can stop waiting for money."""
    return state is OrderState.PENDING


def may_refund(state: OrderState) -> bool:
    """Whether the payment of an order can be sent back; anything later has been decided already."""
    return state is OrderState.PAID


def after_refund(state: OrderState, arrival: Arrival, refund: RefundState) -> OrderState:
    """The order's state when the refund of a payment has reached `refund`.

    The refund of a second payment says nothing about the order.
    """
    if arrival is Arrival.SECOND or state is OrderState.REFUNDED:
        return state
    return {
        RefundState.REQUESTED: OrderState.REFUNDING,
        RefundState.PROCESSING: OrderState.REFUNDING,
        RefundState.SUCCEEDED: OrderState.REFUNDED,
        RefundState.FAILED: OrderState.REFUND_FAILED,
    }[refund]


_FOLLOWERS: dict[RefundState, set[RefundState]] = {
    RefundState.REQUESTED: {RefundState.PROCESSING, RefundState.SUCCEEDED, RefundState.FAILED},
    RefundState.PROCESSING: {RefundState.SUCCEEDED, RefundState.FAILED},
    RefundState.FAILED: {RefundState.SUCCEEDED},
    RefundState.SUCCEEDED: set(),
}


def may_follow(old: RefundState, new: RefundState) -> bool:
    """Whether a refund may go from one state to another: success is final, nothing repeats.

    A failed one may still succeed, when staff mend it at the channel; that it is being processed is
    then an answer that was overtaken by the callback.
    """
    return new in _FOLLOWERS[old]


def next_query(now: datetime, queries: int, expires_at: datetime) -> datetime | None:
    """When to ask the channel again about an unpaid order, after `queries` questions.

    Pauses double from 20 seconds to five minutes; one question falls just before the expiry, so
    that a lost callback costs nobody a consultation. None after the expiry.
    """
    last = expires_at - LAST_QUERY_BEFORE_EXPIRY
    if now >= last:
        return None
    pause: timedelta = min(FIRST_QUERY * 2 ** min(queries, 10), LONGEST_QUERY)
    return min(now + pause, last)


def last_look(now: datetime, expires_at: datetime) -> datetime:
    """When to ask for the last time about an order that was closed here.

    A request for a cashier that was under way may have reached the channel after the closing. After
    the expiry the channel takes no money, so what it says then is final.
    """
    return max(now, expires_at) + LAST_LOOK_AFTER_EXPIRY


def next_refund_attempt(now: datetime, attempts: int) -> datetime:
    """When to send or ask about a refund again: half a minute, doubling to an hour."""
    pause: timedelta = min(REFUND_POLL * 2 ** min(max(attempts - 1, 0), 10), LONGEST_REFUND_PAUSE)
    return now + pause
