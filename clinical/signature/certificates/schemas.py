"""Shapes of the certificate API."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Base64Bytes, BaseModel, Field, StringConstraints

from clinical.signature.certificates import access
from clinical.signature.certificates.models import StoredCertificate, StoredRevocationList
from clinical.signature.certificates.states import Origin, Purpose, Standing
from clinical.signature.formats.verdicts import ChainResult, RevocationState
from clinical.signature.formats.x509 import Certificate

Note = Annotated[str, StringConstraints(max_length=200, strip_whitespace=True)]


class ImportCertificates(BaseModel):
    """A file with certificates, Base64. `password` opens PKCS#12."""

    content: Base64Bytes = Field(max_length=180 * 1024)
    password: str | None = Field(None, max_length=200)
    trusted: bool = False
    note: Note = ""


class ChangeCertificate(BaseModel):
    """Whether an authority is believed, and a note."""

    trusted: bool
    note: Note = ""


class CertificateLine(BaseModel):
    """A certificate in a list."""

    id: UUID
    common_name: str
    subject: str
    issuer: str
    serial: str
    algorithm: str | None
    purposes: list[Purpose]
    is_authority: bool
    trusted: bool
    origin: Origin
    note: str
    not_before: datetime
    not_after: datetime
    standing: Standing
    revoked_at: datetime | None
    created_at: datetime


class LinkView(BaseModel):
    """One certificate of a chain, the lowest first."""

    common_name: str
    serial: str
    algorithm: str | None
    not_before: datetime
    not_after: datetime
    is_authority: bool
    fingerprint: str


class ChainView(BaseModel):
    """A certificate judged as of a moment."""

    at: datetime
    ok: bool
    problems: list[str]
    links: list[LinkView]
    revocation: RevocationState
    revocation_source: str
    revocation_as_of: datetime | None
    revoked_at: datetime | None
    revoke_reason: str | None


class CertificateView(CertificateLine):
    """Everything about a certificate, with its chain as of now."""

    fingerprint: str
    key_id: str | None
    key_usage: list[str]
    crl_urls: list[str]
    ocsp_urls: list[str]
    pem: str
    checked_at: datetime | None
    chain: ChainView


class RevocationListView(BaseModel):
    """A revocation list and how fetching it goes."""

    url: str
    entries: int
    this_update: datetime | None
    next_update: datetime | None
    fetched_at: datetime | None
    next_fetch_at: datetime
    failures: int
    last_error: str | None


def line(row: StoredCertificate, now: datetime) -> CertificateLine:
    """A row as shown in a list."""
    return CertificateLine(
        **{name: getattr(row, name) for name in CertificateLine.model_fields if name != "standing"},
        standing=access.standing(row, now),
    )


def view(row: StoredCertificate, chain: ChainResult, now: datetime) -> CertificateView:
    """A row with everything."""
    plain = access.plain(row)
    return CertificateView(
        **line(row, now).model_dump(),
        fingerprint=row.fingerprint,
        key_id=row.key_id,
        key_usage=sorted(plain.key_usage or ()),
        crl_urls=list(plain.crl_urls),
        ocsp_urls=list(plain.ocsp_urls),
        pem=plain.pem,
        checked_at=row.checked_at,
        chain=chain_view(chain),
    )


def chain_view(chain: ChainResult) -> ChainView:
    """A judgement as shown."""
    return ChainView(
        at=chain.at,
        ok=chain.ok,
        problems=[problem.text for problem in chain.problems],
        links=[link(each) for each in chain.path],
        revocation=chain.revocation.state,
        revocation_source=chain.revocation.source,
        revocation_as_of=chain.revocation.as_of,
        revoked_at=chain.revocation.at,
        revoke_reason=chain.revocation.reason,
    )


def link(certificate: Certificate) -> LinkView:
    """A certificate as a link of a chain."""
    return LinkView(
        common_name=certificate.common_name,
        serial=certificate.serial_hex,
        algorithm=certificate.algorithm.value if certificate.algorithm else None,
        not_before=certificate.not_before,
        not_after=certificate.not_after,
        is_authority=certificate.is_authority,
        fingerprint=certificate.fingerprint,
    )


def list_view(row: StoredRevocationList) -> RevocationListView:
    """A revocation list as shown."""
    return RevocationListView.model_validate(row, from_attributes=True)
