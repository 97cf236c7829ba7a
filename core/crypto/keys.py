"""What a key is: its purpose, its owner, since when it writes."""

import secrets
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from core.crypto.sm import SM4_KEY_BYTES


class Purpose(StrEnum):
    """What a key may be used for; one key never serves two purposes."""

    DATA = "data"
    INDEX = "index"
    ROW = "row"
    TICKET = "ticket"
    TOKEN = "token"  # noqa: S105 - a purpose, no secret
    FILE = "file"

    @property
    def of_hospitals(self) -> bool:
        """Whether every hospital has keys of its own for this, one a period."""
        return self in _OF_HOSPITALS


# An index is compared over all hospitals and periods (one person, one telephone number), and
# tickets and tokens are checked before anybody knows the hospital: those keys are the group's.
_OF_HOSPITALS: Final = frozenset({Purpose.DATA, Purpose.ROW, Purpose.FILE})

KEY_BYTES: Final[dict[Purpose, int]] = {
    Purpose.DATA: SM4_KEY_BYTES,
    Purpose.INDEX: 32,
    Purpose.ROW: 32,
    Purpose.TICKET: 32,
    Purpose.TOKEN: 32,
    Purpose.FILE: 32,
}

#: A key id is ASCII without `:` and `.`, which separate it from what follows in MACs and tickets.
LONGEST_KEY_ID: Final = 40


class KeyringError(Exception):
    """Keys are missing, unreadable, open to others or damaged; the text says which."""


class UnknownKeyError(Exception):
    """Something was made with a key that this keyring does not hold."""


@dataclass(frozen=True, slots=True)
class Key:
    """One data key: its id as written next to what it protects, and its secret bytes.

    `hospital_id` is None for a key of the group. The key writes from `active_from` on (None: since
    ever) while `writes`; it reads as long as it is here.
    """

    id: str
    secret: bytes
    created_at: datetime
    hospital_id: UUID | None = None
    active_from: datetime | None = None
    writes: bool = True

    def __repr__(self) -> str:
        return f"Key(id={self.id!r})"


def fresh_secret(purpose: Purpose) -> bytes:
    """Random bytes of the length that the purpose takes."""
    return secrets.token_bytes(KEY_BYTES[purpose])


def fresh_key_id(purpose: Purpose, mark: str) -> str:
    """A new id, `d` + mark + random: the random part keeps ids apart when two copies of a
    database are both rotated.
    """
    return f"{purpose.value[0]}{mark}-{secrets.token_hex(5)}"
