"""Tables of announcements: the newest wording, every wording, who has read."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, Text, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from clinical.columns import word
from clinical.notifications.announcements.states import Kind, State
from core.data_classes import INTERNAL, PUBLIC
from core.db import Base, hospital_column, id_column


class Announcement(Base):
    """What a hospital tells. For whom: `roles`, staff of them only in `department_ids` if any are
    named, and `people` besides.

    `cover_id` and `file_ids` are files of the scope `announcement`. `starts_at` to
    `remind_minutes` belong to appointments of work; without minutes the hospital's setting counts.
    `announced_at` is when people were first told, `reminded_at` when they were reminded.
    """

    __tablename__ = "announcements"
    __table_args__ = (
        Index("ix_announcements_shown", "hospital_id", "state", "published_at", "id"),
        Index("ix_announcements_kept", "hospital_id", "changed_at", "id"),
        Index(
            "ix_announcements_due",
            "published_at",
            postgresql_where=text("state = 'published' AND announced_at IS NULL"),
        ),
        Index(
            "ix_announcements_starts",
            "starts_at",
            postgresql_where=text("state = 'published' AND reminded_at IS NULL"),
        ),
    )

    id: Mapped[UUID] = id_column()
    hospital_id: Mapped[UUID] = hospital_column()
    kind: Mapped[Kind] = mapped_column(word(Kind), info=PUBLIC)
    title: Mapped[str] = mapped_column(Text, info=PUBLIC)
    text: Mapped[str] = mapped_column(Text, info=PUBLIC)
    cover_id: Mapped[UUID | None]
    file_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid), info=INTERNAL)
    roles: Mapped[list[str]] = mapped_column(ARRAY(String(32)), info=INTERNAL)
    department_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid), info=INTERNAL)
    people: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid), info=INTERNAL)
    pinned: Mapped[bool] = mapped_column(info=PUBLIC)
    confirm: Mapped[bool] = mapped_column(info=INTERNAL)
    starts_at: Mapped[datetime | None]
    ends_at: Mapped[datetime | None]
    place: Mapped[str] = mapped_column(Text, info=INTERNAL)
    remind_minutes: Mapped[int | None] = mapped_column(info=INTERNAL)
    state: Mapped[State] = mapped_column(word(State), info=INTERNAL)
    published_at: Mapped[datetime | None]
    until: Mapped[datetime | None]
    announced_at: Mapped[datetime | None]
    reminded_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(info=INTERNAL)
    created_at: Mapped[datetime]
    created_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    changed_at: Mapped[datetime]


class AnnouncementVersion(Base):
    """One wording of an announcement and what was decided with it; never changed."""

    __tablename__ = "announcement_versions"

    announcement_id: Mapped[UUID] = mapped_column(
        ForeignKey("announcements.id", ondelete="CASCADE"), primary_key=True
    )
    version: Mapped[int] = mapped_column(primary_key=True)
    content: Mapped[dict[str, Any]] = mapped_column(JSONB, info=INTERNAL)
    changed_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    changed_at: Mapped[datetime]


class AnnouncementRead(Base):
    """That somebody has read an announcement, and confirmed it; `version` is what he read first."""

    __tablename__ = "announcement_reads"
    __table_args__ = (Index("ix_announcement_reads_user", "user_id", "read_at"),)

    announcement_id: Mapped[UUID] = mapped_column(
        ForeignKey("announcements.id", ondelete="CASCADE"), primary_key=True
    )
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    version: Mapped[int] = mapped_column(info=INTERNAL)
    read_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]
