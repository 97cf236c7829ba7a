"""Key-encryption keys: what the data keys in the database are wrapped with.

A `KekProvider` holds versions of a key-encryption key by id and wraps small secrets with them. Two
are there: `FileKek` (a file of mode 0600) and `Pkcs11Kek` (a hardware module, `core.crypto.hsm`).
Which version is current is said by the database, in the same transaction that wraps all data keys
with it, so a crash never leaves a key that nobody can open. `Keks` is all providers of a process.
"""

import base64
import binascii
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Protocol

from core.config import Config
from core.crypto.keys import KeyringError
from core.crypto.private_file import read_private_json, sync_folder, write_private_json
from core.crypto.sm import (
    NONCE_BYTES,
    SM4_KEY_BYTES,
    DecryptionError,
    sm4_gcm_decrypt,
    sm4_gcm_encrypt,
)

FORMAT: Final = "zhenjian-kek-1"
FILE: Final = "file"
PKCS11: Final = "pkcs11"


@dataclass(frozen=True, slots=True)
class KekVersion:
    """One version as its provider knows it."""

    id: str
    created_at: datetime


class KekProvider(Protocol):
    """Where key-encryption keys live. Every method may raise `KeyringError` with the cause."""

    kind: str

    def versions(self) -> Sequence[KekVersion]:
        """The versions that can be used now, oldest first."""
        ...

    def create(self, now: datetime) -> KekVersion:
        """Make a new version beside the old ones."""
        ...

    def forget(self, kek_id: str) -> None:
        """Destroy a version that wraps nothing any more."""
        ...

    def wrap(self, kek_id: str, secret: bytes, binding: bytes) -> bytes:
        """`secret` under a version, bound to what it belongs to."""
        ...

    def unwrap(self, kek_id: str, wrapped: bytes, binding: bytes) -> bytes:
        """What `wrap` was given; raises `DecryptionError` when it does not fit."""
        ...


class FileKek:
    """Versions in one JSON file that only its owner may read: `{"format": "zhenjian-kek-1",
    "keys": {"f2026…": {"created_at": "…", "key": "<base64, 16 bytes>"}}}`. Wraps with SM4-GCM.
    """

    kind = FILE

    def __init__(self, path: Path) -> None:
        self.path = path
        self._keys: dict[str, tuple[datetime, bytes]] = {}

    @classmethod
    def create_file(cls, path: Path, now: datetime) -> "FileKek":
        """Write a file with one fresh version. An existing file is kept: `KeyringError`."""
        made = cls(path)
        _, document = made._with_fresh(now)
        write_private_json(path, document, exclusive=True)
        return cls.load(path)

    @classmethod
    def load(cls, path: Path) -> "FileKek":
        """Read a file; raises `KeyringError` naming the file and what to do about it."""
        found = cls(path)
        found._read()
        return found

    def versions(self) -> Sequence[KekVersion]:
        return sorted(
            (KekVersion(kek_id, made) for kek_id, (made, _) in self._keys.items()),
            key=lambda version: version.created_at,
        )

    def create(self, now: datetime) -> KekVersion:
        self._read()
        version, document = self._with_fresh(now)
        write_private_json(self.path, document, exclusive=False)
        self._read()
        return version

    def forget(self, kek_id: str) -> None:
        self._read()
        kept = {each: value for each, value in self._keys.items() if each != kek_id}
        write_private_json(self.path, _document(kept), exclusive=False)
        self._read()

    def wrap(self, kek_id: str, secret: bytes, binding: bytes) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return nonce + sm4_gcm_encrypt(self._key(kek_id), nonce, secret, _aad(kek_id, binding))

    def unwrap(self, kek_id: str, wrapped: bytes, binding: bytes) -> bytes:
        nonce, sealed = wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:]
        if len(nonce) < NONCE_BYTES:
            raise DecryptionError("The wrapped key is cut short.")
        return sm4_gcm_decrypt(self._key(kek_id), nonce, sealed, _aad(kek_id, binding))

    def reread(self) -> None:
        """Look for versions that were added to the file since."""
        self._read()

    def _key(self, kek_id: str) -> bytes:
        try:
            return self._keys[kek_id][1]
        except KeyError as error:
            raise KeyringError(f"{self.path} holds no key-encryption key '{kek_id}'.") from error

    def _with_fresh(self, now: datetime) -> tuple[KekVersion, dict[str, Any]]:
        version = KekVersion(f"f{now:%Y%m%d}-{secrets.token_hex(4)}", now)
        fresh = (now, secrets.token_bytes(SM4_KEY_BYTES))
        return version, _document({**self._keys, version.id: fresh})

    def _read(self) -> None:
        try:
            document = read_private_json(self.path)
        except FileNotFoundError as error:
            raise KeyringError(
                f"The key file {self.path} is missing. Restore it ('zhenjian keys restore'), or "
                "create a new one with 'zhenjian keys' when this installation has no data yet."
            ) from error
        try:
            if document["format"] != FORMAT:
                raise ValueError(f"unknown format '{document['format']}'")
            self._keys = {
                kek_id: (datetime.fromisoformat(fields["created_at"]), _secret(kek_id, fields))
                for kek_id, fields in document["keys"].items()
            }
        except (ValueError, KeyError, TypeError, AttributeError, binascii.Error) as error:
            raise KeyringError(f"The key file {self.path} is damaged: {error}.") from error


def _secret(kek_id: str, fields: Any) -> bytes:
    secret = base64.b64decode(fields["key"], validate=True)
    if len(secret) != SM4_KEY_BYTES:
        raise ValueError(f"key '{kek_id}' has {len(secret)} bytes")
    return secret


def _document(keys: dict[str, tuple[datetime, bytes]]) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "keys": {
            kek_id: {
                "created_at": made.isoformat(),
                "key": base64.b64encode(secret).decode("ascii"),
            }
            for kek_id, (made, secret) in keys.items()
        },
    }


def _aad(kek_id: str, binding: bytes) -> bytes:
    return kek_id.encode() + b"\x00" + binding


class Keks:
    """The providers of a process: one is preferred for new versions, all may open old ones."""

    def __init__(self, preferred: KekProvider, others: Sequence[KekProvider] = ()) -> None:
        self.preferred = preferred
        self._all = (preferred, *others)
        self._known: dict[str, KekProvider] = {}

    def holds(self, kek_id: str) -> bool:
        """Whether some provider has this version."""
        return self._find(kek_id) is not None

    def versions(self) -> list[tuple[str, KekVersion]]:
        """Every version with the kind of its provider."""
        return [(each.kind, version) for each in self._all for version in each.versions()]

    def probe(self) -> None:
        """Ask every provider for its versions anew. Raises `KeyringError` for one that is gone."""
        for provider in self._all:
            if isinstance(provider, FileKek):
                provider.reread()
            provider.versions()

    def wrap(self, kek_id: str, secret: bytes, binding: bytes) -> bytes:
        return self._require(kek_id).wrap(kek_id, secret, binding)

    def unwrap(self, kek_id: str, wrapped: bytes, binding: bytes) -> bytes:
        return self._require(kek_id).unwrap(kek_id, wrapped, binding)

    def forget(self, kek_id: str) -> None:
        self._require(kek_id).forget(kek_id)
        self._known.pop(kek_id, None)

    def _require(self, kek_id: str) -> KekProvider:
        found = self._known.get(kek_id) or self._find(kek_id)
        if found is None:
            raise KeyringError(
                f"This machine does not hold the key-encryption key '{kek_id}': copy the key file "
                "from the machine that made it, or restore ('zhenjian keys restore')."
            )
        self._known[kek_id] = found
        return found

    def _find(self, kek_id: str) -> KekProvider | None:
        for provider in self._all:
            if any(version.id == kek_id for version in provider.versions()):
                return provider
        # Another process may have added a version to the file.
        for provider in self._all:
            if isinstance(provider, FileKek) and provider.path.exists():
                provider.reread()
                if any(version.id == kek_id for version in provider.versions()):
                    return provider
        return None


def is_kek_file(path: Path) -> bool:
    """Whether the file is of this kind rather than a key file of earlier versions.

    Raises `KeyringError` for a file that cannot be read, `FileNotFoundError` for none.
    """
    document = read_private_json(path)
    return isinstance(document, dict) and document.get("format") == FORMAT


def pending_path(path: Path) -> Path:
    """Where the key-encryption key waits while an old key file is taken in."""
    return path.with_name(f"{path.name}.kek")


def kept_path(path: Path) -> Path:
    """Where an old key file is kept until somebody confirms that it is not needed."""
    return path.with_name(f"{path.name}.old")


def replace_key_file(path: Path, *, in_module: bool) -> None:
    """Put the waiting key-encryption key in the place of the old key file, which is kept aside.

    Each step is whole by itself, and the sequence may be repeated from anywhere. `in_module`: the
    key-encryption key is in a hardware module, so the old file goes without a successor.
    """
    pending, kept = pending_path(path), kept_path(path)
    if kept.exists() and kept.read_bytes() != path.read_bytes():
        raise KeyringError(
            f"{kept} is another old key file: move it to a safe place, then start again."
        )
    if not kept.exists():
        os.link(path, kept)
        sync_folder(path.parent)
    if in_module:
        path.unlink()
    else:
        os.replace(pending, path)
    sync_folder(path.parent)


def open_keks(config: Config) -> Keks:
    """The providers that the configuration names; raises `KeyringError` for what is wrong."""
    file = _file_provider(config.keys)
    if config.kek == PKCS11:
        return Keks(_module(config), [file] if file is not None else [])
    if file is None:
        file = FileKek.load(config.keys)
    return Keks(file, [_module(config)] if config.pkcs11_module is not None else [])


def _module(config: Config) -> KekProvider:
    # Most installations have no module, and loading its library takes time at every start.
    from core.crypto.hsm import open_hsm

    return open_hsm(config)


def _file_provider(path: Path) -> FileKek | None:
    """The file, or the one that waits beside an old key file, or None when there is neither."""
    for place in (path, pending_path(path)):
        try:
            if is_kek_file(place):
                return FileKek.load(place)
        except FileNotFoundError:
            continue
    return None
