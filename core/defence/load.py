"""Load on one process: how many requests it works on at once, and who gives way first.

A process that takes everything answers nothing in time. What is refused early and cheaply leaves
the rest for rooms: exports and statistics give way first, then ordinary reading, then the rest.
Uploads are counted apart: they last as long as the sender's line is slow, and would otherwise fill
the room for everybody.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from core.defence.kinds import Priority
from core.defence.metrics import IN_HAND, LOAD_SHED
from core.errors import ServiceUnavailable

if TYPE_CHECKING:
    from core.runtime import Runtime

#: How much of the room each priority may fill (all requests together are counted).
SHARES = {Priority.LOW: 0.5, Priority.NORMAL: 0.85, Priority.HIGH: 1.0}
#: Exports and the like that run at once, however idle the process is.
LOW_AT_ONCE = 4
UPLOADS_AT_ONCE = 32
UPLOADS_PER_PERSON = 6
RETRY_SECONDS = {Priority.LOW: 10, Priority.NORMAL: 3, Priority.HIGH: 2}


class Overburdened(ServiceUnavailable):
    code, status, title = "overloaded", 503, "当前使用人数较多，请稍后再试"


class LoadGate:
    """Counts the requests in hand; `most` is the whole room."""

    def __init__(self, most: int, low_at_once: int = LOW_AT_ONCE) -> None:
        self._room = {priority: max(1, int(most * share)) for priority, share in SHARES.items()}
        self._low_at_once = low_at_once
        self._in_hand = 0
        self._low_in_hand = 0
        self._uploads: Counter[Hashable] = Counter()

    @classmethod
    def of(cls, runtime: Runtime) -> Self:
        """The one of this process, made on first use."""
        gate = runtime.ports.get(cls)
        if gate is None:
            gate = runtime.ports[cls] = cls(runtime.config.requests_at_once)
        return gate

    @property
    def in_hand(self) -> int:
        return self._in_hand

    @contextmanager
    def enter(self, priority: Priority) -> Iterator[None]:
        """Hold a place while a request is worked on. Raises Overburdened."""
        low = priority is Priority.LOW
        if self._in_hand >= self._room[priority] or (
            low and self._low_in_hand >= self._low_at_once
        ):
            LOAD_SHED.labels(priority.name.lower()).inc()
            raise Overburdened(retry_after=RETRY_SECONDS[priority])
        self._in_hand += 1
        self._low_in_hand += low
        IN_HAND.set(self._in_hand)
        try:
            yield
        finally:
            self._in_hand -= 1
            self._low_in_hand -= low
            IN_HAND.set(self._in_hand)

    @contextmanager
    def enter_upload(self, owner: Hashable) -> Iterator[None]:
        """Hold a place while something large is received. Raises Overburdened."""
        if self._uploads.total() >= UPLOADS_AT_ONCE or self._uploads[owner] >= UPLOADS_PER_PERSON:
            LOAD_SHED.labels("upload").inc()
            raise Overburdened(retry_after=RETRY_SECONDS[Priority.NORMAL])
        self._uploads[owner] += 1
        try:
            yield
        finally:
            self._uploads[owner] -= 1
            if not self._uploads[owner]:
                del self._uploads[owner]
