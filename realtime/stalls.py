"""How long the event loop of this process was away: the longest stall since somebody last asked."""

import asyncio
import time

from realtime.metrics import LONGEST_STALL

BEAT_SECONDS = 0.01


class StallWatch:
    """Beats a hundred times a second and notes the longest delay of a beat."""

    def __init__(self) -> None:
        self._longest = 0.0
        self._due = 0.0
        self._beat: asyncio.TimerHandle | None = None

    def start(self) -> None:
        LONGEST_STALL.set_function(self.take)
        self._next()

    def stop(self) -> None:
        if self._beat is not None:
            self._beat.cancel()

    def take(self) -> float:
        """The longest stall in seconds since the last call of this."""
        longest, self._longest = self._longest, 0.0
        return longest

    def _next(self) -> None:
        self._due = time.perf_counter() + BEAT_SECONDS
        self._beat = asyncio.get_running_loop().call_later(BEAT_SECONDS, self._came)

    def _came(self) -> None:
        self._longest = max(self._longest, time.perf_counter() - self._due)
        self._next()
