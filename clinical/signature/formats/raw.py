"""Bare signatures: PKCS#1 v1.5 for RSA, DER of r and s (or both raw) for SM2; no wrapping."""

from dataclasses import dataclass
from datetime import datetime

from clinical.signature.formats.errors import UnsupportedAlgorithm
from clinical.signature.formats.verdicts import ChainResult, Problem, Trust, Usage
from clinical.signature.formats.x509 import Certificate
from core.crypto import sm2
from core.crypto.signing import Algorithm, SigningKey

RAW_SM2_BYTES = 64


@dataclass(frozen=True)
class RawResult:
    """A bare signature says nothing of itself: the verifier brings certificate and time."""

    certificate: Certificate
    signature_ok: bool
    then: ChainResult
    now: ChainResult
    problems: tuple[Problem, ...]

    @property
    def valid(self) -> bool:
        return not self.problems

    @property
    def valid_now(self) -> bool:
        return self.valid and self.now.ok


def sign(data: bytes, key: SigningKey) -> bytes:
    """The signature over `data`."""
    return key.sign(data)


def verify(
    signature: bytes,
    data: bytes,
    certificate: Certificate,
    trust: Trust,
    at: datetime | None = None,
) -> RawResult:
    """Verify with the certificate that the verifier names, as of `at` (now without it)."""
    good = signature_matches(signature, data, certificate)
    then = trust.assess(certificate, (), at or trust.now, Usage.SIGNATURE)
    now = trust.assess(certificate, (), trust.now, Usage.SIGNATURE)
    problems = () if good else (Problem("signature_wrong"),)
    return RawResult(certificate, good, then, now, (*problems, *then.problems))


def signature_matches(signature: bytes, data: bytes, certificate: Certificate) -> bool:
    """Whether the bare signature is by the certificate's key, whichever form it has."""
    try:
        key = certificate.key
    except UnsupportedAlgorithm:
        return False
    # DER of two large numbers is longer than both raw, except where one of them is tiny.
    raw = key.algorithm is Algorithm.SM2 and len(signature) == RAW_SM2_BYTES
    if raw and key.verify(sm2.signature_from_raw(signature), data):
        return True
    return key.verify(signature, data)
