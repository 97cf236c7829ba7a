"""The sealed chain: blocks of ledger rows, each bound to the one before by HMAC-SM3."""

from collections.abc import Iterable
from typing import Any

from cryptography.hazmat.primitives import hashes

from core.crypto.keyring import Keyring
from core.crypto.row_mac import row_mac, row_mac_matches
from core.integrity.models import LedgerRow, SealBlock

#: The chain begins here.
GENESIS = ""


class BlockDigest:
    """The SM3 digest over the ledger rows of a block, fed one by one in their order."""

    def __init__(self) -> None:
        self._hash = hashes.Hash(hashes.SM3())
        self.count = 0

    def add(self, row: Any) -> None:
        """Take in a row with the columns of `LedgerRow`; a NUL never stands in any of them."""
        at = row.at.isoformat(timespec="microseconds")
        parts = (row.seal_seq, row.id, at, row.table_name, row.row_id, row.version, row.kind.value)
        self._hash.update("\0".join([*map(str, parts), row.mac, ""]).encode())
        self.count += 1

    def hex(self) -> str:
        return self._hash.finalize().hex()


def digest_of(rows: Iterable[LedgerRow | Any]) -> str:
    """The digest over these rows, in the given order."""
    digest = BlockDigest()
    for row in rows:
        digest.add(row)
    return digest.hex()


def block_mac(keyring: Keyring, block: SealBlock) -> str:
    """The MAC of a block over everything in it, the MAC of the block before included."""
    return row_mac(keyring, SealBlock.__tablename__, _covered(block))


def block_is_genuine(keyring: Keyring, block: SealBlock) -> bool:
    """Whether no column of a block was changed."""
    return row_mac_matches(keyring, SealBlock.__tablename__, _covered(block), block.mac)


def _covered(block: SealBlock) -> dict[str, Any]:
    return {
        "number": block.number,
        "first_seq": block.first_seq,
        "last_seq": block.last_seq,
        "digest": block.digest,
        "previous_mac": block.previous_mac,
        "sealed_at": block.sealed_at,
    }
