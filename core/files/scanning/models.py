"""The table of quarantined digests."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from core.data_classes import INTERNAL
from core.db import Base, hospital_column, id_column


class QuarantinedUpload(Base):
    """Content that was found to be malicious, by its digest; the content itself is not kept.

    `sha256` and `size` speak of the upload as it came, `uploader_id` is who sent it first. While
    the row stands, the same content is refused without asking the scanner again.
    """

    __tablename__ = "quarantined_uploads"
    __table_args__ = (
        Index("uq_quarantined_uploads_digest", "hospital_id", "sha256", unique=True),
        Index("ix_quarantined_uploads_hospital", "hospital_id", "last_at", "id"),
    )

    id: Mapped[UUID] = id_column()
    hospital_id: Mapped[UUID] = hospital_column()
    uploader_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    sha256: Mapped[str] = mapped_column(String(64), info=INTERNAL)
    size: Mapped[int] = mapped_column(BigInteger, info=INTERNAL)
    signature: Mapped[str] = mapped_column(String(200), info=INTERNAL)
    times: Mapped[int] = mapped_column(info=INTERNAL)
    first_at: Mapped[datetime]
    last_at: Mapped[datetime]
