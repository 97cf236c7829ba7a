"""Shapes of the administration of the signing service."""

import ipaddress
from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from clinical.signature.applications.models import Application, ServerKey, SignatureLogEntry
from clinical.signature.applications.states import Format, KeyState, Operation, Proof
from clinical.signature.certificates.states import Revoking
from core.crypto.signing import Algorithm

Name = Annotated[str, StringConstraints(min_length=1, max_length=100, strip_whitespace=True)]


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text.strip(), strict=False))
    except ValueError as error:
        raise ValueError("请填写 IP 地址或网段，如 10.1.2.0/24") from error


class ApplicationPolicy(BaseModel):
    """What an application may do and whom it believes. `anchors` None: all of the hospital's."""

    name: Name
    enabled: bool = True
    proof: Proof = Proof.SECRET
    certificate_id: UUID | None = None
    server_key_id: UUID | None = None
    anchors: list[UUID] | None = Field(None, max_length=50)
    revoking: Revoking = Revoking.OCSP_THEN_CRL
    hard: bool = False
    operations: list[Operation] = Field(default_factory=lambda: list(Operation), max_length=10)
    formats: list[Format] = Field(default_factory=lambda: list(Format), max_length=10)
    addresses: list[Annotated[str, AfterValidator(_network)]] = Field(
        default_factory=list, max_length=50
    )
    per_minute: int = Field(6000, ge=1, le=1_000_000)


class ApplicationView(ApplicationPolicy):
    """An application as administrators see it; the secret is never shown again."""

    id: UUID
    code: str
    created_at: datetime
    changed_at: datetime
    secret_at: datetime | None


class ApplicationWithSecret(ApplicationView):
    """An application with its new secret, shown this once; None when there is no new one."""

    secret: str | None


class NewSecret(BaseModel):
    """A secret, shown this once."""

    secret: str


class MakeServerKey(BaseModel):
    """A key to be made here and certified by the CA."""

    label: Name
    algorithm: Algorithm = Algorithm.SM2


class ServerKeyView(BaseModel):
    """A server key without its private part."""

    id: UUID
    label: str
    algorithm: Algorithm
    provider: str
    state: KeyState
    serial: str | None
    not_before: datetime | None
    not_after: datetime | None
    last_error: str | None
    created_at: datetime


class LogLine(BaseModel):
    """One signature made for an application."""

    id: UUID
    at: datetime
    application_id: UUID
    application_name: str
    format: str
    algorithm: str
    digest: str
    certificate_serial: str
    reference: str
    address: str


class DayCount(BaseModel):
    """Signatures of one day: for applications, and by people and the seal."""

    day: date
    applications: int
    people: int


class LicenceUse(BaseModel):
    """How much of what was bought this year is used. `level`: `ok`, `near` (80 %), `over`."""

    year: int
    signatures: int
    signatures_limit: int
    signatures_level: str
    certificates: int
    certificates_limit: int
    certificates_level: str
    days: list[DayCount]
    service_enabled: bool


class ServiceSwitch(BaseModel):
    """Whether the interface for applications is open."""

    enabled: bool


def application_view(row: Application) -> ApplicationView:
    """A row as shown."""
    return ApplicationView(**_fields(row))


def with_secret(row: Application, secret: str | None) -> ApplicationWithSecret:
    """A row with its new secret."""
    return ApplicationWithSecret(**_fields(row), secret=secret)


def _fields(row: Application) -> dict[str, object]:
    return {name: getattr(row, name) for name in ApplicationView.model_fields}


def server_key_view(row: ServerKey) -> ServerKeyView:
    """A row as shown."""
    return ServerKeyView(**{name: getattr(row, name) for name in ServerKeyView.model_fields})


def log_line(row: SignatureLogEntry, names: dict[UUID, str]) -> LogLine:
    """A row of the log with the name of its application."""
    fields = {name: getattr(row, name, "") for name in LogLine.model_fields}
    return LogLine(**{**fields, "application_name": names.get(row.application_id, "")})
