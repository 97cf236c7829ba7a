"""Whether a notice goes out, when, by which channel: decided without a database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clinical.notifications import rules
from clinical.notifications.rules import Go, Later, QuietHours, Situation, Unread
from clinical.notifications.states import Outcome, PushState, Skip
from realtime.notices import WECHAT_THEN_SMS, Channel

NOON = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)
SHANGHAI = ZoneInfo("Asia/Shanghai")
MOMENTS = st.integers(0, 730 * 24 * 60).map(lambda minutes: NOON + timedelta(minutes=minutes))
MINUTES = st.integers(0, rules.MINUTES_A_DAY - 1)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(MOMENTS, MINUTES, MINUTES, st.sampled_from(["Asia/Shanghai", "Europe/Berlin"]))
def test_quiet_hours_end_when_they_no_longer_cover_the_clock_and_within_a_day(
    now: datetime, start: int, end: int, zone_name: str
) -> None:
    zone, hours = ZoneInfo(zone_name), QuietHours(start, end)
    until = rules.quiet_until(now, zone, hours)
    local = now.astimezone(zone)
    assert (until is not None) == hours.covers(local.hour * 60 + local.minute)
    if until is not None:
        assert now < until <= now + timedelta(hours=25)
        over = until.astimezone(zone)
        assert not hours.covers(over.hour * 60 + over.minute) or _clocks_moved(now, until, zone)


def _clocks_moved(now: datetime, until: datetime, zone: ZoneInfo) -> bool:
    return now.astimezone(zone).utcoffset() != until.astimezone(zone).utcoffset()


@given(MINUTES, MINUTES)
def test_quiet_hours_of_no_length_are_never_quiet(start: int, minute: int) -> None:
    assert not QuietHours(start, start).covers(minute)


@given(
    st.builds(
        Situation,
        enabled=st.booleans(),
        read=st.booleans(),
        connected=st.booleans(),
        switched_off=st.booleans(),
        statutory=st.booleans(),
        urgent=st.booleans(),
        everywhere=st.booleans(),
        quiet_until=st.none() | st.just(NOON),
    )
)
def test_nothing_goes_out_that_is_read_unwanted_or_seen_already(situation: Situation) -> None:
    decision = rules.decide(situation)
    if situation.enabled and not situation.read and situation.statutory:
        assert decision is not Skip.SWITCHED_OFF
    if isinstance(decision, Go | Later):
        assert situation.enabled
        assert not situation.read
        assert situation.statutory or not situation.switched_off
        assert situation.everywhere or not situation.connected
    if isinstance(decision, Go):
        assert situation.urgent or situation.quiet_until is None
    if isinstance(decision, Later):
        assert not situation.urgent


OUTCOMES = st.lists(st.sampled_from(list(Outcome)), max_size=12)


@given(OUTCOMES)
def test_every_way_ends_and_never_goes_on_after_it_was_sent(outcomes: list[Outcome]) -> None:
    """Fed with any outcomes, a push stops by itself, and the first success is the last attempt."""
    history: dict[Channel, tuple[Outcome, ...]] = {}
    for outcome in outcomes:
        if rules.after(WECHAT_THEN_SMS, history) is not PushState.DUE:
            break
        channel = rules.next_channel(WECHAT_THEN_SMS, history)
        assert channel is not None
        before = history.get(channel, ())
        assert Outcome.SENT not in before
        assert len(before) < rules.MOST_ATTEMPTS
        history[channel] = (*before, outcome)
    sent = sum(each.count(Outcome.SENT) for each in history.values())
    assert sent <= 1
    if sent:
        assert rules.after(WECHAT_THEN_SMS, history) is PushState.SENT


def test_a_channel_that_is_down_is_tried_some_times_and_then_left_for_the_next() -> None:
    history: dict[Channel, tuple[Outcome, ...]] = {}
    pauses = []
    while rules.next_channel(WECHAT_THEN_SMS, history) is Channel.WECHAT_MINI:
        history[Channel.WECHAT_MINI] = (
            *history.get(Channel.WECHAT_MINI, ()),
            Outcome.UNANSWERED,
        )
        pauses.append(rules.pause(history[Channel.WECHAT_MINI]))
    assert pauses == [timedelta(seconds=s) for s in (30, 60, 120, 0)]
    assert rules.next_channel(WECHAT_THEN_SMS, history) is Channel.WECHAT_SERVICE


@pytest.mark.parametrize(
    ("outcomes", "state"),
    [
        ((Outcome.NOT_SUBSCRIBED, Outcome.NO_ADDRESS, Outcome.NO_ADDRESS), "unreachable"),
        ((Outcome.MISCONFIGURED, Outcome.NO_ADDRESS, Outcome.NO_ADDRESS), "parked"),
        ((Outcome.NO_TEMPLATE, Outcome.NO_TEMPLATE, Outcome.REFUSED), "parked"),
    ],
)
def test_it_is_parked_where_somebody_can_mend_it_and_not_where_the_person_says_no(
    outcomes: tuple[Outcome, ...], state: str
) -> None:
    history = {
        channel: (outcome,) for channel, outcome in zip(WECHAT_THEN_SMS, outcomes, strict=True)
    }
    assert rules.after(WECHAT_THEN_SMS, history).value == state


@given(st.lists(st.tuples(st.sampled_from(["word", "read"]), st.integers(0, 20)), max_size=60))
def test_a_room_tells_once_for_a_burst_whatever_comes_in_which_order(
    steps: list[tuple[str, int]],
) -> None:
    """Between two notices lies either a reading of what was told or the whole window."""
    burst, now = timedelta(minutes=10), NOON
    newest = read = noted = 0
    noted_at: datetime | None = None
    for what, minutes in steps:
        now += timedelta(minutes=minutes)
        if what == "read":
            read = newest
        else:
            newest += 1
        unread = Unread(newest=newest, read_seq=read, noted_seq=noted, noted_at=noted_at)
        if rules.tells(unread, now, burst):
            assert newest > read
            assert noted_at is None or read >= noted or now - noted_at >= burst
            noted, noted_at = newest, now
        elif newest > max(read, noted):
            assert noted_at is not None
            assert now - noted_at < burst
