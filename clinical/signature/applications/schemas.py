"""Shapes of the interface for calling applications. Bytes are Base64."""

import base64
from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import (
    AwareDatetime,
    Base64Bytes,
    BaseModel,
    Field,
    StringConstraints,
    model_validator,
)

from clinical.signature.applications.states import Format
from clinical.signature.certificates.schemas import ChainView, chain_view
from clinical.signature.certificates.states import Purpose, Standing
from clinical.signature.formats.raw import RawResult
from clinical.signature.formats.verdicts import Problem
from clinical.signature.formats.verification import CmsResult, SignerResult
from clinical.signature.formats.x509 import Certificate

MAX_CONTENT = 4 * 1024 * 1024
Reference = Annotated[str, StringConstraints(max_length=100)]


class SignRequest(BaseModel):
    """What is to be signed: the content, or its digest where it need not leave the caller.

    `digest` (32 bytes) is SM3 or SHA-256 of the content for detached CMS; for a bare SM2 signature
    it is SM3 over Z and the content. `reference` is the caller's own number, kept in the log.
    """

    format: Format
    data: Base64Bytes | None = None
    digest: Base64Bytes | None = Field(None, min_length=1, max_length=64)
    reference: Reference = ""
    timestamp: bool = False

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.data is None) == (self.digest is None):
            raise ValueError("data 与 digest 二选一")
        if self.digest is not None and len(self.digest) != 32:
            raise ValueError("digest 应为 32 字节")
        if self.digest is not None and self.format is Format.CMS_ATTACHED:
            raise ValueError("attach 格式需要原文 data")
        if self.timestamp and self.format is Format.RAW:
            raise ValueError("裸签名不能带时间戳")
        return self


class Signed(BaseModel):
    """A signature and the certificate that belongs to it."""

    signature: str
    algorithm: str
    serial: str
    certificate: str


class VerifyRequest(BaseModel):
    """A signature to verify. A bare one needs `certificate` (DER) and may name a time."""

    format: Format
    signature: Base64Bytes = Field(min_length=1)
    data: Base64Bytes | None = None
    certificate: Base64Bytes | None = None
    at: AwareDatetime | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.format is Format.RAW and (self.data is None or self.certificate is None):
            raise ValueError("裸签名需要原文 data 与证书 certificate")
        if self.format is Format.CMS_DETACHED and self.data is None:
            raise ValueError("detach 格式需要原文 data")
        return self


class ProblemView(BaseModel):
    """One thing that is wrong."""

    code: str
    text: str


class SignerView(BaseModel):
    """What was found about one signer. `proven`: a timestamp proves `signed_at`."""

    name: str
    serial: str | None
    certificate: str | None
    algorithm: str | None
    signed_at: datetime | None
    proven: bool
    timestamp_authority: str | None
    digest_ok: bool
    signature_ok: bool
    valid: bool
    valid_now: bool
    then: ChainView | None
    now: ChainView | None
    problems: list[ProblemView]


class Verified(BaseModel):
    """The verdict: `valid` when it was made, `valid_now` if it were made today."""

    valid: bool
    valid_now: bool
    content: str | None
    signers: list[SignerView]
    problems: list[ProblemView]


class FindCertificates(BaseModel):
    """What is searched for in the store; at least one of them."""

    serial: str | None = Field(None, max_length=100)
    key_id: str | None = Field(None, max_length=200)
    fingerprint: str | None = Field(None, max_length=200)
    subject: str | None = Field(None, max_length=200)
    issuer: str | None = Field(None, max_length=200)
    purpose: Purpose | None = None
    valid_at: AwareDatetime | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not any(value is not None for value in self.__dict__.values()):
            raise ValueError("请至少提供一个查询条件")
        return self


class FoundCertificate(BaseModel):
    """A certificate of the store."""

    id: UUID
    subject: str
    issuer: str
    serial: str
    not_before: datetime
    not_after: datetime
    standing: Standing
    certificate: str


class VerifyCertificate(BaseModel):
    """A certificate (DER or PEM) to judge, now or as of a moment; others may help with its path."""

    certificate: Base64Bytes = Field(min_length=1)
    others: list[Base64Bytes] = Field(default_factory=list, max_length=8)
    at: AwareDatetime | None = None


class CertificateVerdict(BaseModel):
    """How a certificate stands."""

    then: ChainView
    now: ChainView


class ServerCertificate(BaseModel):
    """The certificate that signs for the application, with the chain above it."""

    algorithm: str
    serial: str
    subject: str
    not_before: datetime
    not_after: datetime
    certificate: str
    chain: list[str]


def base64_of(data: bytes) -> str:
    """Bytes as the interface writes them."""
    return base64.b64encode(data).decode()


def cms_verdict(result: CmsResult) -> Verified:
    """A verified message as the interface tells it."""
    return Verified(
        valid=result.valid,
        valid_now=result.valid_now,
        content=None if result.data is None else base64_of(result.data),
        signers=[_signer(each) for each in result.signers],
        problems=_problems(result.problems),
    )


def raw_verdict(result: RawResult, at: datetime | None) -> Verified:
    """A verified bare signature as the interface tells it."""
    signer = SignerView(
        name=result.certificate.common_name,
        serial=result.certificate.serial_hex,
        certificate=base64_of(result.certificate.der),
        algorithm=result.certificate.algorithm,
        signed_at=at,
        proven=False,
        timestamp_authority=None,
        digest_ok=result.signature_ok,
        signature_ok=result.signature_ok,
        valid=result.valid,
        valid_now=result.valid_now,
        then=chain_view(result.then),
        now=chain_view(result.now),
        problems=_problems(result.problems),
    )
    return Verified(
        valid=result.valid,
        valid_now=result.valid_now,
        content=None,
        signers=[signer],
        problems=signer.problems,
    )


def _signer(result: SignerResult) -> SignerView:
    certificate: Certificate | None = result.certificate
    return SignerView(
        name=result.signer,
        serial=certificate.serial_hex if certificate else None,
        certificate=base64_of(certificate.der) if certificate else None,
        algorithm=result.algorithm,
        signed_at=result.signed_at,
        proven=result.proven,
        timestamp_authority=result.timestamp.authority if result.timestamp else None,
        digest_ok=result.digest_ok,
        signature_ok=result.signature_ok,
        valid=result.valid,
        valid_now=result.valid_now,
        then=chain_view(result.then) if result.then else None,
        now=chain_view(result.now) if result.now else None,
        problems=_problems(result.problems),
    )


def _problems(problems: tuple[Problem, ...]) -> list[ProblemView]:
    return [ProblemView(code=each.code, text=each.text) for each in problems]
