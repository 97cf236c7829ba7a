"""Pure decisions: does a notice go out, when, by which channel, and what after a failure.

No I/O; `now` is passed in. Every number is the default of the house.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from clinical.notifications.states import Outcome, PushState, Skip
from realtime.notices import Channel

MINUTES_A_DAY = 24 * 60
#: Attempts on one channel before the next one is tried.
MOST_ATTEMPTS = 4
FIRST_DELAY = timedelta(seconds=30)
LONGEST_DELAY = timedelta(minutes=15)
#: How long an attempt has before another process takes it for lost.
LEASE = timedelta(minutes=2)

#: Trouble that may be over in a minute.
_PASSING = frozenset({Outcome.UNANSWERED, Outcome.BUSY, Outcome.LOST})
#: What an administrator has to put right.
_FAULTS = _PASSING | {Outcome.MISCONFIGURED, Outcome.REFUSED}


@dataclass(frozen=True)
class QuietHours:
    """Minutes of the local day from which, and until which, nothing rings. Equal: never quiet."""

    start: int
    end: int

    def covers(self, minute: int) -> bool:
        """Whether a minute of the day lies in them; they may run over midnight."""
        if self.start <= self.end:
            return self.start <= minute < self.end
        return minute >= self.start or minute < self.end


def quiet_until(now: datetime, zone: ZoneInfo, hours: QuietHours) -> datetime | None:
    """When the quiet hours that run now are over; None when none run."""
    local = now.astimezone(zone)
    minute = local.hour * 60 + local.minute
    if not hours.covers(minute):
        return None
    # By the wall clock of the place, whatever its clocks do at night.
    end = local.replace(
        hour=hours.end // 60 % 24, minute=hours.end % 60, second=0, microsecond=0, fold=0
    )
    if end <= local:
        end = (end + timedelta(days=1)).replace(tzinfo=zone)
    return end.astimezone(now.tzinfo)


@dataclass(frozen=True, kw_only=True)
class Situation:
    """What is known of the recipient when a notice would go out."""

    enabled: bool = True
    read: bool = False
    connected: bool = False
    switched_off: bool = False
    statutory: bool = False
    urgent: bool = False
    everywhere: bool = False
    quiet_until: datetime | None = None


@dataclass(frozen=True)
class Later:
    """Not now: look again then."""

    at: datetime


@dataclass(frozen=True)
class Go:
    """Send it."""


Decision = Skip | Later | Go


def decide(situation: Situation) -> Decision:
    """Whether a notice goes out now, later or not at all."""
    if not situation.enabled:
        return Skip.NOBODY
    if situation.read:
        return Skip.READ
    if situation.switched_off and not situation.statutory:
        return Skip.SWITCHED_OFF
    if situation.connected and not situation.everywhere:
        return Skip.CONNECTED
    if situation.quiet_until is not None and not situation.urgent:
        return Later(situation.quiet_until)
    return Go()


# --- channels ------------------------------------------------------------------------------------

History = Mapping[Channel, Sequence[Outcome]]


def next_channel(order: Sequence[Channel], history: History) -> Channel | None:
    """The channel for the next attempt: the first that is not used up."""
    return next((each for each in order if not _used_up(history.get(each, ()))), None)


def _used_up(outcomes: Sequence[Outcome]) -> bool:
    if not outcomes:
        return False
    return outcomes[-1] not in _PASSING or len(outcomes) >= MOST_ATTEMPTS


def after(order: Sequence[Channel], history: History) -> PushState:
    """Where a notice stands after an attempt: sent, to be tried again, or over."""
    if any(Outcome.SENT in outcomes for outcomes in history.values()):
        return PushState.SENT
    if next_channel(order, history) is not None:
        return PushState.DUE
    faults = any(_FAULTS & set(outcomes) for outcomes in history.values())
    return PushState.PARKED if faults else PushState.UNREACHABLE


def pause(channel_outcomes: Sequence[Outcome]) -> timedelta:
    """How long to wait after an attempt: not at all for the next channel, else doubling."""
    if not channel_outcomes or _used_up(channel_outcomes):
        return timedelta(0)
    doubled: timedelta = FIRST_DELAY * 2 ** min(len(channel_outcomes) - 1, 10)
    return min(doubled, LONGEST_DELAY)


# --- one notice for a burst of chat --------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Unread:
    """What one member of a room has not read, and what he was told last (0, None: nothing).

    `newest` is the `seq` of the newest word of another that is old enough to tell of.
    """

    newest: int
    read_seq: int
    noted_seq: int = 0
    noted_at: datetime | None = None


def tells(unread: Unread, now: datetime, burst: timedelta) -> bool:
    """Whether a member of a room is told now.

    One notice for a burst: a later word makes another one only after he has read what he was told
    of, or when the window is over.
    """
    if unread.newest <= max(unread.read_seq, unread.noted_seq):
        return False
    if unread.noted_at is None or unread.read_seq >= unread.noted_seq:
        return True
    return now - unread.noted_at >= burst
