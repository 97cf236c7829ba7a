"""Certificates as plain values (RFC 5280; GM/T 0015 for SM2)."""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

from asn1crypto import cms as asn1_cms
from asn1crypto import x509 as asn1

from clinical.signature.formats import oids
from clinical.signature.formats.errors import (
    FormatError,
    MalformedCertificate,
    UnsupportedAlgorithm,
)
from clinical.signature.formats.reading import absent, reading
from core.crypto.signing import Algorithm, KeyUnusable, VerifyingKey, load_public
from core.crypto.sm2 import to_pem

TIME_STAMPING = "1.3.6.1.5.5.7.3.8"
OCSP_SIGNING = "1.3.6.1.5.5.7.3.9"

_SIGNATURES = {oids.SM3_WITH_SM2: Algorithm.SM2, oids.SHA256_WITH_RSA: Algorithm.RSA}
#: Extensions whose meaning the path check takes into account.
_UNDERSTOOD = {
    "basic_constraints",
    "key_usage",
    "extended_key_usage",
    "key_identifier",
    "authority_key_identifier",
    "crl_distribution_points",
    "authority_information_access",
    "subject_alt_name",
    "certificate_policies",
}
_PEM = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----\s(.+?)-----END \1-----", re.DOTALL)
_SHORT = {
    "common_name": "CN",
    "organization_name": "O",
    "organizational_unit_name": "OU",
    "country_name": "C",
    "state_or_province_name": "ST",
    "locality_name": "L",
    "serial_number": "SN",
}


@dataclass(frozen=True)
class Certificate:
    """What a certificate says. Equal when the bytes are.

    `subject` and `issuer` are names in the form in which they are compared; their texts are for
    people. `key_usage` and `extended_usage` are None when the certificate does not restrict them.
    """

    der: bytes
    serial: int = field(compare=False)
    subject: str = field(compare=False)
    issuer: str = field(compare=False)
    subject_der: bytes = field(compare=False, repr=False)
    issuer_der: bytes = field(compare=False, repr=False)
    subject_text: str = field(compare=False)
    issuer_text: str = field(compare=False)
    common_name: str = field(compare=False)
    not_before: datetime = field(compare=False)
    not_after: datetime = field(compare=False)
    public_der: bytes = field(compare=False, repr=False)
    key_id: bytes | None = field(compare=False)
    authority_key_id: bytes | None = field(compare=False)
    is_authority: bool = field(compare=False)
    path_length: int | None = field(compare=False)
    key_usage: frozenset[str] | None = field(compare=False)
    extended_usage: frozenset[str] | None = field(compare=False)
    crl_urls: tuple[str, ...] = field(compare=False)
    ocsp_urls: tuple[str, ...] = field(compare=False)
    unknown_critical: tuple[str, ...] = field(compare=False)
    signature_oid: str = field(compare=False)
    signature: bytes = field(compare=False, repr=False)
    signed_part: bytes = field(compare=False, repr=False)

    @property
    def serial_hex(self) -> str:
        """The serial number in capital hexadecimal digits, as people read it aloud."""
        return f"{self.serial:X}"

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the whole certificate, hexadecimal."""
        return hashlib.sha256(self.der).hexdigest()

    @property
    def pem(self) -> str:
        return to_pem("CERTIFICATE", self.der).decode()

    @property
    def is_self_issued(self) -> bool:
        return self.subject == self.issuer

    @property
    def key(self) -> VerifyingKey:
        """The public key. Raises UnsupportedAlgorithm."""
        try:
            return load_public(self.public_der)
        except KeyUnusable as error:
            raise UnsupportedAlgorithm(str(error)) from error

    @property
    def algorithm(self) -> Algorithm | None:
        """The algorithm of the public key, None for a kind that is not used here."""
        try:
            return self.key.algorithm
        except UnsupportedAlgorithm:
            return None

    def allows(self, usage: str) -> bool:
        """Whether the key may be used so (`digital_signature`, `key_cert_sign`, `crl_sign`...)."""
        return self.key_usage is None or usage in self.key_usage

    def is_signed_by(self, issuer: "Certificate") -> bool:
        """Whether the issuer's key signed this certificate."""
        return signed_by(self.signature_oid, self.signature, self.signed_part, issuer)


def signed_by(oid: str, signature: bytes, data: bytes, signer: Certificate) -> bool:
    """Whether the signer's key made the signature with this algorithm; False for unknown ones."""
    try:
        key = signer.key
    except UnsupportedAlgorithm:
        return False
    return _SIGNATURES.get(oid) is key.algorithm and key.verify(signature, data)


@lru_cache(maxsize=512)
def read_certificate(data: bytes) -> Certificate:
    """A certificate from DER. Raises MalformedCertificate."""
    with reading(MalformedCertificate, data, 256 * 1024):
        return _plain(asn1.Certificate.load(data, strict=True))
    raise MalformedCertificate()


def read_any(data: bytes) -> list[Certificate]:
    """Every certificate in a file: DER, PEM (several), PKCS#7 (DER or PEM). Raises FormatError.

    A private key in the file is refused: it has no business here.
    """
    if b"PRIVATE KEY-----" in data:
        raise MalformedCertificate("The file holds a private key.")
    blocks = [
        (match.group(1), _unarmoured(match.group(2)))
        for match in _PEM.finditer(data)
        if match.group(1)
        in (b"CERTIFICATE", b"X509 CERTIFICATE", b"TRUSTED CERTIFICATE", b"PKCS7", b"CMS")
    ]
    if not blocks:
        blocks = [(b"", data)]
    found: list[Certificate] = []
    for label, block in blocks:
        found += _read_block(label, block)
    if not found:
        raise MalformedCertificate("The file holds no certificate.")
    return list(dict.fromkeys(found))


def _read_block(label: bytes, block: bytes) -> list[Certificate]:
    if label not in (b"PKCS7", b"CMS"):
        try:
            return [read_certificate(block)]
        except FormatError:
            if label:
                raise
    return _certificates_of_pkcs7(block)


def _certificates_of_pkcs7(data: bytes) -> list[Certificate]:
    with reading(MalformedCertificate, data):
        content = asn1_cms.ContentInfo.load(data, strict=True)
        kind = content["content_type"].dotted
        if kind not in (oids.SIGNED_DATA, oids.GM_SIGNED_DATA):
            raise MalformedCertificate(f"content type {kind}")
        inner = content["content"]
        signed = inner if kind == oids.SIGNED_DATA else inner.parse(asn1_cms.SignedData)
        certificates = signed["certificates"]
        choices = [] if absent(certificates) else certificates
        return [read_certificate(c.chosen.dump()) for c in choices if c.name == "certificate"]
    raise MalformedCertificate()


def _unarmoured(body: bytes) -> bytes:
    try:
        return base64.b64decode(b"".join(body.split()), validate=True)
    except binascii.Error as error:
        raise MalformedCertificate("The PEM armour is damaged.") from error


def _plain(parsed: Any) -> Certificate:
    body = parsed["tbs_certificate"]
    constraints = parsed.basic_constraints_value
    usage, extended = parsed.key_usage_value, parsed.extended_key_usage_value
    validity = body["validity"]
    unknown = tuple(
        extension["extn_id"].dotted
        for extension in body["extensions"]
        if extension["critical"].native and extension["extn_id"].native not in _UNDERSTOOD
    )
    return Certificate(
        der=parsed.dump(),
        serial=body["serial_number"].native,
        subject=body["subject"].hashable,
        issuer=body["issuer"].hashable,
        subject_der=body["subject"].dump(),
        issuer_der=body["issuer"].dump(),
        subject_text=_text(body["subject"]),
        issuer_text=_text(body["issuer"]),
        common_name=_common_name(body["subject"]),
        not_before=validity["not_before"].native,
        not_after=validity["not_after"].native,
        public_der=body["subject_public_key_info"].dump(),
        key_id=parsed.key_identifier,
        authority_key_id=parsed.authority_key_identifier,
        is_authority=bool(constraints is not None and constraints["ca"].native),
        path_length=constraints["path_len_constraint"].native if constraints is not None else None,
        key_usage=None if usage is None else frozenset(usage.native),
        extended_usage=None if extended is None else frozenset(e.dotted for e in extended),
        crl_urls=_crl_urls(parsed),
        ocsp_urls=_ocsp_urls(parsed),
        unknown_critical=unknown,
        signature_oid=parsed["signature_algorithm"]["algorithm"].dotted,
        signature=parsed["signature_value"].native,
        signed_part=body.dump(),
    )


def _crl_urls(parsed: Any) -> tuple[str, ...]:
    found = []
    for point in parsed.crl_distribution_points:
        name = point["distribution_point"]
        if absent(name) or name.name != "full_name":
            continue
        found += [
            str(general.native)
            for general in name.chosen
            if general.name == "uniform_resource_identifier"
        ]
    return tuple(dict.fromkeys(found))


def _ocsp_urls(parsed: Any) -> tuple[str, ...]:
    value = parsed.authority_information_access_value
    return tuple(
        str(entry["access_location"].native)
        for entry in value or []
        if entry["access_method"].native == "ocsp"
        and entry["access_location"].name == "uniform_resource_identifier"
    )


def _text(name: Any) -> str:
    """`CN=…, O=…, C=CN`: the nearest first."""
    parts = [
        f"{_SHORT.get(attribute['type'].native, attribute['type'].native)}="
        f"{attribute['value'].native}"
        for rdn in name.chosen
        for attribute in rdn
    ]
    return ", ".join(reversed(parts))


def _common_name(name: Any) -> str:
    for rdn in reversed(list(name.chosen)):
        for attribute in rdn:
            if attribute["type"].native == "common_name":
                return str(attribute["value"].native)
    return _text(name)
