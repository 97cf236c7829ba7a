"""How much of a quota is used, and when that is worth a word. No I/O."""

from dataclasses import dataclass
from datetime import date

GIGABYTE = 1_000_000_000


@dataclass(frozen=True)
class Quota:
    """`limit` 0 means that none was agreed. `warn_percent` is a share of it."""

    used: int
    limit: int
    warn_percent: int

    @property
    def percent(self) -> float | None:
        """How much of it is used; None without a limit."""
        return None if self.limit <= 0 else 100 * self.used / self.limit

    @property
    def level(self) -> str:
        """`none`, `fine`, `near` or `over`."""
        if self.percent is None:
            return "none"
        if self.percent >= 100:
            return "over"
        return "near" if self.percent >= self.warn_percent else "fine"


def term_start(written: str) -> date | None:
    """The first day of the term as the setting has it (2026-01-31); None where it says nothing."""
    try:
        return date.fromisoformat(written.strip())
    except ValueError:
        return None
