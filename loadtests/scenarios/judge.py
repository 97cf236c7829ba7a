"""What was promised in a run, what came of it, and the word of the judge.

The same checks as under faults (`tests/support/history.py`), and two that only a living connection
shows: `repeated` (an event came again, or behind a later one) and `wall` (a supervisor's wall shows
another figure than the room has).
"""

from __future__ import annotations

import uuid
from collections import Counter
from dataclasses import dataclass, field

from tests.support.history import History, Violation, violations

#: Violations that the report tells one by one.
SHOWN = 20


@dataclass
class Judge:
    """Collects while the scenarios run. Room numbers are counted from where the run began."""

    run: str = field(default_factory=lambda: uuid.uuid4().hex[:8])
    history: History = field(default_factory=History)
    stored: dict[str, list[tuple[int, str | None]]] = field(default_factory=dict)
    bases: dict[str, int] = field(default_factory=dict)
    seen: list[Violation] = field(default_factory=list)
    #: Not broken promises: gaps that were fetched, connections that were made again.
    healed: Counter[str] = field(default_factory=Counter)

    def base(self, room: str, seq: int) -> int:
        """The number after which a room counts, fixed by whoever opens it first."""
        return self.bases.setdefault(room, seq)

    def note(self, kind: str, text: str) -> None:
        self.seen.append(Violation(kind, text))

    def verdict(self) -> list[Violation]:
        """Everything that is wrong; a run in which nothing was acknowledged shows nothing."""
        found = [*self.seen, *violations(self.history, self.stored)]
        if not self.history.acknowledged:
            found.append(Violation("nothing", "not one message was acknowledged"))
        return found

    def tell(self, found: list[Violation]) -> str:
        """The report that a run ends with."""
        acknowledged = sum(len(answers) for answers in self.history.acknowledged.values())
        received = sum(len(heard) for heard in self.history.received.values())
        lines = [
            "",
            f"rooms          {len(self.stored)}",
            f"acknowledged   {acknowledged}",
            f"received       {received}",
            *(f"{name:<14} {count}" for name, count in sorted(self.healed.items())),
        ]
        if not found:
            return "\n".join([*lines, "All guarantees were kept."])
        kinds = Counter(each.kind for each in found)
        lines.append("BROKEN GUARANTEES: " + ", ".join(f"{k} {n}" for k, n in kinds.items()))
        lines += [f"  {each.kind}: {each.text}" for each in found[:SHOWN]]
        return "\n".join(lines)
