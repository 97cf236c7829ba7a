"""Tables of ratings."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from core.crypto.columns import EncryptedText
from core.data_classes import INTERNAL, PERSONAL, SENSITIVE
from core.db import Base, hospital_column, id_column


class Rating(Base):
    """One rating of one ended consultation, given once."""

    __tablename__ = "ratings"

    id: Mapped[UUID] = id_column()
    hospital_id: Mapped[UUID] = hospital_column()
    consultation_id: Mapped[UUID] = mapped_column(ForeignKey("consultations.id"), unique=True)
    doctor_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    rater_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    patient_name: Mapped[str] = mapped_column(EncryptedText(), info=PERSONAL)
    stars: Mapped[int] = mapped_column(info=INTERNAL)
    tags: Mapped[list[str]] = mapped_column(JSONB, info=INTERNAL)
    comment: Mapped[str] = mapped_column(EncryptedText(), info=SENSITIVE)
    at: Mapped[datetime]

    __table_args__ = (
        CheckConstraint("stars BETWEEN 1 AND 5", name="stars"),
        Index("ix_ratings_doctor", "hospital_id", "doctor_id", "at", "id"),
        Index("ix_ratings_rater", "rater_id", "at", "id"),
    )


class RatingInvitation(Base):
    """That the patient was invited to rate, so that a repeated event invites nobody twice.

    `reminded_at`: when somebody who had not rated was reminded, or turned out to need no reminder.
    """

    __tablename__ = "rating_invitations"
    __table_args__ = (
        Index(
            "ix_rating_invitations_open",
            "invited_at",
            postgresql_where=text("reminded_at IS NULL"),
        ),
    )

    consultation_id: Mapped[UUID] = mapped_column(ForeignKey("consultations.id"), primary_key=True)
    invited_at: Mapped[datetime]
    reminded_at: Mapped[datetime | None]
