"""Tables of certificates, and of what CAs publish about them."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from clinical.columns import word
from clinical.signature.certificates.states import Origin
from clinical.signature.formats.verdicts import RevocationState
from core.data_classes import INTERNAL, PERSONAL
from core.db import Base, hospital_column, id_column


class StoredCertificate(Base):
    """A certificate that a hospital keeps. `trusted`: an anchor, believed without anybody above it.

    `revoked_at` and its neighbours repeat what lists and responders said last, for searching; a
    verification looks at those themselves.
    """

    __tablename__ = "certificates"
    __table_args__ = (
        UniqueConstraint("hospital_id", "fingerprint"),
        Index("ix_certificates_serial", "hospital_id", "serial"),
        Index("ix_certificates_key_id", "hospital_id", "key_id"),
        Index("ix_certificates_created", "hospital_id", "created_at", "id"),
        Index("ix_certificates_not_after", "not_after"),
    )

    id: Mapped[UUID] = id_column()
    hospital_id: Mapped[UUID] = hospital_column()
    fingerprint: Mapped[str] = mapped_column(String(64), info=INTERNAL)
    serial: Mapped[str] = mapped_column(String(80), info=INTERNAL)
    common_name: Mapped[str] = mapped_column(Text, info=PERSONAL)
    subject: Mapped[str] = mapped_column(Text, info=PERSONAL)
    issuer: Mapped[str] = mapped_column(Text, info=INTERNAL)
    key_id: Mapped[str | None] = mapped_column(String(128), info=INTERNAL)
    issuer_key_id: Mapped[str | None] = mapped_column(String(128), info=INTERNAL)
    not_before: Mapped[datetime]
    not_after: Mapped[datetime]
    algorithm: Mapped[str | None] = mapped_column(String(32), info=INTERNAL)
    purposes: Mapped[list[str]] = mapped_column(JSONB, info=INTERNAL)
    is_authority: Mapped[bool] = mapped_column(info=INTERNAL)
    trusted: Mapped[bool] = mapped_column(default=False, info=INTERNAL)
    origin: Mapped[Origin] = mapped_column(word(Origin), info=INTERNAL)
    note: Mapped[str] = mapped_column(Text, default="", info=INTERNAL)
    der: Mapped[bytes] = mapped_column(LargeBinary, info=PERSONAL)
    revocation: Mapped[RevocationState] = mapped_column(
        word(RevocationState), default=RevocationState.NOT_ASKED, info=INTERNAL
    )
    revoked_at: Mapped[datetime | None]
    revoke_reason: Mapped[str | None] = mapped_column(String(64), info=INTERNAL)
    checked_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    created_by: Mapped[UUID | None]


class StoredRevocationList(Base):
    """The newest list under an address, and how fetching it goes. Lists belong to nobody."""

    __tablename__ = "revocation_lists"
    __table_args__ = (Index("ix_revocation_lists_due", "next_fetch_at"),)

    url: Mapped[str] = mapped_column(String(2048), primary_key=True)
    der: Mapped[bytes | None] = mapped_column(LargeBinary, info=INTERNAL)
    number: Mapped[str | None] = mapped_column(String(64), info=INTERNAL)
    entries: Mapped[int] = mapped_column(default=0, info=INTERNAL)
    this_update: Mapped[datetime | None]
    next_update: Mapped[datetime | None]
    fetched_at: Mapped[datetime | None]
    next_fetch_at: Mapped[datetime]
    failures: Mapped[int] = mapped_column(default=0, info=INTERNAL)
    last_error: Mapped[str | None] = mapped_column(Text, info=INTERNAL)


class StoredOcspAnswer(Base):
    """The newest answer about a certificate, named by its fingerprint."""

    __tablename__ = "ocsp_answers"

    fingerprint: Mapped[str] = mapped_column(String(64), primary_key=True)
    der: Mapped[bytes] = mapped_column(LargeBinary, info=INTERNAL)
    state: Mapped[RevocationState] = mapped_column(word(RevocationState), info=INTERNAL)
    this_update: Mapped[datetime]
    next_update: Mapped[datetime | None]
    fetched_at: Mapped[datetime]
