"""Self-describing ciphertexts: which key made them, the nonce, the sealed bytes.

Layout: one byte format (1), one byte length of the key id, the key id, 12 bytes nonce, ciphertext,
16 bytes tag. The *context* (e.g. `users.phone`) is authenticated, so that a cell cannot be moved
to another column; rows are kept apart by the row MAC of tables that carry one.
"""

import os
from collections.abc import Iterable
from uuid import UUID

from core.crypto.keyring import Keyring, Purpose, UnknownKeyError
from core.crypto.sm import (
    NONCE_BYTES,
    TAG_BYTES,
    DecryptionError,
    sm4_gcm_decrypt,
    sm4_gcm_encrypt,
)

_FORMAT = 1


def seal(
    keyring: Keyring, context: str, plaintext: bytes, hospital_id: UUID | None = None
) -> bytes:
    """Encrypt under the current data key of the hospital (None: of the group), bound to
    `context`.
    """
    key = keyring.current(Purpose.DATA, hospital_id)
    key_id = key.id.encode("ascii")
    header = bytes([_FORMAT, len(key_id)]) + key_id
    nonce = os.urandom(NONCE_BYTES)
    return header + nonce + sm4_gcm_encrypt(key.secret, nonce, plaintext, _aad(header, context))


def seal_many(
    keyring: Keyring, context: str, values: Iterable[tuple[UUID | None, bytes]]
) -> list[bytes]:
    """`seal` for many values of one column, each with its hospital: keys are looked up once."""
    owned = list(values)
    nonces = os.urandom(NONCE_BYTES * len(owned))
    known: dict[UUID | None, tuple[bytes, bytes, bytes]] = {}
    sealed = []
    for index, (hospital_id, plaintext) in enumerate(owned):
        found = known.get(hospital_id)
        if found is None:
            key = keyring.current(Purpose.DATA, hospital_id)
            key_id = key.id.encode("ascii")
            header = bytes([_FORMAT, len(key_id)]) + key_id
            found = known[hospital_id] = key.secret, header, _aad(header, context)
        secret, header, aad = found
        nonce = nonces[index * NONCE_BYTES : (index + 1) * NONCE_BYTES]
        sealed.append(header + nonce + sm4_gcm_encrypt(secret, nonce, plaintext, aad))
    return sealed


def unseal(keyring: Keyring, context: str, token: bytes) -> bytes:
    """Decrypt what `seal` made for the same context; raises `DecryptionError`."""
    header, nonce, sealed = _split(token)
    try:
        key = keyring.find(Purpose.DATA, header[2:].decode("ascii"))
    except (UnknownKeyError, UnicodeDecodeError) as error:
        raise DecryptionError("The ciphertext names a key that is not in the keyring.") from error
    return sm4_gcm_decrypt(key.secret, nonce, sealed, _aad(header, context))


def sealed_with(token: bytes) -> str:
    """The id of the key that sealed `token`; raises `DecryptionError` for what is no token."""
    header, _, _ = _split(token)
    return header[2:].decode("ascii", "replace")


def _split(token: bytes) -> tuple[bytes, bytes, bytes]:
    if len(token) < 2 or token[0] != _FORMAT:
        raise DecryptionError("This is not a sealed value.")
    start = 2 + token[1]
    if len(token) < start + NONCE_BYTES + TAG_BYTES:
        raise DecryptionError("The sealed value is cut short.")
    return (
        token[:start],
        token[start : start + NONCE_BYTES],
        token[start + NONCE_BYTES :],
    )


def _aad(header: bytes, context: str) -> bytes:
    return header + b"\x00" + context.encode()
