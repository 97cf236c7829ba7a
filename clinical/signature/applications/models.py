"""Tables of the signing service: server keys, applications, the signature log and its counts."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, LargeBinary, String, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from clinical.columns import word
from clinical.signature.applications.states import KeyState, Proof, Provider
from clinical.signature.certificates.states import Revoking
from core.crypto.columns import EncryptedBytes, EncryptedText
from core.crypto.signing import Algorithm
from core.data_classes import INTERNAL, PERSONAL, SENSITIVE
from core.db import Base, hospital_column, id_column


class ServerKey(Base):
    """A key that signs for applications, with its certificate ("server certificate").

    `sealed` is the private key under the installation's keys where `provider` is software; another
    provider keeps it in a device and finds it by the row's id. `chain` is DER, one after the other.
    """

    __tablename__ = "server_keys"
    __table_args__ = (Index("ix_server_keys_hospital", "hospital_id", "created_at"),)

    id: Mapped[UUID] = id_column()
    hospital_id: Mapped[UUID] = hospital_column()
    label: Mapped[str] = mapped_column(String(100), info=INTERNAL)
    algorithm: Mapped[Algorithm] = mapped_column(word(Algorithm), info=INTERNAL)
    provider: Mapped[Provider] = mapped_column(word(Provider), info=INTERNAL)
    state: Mapped[KeyState] = mapped_column(word(KeyState), info=INTERNAL)
    sealed: Mapped[bytes | None] = mapped_column(EncryptedBytes(), info=SENSITIVE)
    csr: Mapped[bytes] = mapped_column(LargeBinary, info=INTERNAL)
    certificate: Mapped[bytes | None] = mapped_column(LargeBinary, info=INTERNAL)
    chain: Mapped[bytes | None] = mapped_column(LargeBinary, info=INTERNAL)
    serial: Mapped[str | None] = mapped_column(String(80), info=INTERNAL)
    not_before: Mapped[datetime | None]
    not_after: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=0, info=INTERNAL)
    next_attempt_at: Mapped[datetime | None]
    last_error: Mapped[str | None] = mapped_column(Text, info=INTERNAL)
    created_at: Mapped[datetime]
    created_by: Mapped[UUID | None]
    ended_at: Mapped[datetime | None]


class Application(Base):
    """A calling system and what it may do.

    `anchors` are ids of trusted certificates, NULL for all of the hospital's; `addresses` are
    networks, empty for everywhere. A new secret takes effect at once, the old one ends with it.
    """

    __tablename__ = "signature_applications"
    __table_args__ = (Index("ix_signature_applications_hospital", "hospital_id", "created_at"),)

    id: Mapped[UUID] = id_column()
    hospital_id: Mapped[UUID] = hospital_column()
    code: Mapped[str] = mapped_column(String(40), unique=True, info=INTERNAL)
    name: Mapped[str] = mapped_column(String(100), info=INTERNAL)
    enabled: Mapped[bool] = mapped_column(info=INTERNAL)
    proof: Mapped[Proof] = mapped_column(word(Proof), info=INTERNAL)
    secret: Mapped[str | None] = mapped_column(EncryptedText(), info=SENSITIVE)
    certificate_id: Mapped[UUID | None] = mapped_column(ForeignKey("certificates.id"))
    server_key_id: Mapped[UUID | None] = mapped_column(ForeignKey("server_keys.id"))
    anchors: Mapped[list[str] | None] = mapped_column(JSONB, info=INTERNAL)
    revoking: Mapped[Revoking] = mapped_column(word(Revoking), info=INTERNAL)
    hard: Mapped[bool] = mapped_column(info=INTERNAL)
    operations: Mapped[list[str]] = mapped_column(JSONB, info=INTERNAL)
    formats: Mapped[list[str]] = mapped_column(JSONB, info=INTERNAL)
    addresses: Mapped[list[str]] = mapped_column(JSONB, info=INTERNAL)
    per_minute: Mapped[int] = mapped_column(info=INTERNAL)
    created_at: Mapped[datetime]
    created_by: Mapped[UUID | None]
    changed_at: Mapped[datetime]
    secret_at: Mapped[datetime | None]


class SignatureLogEntry(Base):
    """One signature made for an application: never what was signed, only its digest.

    Append-only: the database refuses to change or delete rows.
    """

    __tablename__ = "signature_log"
    __table_args__ = (
        Index("ix_signature_log_at", "hospital_id", "at", "id"),
        Index("ix_signature_log_application", "application_id", "at"),
        Index("ix_signature_log_digest", "digest"),
    )

    id: Mapped[UUID] = id_column()
    hospital_id: Mapped[UUID] = hospital_column()
    application_id: Mapped[UUID] = mapped_column(ForeignKey("signature_applications.id"))
    server_key_id: Mapped[UUID] = mapped_column(ForeignKey("server_keys.id"))
    at: Mapped[datetime]
    format: Mapped[str] = mapped_column(String(32), info=INTERNAL)
    algorithm: Mapped[str] = mapped_column(String(32), info=INTERNAL)
    digest: Mapped[str] = mapped_column(String(64), info=INTERNAL)
    certificate_serial: Mapped[str] = mapped_column(String(80), info=INTERNAL)
    reference: Mapped[str] = mapped_column(String(100), info=INTERNAL)
    address: Mapped[str] = mapped_column(String(64), info=PERSONAL)
    request_id: Mapped[str] = mapped_column(String(64), info=INTERNAL)


class SignatureCount(Base):
    """Signatures of one day (the hospital's) by one application; the year is the sum."""

    __tablename__ = "signature_counts"

    hospital_id: Mapped[UUID] = mapped_column(ForeignKey("hospitals.id"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    application_id: Mapped[UUID] = mapped_column(
        ForeignKey("signature_applications.id"), primary_key=True
    )
    count: Mapped[int] = mapped_column(info=INTERNAL)


class RequestNonce(Base):
    """A number that an application has used up, kept while a repeated request could be taken."""

    __tablename__ = "signature_nonces"
    __table_args__ = (Index("ix_signature_nonces_at", "at"),)

    application_id: Mapped[UUID] = mapped_column(
        ForeignKey("signature_applications.id", ondelete="CASCADE"), primary_key=True
    )
    nonce: Mapped[str] = mapped_column(String(64), primary_key=True)
    at: Mapped[datetime]
