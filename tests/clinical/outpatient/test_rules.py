"""The decisions about orders of patients, walked at random and by table."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinical.outpatient import errors, rules
from clinical.outpatient.rules import Calendar, Change, Standing, Wanted
from clinical.outpatient.states import OVER, Desk, ItemKind, State
from core.errors import ProblemError

NOW = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
ZONE = ZoneInfo("Asia/Shanghai")
COMMANDS = ("approve", "refuse", "cancel", "fulfil", "money", "closed", "expire", "wait")


def wanted(kind: ItemKind = ItemKind.EXAMINATION, **more: Any) -> Wanted:
    plain: dict[str, Any] = {
        "special": False,
        "needs_time": False,
        "times": ("09:00",),
        "quantity": 1,
        "starts_at": None,
    }
    return Wanted(kind=kind, **{**plain, **more})


def step(standing: Standing, command: str, now: datetime) -> Change | None:
    """What a command does; None when it does nothing or is refused."""
    try:
        match command:
            case "approve":
                return rules.approve(standing, now)
            case "refuse":
                return rules.refuse(standing)
            case "cancel":
                return rules.cancel(standing)
            case "fulfil":
                return rules.fulfil(standing)
            case "money":
                return rules.payment_arrived(standing)
            case "closed":
                return rules.order_closed(standing)
            case "expire":
                late = rules.review_deadline(standing, now)
                return late or rules.payment_deadline(standing, now)
            case _:
                return None
    except ProblemError:
        return None


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(COMMANDS), max_size=12), st.sampled_from([0, 1850]))
def test_whatever_happens_nothing_is_paid_unapproved_and_money_goes_back_at_most_once(
    commands: list[str], total_fen: int
) -> None:
    standing = Standing(
        state=State.SUBMITTED, total_fen=total_fen, review_by=NOW + timedelta(hours=2)
    )
    now, approved, freed, refunds = NOW, False, 0, 0
    for command in commands:
        if command == "wait":
            now += timedelta(hours=1)
            continue
        if command == "money" and not (approved and total_fen):
            continue  # There is no order of payments before the approval, and none for nothing.
        before = standing.state
        change = step(standing, command, now)
        if change is None:
            continue
        approved = approved or command == "approve"
        freed += change.frees_times and before not in OVER
        refunds += change.refund
        standing = replace(
            standing,
            state=change.state,
            paid=standing.paid or command == "money",
            refund_requested=standing.refund_requested or change.refund,
            pay_by=now + timedelta(hours=1) if command == "approve" else standing.pay_by,
        )
        assert before not in OVER or change.state is before
        assert standing.state not in (State.AWAITING_PAYMENT, State.PAID, State.DONE) or approved
        assert standing.state not in (State.PAID, State.DONE) or standing.paid or not total_fen
    assert refunds <= 1
    over_unserved = standing.state in (State.REFUSED, State.CANCELLED)
    assert freed == over_unserved
    assert refunds == (over_unserved and standing.paid)


def test_drugs_are_the_pharmacists_and_everything_else_the_doctors() -> None:
    assert rules.check_basket([wanted(ItemKind.DRUG, quantity=3)], "") is Desk.PHARMACY
    tests = [wanted(), wanted(ItemKind.LABORATORY), wanted(ItemKind.NUCLEIC_ACID)]
    assert rules.check_basket(tests, "") is Desk.CLINIC
    with pytest.raises(errors.MixedBasket):
        rules.check_basket([wanted(), wanted(ItemKind.DRUG)], "")
    with pytest.raises(errors.QuantityNotAllowed):
        rules.check_basket([wanted(quantity=2)], "")


@pytest.mark.requirement("S0-P-079")
def test_a_special_item_asks_for_the_purpose_and_an_ordinary_one_does_not() -> None:
    assert rules.check_basket([wanted()], "  ") is Desk.CLINIC
    special = [wanted(), wanted(special=True)]
    with pytest.raises(errors.PurposeRequired):
        rules.check_basket(special, "  ")
    assert rules.check_basket(special, "体检复查") is Desk.CLINIC


def test_times_lie_ahead_on_the_days_that_are_offered() -> None:
    calendar = Calendar(asked=True, days=1, zone=ZONE)
    offered = calendar.offered(("14:00", "09:00"), NOW)  # Ten o'clock at the hospital.
    assert [f"{each:%d %H:%M}" for each in offered] == ["22 14:00", "23 09:00", "23 14:00"]
    line = wanted(needs_time=True, times=("09:00", "14:00"))
    with pytest.raises(errors.TimeRequired):
        calendar.check(line, NOW)
    with pytest.raises(errors.TimeNotOffered):
        calendar.check(replace(line, starts_at=NOW + timedelta(minutes=5)), NOW)
    assert calendar.check(replace(line, starts_at=offered[1].astimezone(UTC)), NOW) == offered[1]
    skipped = replace(calendar, asked=False)
    assert skipped.check(replace(line, starts_at=offered[1]), NOW) is None


def test_a_deadline_ends_before_the_time_that_was_chosen() -> None:
    day, first = timedelta(days=1), NOW + timedelta(hours=3)
    assert rules.deadline(NOW, day, None) == NOW + day
    assert rules.deadline(NOW, day, first) == first
