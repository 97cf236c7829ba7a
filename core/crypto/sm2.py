"""SM2 on OpenSSL: key pairs, signatures with SM3, encryption; keys in and out as PEM and DER.

Sources: GB/T 32918 (the algorithm and its curve), GM/T 0009 (identity, encodings), RFC 5915 and
5958 (private keys). Signing multiplies in constant time (OpenSSL); Python bytes that held a private
key cannot be wiped, so keys are opened late and dropped early.
"""

import base64
import binascii
import re
from functools import cached_property
from typing import Final

from cryptography.hazmat.primitives import hashes

from core.crypto import der
from core.crypto.libcrypto import NativeError, NativeKey
from core.crypto.sm import SM3_BYTES, DecryptionError, equal

#: The identity that signatures use where two parties have not agreed on another.
IDENTITY: Final = b"1234567812345678"
OID_EC: Final = "1.2.840.10045.2.1"
OID_CURVE: Final = "1.2.156.10197.1.301"
SECRET_BYTES: Final = 32
#: Identities are at most this long: their length in bits is written in two bytes.
LONGEST_IDENTITY: Final = 8191

P: Final = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF
A: Final = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFC
B: Final = 0x28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93
N: Final = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
_GX: Final = 0x32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7
_GY: Final = 0xBC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0
_CURVE_BYTES: Final = b"".join(number.to_bytes(32, "big") for number in (A, B, _GX, _GY))
_ALGORITHM: Final = der.sequence(der.oid(OID_EC), der.oid(OID_CURVE))
_PEM = re.compile(
    rb"-----BEGIN ((?:EC )?PRIVATE KEY|PUBLIC KEY)-----\s(.+?)-----END \1-----", re.DOTALL
)


class Sm2Error(ValueError):
    """A key, a point, a signature or an identity does not have the form that it should have."""


class PublicKey:
    """A point on the curve: verifies and encrypts. Safe to share between threads."""

    def __init__(self, point: bytes) -> None:
        """`point`: `04 || x || y` (65 bytes), `x || y` (64) or compressed (33). Raises Sm2Error."""
        self.point = _checked(point)
        self._z: dict[bytes, bytes] = {}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PublicKey) and self.point == other.point

    def __hash__(self) -> int:
        return hash(self.point)

    def __repr__(self) -> str:
        return f"PublicKey({self.point.hex()})"

    @classmethod
    def from_der(cls, data: bytes) -> "PublicKey":
        """From a SubjectPublicKeyInfo with the SM2 curve. Raises Sm2Error."""
        try:
            parts = der.children(der.whole(data, der.SEQUENCE))
            (algorithm_tag, algorithm), (bits_tag, bits) = parts
        except ValueError as error:
            raise Sm2Error("This is not a public key.") from error
        if algorithm_tag != der.SEQUENCE or der.tlv(der.SEQUENCE, algorithm) != _ALGORITHM:
            raise Sm2Error("The public key is not of the SM2 curve.")
        if bits_tag != der.BIT_STRING or bits[:1] != b"\x00":
            raise Sm2Error("This is not a public key.")
        return cls(bits[1:])

    @classmethod
    def from_pem(cls, text: bytes) -> "PublicKey":
        """From `-----BEGIN PUBLIC KEY-----`. Raises Sm2Error."""
        return cls.from_der(_from_pem(text, (b"PUBLIC KEY",))[1])

    @cached_property
    def der(self) -> bytes:
        """The SubjectPublicKeyInfo."""
        return der.sequence(_ALGORITHM, der.bits(self.point))

    @property
    def pem(self) -> bytes:
        return to_pem("PUBLIC KEY", self.der)

    def z(self, identity: bytes = IDENTITY) -> bytes:
        """The 32 bytes that bind the signer's identity, the curve and the key into a signature."""
        found = self._z.get(identity)
        if found is None:
            if len(identity) > LONGEST_IDENTITY:
                raise Sm2Error("The identity is too long.")
            length = (len(identity) * 8).to_bytes(2, "big")
            found = _sm3(length, identity, _CURVE_BYTES, self.point[1:])
            if len(self._z) < 8:
                self._z[identity] = found
        return found

    def digest(self, data: bytes, identity: bytes = IDENTITY) -> bytes:
        """What is really signed for `data`: SM3 over Z and the data."""
        return _sm3(self.z(identity), data)

    def verify(self, signature: bytes, data: bytes, identity: bytes = IDENTITY) -> bool:
        """Whether the DER signature was made over `data` with the private key."""
        return self.verify_digest(signature, self.digest(data, identity))

    def verify_digest(self, signature: bytes, digest: bytes) -> bool:
        """Whether the DER signature was made over a digest that `digest` gave."""
        _require_digest(digest)
        return self._native.verify(signature, digest)

    def encrypt(self, plaintext: bytes) -> bytes:
        """Encrypt at least one byte for the holder of the private key.

        The result is ASN.1 (GM/T 0009): the point C1, the hash C3, the ciphertext C2.
        """
        if not plaintext:
            raise Sm2Error("There is nothing to encrypt.")
        return self._native.encrypt(plaintext)

    @cached_property
    def _native(self) -> NativeKey:
        return NativeKey.public(self.der)


class PrivateKey:
    """A key pair: signs and decrypts. Safe to share between threads."""

    def __init__(self, secret: bytes) -> None:
        """`secret` is the private number, 32 bytes big endian, from 1 to n - 2. Raises Sm2Error."""
        if len(secret) != SECRET_BYTES or not 1 <= int.from_bytes(secret, "big") <= N - 2:
            raise Sm2Error("This is not a private number of the SM2 curve.")
        self.secret = bytes(secret)

    def __repr__(self) -> str:
        return f"PrivateKey(of {self.public_key!r})"

    @classmethod
    def from_der(cls, data: bytes) -> "PrivateKey":
        """From PKCS#8 or an EC private key (SEC1) that names the SM2 curve. Raises Sm2Error."""
        try:
            return cls(_secret_of(data))
        except der.DerError as error:
            raise Sm2Error("This is not an SM2 private key.") from error

    @classmethod
    def from_pem(cls, text: bytes) -> "PrivateKey":
        """From `PRIVATE KEY` (PKCS#8) or `EC PRIVATE KEY`. Raises Sm2Error."""
        return cls.from_der(_from_pem(text, (b"PRIVATE KEY", b"EC PRIVATE KEY"))[1])

    @cached_property
    def public_key(self) -> PublicKey:
        return PublicKey.from_der(self._native.public_der())

    @property
    def der(self) -> bytes:
        """PKCS#8, unencrypted, with the public key inside."""
        return der.sequence(der.integer(0), _ALGORITHM, der.octets(self._sec1(named=False)))

    @property
    def sec1_der(self) -> bytes:
        """The EC private key (SEC1, RFC 5915) with curve and public key."""
        return self._sec1(named=True)

    @property
    def pem(self) -> bytes:
        return to_pem("PRIVATE KEY", self.der)

    def sign(self, data: bytes, identity: bytes = IDENTITY) -> bytes:
        """The signature over `data`, DER of r and s, different each time."""
        return self._native.sign(self.public_key.digest(data, identity))

    def sign_digest(self, digest: bytes) -> bytes:
        """The signature over a digest that the public key's `digest` gave."""
        _require_digest(digest)
        return self._native.sign(digest)

    def decrypt(self, ciphertext: bytes) -> bytes:
        """What was encrypted for the public key. Raises DecryptionError."""
        try:
            return self._native.decrypt(ciphertext)
        except NativeError as error:
            raise DecryptionError("The ciphertext was changed or is for another key.") from error

    def _sec1(self, *, named: bool) -> bytes:
        curve = der.explicit(0, der.oid(OID_CURVE)) if named else b""
        public = der.explicit(1, der.bits(self.public_key.point))
        return der.sequence(der.integer(1), der.octets(self.secret), curve, public)

    @cached_property
    def _native(self) -> NativeKey:
        curve = der.explicit(0, der.oid(OID_CURVE))
        return NativeKey.private(der.sequence(der.integer(1), der.octets(self.secret), curve))


def generate() -> PrivateKey:
    """A fresh key pair from OpenSSL's generator."""
    return PrivateKey.from_der(NativeKey.generate().private_der())


def signature_to_raw(signature: bytes) -> bytes:
    """r and s of a DER signature, 32 bytes each, one after the other. Raises Sm2Error."""
    try:
        (r_tag, r), (s_tag, s) = der.children(der.whole(signature, der.SEQUENCE))
        if (r_tag, s_tag) != (der.INTEGER, der.INTEGER):
            raise Sm2Error("This is not a signature.")
        return der.unsigned(r).to_bytes(32, "big") + der.unsigned(s).to_bytes(32, "big")
    except (ValueError, OverflowError) as error:
        raise Sm2Error("This is not a signature.") from error


def signature_from_raw(raw: bytes) -> bytes:
    """The DER signature of r and s, 32 bytes each. Raises Sm2Error."""
    if len(raw) != 64:
        raise Sm2Error("r and s have 32 bytes each.")
    return der.sequence(
        der.integer(int.from_bytes(raw[:32], "big")), der.integer(int.from_bytes(raw[32:], "big"))
    )


def to_pem(label: str, data: bytes) -> bytes:
    """DER in PEM armour."""
    body = base64.encodebytes(data).decode().replace("\n", "")
    lines = [body[start : start + 64] for start in range(0, len(body), 64)]
    return "\n".join((f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", "")).encode()


def _from_pem(text: bytes, labels: tuple[bytes, ...]) -> tuple[bytes, bytes]:
    for match in _PEM.finditer(text):
        if match.group(1) in labels:
            try:
                return match.group(1), base64.b64decode(
                    b"".join(match.group(2).split()), validate=True
                )
            except binascii.Error as error:
                raise Sm2Error("The PEM armour is damaged.") from error
    raise Sm2Error("There is no such key in PEM armour.")


def _sm3(*parts: bytes) -> bytes:
    digest = hashes.Hash(hashes.SM3())
    for part in parts:
        digest.update(part)
    return digest.finalize()


def _require_digest(digest: bytes) -> None:
    if len(digest) != SM3_BYTES:
        raise Sm2Error("A digest has 32 bytes.")


def _checked(point: bytes) -> bytes:
    """The point as `04 || x || y` when it lies on the curve."""
    if len(point) == 64:
        point = b"\x04" + point
    if len(point) == 65 and point[0] == 4:
        x, y = int.from_bytes(point[1:33], "big"), int.from_bytes(point[33:], "big")
        if x < P and y < P and (y * y - _right_side(x)) % P == 0:
            return bytes(point)
    if len(point) == 33 and point[0] in (2, 3):
        x = int.from_bytes(point[1:], "big")
        # P is 3 modulo 4, so this is the root if there is one.
        y = pow(_right_side(x), (P + 1) // 4, P)
        if x < P and (y * y - _right_side(x)) % P == 0:
            y = y if y & 1 == point[0] & 1 else P - y
            return b"\x04" + point[1:] + y.to_bytes(32, "big")
    raise Sm2Error("This is not a point of the SM2 curve.")


def _right_side(x: int) -> int:
    return (x * x * x + A * x + B) % P


def _secret_of(data: bytes) -> bytes:
    """The private number in PKCS#8 or SEC1. Raises DerError or Sm2Error."""
    parts = der.children(der.whole(data, der.SEQUENCE))
    tags = [tag for tag, _ in parts]
    if tags[:3] == [der.INTEGER, der.SEQUENCE, der.OCTET_STRING]:
        if der.tlv(der.SEQUENCE, parts[1][1]) != _ALGORITHM:
            raise Sm2Error("The private key is not of the SM2 curve.")
        return _sec1_secret(parts[2][1], named=False)
    return _sec1_secret(data, named=True)


def _sec1_secret(data: bytes, *, named: bool) -> bytes:
    parts = der.children(der.whole(data, der.SEQUENCE))
    if len(parts) < 2 or parts[0] != (der.INTEGER, b"\x01") or parts[1][0] != der.OCTET_STRING:
        raise Sm2Error("This is not an SM2 private key.")
    fields = dict(parts[2:])
    if fields.get(0xA0, None if named else der.oid(OID_CURVE)) != der.oid(OID_CURVE):
        raise Sm2Error("The private key is not of the SM2 curve.")
    key = PrivateKey(parts[1][1].rjust(SECRET_BYTES, b"\x00"))
    if 0xA1 in fields:
        stated = der.whole(fields[0xA1], der.BIT_STRING)
        if not equal(_checked(stated[1:]), key.public_key.point):
            raise Sm2Error("The public key does not belong to the private key.")
    return key.secret
