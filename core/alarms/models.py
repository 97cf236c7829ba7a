"""The table of alarms."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from core.crypto.columns import EncryptedText
from core.data_classes import INTERNAL, SENSITIVE
from core.db import Base, hospital_column, id_column


class Alarm(Base):
    """Something that officers must look at. The same thing raised again while it is open counts up.

    `kind` is a stable name, `ref_type` and `ref_id` say what it is about.
    """

    __tablename__ = "alarms"
    __table_args__ = (
        Index("ix_alarms_hospital", "hospital_id", "raised_at", "id"),
        Index(
            "uq_alarms_open",
            "hospital_id",
            "kind",
            "ref_type",
            "ref_id",
            unique=True,
            postgresql_where=text("resolved_at IS NULL"),
        ),
    )

    id: Mapped[UUID] = id_column()
    hospital_id: Mapped[UUID] = hospital_column()
    kind: Mapped[str] = mapped_column(String(40), info=INTERNAL)
    title: Mapped[str] = mapped_column(EncryptedText(), info=SENSITIVE)
    text: Mapped[str] = mapped_column(EncryptedText(), info=SENSITIVE)
    ref_type: Mapped[str | None] = mapped_column(String(40), info=INTERNAL)
    ref_id: Mapped[str | None] = mapped_column(String(100), info=INTERNAL)
    times: Mapped[int] = mapped_column(default=1, info=INTERNAL)
    raised_at: Mapped[datetime]
    last_at: Mapped[datetime]
    acknowledged_at: Mapped[datetime | None]
    acknowledged_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    resolved_at: Mapped[datetime | None]
    resolved_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    resolution: Mapped[str | None] = mapped_column(EncryptedText(), info=SENSITIVE)

    @property
    def state(self) -> str:
        """`open`, `acknowledged` or `resolved`."""
        if self.resolved_at is not None:
            return "resolved"
        return "open" if self.acknowledged_at is None else "acknowledged"
