"""Pure decisions of personal signing: PINs, lock-out, who may sign, when to renew, counting."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise

from clinical.signature.states import KeyState, Standing
from core.identity.rules import Lockout

#: Shortest and longest PIN that a hospital may ask for (S0-C-026 names four digits).
PIN_LENGTHS = range(4, 9)

#: Patterns on the keypad and dates that everybody tries first.
_FAVOURITES = frozenset({"1314", "1688", "5201", "147258", "1314520"})


def pin_problem(
    pin: str, *, length: int, birthday: date | None = None, phone: str | None = None
) -> str | None:
    """A Chinese sentence about what is wrong with a new PIN, or None.

    Refused are other lengths, one repeated digit or pair, runs up and down, the owner's birthday
    in any usual order, and the end of the owner's telephone number.
    """
    if not (len(pin) == length and pin.isascii() and pin.isdigit()):
        return f"签名密码为 {length} 位数字"
    if len(set(pin)) == 1 or (length % 2 == 0 and pin == pin[:2] * (length // 2)):
        return "签名密码不能是重复的数字"
    steps = {int(b) - int(a) for a, b in pairwise(pin)}
    if steps in ({1}, {-1}):
        return "签名密码不能是连续的数字"
    if pin in _FAVOURITES:
        return "签名密码过于常见，请换一个"
    if birthday is not None and pin in _birthday_pins(birthday, length):
        return "签名密码不能是您的生日"
    if phone and phone.endswith(pin):
        return "签名密码不能是您手机号的末几位"
    return None


def _birthday_pins(day: date, length: int) -> set[str]:
    orders = ("%m%d", "%d%m", "%Y", "%y%m", "%y%m%d", "%d%m%y", "%Y%m%d", "%d%m%Y", "%Y%m")
    return {text for text in (day.strftime(order) for order in orders) if len(text) == length}


#: Five wrong PINs lock; each further one doubles the wait (MLPS level 3, S0-A-060).
PIN_LOCKOUT = Lockout(
    free_failures=5,
    first_delay=timedelta(minutes=1),
    longest_delay=timedelta(hours=1),
    forget_after=timedelta(hours=24),
)


@dataclass(frozen=True, slots=True)
class Attempts:
    """Wrong PINs so far and until when no PIN is heard."""

    failures: int
    failed_at: datetime | None
    locked_until: datetime | None

    def locked(self, now: datetime) -> bool:
        """Whether a PIN is not even looked at now."""
        return self.locked_until is not None and now < self.locked_until

    def counted(self, now: datetime) -> "Attempts":
        """The same with one attempt more, counted before the PIN is looked at."""
        forgotten = self.failed_at is None or now - self.failed_at > PIN_LOCKOUT.forget_after
        failures = 1 if forgotten else self.failures + 1
        delay = PIN_LOCKOUT.delay(failures)
        return Attempts(failures, now, now + delay if delay else None)

    @property
    def left(self) -> int:
        """How many wrong PINs are free before the next lock."""
        return max(0, PIN_LOCKOUT.free_failures - self.failures)


@dataclass(frozen=True, slots=True)
class Ability:
    """What decides whether somebody can sign now."""

    has_image: bool
    suspended: bool
    key: KeyState | None
    not_after: datetime | None

    def standing(self, now: datetime, *, needs_image: bool = True) -> Standing:
        """The first thing that is missing; READY when nothing is."""
        if self.suspended:
            return Standing.SUSPENDED
        if needs_image and not self.has_image:
            return Standing.NO_IMAGE
        match self.key:
            case None | KeyState.REFUSED:
                return Standing.NO_PIN
            case KeyState.REQUESTED:
                return Standing.REQUESTED
            case KeyState.REVOKED | KeyState.SUPERSEDED:
                return Standing.REVOKED
            case KeyState.ACTIVE:
                expired = self.not_after is not None and now >= self.not_after
                return Standing.EXPIRED if expired else Standing.READY


def due_for_renewal(not_after: datetime, now: datetime, days: int) -> bool:
    """Whether a certificate in force is renewed now: inside its last days."""
    return now < not_after <= now + timedelta(days=days)


def retry_after(attempts: int) -> timedelta:
    """How long a failed call to the CA or the time authority rests: 10 s, doubling to an hour."""
    seconds: int = 10 * 2 ** min(attempts, 20)
    return timedelta(seconds=min(seconds, 3600))


@dataclass(frozen=True, slots=True)
class Change:
    """One field that reads differently now; None where it did not exist."""

    name: str
    label: str
    signed: str | None
    present: str | None


Lines = Sequence[Sequence[str]]


def changes(signed: Lines, present: Lines) -> list[Change]:
    """What differs between two lists of `[name, label, value]`, in reading order."""
    now = {name: (label, value) for name, label, value in present}
    before = {name for name, _, _ in signed}
    found = []
    for name, label, value in signed:
        other = now.get(name)
        if other is None:
            found.append(Change(name, label, value, None))
        elif other[1] != value:
            found.append(Change(name, label, value, other[1]))
    found += [
        Change(name, label, None, value) for name, label, value in present if name not in before
    ]
    return found


@dataclass(frozen=True, slots=True)
class Usage:
    """How much of what was bought is used (S0-N-020)."""

    used: int
    limit: int

    @property
    def percent(self) -> int:
        """Rounded down, so that 100 means that it is used up."""
        return self.used * 100 // self.limit if self.limit else 100

    def level(self) -> str:
        """`ok`, `near` from 80 % on, `over` when nothing is left."""
        return "over" if self.percent >= 100 else "near" if self.percent >= 80 else "ok"
