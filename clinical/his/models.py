"""The journal of exchanges with the hospital's systems."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from clinical.columns import word
from clinical.his.states import Operation, Outcome
from core.data_classes import INTERNAL
from core.db import Base, hospital_column, id_column


class HospitalExchange(Base):
    """One question to the hospital's system: who asked, what, when, and how it went.

    Names nobody: `parameters` holds days and kinds, never a number of a person; whose record was
    looked at stands in the audit, under the same consultation.
    """

    __tablename__ = "his_exchanges"

    id: Mapped[UUID] = id_column()
    hospital_id: Mapped[UUID] = hospital_column()
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    # No foreign key: the journal neither outlives nor holds back the record it points at.
    consultation_id: Mapped[UUID | None]
    operation: Mapped[Operation] = mapped_column(word(Operation), info=INTERNAL)
    address: Mapped[str] = mapped_column(Text, info=INTERNAL)
    parameters: Mapped[dict[str, Any]] = mapped_column(JSONB, info=INTERNAL)
    outcome: Mapped[Outcome] = mapped_column(word(Outcome), info=INTERNAL)
    detail: Mapped[str] = mapped_column(Text, info=INTERNAL)
    rows: Mapped[int | None] = mapped_column(info=INTERNAL)
    milliseconds: Mapped[int] = mapped_column(info=INTERNAL)
    at: Mapped[datetime]

    __table_args__ = (Index("ix_his_exchanges_hospital", "hospital_id", "at", "id"),)
