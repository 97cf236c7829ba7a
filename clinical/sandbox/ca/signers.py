"""The simulator's own hands: SM2 by gmssl, RSA by `cryptography`."""

from __future__ import annotations

import hashlib
import secrets
from typing import Any, Protocol

from asn1crypto import algos, core, keys
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from gmssl import sm2 as gmssl_sm2
from gmssl import sm3 as gmssl_sm3

SM2_CURVE = "1.2.156.10197.1.301"
SM3_WITH_SM2 = "1.2.156.10197.1.501"
SM3 = "1.2.156.10197.1.401"
ORDER = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123


def sm3(data: bytes) -> bytes:
    return bytes.fromhex(gmssl_sm3.sm3_hash(list(data)))


class Signer(Protocol):
    """A private key of the authority."""

    chain: str

    def sign(self, data: bytes) -> bytes: ...

    def digest(self, data: bytes) -> bytes: ...

    @property
    def public(self) -> keys.PublicKeyInfo: ...

    @property
    def digest_algorithm(self) -> dict[str, Any]: ...

    @property
    def signature_algorithm(self) -> algos.SignedDigestAlgorithm: ...

    def dump(self) -> str: ...


class SmSigner:
    """An SM2 key."""

    chain = "sm2"

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self._point = _crypt(secret, "")._kg(int(secret, 16), _crypt(secret, "").ecc_table["g"])
        self._crypt = _crypt(secret, self._point)

    @classmethod
    def generate(cls) -> SmSigner:
        return cls(f"{secrets.randbelow(ORDER - 2) + 1:064x}")

    def sign(self, data: bytes) -> bytes:
        raw: str | None = None
        while raw is None:
            raw = self._crypt.sign_with_sm3(data, f"{secrets.randbelow(ORDER - 1) + 1:064x}")
        signature = algos.DSASignature({"r": int(raw[:64], 16), "s": int(raw[64:], 16)})
        return bytes(signature.dump())

    def digest(self, data: bytes) -> bytes:
        return sm3(data)

    @property
    def public(self) -> keys.PublicKeyInfo:
        parameters = keys.ECDomainParameters(name="named", value=keys.NamedCurve(SM2_CURVE))
        return keys.PublicKeyInfo(
            {
                "algorithm": {"algorithm": "ec", "parameters": parameters},
                "public_key": keys.ECPointBitString(bytes.fromhex("04" + self._point)),
            }
        )

    @property
    def digest_algorithm(self) -> dict[str, Any]:
        return {"algorithm": SM3}

    @property
    def signature_algorithm(self) -> algos.SignedDigestAlgorithm:
        return algos.SignedDigestAlgorithm({"algorithm": SM3_WITH_SM2})

    def dump(self) -> str:
        return self._secret


class RsaSigner:
    """An RSA key with SHA-256."""

    chain = "rsa"

    def __init__(self, key: rsa.RSAPrivateKey) -> None:
        self._key = key

    @classmethod
    def generate(cls) -> RsaSigner:
        return cls(rsa.generate_private_key(public_exponent=65537, key_size=2048))

    @classmethod
    def load(cls, text: str) -> RsaSigner:
        # One of our own, from `generate`: its primes need no second proof.
        key = serialization.load_pem_private_key(
            text.encode(), password=None, unsafe_skip_rsa_key_validation=True
        )
        assert isinstance(key, rsa.RSAPrivateKey)
        return cls(key)

    def sign(self, data: bytes) -> bytes:
        return self._key.sign(data, padding.PKCS1v15(), hashes.SHA256())

    def digest(self, data: bytes) -> bytes:
        return hashlib.sha256(data).digest()

    @property
    def public(self) -> keys.PublicKeyInfo:
        written = self._key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return keys.PublicKeyInfo.load(written)

    @property
    def digest_algorithm(self) -> dict[str, Any]:
        return {"algorithm": "sha256"}

    @property
    def signature_algorithm(self) -> algos.SignedDigestAlgorithm:
        return algos.SignedDigestAlgorithm({"algorithm": "sha256_rsa"})

    def dump(self) -> str:
        return self._key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode()


def verifies(public: keys.PublicKeyInfo, signature: bytes, data: bytes) -> str | None:
    """The chain (`sm2`, `rsa`) whose kind of key made the signature, None when it is wrong."""
    if public["algorithm"]["algorithm"].native == "ec":
        named = public["algorithm"]["parameters"].chosen
        if not isinstance(named, core.ObjectIdentifier) or named.dotted != SM2_CURVE:
            return None
        parts = algos.DSASignature.load(signature)
        raw = f"{parts['r'].native:064x}{parts['s'].native:064x}"
        point = bytes(public["public_key"])[1:].hex()
        return "sm2" if _crypt("0", point).verify_with_sm3(raw, data) else None
    key = serialization.load_der_public_key(public.dump())
    if not isinstance(key, rsa.RSAPublicKey):
        return None
    try:
        key.verify(signature, data, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return None
    return "rsa"


def _crypt(secret: str, point: str) -> Any:
    crypt = gmssl_sm2.CryptSM2(secret, "")
    # The constructor would strip leading zeros and fours of the point itself.
    crypt.public_key = point
    return crypt
