"""The decisions of the schedule, row by row."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from clinical.schedule import errors, rules
from clinical.schedule.rules import ReleaseRule, Session
from clinical.schedule.states import BookingState, ShiftState

ZONE = ZoneInfo("Asia/Shanghai")
NOW = datetime(2026, 11, 20, 1, 0, tzinfo=UTC)  # nine o'clock in Shanghai
RULE = ReleaseRule(7, 0)


@dataclass
class Place:
    state: BookingState
    position: int


def session(days: int = 1, **more: object) -> Session:
    values: dict[str, object] = {
        "state": ShiftState.OPEN,
        "starts_at": NOW + timedelta(days=days),
        "ends_at": NOW + timedelta(days=days, hours=3),
        "places": 2,
        "extra": 0,
        "taken": 0,
    }
    return Session(**{**values, **more})  # type: ignore[arg-type]


@pytest.mark.requirement("S4-007")
@pytest.mark.parametrize(
    ("rule", "last"),
    [
        (ReleaseRule(7, 0), date(2026, 11, 27)),
        (ReleaseRule(7, 9), date(2026, 11, 27)),
        (ReleaseRule(7, 10), date(2026, 11, 26)),
        (ReleaseRule(0, 10), date(2026, 11, 20)),
    ],
)
def test_places_are_given_out_so_many_days_ahead_from_the_set_hour_on(
    rule: ReleaseRule, last: date
) -> None:
    assert rule.last_day(NOW, ZONE) == last


@pytest.mark.parametrize(
    ("shift", "refusal"),
    [
        (session(state=ShiftState.DISABLED), errors.ShiftUnavailable),
        (session(state=ShiftState.SUSPENDED), errors.ShiftUnavailable),
        (session(days=8), errors.ShiftUnavailable),
        (session(days=-1), errors.ShiftUnavailable),
        (session(taken=2), errors.ShiftFull),
    ],
)
def test_nobody_gets_a_place_that_is_closed_over_not_released_or_taken(
    shift: Session, refusal: type[Exception]
) -> None:
    with pytest.raises(refusal):
        rules.require_place(shift, RULE, NOW, ZONE)


def test_an_extra_place_opens_a_full_session_again() -> None:
    rules.require_place(session(taken=2, extra=1), RULE, NOW, ZONE)


def test_a_number_that_was_given_back_is_given_out_again() -> None:
    assert rules.free_number({1, 2, 4}) == 3
    assert rules.free_number(set()) == 1


def test_whoever_stands_first_is_called_unless_somebody_called_has_not_come() -> None:
    queue = [
        Place(BookingState.DONE, 1),
        Place(BookingState.PASSED, 2),
        Place(BookingState.QUEUED, 4),
        Place(BookingState.QUEUED, 3),
        Place(BookingState.HELD, 0),
    ]
    assert rules.next_to_call(queue).position == 3
    with pytest.raises(errors.CallPending):
        rules.next_to_call([*queue, Place(BookingState.CALLED, 9)])
    with pytest.raises(errors.NobodyWaits):
        rules.next_to_call(queue[:2])


def test_who_is_served_passed_over_or_has_not_paid_is_not_ahead() -> None:
    mine = Place(BookingState.QUEUED, 6)
    queue = [Place(state, place) for place, state in enumerate(BookingState)]
    assert rules.ahead_of(mine, queue) == 2  # the queued and the called one
    assert rules.ahead_of(Place(BookingState.CALLED, 6), queue) == 0


def test_who_waits_knows_how_many_are_ahead_and_who_was_called_waits_no_more() -> None:
    called, first = Place(BookingState.CALLED, 1), Place(BookingState.QUEUED, 2)
    last, passed = Place(BookingState.QUEUED, 5), Place(BookingState.PASSED, 3)
    assert rules.waiting([passed, last, called, first]) == [(last, 2), (first, 1)]


@pytest.mark.parametrize("hours", [0, -1, 25])
def test_a_session_has_a_length_of_at_most_a_day(hours: int) -> None:
    with pytest.raises(errors.ShiftTimes):
        rules.check_times(NOW, NOW + timedelta(hours=hours))
