"""The order's rules as tables, and a property: money is never kept wrongly nor given back twice."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinical.payments import rules
from clinical.payments.rules import Arrival, OrderState, RefundState

NOW = datetime(2026, 11, 20, 1, 0, tzinfo=UTC)
EXPIRY = NOW + timedelta(minutes=30)


@pytest.mark.parametrize(
    ("state", "arrived", "currency", "arrival", "following"),
    [
        ("pending", 3000, "CNY", "accepted", "paid"),
        ("pending", 2999, "CNY", "amount_mismatch", "refunding"),
        ("pending", 3001, "CNY", "amount_mismatch", "refunding"),
        ("pending", 3000, "USD", "amount_mismatch", "refunding"),
        ("closed", 3000, "CNY", "paid_after_closing", "refunding"),
        ("closed", 1, "CNY", "paid_after_closing", "refunding"),
        ("paid", 3000, "CNY", "paid_twice", "paid"),
        ("refunding", 3000, "CNY", "paid_twice", "refunding"),
        ("refunded", 3000, "CNY", "paid_twice", "refunded"),
        ("refund_failed", 3000, "CNY", "paid_twice", "refund_failed"),
    ],
)
def test_what_money_means_for_an_order(
    state: str, arrived: int, currency: str, arrival: str, following: str
) -> None:
    decision = rules.on_arrival(OrderState(state), 3000, arrived, currency)
    assert (decision.arrival, decision.state) == (arrival, following)
    assert decision.goes_back == (arrival != "accepted")
    assert decision.closes == (arrival == "amount_mismatch")


def test_only_a_waiting_order_closes_and_only_a_paid_one_is_refunded_on_request() -> None:
    assert [s for s in OrderState if rules.may_close(s)] == [OrderState.PENDING]
    assert [s for s in OrderState if rules.may_refund(s)] == [OrderState.PAID]


@pytest.mark.parametrize("new", list(RefundState))
def test_a_refund_that_succeeded_never_changes_again(new: RefundState) -> None:
    assert not rules.may_follow(RefundState.SUCCEEDED, new)


def test_a_failed_refund_is_not_revived_by_an_answer_that_its_callback_overtook() -> None:
    assert not rules.may_follow(RefundState.FAILED, RefundState.PROCESSING)


def test_a_refund_taken_by_the_channel_does_not_go_back_to_being_requested() -> None:
    assert not rules.may_follow(RefundState.PROCESSING, RefundState.REQUESTED)
    assert rules.may_follow(RefundState.PROCESSING, RefundState.SUCCEEDED)
    assert rules.may_follow(RefundState.FAILED, RefundState.SUCCEEDED)


def test_questions_double_their_pause_and_the_last_falls_just_before_the_expiry() -> None:
    now, asked = NOW, []
    for count in range(50):
        following = rules.next_query(now, count, EXPIRY)
        if following is None:
            break
        asked.append((following - now).total_seconds())
        now = following
    assert asked[:5] == [20, 40, 80, 160, 300]
    assert now == EXPIRY - timedelta(seconds=15)
    assert rules.next_query(EXPIRY, 0, EXPIRY) is None


def test_refund_pauses_double_to_an_hour() -> None:
    pauses = [(rules.next_refund_attempt(NOW, n) - NOW).total_seconds() for n in range(1, 11)]
    assert pauses == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]


def test_the_last_look_comes_after_the_channel_takes_no_more_money() -> None:
    assert rules.last_look(NOW, EXPIRY) > EXPIRY
    assert rules.last_look(EXPIRY + timedelta(hours=1), EXPIRY) > EXPIRY + timedelta(hours=1)


@dataclass
class Book:
    """An order in memory, moved by the same decisions as the service."""

    amount: int
    state: OrderState = OrderState.PENDING
    payments: dict[str, tuple[int, Arrival]] = field(default_factory=dict)
    refunds: dict[str, RefundState] = field(default_factory=dict)
    given_back: dict[str, int] = field(default_factory=dict)
    announced: list[str] = field(default_factory=list)

    def arrive(self, transaction: str, amount: int) -> None:
        if transaction in self.payments:
            return
        decision = rules.on_arrival(self.state, self.amount, amount, "CNY")
        self.payments[transaction] = (amount, decision.arrival)
        self.state = decision.state
        if decision.arrival is Arrival.ACCEPTED:
            self.announced.append("paid")
        if decision.closes:
            self.announced.append("closed")
        if decision.goes_back:
            self.refunds[transaction] = RefundState.REQUESTED

    def close(self) -> None:
        if rules.may_close(self.state):
            self.state = OrderState.CLOSED
            self.announced.append("closed")

    def ask_back(self) -> None:
        if rules.may_refund(self.state):
            (transaction,) = [t for t, (_, a) in self.payments.items() if a is Arrival.ACCEPTED]
            self.refunds[transaction] = RefundState.REQUESTED
            self.state = rules.after_refund(self.state, Arrival.ACCEPTED, self.refunds[transaction])

    def answer(self, transaction: str, new: RefundState) -> None:
        old = self.refunds.get(transaction)
        if old is None or not rules.may_follow(old, new):
            return
        amount, arrival = self.payments[transaction]
        self.refunds[transaction] = new
        self.state = rules.after_refund(self.state, arrival, new)
        if new is RefundState.SUCCEEDED:
            self.given_back[transaction] = self.given_back.get(transaction, 0) + amount

    def check(self) -> None:
        accepted = [t for t, (_, a) in self.payments.items() if a is Arrival.ACCEPTED]
        first = [t for t, (_, a) in self.payments.items() if a is not Arrival.SECOND]
        assert len(accepted) <= 1
        assert len(first) <= 1
        assert all(self.payments[t][0] == self.amount for t in accepted)
        for transaction, (amount, arrival) in self.payments.items():
            assert self.given_back.get(transaction, 0) <= amount
            assert arrival is Arrival.ACCEPTED or transaction in self.refunds
        assert self.announced.count("paid") == len(accepted)
        assert self.announced.count("closed") <= 1
        assert not {"paid", "closed"} <= set(self.announced)
        match self.state:
            case OrderState.PENDING | OrderState.CLOSED:
                assert not self.payments
            case OrderState.PAID:
                assert accepted
                assert accepted[0] not in self.refunds
            case OrderState.REFUNDED:
                assert self.given_back[first[0]] == self.payments[first[0]][0]
            case OrderState.REFUNDING | OrderState.REFUND_FAILED:
                assert self.given_back.get(first[0], 0) == 0


TRANSACTIONS = st.sampled_from(["t1", "t2", "t3"])
STEPS = st.one_of(
    st.tuples(st.just("arrive"), TRANSACTIONS, st.sampled_from([3000, 2999, 3001, 1])),
    st.tuples(st.just("close")),
    st.tuples(st.just("ask_back")),
    st.tuples(
        st.just("answer"),
        TRANSACTIONS,
        st.sampled_from([RefundState.PROCESSING, RefundState.SUCCEEDED, RefundState.FAILED]),
    ),
)


@settings(max_examples=500, deadline=None)
@given(st.lists(STEPS, max_size=25))
def test_money_is_never_kept_wrongly_nor_given_back_twice(steps: list[tuple[object, ...]]) -> None:
    book = Book(3000)
    for name, *arguments in steps:
        getattr(book, str(name))(*arguments)
        book.check()
