"""A clock that a loop can wait for, finer than its own timers: uvloop's have whole milliseconds."""

from __future__ import annotations

import ctypes
import os
import time
from ctypes import c_int, c_long, c_void_p
from typing import Final

# From Linux' timerfd.h: its flags are those of open(2).
_NONBLOCK: Final = os.O_NONBLOCK
_CLOEXEC: Final = getattr(os, "O_CLOEXEC", 0)


class _Period(ctypes.Structure):
    """struct itimerspec: the period, and the time until the first tick."""

    _fields_ = (
        ("every_seconds", c_long),
        ("every_nanoseconds", c_long),
        ("first_seconds", c_long),
        ("first_nanoseconds", c_long),
    )


class Ticks:
    """A descriptor that becomes readable every ``period`` seconds (below 1) while it is started.

    Raises OSError when the system gives none.
    """

    def __init__(self, library: ctypes.CDLL, period: float) -> None:
        library.timerfd_create.argtypes = [c_int, c_int]
        library.timerfd_settime.argtypes = [c_int, c_int, c_void_p, c_void_p]
        self._set = library.timerfd_settime
        self._nanoseconds = int(period * 1e9)
        self.number: int = library.timerfd_create(time.CLOCK_MONOTONIC, _NONBLOCK | _CLOEXEC)
        if self.number < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")

    def start(self) -> None:
        self._put(_Period(0, self._nanoseconds, 0, self._nanoseconds))

    def stop(self) -> None:
        self._put(_Period())

    def _put(self, period: _Period) -> None:
        if self._set(self.number, 0, ctypes.byref(period), None):
            raise OSError(ctypes.get_errno(), "timerfd_settime")

    def heard(self) -> None:
        """Be no longer readable until the next tick."""
        try:
            os.read(self.number, 8)
        except BlockingIOError:
            return

    def close(self) -> None:
        os.close(self.number)


def ticks_of(period: float) -> Ticks | None:
    """Ticks, where the system has such a clock (Linux)."""
    library = ctypes.CDLL(None, use_errno=True)
    if not hasattr(library, "timerfd_create"):
        return None
    return Ticks(library, period)
