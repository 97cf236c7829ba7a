"""Asking a responder about one certificate (RFC 6960) and reading its answer."""

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from asn1crypto import ocsp as asn1

from clinical.signature.formats import oids
from clinical.signature.formats.errors import MalformedOcsp
from clinical.signature.formats.reading import absent, reading
from clinical.signature.formats.verdicts import RevocationState
from clinical.signature.formats.x509 import OCSP_SIGNING, Certificate, read_certificate, signed_by
from core.crypto import der
from core.crypto.signing import Algorithm
from core.crypto.sm import sm3

_SHA1 = "1.3.14.3.2.26"
_NONCE = "1.3.6.1.5.5.7.48.1.2"
NONCE_BYTES = 16


@dataclass(frozen=True)
class Question:
    """A question about one certificate."""

    certificate_id: bytes
    nonce: bytes

    @classmethod
    def about(cls, certificate: Certificate, issuer: Certificate) -> "Question":
        """With a fresh nonce; the identifier's digest is SM3 in SM2 chains and SHA-1 elsewhere,
        which is no signature and what all responders know."""
        key = _key_bits(issuer.public_der)
        if issuer.algorithm is Algorithm.SM2:
            algorithm, name, bits = oids.SM3, sm3(issuer.subject_der), sm3(key)
        else:
            algorithm, name, bits = _SHA1, _sha1(issuer.subject_der), _sha1(key)
        identifier = der.sequence(
            der.sequence(der.oid(algorithm), der.NULL),
            der.octets(name),
            der.octets(bits),
            der.integer_any(certificate.serial),
        )
        return cls(identifier, secrets.token_bytes(NONCE_BYTES))

    @property
    def der(self) -> bytes:
        """The OCSPRequest."""
        value = der.octets(der.octets(self.nonce))
        extensions = der.explicit(2, der.sequence(der.sequence(der.oid(_NONCE), value)))
        return der.sequence(
            der.sequence(der.sequence(der.sequence(self.certificate_id)), extensions)
        )


@dataclass(frozen=True)
class OcspAnswer:
    """What a responder said about one certificate."""

    serial: int
    state: RevocationState
    revoked_at: datetime | None
    reason: str | None
    this_update: datetime
    next_update: datetime | None
    nonce: bytes | None
    certificates: tuple[Certificate, ...] = field(repr=False)
    signature_oid: str = field(repr=False)
    signature: bytes = field(repr=False)
    signed_part: bytes = field(repr=False)

    def is_signed_for(self, issuer: Certificate, at: datetime) -> bool:
        """Whether the issuer signed, or one whom the issuer made a responder, good at `at`."""
        if signed_by(self.signature_oid, self.signature, self.signed_part, issuer):
            return True
        return any(
            OCSP_SIGNING in (each.extended_usage or ())
            and each.issuer == issuer.subject
            and each.not_before <= at <= each.not_after
            and each.is_signed_by(issuer)
            and signed_by(self.signature_oid, self.signature, self.signed_part, each)
            for each in self.certificates
        )


def read_answer(data: bytes) -> OcspAnswer:
    """An answer about a single certificate. Raises MalformedOcsp, also for "try later"."""
    with reading(MalformedOcsp, data):
        response = asn1.OCSPResponse.load(data, strict=True)
        status = response["response_status"].native
        if status != "successful":
            raise MalformedOcsp(f"the responder says {status}")
        basic = response.basic_ocsp_response
        body = basic["tbs_response_data"]
        if len(body["responses"]) != 1:
            raise MalformedOcsp("the answer is about several certificates")
        return _plain(basic, body, body["responses"][0])
    raise MalformedOcsp()


def answers(answer: OcspAnswer, question: Question, certificate: Certificate) -> bool:
    """Whether it answers this question; a responder may leave the nonce out, not change it."""
    return answer.serial == certificate.serial and answer.nonce in (None, question.nonce)


def _plain(basic: Any, body: Any, single: Any) -> OcspAnswer:
    state, at, reason = RevocationState.UNKNOWN, None, None
    status = single["cert_status"]
    if status.name == "good":
        state = RevocationState.GOOD
    elif status.name == "revoked":
        state, at = RevocationState.REVOKED, status.chosen["revocation_time"].native
        reason = str(status.chosen["revocation_reason"].native or "unspecified")
    nonce = None
    for extension in body["response_extensions"]:
        if extension["extn_id"].native == "nonce":
            nonce = bytes(extension["extn_value"].parsed.native)
    certificates = basic["certs"]
    found = () if absent(certificates) else [each.dump() for each in certificates]
    return OcspAnswer(
        serial=single["cert_id"]["serial_number"].native,
        state=state,
        revoked_at=at,
        reason=reason,
        this_update=single["this_update"].native,
        next_update=single["next_update"].native,
        nonce=nonce,
        certificates=tuple(read_certificate(each) for each in found),
        signature_oid=basic["signature_algorithm"]["algorithm"].dotted,
        signature=basic["signature"].native,
        signed_part=body.dump(),
    )


def _key_bits(public: bytes) -> bytes:
    (_, _), (_, bits) = der.children(der.whole(public, der.SEQUENCE))
    return bits[1:]


def _sha1(data: bytes) -> bytes:
    return hashlib.sha1(data, usedforsecurity=False).digest()
