"""Whether one signer's part of a message fits its content and its certificate."""

import hashlib
from dataclasses import dataclass

from clinical.signature.formats import oids
from clinical.signature.formats.cms_reading import SignerInfo
from clinical.signature.formats.errors import UnsupportedAlgorithm
from clinical.signature.formats.x509 import Certificate
from core.crypto.signing import Algorithm
from core.crypto.sm import equal, sm3

_DIGESTS = {oids.SM3: Algorithm.SM2, oids.SHA256: Algorithm.RSA}
#: By GM/T 0010 the field names the signature or, in older systems, the curve or the key alone.
_SIGNATURES = {
    oids.SM3_WITH_SM2: Algorithm.SM2,
    oids.SM2_SIGN: Algorithm.SM2,
    oids.SM2_CURVE: Algorithm.SM2,
    "1.2.840.10045.2.1": Algorithm.SM2,
    oids.RSA: Algorithm.RSA,
    oids.SHA256_WITH_RSA: Algorithm.RSA,
}


@dataclass(frozen=True)
class Check:
    """The two halves of a signature: the digest fits the content, the signature fits the key."""

    digest_ok: bool
    signature_ok: bool
    reference_ok: bool

    @property
    def ok(self) -> bool:
        return self.digest_ok and self.signature_ok and self.reference_ok


def digest_with(oid: str, data: bytes) -> bytes:
    """The digest of data with the algorithm of this identifier. Raises UnsupportedAlgorithm."""
    if oid == oids.SM3:
        return sm3(data)
    if oid == oids.SHA256:
        return hashlib.sha256(data).digest()
    raise UnsupportedAlgorithm(oid)


def check_signature(signer: SignerInfo, certificate: Certificate, data: bytes) -> Check:
    """Check one signer against the content and a certificate; an unknown algorithm fails."""
    algorithm = _DIGESTS.get(signer.digest_oid)
    if algorithm is None or _SIGNATURES.get(signer.signature_oid) is not algorithm:
        return Check(False, False, False)
    if signer.attributes is None:
        # The content itself is signed, so digest and signature stand and fall together.
        good = _verify(certificate, algorithm, signer.signature, data)
        return Check(good, good, True)
    stated = signer.message_digest
    return Check(
        digest_ok=stated is not None and equal(stated, digest_with(signer.digest_oid, data)),
        signature_ok=_verify(certificate, algorithm, signer.signature, signer.attributes),
        reference_ok=_reference_ok(signer, certificate),
    )


def _verify(certificate: Certificate, algorithm: Algorithm, signature: bytes, data: bytes) -> bool:
    try:
        key = certificate.key
    except UnsupportedAlgorithm:
        return False
    return key.algorithm is algorithm and key.verify(signature, data)


def _reference_ok(signer: SignerInfo, certificate: Certificate) -> bool:
    """A signer may leave out which certificate was used, but must not name another."""
    reference = signer.certificate_reference
    if reference is None:
        return True
    try:
        return equal(reference.digest, digest_with(reference.digest_oid, certificate.der))
    except UnsupportedAlgorithm:
        return False
