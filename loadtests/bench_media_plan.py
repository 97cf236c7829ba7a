"""How much the media benchmark measures, and how long."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

#: The sizes that are quoted: rooms at full and at half load, and viewers of one publisher.
ROOMS, HALF, VIEWERS = 20, 10, 50


@dataclass(frozen=True)
class Plan:
    """How long and how much. ``turns`` is how often the quoted scenarios are measured, for so many
    ``seconds`` each, ``pairs`` how often the recording is, for ``recorded`` seconds each; ``bad``
    seconds pass behind the bad network. After ``minutes`` nothing is begun any more.
    """

    warm: float
    seconds: float
    turns: int
    recorded: float
    pairs: int
    bad: float
    rooms: tuple[int, ...]
    viewers: tuple[int, ...]
    joins: int
    pictures: int
    minutes: float


FULL = Plan(
    warm=1.0,
    seconds=3.0,
    turns=7,
    recorded=20.0,
    pairs=4,
    bad=30.0,
    rooms=(5, HALF, ROOMS, 40),
    viewers=(10, VIEWERS, 200),
    joins=100,
    pictures=30,
    minutes=18.0,
)
QUICK = Plan(
    warm=1.0,
    seconds=2.0,
    turns=5,
    recorded=10.0,
    pairs=2,
    bad=20.0,
    rooms=(HALF, ROOMS),
    viewers=(VIEWERS,),
    joins=30,
    pictures=10,
    minutes=10.0,
)


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


def shown(plan: Plan) -> Plan:
    """The plan for what is shown but not quoted."""
    return replace(plan, turns=min(plan.turns, 2))
