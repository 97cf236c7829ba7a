"""The national algorithms on `cryptography` (OpenSSL): SM3, HMAC-SM3 and SM4-GCM.

Sources: GB/T 32905 (SM3), GB/T 32907 (SM4), RFC 8998 (SM4-GCM), RFC 2104 (HMAC).
"""

import hmac as _hmac

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

SM4_KEY_BYTES = 16
NONCE_BYTES = 12
TAG_BYTES = 16
SM3_BYTES = 32


class DecryptionError(Exception):
    """The ciphertext, its tag, its context or its key does not fit; nothing was decrypted."""


def sm3(data: bytes) -> bytes:
    """Return the 32-byte SM3 digest of `data`."""
    digest = hashes.Hash(hashes.SM3())
    digest.update(data)
    return digest.finalize()


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
    encryptor = Cipher(algorithms.SM4(key), modes.GCM(nonce)).encryptor()
    encryptor.authenticate_additional_data(aad)
    ciphertext = encryptor.update(plaintext) + encryptor.finalize()
    return ciphertext + encryptor.tag


def sm4_gcm_decrypt(key: bytes, nonce: bytes, sealed: bytes, aad: bytes) -> bytes:
    """Return the plaintext of `sealed` (ciphertext and tag); raises `DecryptionError`."""
    if len(sealed) < TAG_BYTES:
        raise DecryptionError("The ciphertext is shorter than its tag.")
    ciphertext, tag = sealed[:-TAG_BYTES], sealed[-TAG_BYTES:]
    decryptor = Cipher(algorithms.SM4(key), modes.GCM(nonce, tag)).decryptor()
    decryptor.authenticate_additional_data(aad)
    try:
        return decryptor.update(ciphertext) + decryptor.finalize()
    except InvalidTag as error:
        raise DecryptionError("The ciphertext was changed or belongs elsewhere.") from error


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
