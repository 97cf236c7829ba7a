"""The files of a key backup: one share for every officer and the sealed keys.

A *set* is one backup: an SM2 key pair and a key for checking, whose private parts (64 bytes) exist
only as shares. With the public key every data key is sealed as it is made, so that a backup never
grows old; with the check key (kept encrypted in the database) such an *escrow* is authenticated,
because anybody can encrypt with a public key.
"""

import base64
import binascii
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Self
from uuid import UUID

from core.crypto import sm2
from core.crypto.keys import KeyringError
from core.crypto.private_file import read_private_json
from core.crypto.shamir import Point, ShareError, combine
from core.crypto.sm import SM3_BYTES, DecryptionError, equal, hmac_sm3, sm3

SHARE_FORMAT: Final = "zhenjian-key-share-1"
BACKUP_FORMAT: Final = "zhenjian-key-backup-1"
BACKUP_NAME: Final = "backup.json"
_CHECK_BYTES: Final = 32


class BackupError(KeyringError):
    """A share or a backup cannot be used; the text says which and why."""


@dataclass(frozen=True, slots=True)
class Sealer:
    """What seals data keys for the officers of a set."""

    set_id: UUID
    public_key: bytes
    check_key: bytes

    def seal(self, secret: bytes, binding: bytes) -> bytes:
        """An escrow of one key: SM2 ciphertext and the check of what it belongs to."""
        sealed = sm2.PublicKey(self.public_key).encrypt(secret)
        return sealed + self._check(sealed, binding)

    def stamp(self) -> bytes:
        """The check of the public key itself, against a public key that somebody slips in."""
        return hmac_sm3(self.check_key, b"public key" + self.set_id.bytes + self.public_key)

    def _check(self, sealed: bytes, binding: bytes) -> bytes:
        return hmac_sm3(self.check_key, b"escrow" + sm3(binding) + sealed)

    def __repr__(self) -> str:
        return f"Sealer(set_id={self.set_id})"


@dataclass(frozen=True, slots=True)
class Opener:
    """What the officers hold together."""

    sealer: Sealer
    private_key: sm2.PrivateKey

    @classmethod
    def fresh(cls, set_id: UUID) -> Self:
        private_key = sm2.generate()
        check_key = secrets.token_bytes(_CHECK_BYTES)
        return cls(Sealer(set_id, private_key.public_key.point, check_key), private_key)

    @classmethod
    def from_secret(cls, set_id: UUID, secret: bytes) -> Self:
        """From what the shares give together. Raises `BackupError` for a wrong combination."""
        try:
            private_key = sm2.PrivateKey(secret[: sm2.SECRET_BYTES])
        except sm2.Sm2Error as error:
            raise BackupError("The shares do not belong together.") from error
        check_key = secret[sm2.SECRET_BYTES :]
        return cls(Sealer(set_id, private_key.public_key.point, check_key), private_key)

    @property
    def secret(self) -> bytes:
        """The 64 bytes that are split."""
        return self.private_key.secret + self.sealer.check_key

    def open(self, escrow: bytes, binding: bytes) -> bytes:
        """The key in an escrow; raises `DecryptionError` for one that was changed or moved."""
        sealed, check = escrow[:-SM3_BYTES], escrow[-SM3_BYTES:]
        if not equal(check, self.sealer._check(sealed, binding)):
            raise DecryptionError("The sealed key was changed or belongs elsewhere.")
        return self.private_key.decrypt(sealed)

    def __repr__(self) -> str:
        return f"Opener(set_id={self.sealer.set_id})"


@dataclass(frozen=True, slots=True)
class Share:
    """One officer's share, as it lies in its file."""

    set_id: UUID
    made_at: datetime
    needed: int
    officers: int
    point: Point

    @property
    def file_name(self) -> str:
        return f"share-{self.point.number}-of-{self.officers}.json"

    def document(self) -> dict[str, Any]:
        """JSON; `share` is hexadecimal in groups of four, short enough to be typed from paper."""
        text = self.point.data.hex()
        return {
            "format": SHARE_FORMAT,
            "说明": f"诊间密钥备份份额：{self.officers} 份中任意 {self.needed} 份可恢复全部密钥。"
            "请单独保管，不要与其他份额放在一起。",
            "set": str(self.set_id),
            "made_at": self.made_at.isoformat(),
            "number": self.point.number,
            "needed": self.needed,
            "of": self.officers,
            "share": " ".join(text[place : place + 4] for place in range(0, len(text), 4)),
            "check": self._check(),
        }

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises `BackupError` naming the file."""
        try:
            document = read_private_json(path)
            if document["format"] != SHARE_FORMAT:
                raise ValueError("it is no share")
            share = cls(
                UUID(document["set"]),
                datetime.fromisoformat(document["made_at"]),
                int(document["needed"]),
                int(document["of"]),
                Point(int(document["number"]), bytes.fromhex(document["share"])),
            )
            if document["check"] != share._check():
                raise ValueError("a character in it was changed")
        except FileNotFoundError as error:
            raise BackupError(f"The share {path} is missing.") from error
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise BackupError(f"The share {path} cannot be used: {error}.") from error
        return share

    def _check(self) -> str:
        parts = (self.set_id, self.made_at.isoformat(), self.needed, self.officers)
        text = f"{'|'.join(map(str, parts))}|{self.point.number}|{self.point.data.hex()}"
        return sm3(text.encode()).hex()[:8]


def opener_of(shares: Sequence[Share]) -> Opener:
    """What the shares give together. Raises `BackupError` when they are too few or do not fit."""
    if not shares:
        raise BackupError("No shares were given.")
    first = shares[0]
    if {share.set_id for share in shares} != {first.set_id}:
        raise BackupError("The shares are of different backups.")
    numbers = {share.point.number: share for share in shares}
    if len(numbers) < first.needed:
        raise BackupError(f"{first.needed} different shares are needed, {len(numbers)} were given.")
    try:
        secret = combine([share.point for share in list(numbers.values())[: first.needed]])
    except ShareError as error:
        raise BackupError(str(error)) from error
    return Opener.from_secret(first.set_id, secret)


@dataclass(frozen=True, slots=True)
class Escrow:
    """A data key as the backup holds it: everything of its row, and the sealed secret."""

    purpose: str
    id: str
    hospital_id: UUID | None
    period: str | None
    state: str
    created_at: datetime
    active_from: datetime | None
    sealed: bytes

    @property
    def name(self) -> str:
        return f"{self.purpose}:{self.id}"

    @property
    def binding(self) -> bytes:
        parts = (self.purpose, self.id, str(self.hospital_id or ""), self.period or "")
        return "|".join(parts).encode()


@dataclass(frozen=True, slots=True)
class BackupFile:
    """The sealed keys of a set."""

    set_id: UUID
    made_at: datetime
    keys: tuple[Escrow, ...]

    def document(self) -> dict[str, Any]:
        return {
            "format": BACKUP_FORMAT,
            "set": str(self.set_id),
            "made_at": self.made_at.isoformat(),
            "keys": [
                {
                    "purpose": key.purpose,
                    "id": key.id,
                    "hospital": str(key.hospital_id) if key.hospital_id else None,
                    "period": key.period,
                    "state": key.state,
                    "created_at": key.created_at.isoformat(),
                    "active_from": key.active_from.isoformat() if key.active_from else None,
                    "sealed": base64.b64encode(key.sealed).decode(),
                }
                for key in self.keys
            ],
        }

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Raises `BackupError` naming the file."""
        path = folder / BACKUP_NAME
        try:
            document = read_private_json(path)
            if document["format"] != BACKUP_FORMAT:
                raise ValueError("it is no key backup")
            return cls(
                UUID(document["set"]),
                datetime.fromisoformat(document["made_at"]),
                tuple(_escrow(fields) for fields in document["keys"]),
            )
        except FileNotFoundError as error:
            raise BackupError(f"The backup {path} is missing.") from error
        except (KeyError, TypeError, AttributeError, ValueError, binascii.Error) as error:
            raise BackupError(f"The backup {path} cannot be used: {error}.") from error


def _escrow(fields: Any) -> Escrow:
    return Escrow(
        purpose=fields["purpose"],
        id=fields["id"],
        hospital_id=UUID(fields["hospital"]) if fields["hospital"] else None,
        period=fields["period"],
        state=fields["state"],
        created_at=datetime.fromisoformat(fields["created_at"]),
        active_from=datetime.fromisoformat(fields["active_from"])
        if fields["active_from"]
        else None,
        sealed=base64.b64decode(fields["sealed"], validate=True),
    )
