"""Blind indexes: exact-match search over encrypted columns.

The index is HMAC-SM3 of the normalised text under a key derived for its purpose (`users.phone`),
so that equal values in two different columns cannot be linked. It is deterministic by design:
whoever reads the table sees which rows share a value, and nothing else.
"""

import unicodedata

from core.crypto.keyring import Keyring, Purpose
from core.crypto.sm import hmac_sm3

#: Index columns are `LargeBinary(BLIND_INDEX_BYTES)`.
BLIND_INDEX_BYTES = 32


def normalise(text: str) -> str:
    """Fold what people type differently for the same thing: width, case, spaces and hyphens."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(char for char in folded if not char.isspace() and char != "-")


def blind_index(keyring: Keyring, purpose: str, text: str) -> bytes:
    """The 32-byte index of `text` for the column named by `purpose` (`table.column`)."""
    return hmac_sm3(keyring.derive(Purpose.INDEX, f"blind:{purpose}"), normalise(text).encode())
