"""Keys behind one face: whoever signs or verifies does not know where the private key lies.

`SigningKey` is what a caller needs. `Sm2SigningKey` and `RsaSigningKey` hold the key in this
process; a certified device (S4-106) takes their place by another class with the same members.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Protocol

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils

from core.crypto import sm2
from core.crypto.libcrypto import NativeError

SMALLEST_RSA_BITS = 2048
RSA_EXPONENT = 65537


class Algorithm(StrEnum):
    """A pair of signature and digest."""

    SM2 = "SM3withSM2"
    RSA = "SHA256withRSA"

    @property
    def digest(self) -> str:
        """The name of its digest: `sm3` or `sha256`."""
        return "sm3" if self is Algorithm.SM2 else "sha256"


class KeyUnusable(ValueError):
    """A key is damaged or of a kind that is not used here."""


class SigningKey(Protocol):
    """A private key that signs. Every method may be called from any thread."""

    @property
    def algorithm(self) -> Algorithm: ...

    @property
    def public_der(self) -> bytes:
        """The SubjectPublicKeyInfo."""
        ...

    def sign(self, data: bytes) -> bytes:
        """The signature over `data`: DER of r and s for SM2, PKCS#1 v1.5 for RSA.

        Raises KeyUnusable when the key or its device fails.
        """
        ...

    def sign_digest(self, digest: bytes) -> bytes:
        """The signature over 32 bytes that were hashed elsewhere: SHA-256 for RSA, for SM2 the SM3
        over Z and the data (`PublicKey.digest`). Raises KeyUnusable.
        """
        ...


class VerifyingKey(Protocol):
    """A public key that verifies."""

    @property
    def algorithm(self) -> Algorithm: ...

    @property
    def public_der(self) -> bytes:
        """The SubjectPublicKeyInfo."""
        ...

    def verify(self, signature: bytes, data: bytes) -> bool: ...


@dataclass(frozen=True)
class Sm2SigningKey:
    """SM2 with SM3 and the default identity, in software."""

    key: sm2.PrivateKey
    algorithm: Algorithm = Algorithm.SM2

    @property
    def public_der(self) -> bytes:
        return self.key.public_key.der

    def sign(self, data: bytes) -> bytes:
        try:
            return self.key.sign(data)
        except NativeError as error:
            raise KeyUnusable("The SM2 key does not sign.") from error

    def sign_digest(self, digest: bytes) -> bytes:
        try:
            return self.key.sign_digest(digest)
        except (NativeError, sm2.Sm2Error) as error:
            raise KeyUnusable("The SM2 key does not sign.") from error


@dataclass(frozen=True)
class RsaSigningKey:
    """RSA PKCS#1 v1.5 with SHA-256, in software, for old peers."""

    key: rsa.RSAPrivateKey
    algorithm: Algorithm = Algorithm.RSA

    @property
    def public_der(self) -> bytes:
        return _rsa_der(self.key.public_key())

    def sign(self, data: bytes) -> bytes:
        return self.key.sign(data, padding.PKCS1v15(), hashes.SHA256())

    def sign_digest(self, digest: bytes) -> bytes:
        try:
            return self.key.sign(digest, padding.PKCS1v15(), utils.Prehashed(hashes.SHA256()))
        except ValueError as error:
            raise KeyUnusable("A digest has 32 bytes.") from error


@dataclass(frozen=True)
class Sm2VerifyingKey:
    """An SM2 public key with the default identity."""

    key: sm2.PublicKey
    algorithm: Algorithm = Algorithm.SM2

    @property
    def public_der(self) -> bytes:
        return self.key.der

    def verify(self, signature: bytes, data: bytes) -> bool:
        return self.key.verify(signature, data)


@dataclass(frozen=True)
class RsaVerifyingKey:
    """An RSA public key."""

    key: rsa.RSAPublicKey
    algorithm: Algorithm = Algorithm.RSA

    @property
    def public_der(self) -> bytes:
        return _rsa_der(self.key)

    def verify(self, signature: bytes, data: bytes) -> bool:
        try:
            self.key.verify(signature, data, padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            return False
        return True


def generate(algorithm: Algorithm) -> Sm2SigningKey | RsaSigningKey:
    """A fresh key in software."""
    if algorithm is Algorithm.SM2:
        return Sm2SigningKey(sm2.generate())
    return RsaSigningKey(
        rsa.generate_private_key(public_exponent=RSA_EXPONENT, key_size=SMALLEST_RSA_BITS)
    )


def dump(key: Sm2SigningKey | RsaSigningKey) -> bytes:
    """The private key as PKCS#8, for a sealed column alone."""
    if isinstance(key, Sm2SigningKey):
        return key.key.der
    return key.key.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def load_private(data: bytes) -> Sm2SigningKey | RsaSigningKey:
    """From PKCS#8 (or SEC1 for SM2) in DER. Raises KeyUnusable."""
    try:
        return Sm2SigningKey(sm2.PrivateKey.from_der(data))
    except sm2.Sm2Error:
        key = _rsa(serialization.load_der_private_key, data, None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise KeyUnusable("The private key is neither SM2 nor RSA.")
    return RsaSigningKey(key)


@lru_cache(maxsize=1024)
def load_public(data: bytes) -> Sm2VerifyingKey | RsaVerifyingKey:
    """From a SubjectPublicKeyInfo in DER. Raises KeyUnusable."""
    try:
        return Sm2VerifyingKey(sm2.PublicKey.from_der(data))
    except sm2.Sm2Error:
        key = _rsa(serialization.load_der_public_key, data)
    if not isinstance(key, rsa.RSAPublicKey):
        raise KeyUnusable("The public key is neither SM2 nor RSA.")
    if key.key_size < SMALLEST_RSA_BITS:
        raise KeyUnusable(f"RSA keys have at least {SMALLEST_RSA_BITS} bits.")
    return RsaVerifyingKey(key)


def _rsa(load: object, *arguments: object) -> object:
    assert callable(load)
    try:
        return load(*arguments)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyUnusable("The key is damaged or of an unknown kind.") from error


def _rsa_der(key: rsa.RSAPublicKey) -> bytes:
    return key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
