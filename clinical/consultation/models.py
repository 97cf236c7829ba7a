"""Tables of consultations, their revisit evidence, numbers and the doctors' phrases."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from clinical.columns import word
from clinical.consultation.rules import Standing, note_complete
from clinical.consultation.states import (
    CloseReason,
    Direction,
    Kind,
    Mode,
    Purpose,
    RevisitStatus,
    State,
)
from core.crypto.columns import EncryptedJSON, EncryptedText
from core.data_classes import INTERNAL, SENSITIVE
from core.db import Base, hospital_column, id_column
from core.integrity import Protected, WrittenOnce


class Consultation(Protected, Base):
    """One consultation from draft to end. Its row lock decides every race about it."""

    __tablename__ = "consultations"
    __protected__ = (
        "hospital_id",
        "number",
        "kind",
        "mode",
        "purpose",
        "direction",
        "state",
        "close_reason",
        "close_words",
        "payer_id",
        "patient_id",
        "relation_id",
        "doctor_id",
        "department_id",
        "price_fen",
        "order_id",
        "room_id",
        "description",
        "onset",
        "answers",
        "attachment_ids",
        "red_flag",
        "revisit_status",
        "revisit_checked_at",
        "evidence",
        "proof_ids",
        "proof_decided_at",
        "proof_reason",
        "consent_version",
        "consent_at",
        "consent_digest",
        "recording_agreed",
        "created_at",
        "submitted_at",
        "paid_at",
        "accepted_at",
        "ended_at",
        "refund_requested_at",
        "diagnosis",
        "advice",
        "note_final_at",
        "note_mac",
        "shift_id",
        "starts_at",
        "ends_at",
    )

    id: Mapped[UUID] = id_column()
    hospital_id: Mapped[UUID] = hospital_column()
    number: Mapped[str] = mapped_column(Text, info=INTERNAL)
    kind: Mapped[Kind] = mapped_column(word(Kind), info=INTERNAL)
    mode: Mapped[Mode] = mapped_column(word(Mode), info=INTERNAL)
    purpose: Mapped[Purpose] = mapped_column(word(Purpose), info=INTERNAL)
    #: What a question about medicines is about; other kinds have none.
    direction: Mapped[Direction | None] = mapped_column(word(Direction), info=SENSITIVE)
    state: Mapped[State] = mapped_column(word(State), info=INTERNAL)
    close_reason: Mapped[CloseReason | None] = mapped_column(word(CloseReason), info=INTERNAL)
    close_words: Mapped[str | None] = mapped_column(EncryptedText(), info=SENSITIVE)
    payer_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    patient_id: Mapped[UUID] = mapped_column(ForeignKey("patients.id"))
    relation_id: Mapped[UUID] = mapped_column(ForeignKey("patient_relations.id"))
    #: Nobody yet while an order by department waits for a doctor of it.
    doctor_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    department_id: Mapped[UUID] = mapped_column(ForeignKey("departments.id"))
    minutes: Mapped[int] = mapped_column(default=15, server_default="15", info=INTERNAL)
    #: The appointed time: the session of the doctor, from and until.
    shift_id: Mapped[UUID | None]
    starts_at: Mapped[datetime | None]
    ends_at: Mapped[datetime | None]
    price_fen: Mapped[int] = mapped_column(info=INTERNAL)
    order_id: Mapped[UUID | None] = mapped_column(unique=True)
    room_id: Mapped[UUID | None] = mapped_column(unique=True)

    description: Mapped[str] = mapped_column(EncryptedText(), default="", info=SENSITIVE)
    onset: Mapped[str] = mapped_column(EncryptedText(), default="", info=SENSITIVE)
    answers: Mapped[dict[str, bool]] = mapped_column(EncryptedJSON(), default=dict, info=SENSITIVE)
    attachment_ids: Mapped[list[str]] = mapped_column(EncryptedJSON(), default=list, info=SENSITIVE)
    red_flag: Mapped[bool] = mapped_column(default=False, info=SENSITIVE)

    revisit_status: Mapped[RevisitStatus] = mapped_column(
        word(RevisitStatus), default=RevisitStatus.UNCHECKED, info=INTERNAL
    )
    revisit_checked_at: Mapped[datetime | None]
    evidence: Mapped[list[dict[str, Any]]] = mapped_column(
        EncryptedJSON(), default=list, info=SENSITIVE
    )
    proof_ids: Mapped[list[str]] = mapped_column(EncryptedJSON(), default=list, info=SENSITIVE)
    proof_decided_at: Mapped[datetime | None]
    proof_reason: Mapped[str | None] = mapped_column(EncryptedText(), info=SENSITIVE)

    consent_version: Mapped[str | None] = mapped_column(Text, info=INTERNAL)
    consent_at: Mapped[datetime | None]
    consent_digest: Mapped[str | None] = mapped_column(Text, info=INTERNAL)
    recording_agreed: Mapped[bool] = mapped_column(default=False, info=INTERNAL)

    created_at: Mapped[datetime]
    submitted_at: Mapped[datetime | None]
    pay_by: Mapped[datetime | None]
    paid_at: Mapped[datetime | None]
    accept_by: Mapped[datetime | None]
    accepted_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    refund_requested_at: Mapped[datetime | None]
    changed_at: Mapped[datetime]

    diagnosis: Mapped[str] = mapped_column(EncryptedText(), default="", info=SENSITIVE)
    advice: Mapped[str] = mapped_column(EncryptedText(), default="", info=SENSITIVE)
    note_saved_at: Mapped[datetime | None]
    note_final_at: Mapped[datetime | None]
    note_mac: Mapped[str | None] = mapped_column(Text, info=INTERNAL)
    note_version: Mapped[int] = mapped_column(default=1, server_default="1", info=INTERNAL)

    __table_args__ = (
        UniqueConstraint("hospital_id", "number"),
        CheckConstraint("price_fen >= 0", name="price"),
        CheckConstraint(
            "doctor_id IS NOT NULL OR (kind = 'department' AND accepted_at IS NULL)",
            name="doctor",
        ),
        Index(
            "ix_consultations_pool",
            "department_id",
            postgresql_where=text("state = 'waiting' AND doctor_id IS NULL"),
        ),
        Index("ix_consultations_shift", "shift_id", postgresql_where=text("shift_id IS NOT NULL")),
        Index("ix_consultations_payer", "payer_id", "created_at", "id"),
        Index("ix_consultations_doctor", "doctor_id", "state", "created_at", "id"),
        Index("ix_consultations_hospital", "hospital_id", "created_at", "id"),
        Index("ix_consultations_patient", "patient_id"),
        Index(
            "ix_consultations_pay_by",
            "pay_by",
            postgresql_where=text("state = 'awaiting_payment'"),
        ),
        Index(
            "ix_consultations_accept_by",
            "accept_by",
            postgresql_where=text("state IN ('waiting', 'booked')"),
        ),
    )

    @property
    def treating_doctor(self) -> UUID:
        """The doctor of a consultation that somebody has accepted."""
        assert self.doctor_id is not None
        return self.doctor_id

    @property
    def standing(self) -> Standing:
        """What the rules need to know."""
        return Standing(
            state=self.state,
            price_fen=self.price_fen,
            kind=self.kind,
            has_doctor=self.doctor_id is not None,
            starts_at=self.starts_at,
            close_reason=self.close_reason,
            paid=self.paid_at is not None and self.order_id is not None,
            refund_requested=self.refund_requested_at is not None,
            revisit=self.revisit_status,
            pay_by=self.pay_by,
            accept_by=self.accept_by,
            note_complete=note_complete(self.kind, self.diagnosis, self.advice),
            note_final=self.note_final_at is not None,
        )

    def note_values(self) -> dict[str, Any]:
        """The values under the closing note's MAC."""
        return {
            "consultation_id": self.id,
            "patient_id": self.patient_id,
            "doctor_id": self.doctor_id,
            "diagnosis": self.diagnosis,
            "advice": self.advice,
            "note_final_at": self.note_final_at,
        }


class NoteVersion(WrittenOnce, Base):
    """A closing note that was replaced by a later version, with who replaced it and why."""

    __tablename__ = "closing_note_versions"
    __protected__ = (
        "id",
        "consultation_id",
        "version",
        "diagnosis",
        "advice",
        "final_at",
        "replaced_at",
        "replaced_by",
        "reason",
    )

    id: Mapped[UUID] = id_column()
    hospital_id: Mapped[UUID] = hospital_column()
    consultation_id: Mapped[UUID] = mapped_column(ForeignKey("consultations.id"))
    version: Mapped[int] = mapped_column(info=INTERNAL)
    diagnosis: Mapped[str] = mapped_column(EncryptedText(), info=SENSITIVE)
    advice: Mapped[str] = mapped_column(EncryptedText(), info=SENSITIVE)
    final_at: Mapped[datetime]
    replaced_at: Mapped[datetime]
    replaced_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    reason: Mapped[str] = mapped_column(EncryptedText(), info=SENSITIVE)

    __table_args__ = (UniqueConstraint("consultation_id", "version"),)


class ConsultationNumber(Base):
    """The last number given at a hospital on a business day."""

    __tablename__ = "consultation_numbers"

    hospital_id: Mapped[UUID] = mapped_column(ForeignKey("hospitals.id"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    last: Mapped[int] = mapped_column(info=INTERNAL)


class ConsultationReminder(Base):
    """When somebody was reminded of a consultation last: the doctor (`waiting`), the payer."""

    __tablename__ = "consultation_reminders"

    consultation_id: Mapped[UUID] = mapped_column(ForeignKey("consultations.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(Text, primary_key=True)
    at: Mapped[datetime]
    count: Mapped[int] = mapped_column(info=INTERNAL)


class PatientTags(Base):
    """A clinician's own words for a patient (患者标签): who comes again is known at once."""

    __tablename__ = "patient_tags"

    clinician_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    patient_id: Mapped[UUID] = mapped_column(ForeignKey("patients.id"), primary_key=True)
    hospital_id: Mapped[UUID] = hospital_column()
    tags: Mapped[list[str]] = mapped_column(EncryptedJSON(), info=SENSITIVE)
    changed_at: Mapped[datetime]

    __table_args__ = (Index("ix_patient_tags_patient", "patient_id"),)


class Phrase(Base):
    """A sentence that a clinician uses often; `position` is its place in the own list."""

    __tablename__ = "phrases"

    id: Mapped[UUID] = id_column()
    hospital_id: Mapped[UUID] = hospital_column()
    doctor_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    category: Mapped[str] = mapped_column(Text, info=INTERNAL)
    text: Mapped[str] = mapped_column(Text, info=INTERNAL)
    position: Mapped[int] = mapped_column(default=0, server_default="0", info=INTERNAL)
    created_at: Mapped[datetime]

    __table_args__ = (Index("ix_phrases_doctor", "hospital_id", "doctor_id", "category"),)
