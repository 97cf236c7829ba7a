"""Sealed files: chunks that are encrypted one by one, so that any part can be read by itself.

A file is a header of 96 bytes and then chunks. The header: magic (8 bytes), format (1), length of
the key id (1), key id (40, padded with zeros), chunk size (4, big-endian), salt (32), nonce prefix
(7), zeros (3). A chunk holds `chunk size` bytes of plaintext, the last one the rest (an empty file
one empty chunk), and is SM4-GCM ciphertext followed by its tag of 16 bytes.

Nonce of a chunk: prefix (7), number of the chunk (4, big-endian), 1 for the last chunk and else 0.
So a chunk that is moved, repeated or left out does not open, and a file that is cut short lacks its
last chunk (the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizár, 2015). Authenticated
with every chunk: the header and the path of the file, so that files cannot be exchanged.

Keys: a file key of the keyring gives a *folder key* (first two parts of the path), which together
with the salt gives the key of this one file. Whoever is given the folder key of one call can seal
and open that call's recording and nothing else.
"""

import os
import struct
from dataclasses import dataclass
from typing import Final, Protocol, Self
from uuid import UUID

from core.crypto.keyring import Keyring, installed_keyring
from core.crypto.keys import LONGEST_KEY_ID, Purpose, UnknownKeyError
from core.crypto.scope import chosen_hospital
from core.crypto.sm import (
    SM4_KEY_BYTES,
    TAG_BYTES,
    DecryptionError,
    derive_key,
    sm4_gcm_decrypt,
    sm4_gcm_decrypt_run,
    sm4_gcm_encrypt,
    sm4_gcm_encrypt_run,
)

MAGIC: Final = b"ZJSEALED"
FORMAT: Final = 1
CHUNK: Final = 64 * 1024
SEALED_CHUNK: Final = CHUNK + TAG_BYTES
_LAYOUT: Final = struct.Struct(f">8sBB{LONGEST_KEY_ID}sI32s7s3x")
HEADER_BYTES: Final = _LAYOUT.size
#: The counter of a nonce has four bytes: 256 TiB of plaintext.
_MOST_CHUNKS: Final = 2**32


class FileKeys(Protocol):
    """Where the keys of stored files come from."""

    def to_write(self, path: str, hospital_id: UUID | None) -> tuple[str, bytes]:
        """The id of the key that writes and its folder key for this path."""
        ...

    def to_read(self, path: str, key_id: str) -> bytes:
        """The folder key for this path; raises `DecryptionError` for an unknown key."""
        ...


def folder_of(path: str) -> str:
    """The first two parts of a path: `recordings/<call>`."""
    return "/".join(path.split("/")[:2])


class KeyringFileKeys:
    """The keys of a process that holds the whole keyring."""

    def __init__(self, keyring: Keyring | None = None) -> None:
        self._own = keyring

    @property
    def _keyring(self) -> Keyring:
        return self._own or installed_keyring()

    def to_write(self, path: str, hospital_id: UUID | None) -> tuple[str, bytes]:
        key = self._keyring.current(Purpose.FILE, hospital_id or chosen_hospital())
        return key.id, _folder_key(key.secret, path)

    def to_read(self, path: str, key_id: str) -> bytes:
        try:
            return _folder_key(self._keyring.find(Purpose.FILE, key_id).secret, path)
        except UnknownKeyError as error:
            raise DecryptionError(
                f"'{path}' is sealed with the key '{key_id}', which is not in the keyring."
            ) from error


def _folder_key(secret: bytes, path: str) -> bytes:
    return derive_key(secret, f"folder:{folder_of(path)}", 32)


@dataclass(frozen=True, slots=True)
class FolderKey:
    """The right to seal and open the files of one folder."""

    folder: str
    key_id: str
    secret: bytes

    @classmethod
    def of(cls, folder: str, hospital_id: UUID | None, keys: FileKeys | None = None) -> Self:
        """The key that writes in `folder` now."""
        return cls(folder, *(keys or KeyringFileKeys()).to_write(folder, hospital_id))

    def to_write(self, path: str, hospital_id: UUID | None) -> tuple[str, bytes]:
        self._check(path)
        return self.key_id, self.secret

    def to_read(self, path: str, key_id: str) -> bytes:
        self._check(path)
        if key_id != self.key_id:
            raise DecryptionError(f"'{path}' is sealed with the key '{key_id}'.")
        return self.secret

    def _check(self, path: str) -> None:
        if folder_of(path) != self.folder:
            raise DecryptionError(f"'{path}' is not in the folder '{self.folder}'.")

    def __repr__(self) -> str:
        return f"FolderKey(folder={self.folder!r}, key_id={self.key_id!r})"


@dataclass(frozen=True, slots=True)
class Header:
    """The first bytes of a sealed file."""

    key_id: str
    salt: bytes
    prefix: bytes

    @classmethod
    def fresh(cls, key_id: str) -> Self:
        return cls(key_id, os.urandom(32), os.urandom(7))

    def to_bytes(self) -> bytes:
        raw = self.key_id.encode("ascii")
        return _LAYOUT.pack(MAGIC, FORMAT, len(raw), raw, CHUNK, self.salt, self.prefix)

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Raises `DecryptionError` for anything else than a header of this format."""
        if len(raw) != HEADER_BYTES or not raw.startswith(MAGIC):
            raise DecryptionError("This is not a sealed file.")
        _, number, length, key_id, chunk, salt, prefix = _LAYOUT.unpack(raw)
        if number != FORMAT or chunk != CHUNK or length > LONGEST_KEY_ID:
            raise DecryptionError("The sealed file has an unknown format.")
        return cls(key_id[:length].decode("ascii", "replace"), salt, prefix)


class Cipher:
    """Seals and opens the chunks of one file."""

    def __init__(self, header: Header, path: str, folder_key: bytes) -> None:
        self.header = header
        self._context = header.to_bytes() + path.encode()
        self._key = derive_key(folder_key, f"file:{header.salt.hex()}", SM4_KEY_BYTES)

    def seal(self, number: int, plaintext: bytes, *, last: bool) -> bytes:
        """One chunk with its tag."""
        return sm4_gcm_encrypt(self._key, self._nonce(number, last), plaintext, self._context)

    def open(self, number: int, sealed: bytes, *, last: bool) -> bytes:
        """The plaintext of a chunk; raises `DecryptionError` when it does not belong there."""
        return sm4_gcm_decrypt(self._key, self._nonce(number, last), sealed, self._context)

    def seal_run(self, first: int, plaintext: bytes, *, last: bool, head: bytes = b"") -> bytes:
        """`head` as it is, then consecutive chunks from number `first` on; `last`: they are the end
        of the file.
        """
        nonces = self._nonces(first, max(1, -(-len(plaintext) // CHUNK)), last)
        return sm4_gcm_encrypt_run(self._key, nonces, plaintext, CHUNK, self._context, head)

    def open_run(self, first: int, sealed: bytes, *, last: bool) -> bytes:
        """The plaintext of consecutive chunks from number `first` on; raises `DecryptionError`."""
        nonces = self._nonces(first, -(-len(sealed) // SEALED_CHUNK), last)
        if not nonces:
            return b""
        return sm4_gcm_decrypt_run(self._key, nonces, sealed, CHUNK, self._context)

    def _nonces(self, first: int, count: int, last: bool) -> list[bytes]:
        return [self._nonce(first + n, last and n == count - 1) for n in range(count)]

    def _nonce(self, number: int, last: bool) -> bytes:
        if not 0 <= number < _MOST_CHUNKS:
            raise ValueError("A sealed file has at most 2^32 chunks.")
        return self.header.prefix + number.to_bytes(4, "big") + bytes([last])


def plain_size(sealed_size: int) -> int:
    """The size of the plaintext; raises `DecryptionError` for a size that no file has."""
    body = sealed_size - HEADER_BYTES
    count = chunk_count(sealed_size)
    size = body - count * TAG_BYTES
    # Only an empty file has an empty chunk.
    if size < (count - 1) * CHUNK + (count > 1):
        raise DecryptionError("The sealed file is cut short.")
    return size


def chunk_count(sealed_size: int) -> int:
    """How many chunks a file has; raises `DecryptionError` when it has none."""
    body = sealed_size - HEADER_BYTES
    if body < TAG_BYTES:
        raise DecryptionError("The sealed file is cut short.")
    return -(-body // SEALED_CHUNK)


def sealed_size(plain: int) -> int:
    """The size that a plaintext takes when sealed."""
    return HEADER_BYTES + plain + max(1, -(-plain // CHUNK)) * TAG_BYTES


def seal_whole(keys: FileKeys, path: str, data: bytes, hospital_id: UUID | None = None) -> bytes:
    """A whole small file."""
    key_id, folder_key = keys.to_write(path, hospital_id)
    header = Header.fresh(key_id)
    cipher = Cipher(header, path, folder_key)
    return cipher.seal_run(0, data, last=True, head=header.to_bytes())


def open_whole(keys: FileKeys, path: str, raw: bytes) -> bytes:
    """The plaintext of a whole small file; raises `DecryptionError`."""
    plain_size(len(raw))
    header = Header.parse(raw[:HEADER_BYTES])
    cipher = Cipher(header, path, keys.to_read(path, header.key_id))
    return cipher.open_run(0, raw[HEADER_BYTES:], last=True)
