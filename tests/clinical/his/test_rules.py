"""Which results are marked, and for how long a consultation is a reason to look."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from clinical.consultation.states import State
from clinical.his.rules import mark_of, may_ask
from clinical.his.states import Mark

NOON = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)


@pytest.mark.requirement("S3-054")
@pytest.mark.parametrize(
    ("value", "reference", "flag", "mark"),
    [
        # The laboratory's own word wins over the printed reference.
        ("9.9", "3.5-9.5", "N", Mark.NORMAL),
        ("5.0", "3.5-9.5", "hh", Mark.CRITICAL_HIGH),
        ("5.0", "3.5-9.5", "↓", Mark.LOW),
        # Without one the value is compared.
        ("9.6", "3.5-9.5", "", Mark.HIGH),
        ("9.5", "3.5-9.5", "", Mark.NORMAL),
        ("3.4", "3.5～9.5", "", Mark.LOW),
        ("3.4", "3.5--9.5", "", Mark.LOW),
        ("5.2", "<5.2", "", Mark.HIGH),
        ("5.2", "≤5.2", "", Mark.NORMAL),
        ("1.0", ">1.0", "", Mark.LOW),
        ("1.0", "≥1.0", "", Mark.NORMAL),
        ("-1.5", "-2.5-2.5", "", Mark.NORMAL),
        (">1000", "0-10", "", Mark.HIGH),
        ("<0.01", "0.02-1", "", Mark.LOW),
        ("<0.01", "<0.01", "", Mark.NORMAL),
        ("阳性", "阴性", "", Mark.ABNORMAL),
        ("弱阳性", "阴性", "", Mark.ABNORMAL),
        ("2+", "阴性", "", Mark.ABNORMAL),
        ("(+)", "阴性", "", Mark.ABNORMAL),
        ("阴性", "阴性", "", Mark.NORMAL),
        # Where nothing can be said nothing is: a wrong "normal" would be worse than no mark.
        ("<5", "3-10", "", None),
        ("<12", "3-10", "", None),
        (">1", "3-10", "", None),
        ("黄色", "淡黄色", "", None),
        ("淡黄", "阴性", "", None),
        ("6.1", "见说明", "", None),
        ("", "3-10", "", None),
        ("5", "3-10", "?", Mark.NORMAL),
    ],
)
def test_a_result_is_marked_by_its_flag_or_else_by_its_reference(
    value: str, reference: str, flag: str, mark: Mark | None
) -> None:
    assert mark_of(value, reference, flag) is mark


@pytest.mark.parametrize(
    ("state", "hours_ago", "allowed"),
    [
        (State.WAITING, None, True),
        (State.ACTIVE, None, True),
        (State.ENDED, 72, True),
        (State.ENDED, 73, False),
        (State.CANCELLED, 0, False),
    ],
)
def test_a_consultation_is_a_reason_while_it_lasts_and_for_a_while_after(
    state: State, hours_ago: int | None, allowed: bool
) -> None:
    ended = None if hours_ago is None else NOON - timedelta(hours=hours_ago)
    assert may_ask(state, ended, NOON, timedelta(hours=72)) is allowed
