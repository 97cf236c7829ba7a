"""The keys of one installation as a process holds them, and which of them writes.

Every ciphertext, MAC and token names the key that made it, so old keys stay for reading while the
current one writes. Data, row and file keys belong to a hospital and a period; where a hospital has
none yet, the group's key writes. The keys come from the database, wrapped (`core.crypto.vault`);
`create`, `load` and `save` speak the key file of earlier versions, JSON of mode 0600:
`{"format": "zhenjian-keyring-1", "purposes": {"data": {"current": "d1", "keys": {"d1":
{"created_at": "2026-11-21T00:00:00+00:00", "key": "<base64>"}}}, ...}}`.
"""

import base64
import binascii
import secrets
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self
from uuid import UUID

from core.crypto.keys import (
    KEY_BYTES,
    Key,
    KeyringError,
    Purpose,
    UnknownKeyError,
    fresh_secret,
)
from core.crypto.private_file import read_private_json, write_private_json
from core.crypto.sm import derive_key, forget_ciphers

__all__ = ["Key", "Keyring", "KeyringError", "Purpose", "UnknownKeyError"]

FORMAT = "zhenjian-keyring-1"
# Derived keys are few by nature; a label that varies without end must not fill the memory.
_MOST_DERIVED = 4096

Clock = Callable[[], datetime]
#: Called with the id of an unknown key; returns whether the keys were read anew.
OnMissing = Callable[[str], bool]


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class _Held:
    """One consistent set of keys; replaced as a whole."""

    keys: Mapping[Purpose, Mapping[str, Key]]
    #: For each purpose and owner those that may write, latest first.
    writers: Mapping[tuple[Purpose, UUID | None], tuple[Key, ...]]

    @classmethod
    def of(cls, keys: Mapping[Purpose, Mapping[str, Key]]) -> Self:
        writers: dict[tuple[Purpose, UUID | None], list[Key]] = defaultdict(list)
        for purpose, found in keys.items():
            for key in found.values():
                if key.writes:
                    writers[purpose, key.hospital_id].append(key)
        since_ever = datetime.min.replace(tzinfo=UTC)
        for each in writers.values():
            each.sort(key=lambda key: (key.active_from or since_ever, key.created_at), reverse=True)
        return cls(keys, {place: tuple(each) for place, each in writers.items()})


class Keyring:
    """All keys of one installation, held in memory for the life of the process."""

    def __init__(
        self,
        keys: Mapping[Purpose, Mapping[str, Key]],
        current: Mapping[Purpose, str] | None = None,
        clock: Clock = _utc_now,
    ) -> None:
        """`current` names the one writer of a purpose; without it the keys say who writes."""
        self._clock = clock
        self._derived: dict[tuple[Purpose, str, str, int], bytes] = {}
        self._on_missing: OnMissing | None = None
        if current is not None:
            keys = {
                purpose: {
                    key.id: replace(key, writes=key.id == current.get(purpose))
                    for key in found.values()
                }
                for purpose, found in keys.items()
            }
        self._held = _Held({}, {})
        self.hold(keys)

    def hold(self, keys: Mapping[Purpose, Mapping[str, Key]]) -> None:
        """Hold these keys from now on; raises `KeyringError` when a purpose has no writer."""
        held = _Held.of({purpose: dict(found) for purpose, found in keys.items()})
        for purpose in Purpose:
            # Files of the time before stored files were encrypted lack that purpose.
            if purpose is not Purpose.FILE and not held.writers.get((purpose, None)):
                raise KeyringError(f"The keyring has no current key for '{purpose}'.")
        before, self._held = self._held, held
        if any(found.keys() - held.keys.get(of, {}).keys() for of, found in before.keys.items()):
            forget_ciphers()

    def when_missing(self, look: OnMissing) -> None:
        """Have `look` called, synchronously, before a key counts as unknown."""
        self._on_missing = look

    def __repr__(self) -> str:
        counts = ", ".join(f"{p}={len(found)}" for p, found in self._held.keys.items())
        return f"Keyring({counts})"

    def current(self, purpose: Purpose, hospital_id: UUID | None = None) -> Key:
        """The key that writes for a hospital; the group's where the hospital has none yet."""
        if hospital_id is not None and purpose.of_hospitals:
            found = self._writer(purpose, hospital_id)
            if found is not None:
                return found
        found = self._writer(purpose, None)
        if found is None:
            raise KeyringError(f"The keyring has no current key for '{purpose}'.")
        return found

    def _writer(self, purpose: Purpose, hospital_id: UUID | None) -> Key | None:
        now: datetime | None = None
        for key in self._held.writers.get((purpose, hospital_id), ()):
            if key.active_from is None:
                return key
            now = now or self._clock()
            if key.active_from <= now:
                return key
        return None

    def find(self, purpose: Purpose, key_id: str) -> Key:
        """The key with this id, current or old; raises `UnknownKeyError`."""
        found = self._held.keys.get(purpose, {}).get(key_id)
        # Ids of tokens and tickets come from outside: nobody looks for those.
        look = self._on_missing if purpose.of_hospitals else None
        if found is None and look is not None and look(key_id):
            found = self._held.keys.get(purpose, {}).get(key_id)
        if found is None:
            raise UnknownKeyError(f"No key '{key_id}' for '{purpose}'.")
        return found

    def key_ids(self, purpose: Purpose) -> list[str]:
        """All key ids of a purpose, oldest first."""
        found = self._held.keys.get(purpose, {})
        return sorted(found, key=lambda key_id: found[key_id].created_at)

    def all_keys(self) -> Iterable[tuple[Purpose, Key]]:
        """Every key with its purpose, oldest first."""
        for purpose in Purpose:
            for key_id in self.key_ids(purpose):
                yield purpose, self._held.keys[purpose][key_id]

    def derive(
        self, purpose: Purpose, label: str, length: int = 32, key_id: str | None = None
    ) -> bytes:
        """A key for one labelled use below a purpose, e.g. one blind index.

        Uses the group's current key, or the one named by `key_id`.
        """
        key = self.current(purpose) if key_id is None else self.find(purpose, key_id)
        place = (purpose, key.id, label, length)
        found = self._derived.get(place)
        if found is None:
            if len(self._derived) >= _MOST_DERIVED:
                self._derived.clear()
            found = self._derived[place] = derive_key(key.secret, label, length)
        return found

    def with_new_key(self, purpose: Purpose, now: datetime) -> "Keyring":
        """The same keyring with a fresh current key for `purpose`; the old ones still read."""
        keys = {each: dict(found) for each, found in self._held.keys.items()}
        fresh = _new_key(purpose, len(keys.get(purpose, {})) + 1, now)
        old = {key_id: replace(key, writes=False) for key_id, key in keys.get(purpose, {}).items()}
        return Keyring({**keys, purpose: {**old, fresh.id: fresh}}, clock=self._clock)

    # --- The key file of earlier versions --------------------------------------------------------

    @classmethod
    def generate(cls, now: datetime | None = None) -> "Keyring":
        """A keyring with one fresh key of the group per purpose, in memory only."""
        moment = now or _utc_now()
        keys = {purpose: _new_key(purpose, 1, moment) for purpose in Purpose}
        return cls({purpose: {key.id: key} for purpose, key in keys.items()})

    @classmethod
    def create(cls, path: Path, now: datetime | None = None) -> "Keyring":
        """Write a fresh key file (mode 0600) and return its keyring.

        An existing file is never overwritten: raises `KeyringError`, because losing keys loses
        the data.
        """
        keyring = cls.generate(now)
        write_private_json(path, keyring._document(), exclusive=True)
        return keyring

    @classmethod
    def load(cls, path: Path) -> "Keyring":
        """Read a key file; raises `KeyringError` naming the file and what to do about it."""
        try:
            document = read_private_json(path)
        except FileNotFoundError as error:
            raise KeyringError(
                f"The key file {path} is missing. Restore it from the backup, or create a new one "
                "with 'zhenjian keys' when this installation has no data yet."
            ) from error
        try:
            return cls._parse(document)
        except (ValueError, KeyError, TypeError, AttributeError, binascii.Error) as error:
            raise KeyringError(f"The key file {path} is damaged: {error}.") from error

    @classmethod
    def load_or_create(cls, path: Path, *, may_create: bool) -> "Keyring":
        """Load the file; create it on the first start where that is allowed."""
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
        write_private_json(path, self._document(), exclusive=False)

    def _document(self) -> dict[str, Any]:
        purposes: dict[str, Any] = {}
        for purpose, found in self._held.keys.items():
            of_group = [key for key in found.values() if key.hospital_id is None]
            if len(of_group) != len(found):
                raise KeyringError("Keys of hospitals have no place in a key file.")
            purposes[purpose.value] = {
                "current": self.current(purpose).id,
                "keys": {
                    key.id: {
                        "created_at": key.created_at.isoformat(),
                        "key": base64.b64encode(key.secret).decode("ascii"),
                    }
                    for key in of_group
                },
            }
        return {"format": FORMAT, "purposes": purposes}

    @classmethod
    def _parse(cls, document: Any) -> "Keyring":
        if document["format"] != FORMAT:
            raise ValueError(f"unknown format '{document['format']}'")
        keys: dict[Purpose, dict[str, Key]] = {}
        current: dict[Purpose, str] = {}
        for name, group in document["purposes"].items():
            purpose = Purpose(name)
            current[purpose] = group["current"]
            keys[purpose] = {}
            for key_id, fields in group["keys"].items():
                secret = base64.b64decode(fields["key"], validate=True)
                if len(secret) != KEY_BYTES[purpose]:
                    raise ValueError(f"key '{key_id}' has {len(secret)} bytes")
                created_at = datetime.fromisoformat(fields["created_at"])
                keys[purpose][key_id] = Key(key_id, secret, created_at)
        return cls(keys, current)


def _new_key(purpose: Purpose, number: int, now: datetime) -> Key:
    # The random part keeps ids apart when two copies of a key file are both rotated.
    key_id = f"{purpose.value[0]}{number}{secrets.token_hex(2)}"
    return Key(key_id, fresh_secret(purpose), now)


_installed: Keyring | None = None


def install_keyring(keyring: Keyring) -> None:
    """Make `keyring` the one that encrypted columns and stored files of this process use."""
    global _installed
    _installed = keyring


def installed_keyring() -> Keyring:
    """The keyring of this process; raises `KeyringError` before `install_keyring`."""
    if _installed is None:
        raise KeyringError("No keyring is installed: call install_keyring() at start-up.")
    return _installed
