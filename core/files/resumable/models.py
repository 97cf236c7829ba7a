"""Tables of uploads that are under way."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, Enum, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from core.crypto.columns import EncryptedText
from core.data_classes import INTERNAL, PERSONAL
from core.db import Base, hospital_column, id_column
from core.files.models import Purpose


class UploadState(StrEnum):
    """`removed` waits for its pieces to be deleted."""

    RECEIVING = "receiving"
    CONVERTING = "converting"
    DONE = "done"
    FAILED = "failed"
    REMOVED = "removed"


def _values(kind: type[StrEnum]) -> list[str]:
    return [str(member.value) for member in kind]


class Upload(Base):
    """One resumable upload. `length` and `received` in bytes, `sha256` of the whole if announced.

    While it is converted, `claim` names the attempt and `claimed_until` its lease: a node that died
    loses it. `percent` is how far the conversion is. `problem` is the code of the refusal.
    """

    __tablename__ = "uploads"
    __table_args__ = (
        Index("ix_uploads_uploader", "uploader_id"),
        Index("ix_uploads_expires", "expires_at"),
    )

    id: Mapped[UUID] = id_column()
    hospital_id: Mapped[UUID] = hospital_column()
    uploader_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    purpose: Mapped[Purpose] = mapped_column(
        Enum(
            Purpose, native_enum=False, length=20, create_constraint=False, values_callable=_values
        ),
        info=INTERNAL,
    )
    name: Mapped[str] = mapped_column(EncryptedText(), info=PERSONAL)
    length: Mapped[int] = mapped_column(BigInteger, info=INTERNAL)
    received: Mapped[int] = mapped_column(BigInteger, default=0, info=INTERNAL)
    sha256: Mapped[str | None] = mapped_column(String(64), info=INTERNAL)
    state: Mapped[UploadState] = mapped_column(
        Enum(
            UploadState,
            native_enum=False,
            length=20,
            create_constraint=False,
            values_callable=_values,
        ),
        default=UploadState.RECEIVING,
        info=INTERNAL,
    )
    percent: Mapped[int] = mapped_column(default=0, info=INTERNAL)
    attempts: Mapped[int] = mapped_column(default=0, info=INTERNAL)
    claim: Mapped[UUID | None]
    claimed_until: Mapped[datetime | None]
    problem: Mapped[str | None] = mapped_column(String(60), info=INTERNAL)
    problem_detail: Mapped[str | None] = mapped_column(String(200), info=INTERNAL)
    file_id: Mapped[UUID | None] = mapped_column(ForeignKey("files.id", ondelete="SET NULL"))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class UploadPiece(Base):
    """Bytes `start` to `start + size` of an upload, stored under `uploads/<upload>/<object>`."""

    __tablename__ = "upload_pieces"

    upload_id: Mapped[UUID] = mapped_column(
        ForeignKey("uploads.id", ondelete="CASCADE"), primary_key=True
    )
    start: Mapped[int] = mapped_column(BigInteger, primary_key=True, info=INTERNAL)
    size: Mapped[int] = mapped_column(BigInteger, info=INTERNAL)
    object_id: Mapped[UUID]
