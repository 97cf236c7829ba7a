"""Tables of the schedule: shifts, the bookings in them, the log of calls."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from clinical.columns import word
from clinical.consultation.states import Kind, Mode
from clinical.schedule.rules import Session
from clinical.schedule.states import Announcement, BookingState, ShiftState
from core.data_classes import INTERNAL, PUBLIC
from core.db import Base, hospital_column, id_column
from core.integrity import WrittenOnce


class Shift(Base):
    """A session of a doctor. Its row lock decides every race about its places and its queue."""

    __tablename__ = "shifts"

    id: Mapped[UUID] = id_column()
    hospital_id: Mapped[UUID] = hospital_column()
    doctor_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    department_id: Mapped[UUID] = mapped_column(ForeignKey("departments.id"))
    kind: Mapped[Kind] = mapped_column(word(Kind), info=PUBLIC)
    mode: Mapped[Mode] = mapped_column(word(Mode), info=PUBLIC)
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    places: Mapped[int] = mapped_column(info=PUBLIC)
    extra: Mapped[int] = mapped_column(default=0, info=PUBLIC)
    taken: Mapped[int] = mapped_column(default=0, info=PUBLIC)
    state: Mapped[ShiftState] = mapped_column(
        word(ShiftState), default=ShiftState.OPEN, info=PUBLIC
    )
    reason: Mapped[str | None] = mapped_column(Text, info=INTERNAL)
    version: Mapped[int] = mapped_column(default=1, info=INTERNAL)
    reminded_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]

    __table_args__ = (
        CheckConstraint("taken BETWEEN 0 AND places + extra", name="taken"),
        CheckConstraint("places >= 0 AND extra >= 0", name="places"),
        CheckConstraint("ends_at > starts_at", name="times"),
        Index("ix_shifts_doctor", "doctor_id", "starts_at"),
        Index("ix_shifts_hospital", "hospital_id", "starts_at", "id"),
    )

    @property
    def session(self) -> Session:
        """What the rules need to know."""
        return Session(
            state=self.state,
            starts_at=self.starts_at,
            ends_at=self.ends_at,
            places=self.places,
            extra=self.extra,
            taken=self.taken,
        )


class Booking(Base):
    """The place of one consultation in a shift."""

    __tablename__ = "bookings"

    consultation_id: Mapped[UUID] = mapped_column(ForeignKey("consultations.id"), primary_key=True)
    hospital_id: Mapped[UUID] = hospital_column()
    shift_id: Mapped[UUID] = mapped_column(ForeignKey("shifts.id"))
    payer_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    patient_id: Mapped[UUID] = mapped_column(ForeignKey("patients.id"))
    relation_id: Mapped[UUID] = mapped_column(ForeignKey("patient_relations.id"))
    number: Mapped[int] = mapped_column(info=INTERNAL)
    position: Mapped[int] = mapped_column(info=INTERNAL)
    state: Mapped[BookingState] = mapped_column(word(BookingState), info=INTERNAL)
    arrived_at: Mapped[datetime | None]
    called_at: Mapped[datetime | None]
    calls: Mapped[int] = mapped_column(default=0, info=INTERNAL)
    reminded_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]

    __table_args__ = (
        # No place is sold twice, whatever the code above it does.
        Index(
            "uq_bookings_number",
            "shift_id",
            "number",
            unique=True,
            postgresql_where=text("state <> 'released'"),
        ),
        Index("ix_bookings_payer", "payer_id", "created_at", "consultation_id"),
    )


class QueueCall(WrittenOnce, Base):
    """One line of the calling log (叫号日志)."""

    __tablename__ = "queue_calls"
    __protected__ = (
        "id",
        "hospital_id",
        "shift_id",
        "consultation_id",
        "patient_id",
        "doctor_id",
        "by_id",
        "kind",
        "number",
        "at",
    )

    id: Mapped[UUID] = id_column()
    hospital_id: Mapped[UUID] = hospital_column()
    shift_id: Mapped[UUID] = mapped_column(ForeignKey("shifts.id"))
    consultation_id: Mapped[UUID] = mapped_column(ForeignKey("consultations.id"))
    patient_id: Mapped[UUID] = mapped_column(ForeignKey("patients.id"))
    doctor_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    by_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    kind: Mapped[Announcement] = mapped_column(word(Announcement), info=INTERNAL)
    number: Mapped[int] = mapped_column(info=INTERNAL)
    at: Mapped[datetime]

    __table_args__ = (Index("ix_queue_calls_hospital", "hospital_id", "at", "id"),)
