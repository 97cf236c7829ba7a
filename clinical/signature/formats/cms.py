"""Writing signed messages: CMS by RFC 5652 for RSA, by GM/T 0010 for SM2 with SM3.

Attached messages carry the data, detached ones do not. Every signer signs attributes: content type,
digest, time and which certificate was used (RFC 5035), so that none can be exchanged later.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from clinical.signature.formats import oids
from clinical.signature.formats.requests import SIGNATURE_ALGORITHMS
from clinical.signature.formats.verification import CmsResult, SignerResult, verify
from clinical.signature.formats.x509 import Certificate, read_certificate
from core.crypto import der
from core.crypto.signing import Algorithm, SigningKey
from core.crypto.sm import sm3

__all__ = [
    "DIGEST_OIDS",
    "CmsResult",
    "Signatory",
    "SignerResult",
    "WrongKey",
    "sign",
    "sign_together",
    "verify",
    "with_timestamp",
]

DIGEST_OIDS = {Algorithm.SM2: oids.SM3, Algorithm.RSA: oids.SHA256}
_DIGESTS = {
    Algorithm.SM2: der.sequence(der.oid(oids.SM3)),
    Algorithm.RSA: der.sequence(der.oid(oids.SHA256), der.NULL),
}
_SIGNED_ATTRIBUTES, _UNSIGNED_ATTRIBUTES = 0xA0, 0xA1


@dataclass(frozen=True)
class Signatory:
    """A key with its certificate; `chain` are further certificates to put into the message."""

    key: SigningKey
    certificate: Certificate
    chain: tuple[Certificate, ...] = ()


class WrongKey(ValueError):
    """The certificate is not about the key that signs."""


def digest_of(algorithm: Algorithm, data: bytes) -> bytes:
    """The digest that an algorithm signs."""
    return sm3(data) if algorithm is Algorithm.SM2 else hashlib.sha256(data).digest()


def sign(
    data: bytes,
    key: SigningKey,
    certificate: bytes,
    chain: Sequence[bytes],
    detached: bool,
    signed_at: datetime,
) -> bytes:
    """A message by one signer; certificates are DER. Raises WrongKey, MalformedCertificate."""
    others = tuple(read_certificate(other) for other in chain)
    return sign_together(
        data, [Signatory(key, read_certificate(certificate), others)], detached, signed_at
    )


def sign_together(
    data: bytes, signatories: Sequence[Signatory], detached: bool, signed_at: datetime
) -> bytes:
    """A message by several signers, all with one algorithm family. Raises WrongKey."""
    infos = [
        signer_info(each, digest_of(each.key.algorithm, data), signed_at) for each in signatories
    ]
    certificates = [c for each in signatories for c in (each.certificate, *each.chain)]
    return assemble(
        infos,
        certificates,
        [each.key.algorithm for each in signatories],
        None if detached else data,
    )


def assemble(
    infos: Sequence[bytes],
    certificates: Sequence[Certificate],
    algorithms: Sequence[Algorithm],
    data: bytes | None,
) -> bytes:
    """A whole message from finished signer infos."""
    gm = Algorithm.SM2 in algorithms
    inner, outer = (oids.GM_DATA, oids.GM_SIGNED_DATA) if gm else (oids.DATA, oids.SIGNED_DATA)
    content = b"" if data is None else der.explicit(0, der.octets(data))
    signed = der.sequence(
        der.integer(1),
        der.set_of({_DIGESTS[algorithm] for algorithm in algorithms}),
        der.sequence(der.oid(inner), content),
        der.tlv(0xA0, b"".join(sorted({c.der for c in certificates}))),
        # In the order of the signers, so that each keeps its number.
        der.tlv(der.SET, b"".join(infos)),
    )
    return der.sequence(der.oid(outer), der.explicit(0, signed))


def signer_info(
    signatory: Signatory, digest: bytes, signed_at: datetime, content_type: str | None = None
) -> bytes:
    """What one signer says about content with this digest."""
    algorithm, certificate = signatory.key.algorithm, signatory.certificate
    if certificate.public_der != signatory.key.public_der:
        raise WrongKey("The certificate is about another key.")
    if content_type is None:
        content_type = oids.GM_DATA if algorithm is Algorithm.SM2 else oids.DATA
    attributes = signed_attributes(algorithm, certificate, digest, signed_at, content_type)
    return der.sequence(
        der.integer(1),
        der.sequence(certificate.issuer_der, der.integer_any(certificate.serial)),
        _DIGESTS[algorithm],
        der.tlv(_SIGNED_ATTRIBUTES, attributes),
        _SIGNATURE_FIELD[algorithm],
        # What is signed is the SET itself; inside the message it carries a context tag.
        der.octets(signatory.key.sign(der.tlv(der.SET, attributes))),
    )


_SIGNATURE_FIELD = {
    Algorithm.SM2: SIGNATURE_ALGORITHMS[Algorithm.SM2],
    Algorithm.RSA: der.sequence(der.oid(oids.RSA), der.NULL),
}


def signed_attributes(
    algorithm: Algorithm,
    certificate: Certificate,
    digest: bytes,
    signed_at: datetime,
    content_type: str,
) -> bytes:
    """The content of the SET of signed attributes."""
    hash_field = b"" if algorithm is Algorithm.RSA else _DIGESTS[algorithm]
    identifier = der.sequence(hash_field, der.octets(digest_of(algorithm, certificate.der)))
    attributes = (
        _attribute(oids.CONTENT_TYPE, der.oid(content_type)),
        _attribute(oids.SIGNING_TIME, der.time(signed_at)),
        _attribute(oids.MESSAGE_DIGEST, der.octets(digest)),
        _attribute(oids.SIGNING_CERTIFICATE_V2, der.sequence(der.sequence(identifier))),
    )
    return b"".join(sorted(attributes))


def with_timestamp(message: bytes, token: bytes, signer: int = 0) -> bytes:
    """The message with a timestamp token over the signature of one signer (RFC 3161, appendix A).

    Other unsigned attributes of that signer are kept, an earlier timestamp is replaced. Raises
    DerError for a message that was not written by this module.
    """
    kind, wrapped = der.children(der.whole(message, der.SEQUENCE))
    parts = der.children(der.whole(wrapped[1], der.SEQUENCE))
    infos = [der.tlv(*part) for part in der.children(parts[-1][1])]
    fields = der.children(der.whole(infos[signer], der.SEQUENCE))
    kept = []
    if fields[-1][0] == _UNSIGNED_ATTRIBUTES:
        marker = der.oid(oids.TIMESTAMP_TOKEN)
        attributes = der.children(fields.pop()[1])
        kept = [der.tlv(*each) for each in attributes if not each[1].startswith(marker)]
    stamped = sorted([*kept, _attribute(oids.TIMESTAMP_TOKEN, token)])
    infos[signer] = der.sequence(
        *(der.tlv(*each) for each in fields), der.tlv(_UNSIGNED_ATTRIBUTES, b"".join(stamped))
    )
    # The infos keep their place, so that a signer's number stays the same.
    signed = der.sequence(*(der.tlv(*p) for p in parts[:-1]), der.tlv(der.SET, b"".join(infos)))
    return der.sequence(der.tlv(*kind), der.explicit(0, signed))


def _attribute(oid: str, value: bytes) -> bytes:
    return der.sequence(der.oid(oid), der.tlv(der.SET, value))
