"""Timestamps (RFC 3161): the question to the authority, its answer, the token."""

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Self

from asn1crypto import cms, core, tsp

from clinical.signature.formats import oids
from clinical.signature.formats.checking import check_signature
from clinical.signature.formats.cms_reading import SignedMessage, SignerInfo, read_message
from clinical.signature.formats.errors import (
    MalformedTimestamp,
    TimestampRefused,
    UnsupportedAlgorithm,
)
from clinical.signature.formats.reading import reading
from clinical.signature.formats.x509 import Certificate
from core.crypto import der

_DIGESTS = {"sm3": (oids.SM3, b""), "sha256": (oids.SHA256, der.NULL)}
_NAMES = {oids.SM3: "sm3", oids.SHA256: "sha256"}
_GRANTED = {"granted", "granted_with_mods"}


class _Answer(core.Sequence):  # type: ignore[misc]
    """TimeStampResp; the library's own insists on a token, which a refusal does not have."""

    _fields: ClassVar[list[Any]] = [
        ("status", tsp.PKIStatusInfo),
        ("time_stamp_token", cms.ContentInfo, {"optional": True}),
    ]


@dataclass(frozen=True)
class Question:
    """A request for a timestamp over a digest."""

    digest: bytes
    algorithm: str
    nonce: int

    @classmethod
    def about(cls, digest: bytes, algorithm: str) -> Self:
        """With a fresh nonce. `algorithm` is `sm3` or `sha256`; raises UnsupportedAlgorithm."""
        if algorithm not in _DIGESTS or len(digest) != 32:
            raise UnsupportedAlgorithm(algorithm)
        return cls(digest, algorithm, secrets.randbits(63) | 1 << 62)

    @property
    def der(self) -> bytes:
        """The TimeStampReq, which asks for the authority's certificate too."""
        oid, parameters = _DIGESTS[self.algorithm]
        imprint = der.sequence(der.sequence(der.oid(oid), parameters), der.octets(self.digest))
        return der.sequence(der.integer(1), imprint, der.integer(self.nonce), der.TRUE)


@dataclass(frozen=True)
class Timestamp:
    """What a token says. Whether it is true shows `signature_ok` and the certificate's path."""

    at: datetime
    digest: bytes
    algorithm: str
    nonce: int | None
    serial: int
    signer: SignerInfo
    certificate: Certificate | None
    message: SignedMessage

    @property
    def signature_ok(self) -> bool:
        """Whether the token was signed by the certificate that it names and was not changed."""
        if self.certificate is None or self.message.data is None:
            return False
        return check_signature(self.signer, self.certificate, self.message.data).ok


def read_token(token: bytes) -> Timestamp:
    """Read a token. Raises MalformedTimestamp, MalformedCms or MalformedCertificate."""
    message = read_message(token)
    if message.content_type != oids.TST_INFO or message.data is None or len(message.signers) != 1:
        raise MalformedTimestamp("this is no timestamp")
    signer = message.signers[0]
    with reading(MalformedTimestamp, message.data):
        info = tsp.TSTInfo.load(message.data, strict=True)
        imprint = info["message_imprint"]
        oid = imprint["hash_algorithm"]["algorithm"].dotted
        if oid not in _NAMES:
            raise UnsupportedAlgorithm(oid)
        return Timestamp(
            at=info["gen_time"].native,
            digest=bytes(imprint["hashed_message"].native),
            algorithm=_NAMES[oid],
            nonce=info["nonce"].native,
            serial=info["serial_number"].native,
            signer=signer,
            certificate=signer.certificate_in(list(message.certificates)),
            message=message,
        )
    raise MalformedTimestamp()


def token_in(answer: bytes, question: Question) -> bytes:
    """The token in an authority's answer, when it answers the question and is signed.

    Raises TimestampRefused, MalformedTimestamp or another FormatError.
    """
    with reading(MalformedTimestamp, answer):
        response = _Answer.load(answer, strict=True)
        status = response["status"]["status"].native
        if status not in _GRANTED:
            raise TimestampRefused(f"status {status}")
        token = bytes(response["time_stamp_token"].dump())
    stamp = read_token(token)
    if (stamp.digest, stamp.algorithm) != (question.digest, question.algorithm):
        raise MalformedTimestamp("the timestamp is over another digest")
    if stamp.nonce != question.nonce:
        raise MalformedTimestamp("the timestamp answers another question")
    if not stamp.signature_ok:
        raise MalformedTimestamp("the timestamp's signature is wrong")
    return token
