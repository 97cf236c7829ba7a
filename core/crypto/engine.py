"""Which library does SM4-GCM and SM3: libgcrypt where it serves, else OpenSSL."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.backends.openssl.backend import backend
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from core.crypto import gcrypt
from core.crypto.gcrypt import NONCE_BYTES, TAG_BYTES, require_pieces


class Engine(Protocol):
    """A library. Safe to use from all threads; sizes are those of `core.crypto.sm`."""

    def seal(self, key: bytes, nonce: bytes, plaintext: bytes, aad: bytes) -> bytes:
        """Ciphertext and tag. Raises ValueError for a key or nonce of a wrong size."""
        ...

    def open(self, key: bytes, nonce: bytes, sealed: bytes, aad: bytes) -> bytes | None:
        """The plaintext of ciphertext and tag; None, and no plaintext, when the tag does not fit.
        Raises ValueError for wrong sizes.
        """
        ...

    def seal_run(
        self,
        key: bytes,
        nonces: Sequence[bytes],
        plaintext: bytes,
        piece: int,
        aad: bytes,
        head: bytes = b"",
    ) -> bytes:
        """`head` as it is, and behind it the plaintext in pieces of `piece` bytes, the last one the
        rest, each with its nonce and followed by its tag. Raises ValueError for wrong sizes.
        """
        ...

    def open_run(
        self, key: bytes, nonces: Sequence[bytes], sealed: bytes, piece: int, aad: bytes
    ) -> bytes | None:
        """The plaintext of what `seal_run` made without a head; None, and no plaintext, when a tag
        does not fit. Raises ValueError for wrong sizes.
        """
        ...

    def sm3(self, data: bytes) -> bytes:
        """The 32-byte digest."""
        ...

    def forget(self) -> None:
        """Keep nothing of the keys that were used."""
        ...


class OpenSsl:
    """OpenSSL, as `cryptography` brings it: an `Engine`."""

    def seal(self, key: bytes, nonce: bytes, plaintext: bytes, aad: bytes) -> bytes:
        _require_nonce(nonce)
        encryptor = Cipher(algorithms.SM4(key), modes.GCM(nonce)).encryptor()
        encryptor.authenticate_additional_data(aad)
        ciphertext = encryptor.update(plaintext) + encryptor.finalize()
        return ciphertext + encryptor.tag

    def open(self, key: bytes, nonce: bytes, sealed: bytes, aad: bytes) -> bytes | None:
        _require_nonce(nonce)
        ciphertext, tag = sealed[:-TAG_BYTES], sealed[-TAG_BYTES:]
        decryptor = Cipher(algorithms.SM4(key), modes.GCM(nonce, tag)).decryptor()
        decryptor.authenticate_additional_data(aad)
        try:
            return decryptor.update(ciphertext) + decryptor.finalize()
        except InvalidTag:
            return None

    def seal_run(
        self,
        key: bytes,
        nonces: Sequence[bytes],
        plaintext: bytes,
        piece: int,
        aad: bytes,
        head: bytes = b"",
    ) -> bytes:
        require_pieces(nonces, len(plaintext), piece)
        parts = (
            self.seal(key, nonce, plaintext[number * piece : (number + 1) * piece], aad)
            for number, nonce in enumerate(nonces)
        )
        return b"".join((head, *parts))

    def open_run(
        self, key: bytes, nonces: Sequence[bytes], sealed: bytes, piece: int, aad: bytes
    ) -> bytes | None:
        require_pieces(nonces, len(sealed) - TAG_BYTES * len(nonces), piece)
        step, parts = piece + TAG_BYTES, []
        for number, nonce in enumerate(nonces):
            part = self.open(key, nonce, sealed[number * step : (number + 1) * step], aad)
            if part is None:
                return None
            parts.append(part)
        return b"".join(parts)

    def sm3(self, data: bytes) -> bytes:
        digest = hashes.Hash(hashes.SM3())
        digest.update(data)
        return digest.finalize()

    def forget(self) -> None:
        """Nothing is kept."""


def _require_nonce(nonce: bytes) -> None:
    if len(nonce) != NONCE_BYTES:
        raise ValueError("SM4-GCM takes a nonce of 12 bytes.")


@dataclass(frozen=True, slots=True)
class Choice:
    """The engine of a process: `name` with its version, and why it is not libgcrypt, else empty."""

    engine: Engine
    name: str
    why: str = ""

    def __str__(self) -> str:
        return f"{self.name} ({self.why})" if self.why else self.name


def choose(names: tuple[str, ...] = gcrypt.NAMES, oldest: str = gcrypt.OLDEST) -> Choice:
    """libgcrypt by one of these names and at least of this version, else OpenSSL."""
    try:
        library = gcrypt.load(names, oldest)
    except gcrypt.NotUsable as reason:
        return Choice(OpenSsl(), backend.openssl_version_text(), str(reason))
    return Choice(library, f"libgcrypt {library.version}")


@cache
def chosen() -> Choice:
    """The choice of this process, made once."""
    return choose()
