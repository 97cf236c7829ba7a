"""The table of attachments."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Enum, ForeignKey, Index, SmallInteger, String, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from core.crypto.columns import EncryptedText
from core.data_classes import INTERNAL, PERSONAL, SENSITIVE
from core.db import Base, hospital_column, id_column
from core.files.schemas import FileKind, FileRef

#: The one size that was made before there were several.
ONLY_SIDE = 480
#: The scope of what is to be deleted: nothing attaches a file in it, and nobody may see one.
REMOVED = "removed"


class Purpose(StrEnum):
    """What a file was uploaded for: decides which kinds and sizes are taken."""

    MESSAGE = "message"
    INTAKE = "intake"
    PROOF = "proof"
    AVATAR = "avatar"
    CERTIFICATE = "certificate"
    SIGNATURE = "signature"
    ANNOUNCEMENT = "announcement"
    RECORDING = "recording"


def _values(kind: type[StrEnum]) -> list[str]:
    return [str(member.value) for member in kind]


class File(Base):
    """One attachment. `scope` and `scope_id` say what it hangs on; NULL until it is attached.

    `sha256` and `size` speak of the stored bytes (after re-encoding). `name` is what the uploader
    called it and may quote personal data, hence encrypted. `source` says what came, before it was
    converted: `sha256`, `size`, and of sound and video the codecs and whether they were copied;
    NULL for files of before it was noted. `thumbnail_sides` are the longest sides
    in pixels of the small pictures; NULL where there is one, of 480, under `thumbnail_key` itself.
    """

    __tablename__ = "files"
    __table_args__ = (
        Index("ix_files_scope", "scope", "scope_id"),
        Index("ix_files_orphans", "created_at", postgresql_where=text("scope IS NULL")),
    )

    id: Mapped[UUID] = id_column()
    hospital_id: Mapped[UUID] = hospital_column()
    uploader_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    purpose: Mapped[Purpose] = mapped_column(
        Enum(
            Purpose,
            native_enum=False,
            length=20,
            create_constraint=False,
            values_callable=_values,
        ),
        info=INTERNAL,
    )
    scope: Mapped[str | None] = mapped_column(String(40), info=INTERNAL)
    scope_id: Mapped[UUID | None]
    kind: Mapped[FileKind] = mapped_column(
        Enum(
            FileKind,
            native_enum=False,
            length=20,
            create_constraint=False,
            values_callable=_values,
        ),
        info=INTERNAL,
    )
    name: Mapped[str] = mapped_column(EncryptedText(), info=PERSONAL)
    content_type: Mapped[str] = mapped_column(String(100), info=INTERNAL)
    size: Mapped[int] = mapped_column(BigInteger, info=INTERNAL)
    sha256: Mapped[str] = mapped_column(String(64), info=INTERNAL)
    width: Mapped[int | None] = mapped_column(info=INTERNAL)
    height: Mapped[int | None] = mapped_column(info=INTERNAL)
    duration_ms: Mapped[int | None] = mapped_column(BigInteger, info=INTERNAL)
    waveform: Mapped[list[int] | None] = mapped_column(ARRAY(SmallInteger), info=SENSITIVE)
    storage_key: Mapped[str] = mapped_column(Text, info=INTERNAL)
    thumbnail_key: Mapped[str | None] = mapped_column(Text, info=INTERNAL)
    thumbnail_type: Mapped[str | None] = mapped_column(String(100), info=INTERNAL)
    thumbnail_sides: Mapped[list[int] | None] = mapped_column(ARRAY(SmallInteger), info=INTERNAL)
    source: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True), info=INTERNAL)
    created_at: Mapped[datetime]

    def thumbnails(self) -> dict[int, str]:
        """Where the small pictures are stored, by their longest side in pixels, smallest first."""
        if self.thumbnail_key is None:
            return {}
        if self.thumbnail_sides is None:
            return {ONLY_SIDE: self.thumbnail_key}
        return {side: f"{self.thumbnail_key}-{side}" for side in sorted(self.thumbnail_sides)}

    def ref(self) -> FileRef:
        """The shape that messages and forms carry."""
        return FileRef(
            id=self.id,
            name=self.name,
            kind=self.kind,
            content_type=self.content_type,
            size=self.size,
            width=self.width,
            height=self.height,
            duration_ms=self.duration_ms,
            waveform=self.waveform,
            has_thumbnail=self.thumbnail_key is not None,
        )
