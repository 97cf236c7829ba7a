"""The boxes that private keys lie in: one that only the PIN opens, one that only a token opens.

A private key of a person is never at rest without one of them. The PIN's box: argon2id over the PIN
and a salt gives 32 bytes, HKDF-Expand with HMAC-SM3 gives the SM4 key of the box, and SM4-GCM both
hides the private key and tells a right PIN from a wrong one, so that no hash of the PIN exists that
could be tried more cheaply. Around the box lies the installation's own encryption (the column).

How much that is worth is said in the decision record: a PIN has few digits.
"""

import asyncio
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

from argon2.low_level import Type, hash_secret_raw

from core.crypto.sm import (
    NONCE_BYTES,
    SM4_KEY_BYTES,
    DecryptionError,
    derive_key,
    sm4_gcm_decrypt,
    sm4_gcm_encrypt,
)

SALT_BYTES = 16
TOKEN_BYTES = 32
#: RFC 9106, second recommended option; part of the format, so it never changes in place.
_PASSES, _KIBIBYTES, _LANES = 3, 65536, 4
_PIN_BOX, _TOKEN_BOX = "signing-pin-1", "signing-token-1"

# Each takes 64 MiB and a core for a moment.
_pool = ThreadPoolExecutor(2, thread_name_prefix="signing-pin")


def new_salt() -> bytes:
    """A fresh salt for one key pair."""
    return secrets.token_bytes(SALT_BYTES)


async def lock_with_pin(private_key: bytes, pin: str, salt: bytes, signer_id: UUID) -> bytes:
    """Close a private key into the box of a PIN; bound to its signer."""
    return _close(await _stretch(pin, salt), private_key, signer_id)


async def open_with_pin(box: bytes, pin: str, salt: bytes, signer_id: UUID) -> bytes:
    """The private key; raises `DecryptionError` for a wrong PIN."""
    return _open(await _stretch(pin, salt), box, signer_id)


def new_token() -> str:
    """A secret for one confirmation, as text for the client."""
    return urlsafe_b64encode(secrets.token_bytes(TOKEN_BYTES)).decode().rstrip("=")


def lock_with_token(private_key: bytes, token: str, confirmation_id: UUID) -> bytes:
    """Close a private key into the box of a confirmation."""
    return _close(_token_key(token), private_key, confirmation_id)


def open_with_token(box: bytes, token: str, confirmation_id: UUID) -> bytes:
    """The private key; raises `DecryptionError` for another token."""
    return _open(_token_key(token), box, confirmation_id)


async def _stretch(pin: str, salt: bytes) -> bytes:
    raw = await asyncio.get_running_loop().run_in_executor(_pool, _argon2, pin, salt)
    return derive_key(raw, _PIN_BOX, SM4_KEY_BYTES)


def _argon2(pin: str, salt: bytes) -> bytes:
    return hash_secret_raw(
        pin.encode(), salt, _PASSES, _KIBIBYTES, _LANES, hash_len=32, type=Type.ID
    )


def _token_key(token: str) -> bytes:
    try:
        secret = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except ValueError as error:
        raise DecryptionError("This is not a confirmation token.") from error
    if len(secret) != TOKEN_BYTES:
        raise DecryptionError("This is not a confirmation token.")
    return derive_key(secret, _TOKEN_BOX, SM4_KEY_BYTES)


def _close(key: bytes, private_key: bytes, owner: UUID) -> bytes:
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + sm4_gcm_encrypt(key, nonce, private_key, owner.bytes)


def _open(key: bytes, box: bytes, owner: UUID) -> bytes:
    if len(box) <= NONCE_BYTES:
        raise DecryptionError("The box is cut short.")
    return sm4_gcm_decrypt(key, box[:NONCE_BYTES], box[NONCE_BYTES:], owner.bytes)
