"""Signed messages of others as plain values: RFC 5652 and GM/T 0010, attached and detached."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from asn1crypto import cms as asn1_cms
from asn1crypto import core, tsp

from clinical.signature.formats import oids
from clinical.signature.formats.errors import MalformedCms
from clinical.signature.formats.reading import absent, reading
from clinical.signature.formats.x509 import Certificate, read_certificate
from core.crypto import der

MOST_SIGNERS = 64
MOST_CERTIFICATES = 256
_SIGNED_TYPES = {oids.SIGNED_DATA, oids.GM_SIGNED_DATA}


@dataclass(frozen=True)
class CertificateReference:
    """The certificate that a signer says he used, by its digest."""

    digest_oid: str
    digest: bytes


@dataclass(frozen=True)
class SignerInfo:
    """What one signer put into the message.

    The certificate is named by issuer and serial number or by key id. `attributes` is the DER of
    the signed SET, None when the content is signed directly.
    """

    issuer: str | None
    serial: int | None
    key_id: bytes | None
    digest_oid: str
    signature_oid: str
    signature: bytes
    attributes: bytes | None
    content_type: str | None
    message_digest: bytes | None
    signing_time: datetime | None
    certificate_reference: CertificateReference | None
    timestamp: bytes | None

    def certificate_in(self, certificates: list[Certificate]) -> Certificate | None:
        """The certificate that is meant, if it is among these."""
        for each in certificates:
            if self.key_id is not None:
                if each.key_id == self.key_id:
                    return each
            elif each.serial == self.serial and each.issuer == self.issuer:
                return each
        return None


@dataclass(frozen=True)
class SignedMessage:
    """A message before anything was checked. `data` is None when it is detached."""

    content_type: str
    data: bytes | None
    certificates: tuple[Certificate, ...]
    signers: tuple[SignerInfo, ...]

    @property
    def is_gm(self) -> bool:
        """Whether it is written by GM/T 0010."""
        return self.content_type == oids.GM_DATA


def read_message(message: bytes) -> SignedMessage:
    """Read a message in DER or BER. Raises MalformedCms or MalformedCertificate."""
    with reading(MalformedCms, message):
        outer = asn1_cms.ContentInfo.load(message, strict=True)
        kind = outer["content_type"].dotted
        if kind not in _SIGNED_TYPES:
            raise MalformedCms(f"content type {kind}")
        content = outer["content"]
        signed = content if kind == oids.SIGNED_DATA else content.parse(asn1_cms.SignedData)
        return _plain(signed)
    raise MalformedCms()


def _plain(signed: Any) -> SignedMessage:
    if len(signed["signer_infos"]) > MOST_SIGNERS:
        raise MalformedCms("too many signers")
    certificates = _certificates(signed)
    content = signed["encap_content_info"]
    signers = tuple(_signer(info) for info in signed["signer_infos"])
    if not signers:
        raise MalformedCms("no signer")
    return SignedMessage(content["content_type"].dotted, _data(content), certificates, signers)


def _certificates(signed: Any) -> tuple[Certificate, ...]:
    found = signed["certificates"]
    if absent(found):
        return ()
    if len(found) > MOST_CERTIFICATES:
        raise MalformedCms("too many certificates")
    return tuple(read_certificate(c.chosen.dump()) for c in found if c.name == "certificate")


def _data(content: Any) -> bytes | None:
    inner = content["content"]
    if absent(inner) or inner.contents is None:
        return None
    if isinstance(inner, core.Any):
        # PKCS#7 and GM/T 0010 allow any type here; what is signed are its content octets.
        parsed = inner.parse()
        if isinstance(parsed, core.OctetString):
            return bytes(parsed.native)
        return bytes(parsed.contents)
    if isinstance(inner, core.ParsableOctetString | core.OctetString):
        return bytes(inner)
    return bytes(inner.contents)


def _signer(info: Any) -> SignerInfo:
    sid = info["sid"]
    named = sid.name == "issuer_and_serial_number"
    attributes = info["signed_attrs"]
    fields = _attributes(attributes)
    raw = None
    if not absent(attributes):
        # The signature covers the same octets under the tag of a plain SET.
        raw = bytes([der.SET]) + bytes(attributes.dump())[1:]
    time = fields.get(oids.SIGNING_TIME)
    digest = fields.get(oids.MESSAGE_DIGEST)
    stamp = _attributes(info["unsigned_attrs"]).get(oids.TIMESTAMP_TOKEN)
    kind = fields.get(oids.CONTENT_TYPE)
    return SignerInfo(
        issuer=sid.chosen["issuer"].hashable if named else None,
        serial=sid.chosen["serial_number"].native if named else None,
        key_id=None if named else bytes(sid.chosen.native),
        digest_oid=info["digest_algorithm"]["algorithm"].dotted,
        signature_oid=info["signature_algorithm"]["algorithm"].dotted,
        signature=bytes(info["signature"].native),
        attributes=raw,
        content_type=None if kind is None else core.ObjectIdentifier.load(kind).native,
        message_digest=None if digest is None else bytes(core.OctetString.load(digest).native),
        signing_time=None if time is None else asn1_cms.Time.load(time).native,
        certificate_reference=_reference(fields),
        timestamp=stamp,
    )


def _attributes(attributes: Any) -> dict[str, bytes]:
    """The single value of each attribute in DER. An attribute given twice is malformed."""
    if absent(attributes):
        return {}
    found: dict[str, bytes] = {}
    for attribute in attributes:
        kind, values = attribute["type"].dotted, attribute["values"]
        if kind in found or len(values) != 1:
            raise MalformedCms(f"attribute {kind} is not given once")
        found[kind] = values[0].dump()
    return found


def _reference(fields: dict[str, bytes]) -> CertificateReference | None:
    second = fields.get(oids.SIGNING_CERTIFICATE_V2)
    if second is not None:
        entry = tsp.SigningCertificateV2.load(second)["certs"][0]
        return CertificateReference(
            entry["hash_algorithm"]["algorithm"].dotted, bytes(entry["cert_hash"].native)
        )
    return None
