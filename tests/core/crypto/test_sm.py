"""The national algorithms against their standards' vectors and an independent implementation."""

import os

import pytest
from gmssl import sm3 as oracle_sm3
from gmssl import sm4 as oracle_sm4

from core.crypto.sm import (
    DecryptionError,
    derive_key,
    hmac_sm3,
    sm3,
    sm4_gcm_decrypt,
    sm4_gcm_encrypt,
)

RFC8998_KEY = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
RFC8998_IV = bytes.fromhex("00001234567800000000ABCD")
RFC8998_AAD = bytes.fromhex("FEEDFACEDEADBEEFFEEDFACEDEADBEEFABADDAD2")
RFC8998_PLAIN = b"".join(bytes([byte]) * 8 for byte in b"\xaa\xbb\xcc\xdd\xee\xff\xee\xaa")
RFC8998_SEALED = bytes.fromhex(
    "17F399F08C67D5EE19D0DC9969C4BB7D5FD46FD3756489069157B282BB200735"
    "D82710CA5C22F0CCFA7CBF93D496AC15A56834CBCF98C397B4024A2691233B8D"
    "83DE3541E4C2B58177E065A9BF7B62EC"
)


def oracle_digest(data: bytes) -> bytes:
    return bytes.fromhex(oracle_sm3.sm3_hash(list(data)))


def oracle_hmac(key: bytes, data: bytes) -> bytes:
    if len(key) > 64:
        key = oracle_digest(key)
    key = key.ljust(64, b"\0")
    inner = oracle_digest(bytes(byte ^ 0x36 for byte in key) + data)
    return oracle_digest(bytes(byte ^ 0x5C for byte in key) + inner)


@pytest.mark.parametrize(
    ("data", "digest"),
    [
        (b"abc", "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"),
        (b"abcd" * 16, "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"),
    ],
)
def test_sm3_gives_the_digests_printed_in_its_standard(data: bytes, digest: str) -> None:
    assert sm3(data).hex() == digest


@pytest.mark.parametrize("size", [0, 1, 55, 56, 64, 65, 1000])
def test_sm3_agrees_with_an_independent_implementation(size: int) -> None:
    data = os.urandom(size)
    assert sm3(data) == oracle_digest(data)


@pytest.mark.parametrize("key_size", [1, 32, 64, 65, 100])
def test_hmac_sm3_agrees_with_rfc_2104_built_on_an_independent_sm3(key_size: int) -> None:
    key, data = os.urandom(key_size), os.urandom(220)
    assert hmac_sm3(key, data) == oracle_hmac(key, data)


def test_sm4_gcm_gives_the_vector_of_rfc_8998() -> None:
    sealed = sm4_gcm_encrypt(RFC8998_KEY, RFC8998_IV, RFC8998_PLAIN, RFC8998_AAD)
    assert sealed == RFC8998_SEALED
    assert sm4_gcm_decrypt(RFC8998_KEY, RFC8998_IV, sealed, RFC8998_AAD) == RFC8998_PLAIN


def test_the_key_stream_is_the_one_of_an_independent_sm4() -> None:
    key, nonce, plain = os.urandom(16), os.urandom(12), os.urandom(48)
    cipher = oracle_sm4.CryptSM4()
    cipher.set_key(key, oracle_sm4.SM4_ENCRYPT)
    stream = b"".join(
        bytes(cipher.one_round(cipher.sk, list(nonce + number.to_bytes(4, "big"))))
        for number in (2, 3, 4)
    )
    expected = bytes(a ^ b for a, b in zip(plain, stream, strict=True))
    assert sm4_gcm_encrypt(key, nonce, plain, b"")[:-16] == expected


@pytest.mark.parametrize("place", [0, 20, -1])
def test_a_changed_byte_is_noticed(place: int) -> None:
    sealed = bytearray(RFC8998_SEALED)
    sealed[place] ^= 1
    with pytest.raises(DecryptionError):
        sm4_gcm_decrypt(RFC8998_KEY, RFC8998_IV, bytes(sealed), RFC8998_AAD)


def test_another_context_and_a_short_text_are_refused() -> None:
    with pytest.raises(DecryptionError):
        sm4_gcm_decrypt(RFC8998_KEY, RFC8998_IV, RFC8998_SEALED, b"elsewhere")
    with pytest.raises(DecryptionError):
        sm4_gcm_decrypt(RFC8998_KEY, RFC8998_IV, b"short", RFC8998_AAD)


def test_derived_keys_differ_by_label_and_have_the_asked_length() -> None:
    secret = os.urandom(32)
    first, second = derive_key(secret, "a", 70), derive_key(secret, "b", 70)
    assert len(first) == 70
    assert first != second
    assert derive_key(secret, "a", 16) == first[:16]
    with pytest.raises(ValueError, match="derived key"):
        derive_key(secret, "a", 0)
