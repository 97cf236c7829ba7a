"""The circuit breaker towards one outside system, as a state machine without I/O.

Closed: calls pass. After `failures` in a row it opens: calls are refused at once, so that a dead
neighbour costs nobody a timeout. After a pause one probe passes (half open): its success closes
the breaker, its failure opens it again for twice as long, up to `longest`.

Own code instead of the purgatory library: the library keeps its state in a unit of work behind a
bus of its own, and the sixty lines here can be read and driven by a clock in a test.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import structlog

from core.defence.metrics import BREAKER_OPENED, BREAKER_STATE

log = structlog.get_logger(__name__)

FAILURES = 5
FIRST_PAUSE = 5.0
LONGEST_PAUSE = 60.0


class State(StrEnum):
    """Where a breaker stands."""

    CLOSED = "closed"
    HALF_OPEN = "half_open"
    OPEN = "open"


_NUMBER = {State.CLOSED: 0, State.HALF_OPEN: 1, State.OPEN: 2}


@dataclass(frozen=True, slots=True)
class BreakerView:
    """How one outside system is doing: failures in a row, seconds until the next probe."""

    system: str
    state: State
    failures: int
    retry_in: float


class Breaker:
    """One outside system. `clock` gives seconds and never goes back."""

    def __init__(
        self,
        system: str,
        clock: Callable[[], float] = time.monotonic,
        *,
        failures: int = FAILURES,
        first_pause: float = FIRST_PAUSE,
        longest: float = LONGEST_PAUSE,
    ) -> None:
        self.system = system
        self._clock = clock
        self._most_failures = failures
        self._first_pause = first_pause
        self._longest = longest
        self._failures = 0
        self._pause = first_pause
        self._open_until: float | None = None
        self._probing = False
        _breakers.add(self)
        BREAKER_STATE.labels(system).set(0)

    @property
    def state(self) -> State:
        if self._open_until is None:
            return State.CLOSED
        return State.HALF_OPEN if self._probing or self._wait() <= 0 else State.OPEN

    def admit(self) -> float:
        """0 when a call may be made now, else the seconds until one may.

        Every admitted call is followed by exactly one of `succeeded`, `failed` or `abandoned`.
        """
        if self._open_until is None:
            return 0.0
        wait = self._wait()
        if wait > 0:
            return wait
        if self._probing:
            # One probe is enough; the others learn from it.
            return 1.0
        self._probing = True
        self._show()
        return 0.0

    def succeeded(self) -> None:
        """The system answered, whatever it said."""
        if self._open_until is not None:
            log.info("outside_breaker_closed", system=self.system)
        self._failures, self._pause = 0, self._first_pause
        self._open_until, self._probing = None, False
        self._show()

    def failed(self) -> None:
        """No usable answer came."""
        self._failures += 1
        was_probe, self._probing = self._probing, False
        if self._open_until is not None:
            if not was_probe:
                # A call from before the breaker opened: it says nothing new.
                return
            self._pause = min(self._longest, self._pause * 2)
        elif self._failures < self._most_failures:
            return
        self._open_until = self._clock() + self._pause
        BREAKER_OPENED.labels(self.system).inc()
        log.warning("outside_breaker_opened", system=self.system, seconds=self._pause)
        self._show()

    def abandoned(self) -> None:
        """The caller gave up before an answer came: the next call may probe."""
        self._probing = False
        self._show()

    def view(self) -> BreakerView:
        return BreakerView(self.system, self.state, self._failures, max(0.0, self._wait()))

    def _wait(self) -> float:
        return 0.0 if self._open_until is None else self._open_until - self._clock()

    def _show(self) -> None:
        BREAKER_STATE.labels(self.system).set(_NUMBER[self.state])


_breakers: weakref.WeakSet[Breaker] = weakref.WeakSet()


def views() -> list[BreakerView]:
    """All breakers of this process, by system; of several to one system the worst is shown."""
    worst: dict[str, BreakerView] = {}
    for view in (breaker.view() for breaker in tuple(_breakers)):
        known = worst.get(view.system)
        if known is None or _badness(view) > _badness(known):
            worst[view.system] = view
    return [worst[system] for system in sorted(worst)]


def _badness(view: BreakerView) -> tuple[int, int]:
    return _NUMBER[view.state], view.failures
