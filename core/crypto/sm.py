"""The national algorithms: SM3, HMAC-SM3 and SM4-GCM, on libgcrypt or OpenSSL (`engine.py`).

Sources: GB/T 32905 (SM3), GB/T 32907 (SM4), RFC 8998 (SM4-GCM), RFC 2104 (HMAC).
"""

import hmac as _hmac
from collections.abc import Sequence

from cryptography.hazmat.primitives import hashes, hmac

from core.crypto.engine import chosen
from core.crypto.gcrypt import NONCE_BYTES, TAG_BYTES, pieces

SM4_KEY_BYTES = 16
SM3_BYTES = 32

__all__ = [
    "NONCE_BYTES",
    "SM3_BYTES",
    "SM4_KEY_BYTES",
    "TAG_BYTES",
    "DecryptionError",
    "derive_key",
    "equal",
    "forget_ciphers",
    "hmac_sm3",
    "sm3",
    "sm4_gcm_decrypt",
    "sm4_gcm_decrypt_run",
    "sm4_gcm_encrypt",
    "sm4_gcm_encrypt_run",
]

# It takes bytes alone; `bytes(...)` around what is given costs nothing for those, and takes any
# other buffer as well.
_engine = chosen().engine


class DecryptionError(Exception):
    """The ciphertext, its tag, its context or its key does not fit; nothing was decrypted."""


def sm3(data: bytes) -> bytes:
    """Return the 32-byte SM3 digest of `data`."""
    return _engine.sm3(bytes(data))


def hmac_sm3(key: bytes, data: bytes) -> bytes:
    """Return the 32-byte HMAC-SM3 of `data` under `key`."""
    mac = hmac.HMAC(key, hashes.SM3())
    mac.update(data)
    return mac.finalize()


def equal(left: bytes, right: bytes) -> bool:
    """Compare two digests in constant time."""
    return _hmac.compare_digest(left, right)


def sm4_gcm_encrypt(key: bytes, nonce: bytes, plaintext: bytes, aad: bytes) -> bytes:
    """Return ciphertext followed by the 16-byte tag.

    `key` has 16 bytes, `nonce` 12 and is never used twice with one key, `aad` is authenticated
    but not stored.
    """
    return _engine.seal(key, nonce, bytes(plaintext), aad)


def sm4_gcm_decrypt(key: bytes, nonce: bytes, sealed: bytes, aad: bytes) -> bytes:
    """Return the plaintext of `sealed` (ciphertext and tag); raises `DecryptionError`."""
    if len(sealed) < TAG_BYTES:
        raise DecryptionError("The ciphertext is shorter than its tag.")
    plaintext = _engine.open(key, nonce, bytes(sealed), aad)
    if plaintext is None:
        raise DecryptionError("The ciphertext was changed or belongs elsewhere.")
    return plaintext


def sm4_gcm_encrypt_run(
    key: bytes, nonces: Sequence[bytes], plaintext: bytes, piece: int, aad: bytes, head: bytes = b""
) -> bytes:
    """Return `head` as it is, and behind it `plaintext` in pieces of `piece` bytes, the last one
    the rest, each encrypted with its nonce and followed by its tag. Nothing to encrypt is a piece.
    """
    return _engine.seal_run(key, nonces, bytes(plaintext), piece, aad, head)


def sm4_gcm_decrypt_run(
    key: bytes, nonces: Sequence[bytes], sealed: bytes, piece: int, aad: bytes
) -> bytes:
    """Return the plaintext of pieces, `head` left out; raises `DecryptionError`."""
    if pieces(len(sealed) - TAG_BYTES * len(nonces), piece) != len(nonces):
        raise DecryptionError("The ciphertext is cut short.")
    plaintext = _engine.open_run(key, nonces, bytes(sealed), piece, aad)
    if plaintext is None:
        raise DecryptionError("The ciphertext was changed or belongs elsewhere.")
    return plaintext


def forget_ciphers() -> None:
    """Wipe what is kept of keys to make the next message with them cheap."""
    _engine.forget()


def derive_key(secret: bytes, label: str, length: int) -> bytes:
    """Derive `length` bytes (at most 8160) for one labelled use: HKDF-Expand with HMAC-SM3.

    `secret` must be uniformly random already, which every key of the keyring is (RFC 5869, 3.3).
    """
    if not 0 < length <= 255 * SM3_BYTES:
        raise ValueError("A derived key has between 1 and 8160 bytes.")
    info = label.encode()
    block, output, counter = b"", b"", 1
    while len(output) < length:
        block = hmac_sm3(secret, block + info + bytes([counter]))
        output += block
        counter += 1
    return output[:length]
