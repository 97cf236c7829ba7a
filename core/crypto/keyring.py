"""The key file: versioned keys per purpose, readable by its owner alone.

The file is JSON:
`{"format": "zhenjian-keyring-1", "purposes": {"data": {"current": "d1", "keys": {"d1":
{"created_at": "2026-11-21T00:00:00+00:00", "key": "<base64>"}}}, ...}}`.

Every ciphertext, MAC and token names the key that made it, so old keys stay in the file for
reading while the current one writes. A later key service replaces the file by implementing the
same four methods: `current`, `find`, `key_ids`, `derive`.
"""

import base64
import binascii
import json
import os
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from core.crypto.sm import SM4_KEY_BYTES, derive_key

FORMAT = "zhenjian-keyring-1"


class Purpose(StrEnum):
    """What a key may be used for; one key never serves two purposes."""

    DATA = "data"
    INDEX = "index"
    ROW = "row"
    TICKET = "ticket"
    TOKEN = "token"  # noqa: S105 - a purpose, no secret


_KEY_BYTES: dict[Purpose, int] = {
    Purpose.DATA: SM4_KEY_BYTES,
    Purpose.INDEX: 32,
    Purpose.ROW: 32,
    Purpose.TICKET: 32,
    Purpose.TOKEN: 32,
}


class KeyringError(Exception):
    """The key file is missing, unreadable, open to others or damaged; the text says which."""


class UnknownKeyError(Exception):
    """Something was made with a key that this keyring does not hold."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key: its id as written next to what it protects, and its secret bytes."""

    id: str
    secret: bytes
    created_at: datetime

    def __repr__(self) -> str:
        return f"Key(id={self.id!r})"


class Keyring:
    """All keys of one installation, held in memory for the life of the process."""

    def __init__(self, keys: Mapping[Purpose, Mapping[str, Key]], current: Mapping[Purpose, str]):
        self._keys = {purpose: dict(found) for purpose, found in keys.items()}
        self._current = dict(current)
        self._derived: dict[tuple[Purpose, str, str, int], bytes] = {}
        for purpose in Purpose:
            if self._current.get(purpose) not in self._keys.get(purpose, {}):
                raise KeyringError(f"The keyring has no current key for '{purpose}'.")

    def __repr__(self) -> str:
        return f"Keyring({', '.join(f'{p}={k}' for p, k in self._current.items())})"

    def current(self, purpose: Purpose) -> Key:
        """The key that writes."""
        return self._keys[purpose][self._current[purpose]]

    def find(self, purpose: Purpose, key_id: str) -> Key:
        """The key with this id, current or old; raises `UnknownKeyError`."""
        try:
            return self._keys[purpose][key_id]
        except KeyError as error:
            raise UnknownKeyError(f"No key '{key_id}' for '{purpose}'.") from error

    def key_ids(self, purpose: Purpose) -> list[str]:
        """All key ids of a purpose, oldest first."""
        return sorted(
            self._keys[purpose],
            key=lambda key_id: self._keys[purpose][key_id].created_at,
        )

    def derive(
        self, purpose: Purpose, label: str, length: int = 32, key_id: str | None = None
    ) -> bytes:
        """A key for one labelled use below a purpose, e.g. one blind index.

        Uses the current key, or the one named by `key_id`.
        """
        key = self.current(purpose) if key_id is None else self.find(purpose, key_id)
        place = (purpose, key.id, label, length)
        found = self._derived.get(place)
        if found is None:
            found = self._derived[place] = derive_key(key.secret, label, length)
        return found

    def with_new_key(self, purpose: Purpose, now: datetime) -> "Keyring":
        """The same keyring with a fresh current key for `purpose`; the old ones still read."""
        keys = {each: dict(found) for each, found in self._keys.items()}
        fresh = _new_key(purpose, len(keys[purpose]) + 1, now)
        keys[purpose][fresh.id] = fresh
        return Keyring(keys, {**self._current, purpose: fresh.id})

    @classmethod
    def generate(cls, now: datetime | None = None) -> "Keyring":
        """A keyring with one fresh key per purpose, in memory only."""
        moment = now or datetime.now(UTC)
        keys = {purpose: _new_key(purpose, 1, moment) for purpose in Purpose}
        return cls(
            {purpose: {key.id: key} for purpose, key in keys.items()},
            {purpose: key.id for purpose, key in keys.items()},
        )

    @classmethod
    def create(cls, path: Path, now: datetime | None = None) -> "Keyring":
        """Write a fresh key file (mode 0600) and return its keyring.

        An existing file is never overwritten: raises `KeyringError`, because losing keys loses
        the data.
        """
        keyring = cls.generate(now)
        keyring._write(path, exclusive=True)
        return keyring

    @classmethod
    def load(cls, path: Path) -> "Keyring":
        """Read a key file; raises `KeyringError` naming the file and what to do about it."""
        try:
            status = path.stat()
        except FileNotFoundError as error:
            raise KeyringError(
                f"The key file {path} is missing. Restore it from the backup, or create a new one "
                "with 'zhenjian keys' when this installation has no data yet."
            ) from error
        except OSError as error:
            raise KeyringError(f"The key file {path} cannot be read: {error.strerror}.") from error
        if stat.S_IMODE(status.st_mode) & 0o077:
            raise KeyringError(f"The key file {path} is open to other users. Run: chmod 600 {path}")
        try:
            return cls._parse(json.loads(path.read_text("utf-8")))
        except (
            ValueError,
            KeyError,
            TypeError,
            AttributeError,
            binascii.Error,
        ) as error:
            raise KeyringError(f"The key file {path} is damaged: {error}.") from error
        except OSError as error:
            raise KeyringError(f"The key file {path} cannot be read: {error.strerror}.") from error

    @classmethod
    def load_or_create(cls, path: Path, *, may_create: bool) -> "Keyring":
        """Load the file; create it on the first start where that is allowed (the demo)."""
        if may_create and not path.exists():
            try:
                return cls.create(path)
            except KeyringError:
                # Another process of the same first start was quicker; its file is the one.
                if not path.exists():
                    raise
        return cls.load(path)

    def save(self, path: Path) -> None:
        """Replace an existing key file atomically, e.g. after `with_new_key`."""
        self._write(path, exclusive=False)

    def _write(self, path: Path, *, exclusive: bool) -> None:
        partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(self._document(), file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            if exclusive:
                # A hard link fails when the name exists and appears complete at once.
                os.link(partial, path)
            else:
                os.replace(partial, path)
        except FileExistsError as error:
            raise KeyringError(f"The key file {path} exists already; it is kept.") from error
        except OSError as error:
            raise KeyringError(
                f"The key file {path} cannot be written: {error.strerror}."
            ) from error
        finally:
            partial.unlink(missing_ok=True)

    def _document(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "purposes": {
                purpose.value: {
                    "current": self._current[purpose],
                    "keys": {
                        key.id: {
                            "created_at": key.created_at.isoformat(),
                            "key": base64.b64encode(key.secret).decode(),
                        }
                        for key in found.values()
                    },
                }
                for purpose, found in self._keys.items()
            },
        }

    @classmethod
    def _parse(cls, document: dict[str, Any]) -> "Keyring":
        if document["format"] != FORMAT:
            raise ValueError(f"unknown format '{document['format']}'")
        keys: dict[Purpose, dict[str, Key]] = {}
        current: dict[Purpose, str] = {}
        for name, entry in document["purposes"].items():
            purpose = Purpose(name)
            current[purpose] = entry["current"]
            keys[purpose] = {}
            for key_id, fields in entry["keys"].items():
                secret = base64.b64decode(fields["key"], validate=True)
                if len(secret) != _KEY_BYTES[purpose]:
                    raise ValueError(f"key '{key_id}' has {len(secret)} bytes")
                created_at = datetime.fromisoformat(fields["created_at"])
                keys[purpose][key_id] = Key(key_id, secret, created_at)
        return cls(keys, current)


def _new_key(purpose: Purpose, number: int, now: datetime) -> Key:
    # The random part keeps ids apart when two copies of a key file are both rotated.
    key_id = f"{purpose.value[0]}{number}{secrets.token_hex(2)}"
    return Key(key_id, secrets.token_bytes(_KEY_BYTES[purpose]), now)


_installed: Keyring | None = None


def install_keyring(keyring: Keyring) -> None:
    """Make `keyring` the one that encrypted columns of this process use."""
    global _installed
    _installed = keyring


def installed_keyring() -> Keyring:
    """The keyring of this process; raises `KeyringError` before `install_keyring`."""
    if _installed is None:
        raise KeyringError("No keyring is installed: call install_keyring() at start-up.")
    return _installed
