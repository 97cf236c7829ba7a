"""What was found wrong, as a value."""

from dataclasses import dataclass
from uuid import UUID

from core.crypto.sm import sm3
from core.integrity.models import Kind


@dataclass(frozen=True)
class Found:
    """One thing wrong: at which row of which table, in Chinese words for officers.

    `hospital_id` is None for what concerns the whole installation. `looks` says what the thing
    looks like now, so that an explanation of it does not cover a later change.
    """

    kind: Kind
    table: str
    row_id: str
    words: str
    hospital_id: UUID | None = None
    looks: str = ""

    @property
    def fingerprint(self) -> str:
        return sm3(f"{self.words}\0{self.looks}".encode()).hex()
