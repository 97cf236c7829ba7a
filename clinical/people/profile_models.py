"""Tables of clinicians' own profiles, what they hand in for review, and their certificates."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from clinical.columns import word
from core.crypto.columns import EncryptedJSON, EncryptedText
from core.data_classes import INTERNAL, PERSONAL
from core.db import Base, hospital_column, id_column


class ReviewState(StrEnum):
    """Where something handed in stands."""

    SUBMITTED = "submitted"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


class CertificateKind(StrEnum):
    """Proofs that a clinician is asked for."""

    PRACTISING_LICENCE = "practising_licence"
    QUALIFICATION = "qualification"
    TITLE = "title"
    TRAINING = "training"
    OTHER = "other"


class StaffProfile(Base):
    """What a clinician says of himself or herself at one hospital, as last approved.

    `content` is `clinical.people.profiles.ProfileContent` as JSON. Whoever has no row has an
    account that an administrator made and that is not active yet.
    """

    __tablename__ = "staff_profiles"
    __table_args__ = (UniqueConstraint("hospital_id", "user_id"),)

    id: Mapped[UUID] = id_column()
    hospital_id: Mapped[UUID] = hospital_column()
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    content: Mapped[dict[str, Any]] = mapped_column(EncryptedJSON(), info=PERSONAL)
    activated_at: Mapped[datetime]
    changed_at: Mapped[datetime]


class ProfileSubmission(Base):
    """A profile handed in for review; at most one of a person is open."""

    __tablename__ = "profile_submissions"
    __table_args__ = (
        Index(
            "uq_profile_submissions_open",
            "hospital_id",
            "user_id",
            unique=True,
            postgresql_where=text("state = 'submitted'"),
        ),
        Index("ix_profile_submissions_state", "hospital_id", "state", "submitted_at"),
    )

    id: Mapped[UUID] = id_column()
    hospital_id: Mapped[UUID] = hospital_column()
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    content: Mapped[dict[str, Any]] = mapped_column(EncryptedJSON(), info=PERSONAL)
    state: Mapped[ReviewState] = mapped_column(word(ReviewState), info=INTERNAL)
    submitted_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[UUID | None]
    reason: Mapped[str | None] = mapped_column(EncryptedText(), info=PERSONAL)


class StaffCertificate(Base):
    """A certificate with its picture; only an approved one counts."""

    __tablename__ = "staff_certificates"
    __table_args__ = (
        Index("ix_staff_certificates_user", "hospital_id", "user_id"),
        Index("ix_staff_certificates_state", "hospital_id", "state", "valid_until"),
    )

    id: Mapped[UUID] = id_column()
    hospital_id: Mapped[UUID] = hospital_column()
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    kind: Mapped[CertificateKind] = mapped_column(word(CertificateKind), info=INTERNAL)
    name: Mapped[str] = mapped_column(Text, info=INTERNAL)
    number: Mapped[str] = mapped_column(EncryptedText(), info=PERSONAL)
    issued_on: Mapped[date] = mapped_column(info=INTERNAL)
    valid_until: Mapped[date | None] = mapped_column(info=INTERNAL)
    file_id: Mapped[UUID]
    state: Mapped[ReviewState] = mapped_column(word(ReviewState), info=INTERNAL)
    submitted_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[UUID | None]
    reason: Mapped[str | None] = mapped_column(EncryptedText(), info=PERSONAL)
