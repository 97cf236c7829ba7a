"""The table of recognised speech."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from core.crypto.columns import EncryptedJSON
from core.data_classes import INTERNAL, SENSITIVE
from core.db import Base, hospital_column, id_column


class SpeechTextRow(Base):
    """What was said in one voice message or one recording, once it has been recognised.

    `subject_id` is the message or the recording. `content` holds `segments`: `from_ms`, `to_ms`,
    `user` (None where nobody is known) and `text`. `claimed_until` is the lease of whoever works.
    """

    __tablename__ = "speech_texts"

    id: Mapped[UUID] = id_column()
    hospital_id: Mapped[UUID] = hospital_column()
    room_id: Mapped[UUID | None] = mapped_column(ForeignKey("rooms.id"))
    kind: Mapped[str] = mapped_column(String(16), info=INTERNAL)
    subject_id: Mapped[UUID]
    state: Mapped[str] = mapped_column(String(16), info=INTERNAL)
    engine: Mapped[str | None] = mapped_column(String(32), info=INTERNAL)
    progress: Mapped[float] = mapped_column(default=0.0, info=INTERNAL)
    attempts: Mapped[int] = mapped_column(default=0, info=INTERNAL)
    last_error: Mapped[str | None] = mapped_column(Text, info=INTERNAL)
    content: Mapped[dict[str, Any] | None] = mapped_column(EncryptedJSON(), info=SENSITIVE)
    asked_at: Mapped[datetime]
    not_before: Mapped[datetime | None]
    claimed_until: Mapped[datetime | None]
    ready_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("kind", "subject_id"),
        Index("ix_speech_texts_room", "room_id"),
        Index("ix_speech_texts_work", "asked_at", postgresql_where=text("state = 'waiting'")),
    )
