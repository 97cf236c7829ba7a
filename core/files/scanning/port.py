"""The port to a virus scanner."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


class ScannerUnavailable(Exception):
    """The scanner gave no verdict: not reachable, too slow, or out of order."""


class ScanTooLarge(Exception):
    """The scanner does not take content of this size."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`signature` names what was found; None for a clean file."""

    signature: str | None

    @property
    def clean(self) -> bool:
        return self.signature is None


class VirusScanner(Protocol):
    """Looks at the content of one file on this machine."""

    async def scan(self, path: Path) -> Verdict:
        """Raises ScannerUnavailable or ScanTooLarge; never returns without having looked."""
        ...

    async def version(self) -> str:
        """Name, version and age of the signatures. Raises ScannerUnavailable."""
        ...
