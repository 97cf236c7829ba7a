"""When a recording is composed, given up or waited for. No I/O."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

#: Workers say what they seal; whoever was not heard has this long to show in the store.
SETTLE = timedelta(seconds=2)
MAX_ATTEMPTS = 3
#: Where the bytes of recorded calls lie in the store.
PREFIX = "recordings"
#: What the attachments of uploaded recordings hang on.
SCOPE = "recording"
FIRST_PAUSE = timedelta(seconds=30)


class RecordingState(StrEnum):
    RECORDING = "recording"
    PROCESSING = "processing"
    READY = "ready"
    FAILED = "failed"
    REMOVED = "removed"


class Origin(StrEnum):
    """Where a recording comes from."""

    CALL = "call"
    BODY_RECORDER = "body_recorder"
    LECTURE = "lecture"


#: What somebody may upload.
UPLOADED = (Origin.BODY_RECORDER, Origin.LECTURE)


class Note(StrEnum):
    """What is to be said of a recording that is not whole."""

    TAKE_MISSING = "take_missing"
    DAMAGED = "damaged"
    NO_ROOM = "no_room"
    NOTHING_RECORDED = "nothing_recorded"
    COMPOSITION_FAILED = "composition_failed"


def note_of(damaged: int, dropped: int) -> Note | None:
    """What to say of takes that all came: stretches that cannot be read, packets without room."""
    return Note.DAMAGED if damaged else Note.NO_ROOM if dropped else None


class FileKind(StrEnum):
    COMPOSED = "composed"
    SIDE = "side"
    SCREEN = "screen"
    UPLOADED = "uploaded"


class Next(StrEnum):
    """What to do with a recording whose call is over."""

    WAIT = "wait"
    COMPOSE = "compose"
    GIVE_UP = "give_up"


@dataclass(frozen=True)
class TakeStatus:
    """A take that a worker announced or whose bytes lie in the store."""

    take: str
    sealed: bool
    segments: int


def next_step(
    takes: list[TakeStatus], ended_at: datetime, now: datetime, patience: timedelta
) -> Next:
    """Compose when every known take is sealed; after `patience` with what there is."""
    waited = now - ended_at
    whole = bool(takes) and all(take.sealed for take in takes)
    if whole and waited >= SETTLE:
        return Next.COMPOSE
    if waited < patience:
        return Next.WAIT
    return Next.COMPOSE if any(take.segments for take in takes) else Next.GIVE_UP


def pause_after(attempts: int) -> timedelta:
    """How long a failed composition rests before the next attempt."""
    factor: int = 4 ** max(attempts - 1, 0)
    return FIRST_PAUSE * factor


def last_day(ended: date, years: int) -> date:
    """The last day on which a recording must still be there.

    Source: Rules on Supervision (2022): sound and pictures are kept for at least three years.
    """
    day = 28 if (ended.month, ended.day) == (2, 29) else ended.day
    return date(ended.year + years, ended.month, day)


def ended_before(today: date, years: int) -> date:
    """Recordings that ended on a day before this one are over `today`."""
    day = 28 if (today.month, today.day) == (2, 29) else today.day
    return date(today.year - years, today.month, day)
