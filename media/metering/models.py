"""The table of what was used."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import BigInteger, Date, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from core.data_classes import INTERNAL
from core.db import Base


class MediaUsageRow(Base):
    """One day of one hospital, in its time zone. It stays when calls and recordings go.

    `stored_bytes` is what recordings occupied when the day was counted last.
    """

    __tablename__ = "media_usage"

    hospital_id: Mapped[UUID] = mapped_column(ForeignKey("hospitals.id"), primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True, info=INTERNAL)
    calls: Mapped[int] = mapped_column(info=INTERNAL)
    minutes: Mapped[int] = mapped_column(info=INTERNAL)
    participant_minutes: Mapped[int] = mapped_column(info=INTERNAL)
    recordings: Mapped[int] = mapped_column(info=INTERNAL)
    stored_bytes: Mapped[int] = mapped_column(BigInteger, info=INTERNAL)
    counted_at: Mapped[datetime]
