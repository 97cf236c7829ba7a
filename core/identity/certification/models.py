"""Table of real-name certifications."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from core.crypto.columns import EncryptedText
from core.data_classes import INTERNAL, PERSONAL
from core.db import Base, hospital_column, id_column


class Certification(Base):
    """One attempt of an account holder to prove a name and a number, with its evidence.

    `method` is alipay or card; `outcome` is empty while it runs, then match or mismatch.
    `reference` is the other house's own number for it. The pictures are files of the account.
    """

    __tablename__ = "certifications"

    id: Mapped[UUID] = id_column()
    hospital_id: Mapped[UUID] = hospital_column()
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    method: Mapped[str] = mapped_column(String(16), info=INTERNAL)
    outcome: Mapped[str] = mapped_column(String(16), default="", info=INTERNAL)
    reference: Mapped[str] = mapped_column(Text, default="", info=INTERNAL)
    name: Mapped[str] = mapped_column(EncryptedText(), info=PERSONAL)
    id_number: Mapped[str] = mapped_column(EncryptedText(), info=PERSONAL)
    front_file_id: Mapped[UUID | None]
    back_file_id: Mapped[UUID | None]
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
