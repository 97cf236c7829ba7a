"""Tables of recordings."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from core.crypto.columns import EncryptedJSON, EncryptedText
from core.data_classes import INTERNAL, PERSONAL, SENSITIVE
from core.db import Base, hospital_column, id_column
from core.integrity import Protected


class RecordingRow(Protected, Base):
    """The recording of one call, from the answer on, or one that was uploaded (no `call_id`, a row
    in `recording_uploads`, and a room only where it belongs to one).

    `claimed_until` is the lease of the process that composes it; `not_before` rests a recording
    that waits for a take or failed. `layout` is what somebody chose for this one, else the
    hospital's setting holds; `arranging`: its finished sides are only to be composed again.
    `ended_at` of an upload is when it came. `removed_rule` says by which rule it was removed when
    its time was over; `emptied_at`: its bytes are out of the store as well.
    """

    __tablename__ = "recordings"
    __protected__ = (
        "hospital_id",
        "room_id",
        "call_id",
        "state",
        "note",
        "started_at",
        "ended_at",
        "duration_ms",
        "ready_at",
    )

    id: Mapped[UUID] = id_column()
    hospital_id: Mapped[UUID] = hospital_column()
    room_id: Mapped[UUID | None] = mapped_column(ForeignKey("rooms.id"))
    call_id: Mapped[UUID | None] = mapped_column(ForeignKey("calls.id"), unique=True)
    state: Mapped[str] = mapped_column(String(16), info=INTERNAL)
    note: Mapped[str | None] = mapped_column(String(32), info=INTERNAL)
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    duration_ms: Mapped[int | None] = mapped_column(BigInteger, info=INTERNAL)
    layout: Mapped[str | None] = mapped_column(String(16), info=INTERNAL)
    arranging: Mapped[bool] = mapped_column(default=False, server_default="false", info=INTERNAL)
    progress: Mapped[float] = mapped_column(default=0.0, info=INTERNAL)
    attempts: Mapped[int] = mapped_column(default=0, info=INTERNAL)
    last_error: Mapped[str | None] = mapped_column(Text, info=INTERNAL)
    not_before: Mapped[datetime | None]
    claimed_until: Mapped[datetime | None]
    ready_at: Mapped[datetime | None]
    journals_dropped_at: Mapped[datetime | None]
    removed_at: Mapped[datetime | None]
    removed_rule: Mapped[str | None] = mapped_column(String(64), info=INTERNAL)
    emptied_at: Mapped[datetime | None]

    __table_args__ = (
        Index("ix_recordings_room", "room_id"),
        Index("ix_recordings_hospital", "hospital_id", "started_at"),
        Index("ix_recordings_work", "ended_at", postgresql_where=text("state = 'processing'")),
    )


class RecordingTakeRow(Base):
    """One worker life of a recording. `bytes` lie in the store while the journals are kept."""

    __tablename__ = "recording_takes"

    recording_id: Mapped[UUID] = mapped_column(
        ForeignKey("recordings.id", ondelete="CASCADE"), primary_key=True
    )
    take: Mapped[str] = mapped_column(String(64), primary_key=True)
    bytes: Mapped[int] = mapped_column(BigInteger, default=0, info=INTERNAL)
    sealed_at: Mapped[datetime | None]


class RecordingUploadRow(Base):
    """What is known of a recording that did not come from a call.

    `patient_id` is the patient of its room, where it has one. `file_id` is the attachment it came
    as, which owns the stored bytes; `chapters` are those that somebody wrote: `at_ms` and `title`.
    """

    __tablename__ = "recording_uploads"

    recording_id: Mapped[UUID] = mapped_column(
        ForeignKey("recordings.id", ondelete="CASCADE"), primary_key=True
    )
    hospital_id: Mapped[UUID] = hospital_column()
    kind: Mapped[str] = mapped_column(String(16), info=INTERNAL)
    title: Mapped[str] = mapped_column(EncryptedText(), info=SENSITIVE)
    patient_id: Mapped[UUID | None]
    uploader_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    file_id: Mapped[UUID]
    source: Mapped[dict[str, Any]] = mapped_column(JSONB, info=INTERNAL)
    chapters: Mapped[list[Any]] = mapped_column(EncryptedJSON(), info=SENSITIVE)
    created_at: Mapped[datetime]

    __table_args__ = (Index("ix_recording_uploads_hospital", "hospital_id", "created_at"),)


class RecordingFileRow(Protected, Base):
    """A finished file. `sha256` (hex) speaks of the stored bytes; `user_id` is set for a side.

    `superseded_at`: a newer one has taken its place, and a legal hold keeps this one.
    """

    __tablename__ = "recording_files"
    __protected__ = (
        "recording_id",
        "kind",
        "user_id",
        "name",
        "content_type",
        "size",
        "duration_ms",
        "sha256",
        "storage_key",
        "position",
        "created_at",
    )

    id: Mapped[UUID] = id_column()
    recording_id: Mapped[UUID] = mapped_column(ForeignKey("recordings.id"), index=True)
    kind: Mapped[str] = mapped_column(String(16), info=INTERNAL)
    user_id: Mapped[UUID | None]
    name: Mapped[str] = mapped_column(Text, info=PERSONAL)
    content_type: Mapped[str] = mapped_column(String(64), info=INTERNAL)
    size: Mapped[int] = mapped_column(BigInteger, info=INTERNAL)
    duration_ms: Mapped[int] = mapped_column(BigInteger, info=INTERNAL)
    sha256: Mapped[str] = mapped_column(String(64), info=INTERNAL)
    storage_key: Mapped[str] = mapped_column(Text, info=INTERNAL)
    position: Mapped[int] = mapped_column(info=INTERNAL)
    created_at: Mapped[datetime]
    superseded_at: Mapped[datetime | None]


class RecordingOutlineRow(Base):
    """What stands on the time line of a finished recording, and what composing it again needs.

    `origin_at` is its first moment. `content` holds `outline` (moments, gaps, loudness) and
    `sides` (facts of the side files, in the order of their tiles).
    """

    __tablename__ = "recording_outlines"

    recording_id: Mapped[UUID] = mapped_column(
        ForeignKey("recordings.id", ondelete="CASCADE"), primary_key=True
    )
    hospital_id: Mapped[UUID] = hospital_column()
    origin_at: Mapped[datetime]
    layout: Mapped[str] = mapped_column(String(16), info=INTERNAL)
    content: Mapped[dict[str, Any]] = mapped_column(EncryptedJSON(), info=SENSITIVE)
