"""How much the media benchmark measures, and how long."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

#: The sizes that are quoted: rooms at full and at half load, and viewers of one publisher.
ROOMS, HALF, VIEWERS = 20, 10, 50


@dataclass(frozen=True)
class Plan:
    """How long and how much. ``turns`` is how often the quoted scenarios are measured; after
    ``minutes`` nothing is begun any more. ``recorded`` seconds is a turn of the recording.
    """

    warm: float
    seconds: float
    recorded: float
    turns: int
    rooms: tuple[int, ...]
    viewers: tuple[int, ...]
    joins: int
    pictures: int
    minutes: float


FULL = Plan(2.0, 6.0, 20.0, 3, (5, HALF, ROOMS, 40), (10, VIEWERS, 200), 100, 30, 18.0)
QUICK = Plan(1.0, 4.0, 10.0, 1, (HALF, ROOMS), (VIEWERS,), 30, 10, 10.0)


class Budget:
    """The time that there is. What is quoted comes first, so that it is never what is left out."""

    def __init__(self, minutes: float) -> None:
        self._until = time.monotonic() + minutes * 60
        self.left_out: list[str] = []

    def allows(self, what: str) -> bool:
        """Whether there is time for another measurement; one that there is none for is named."""
        if time.monotonic() < self._until:
            return True
        if what not in self.left_out:
            self.left_out.append(what)
        return False


def once(plan: Plan) -> Plan:
    """The plan for what is shown but not quoted."""
    return replace(plan, turns=1)
