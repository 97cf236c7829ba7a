"""Tables of notifications: templates, preferences, pushes and their attempts, applications."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from clinical.columns import word
from clinical.notifications.states import Outcome, PushState, QuietMode, Skip
from core.crypto.columns import EncryptedJSON, EncryptedText
from core.data_classes import INTERNAL, PERSONAL, SENSITIVE
from core.db import Base, hospital_column, id_column
from realtime.notices import Channel


class NoticeTemplate(Base):
    """One version of a hospital's words for a notice on a channel; the newest is in force.

    `provider_template` is the id that WeChat or the SMS provider gave, `fields` maps its keywords
    to sentences (`{"thing1": "{hospital}"}`). Not `enabled`: the channel is not used.
    """

    __tablename__ = "notice_templates"
    __table_args__ = (UniqueConstraint("hospital_id", "code", "channel", "version"),)

    id: Mapped[UUID] = id_column()
    hospital_id: Mapped[UUID] = hospital_column()
    code: Mapped[str] = mapped_column(String(64), info=INTERNAL)
    channel: Mapped[Channel] = mapped_column(word(Channel), info=INTERNAL)
    version: Mapped[int] = mapped_column(info=INTERNAL)
    title: Mapped[str] = mapped_column(Text, info=INTERNAL)
    body: Mapped[str] = mapped_column(Text, info=INTERNAL)
    provider_template: Mapped[str] = mapped_column(String(100), info=INTERNAL)
    fields: Mapped[dict[str, str]] = mapped_column(JSONB, info=INTERNAL)
    enabled: Mapped[bool] = mapped_column(info=INTERNAL)
    created_at: Mapped[datetime]
    created_by: Mapped[UUID | None]


class NoticePreference(Base):
    """What somebody wants to hear of at a hospital; no row: everything, the hospital's quiet hours.

    `off` are categories, `quiet_from` and `quiet_until` minutes of the day.
    """

    __tablename__ = "notice_preferences"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    hospital_id: Mapped[UUID] = mapped_column(ForeignKey("hospitals.id"), primary_key=True)
    off: Mapped[list[str]] = mapped_column(JSONB, info=INTERNAL)
    quiet_mode: Mapped[QuietMode] = mapped_column(word(QuietMode), info=INTERNAL)
    quiet_from: Mapped[int | None] = mapped_column(info=INTERNAL)
    quiet_until: Mapped[int | None] = mapped_column(info=INTERNAL)
    changed_at: Mapped[datetime]


class Push(Base):
    """One notice on its way to one person outside; `source` names its cause, once for good.

    `parameters` holds only what may leave the house. `next_attempt_at` is also the lease of the
    attempt under way.
    """

    __tablename__ = "notice_pushes"
    __table_args__ = (
        UniqueConstraint("hospital_id", "user_id", "source"),
        Index("ix_notice_pushes_due", "next_attempt_at", postgresql_where=text("state = 'due'")),
        Index("ix_notice_pushes_log", "hospital_id", "created_at", "id"),
        Index("ix_notice_pushes_user", "user_id"),
    )

    id: Mapped[UUID] = id_column()
    hospital_id: Mapped[UUID] = hospital_column()
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    code: Mapped[str] = mapped_column(String(64), info=INTERNAL)
    source: Mapped[str] = mapped_column(String(120), info=INTERNAL)
    inbox_cursor: Mapped[int | None] = mapped_column(BigInteger, info=INTERNAL)
    room_id: Mapped[UUID | None]
    room_seq: Mapped[int | None] = mapped_column(BigInteger, info=INTERNAL)
    parameters: Mapped[dict[str, Any]] = mapped_column(EncryptedJSON(), info=PERSONAL)
    ref_type: Mapped[str | None] = mapped_column(String(40), info=INTERNAL)
    ref_id: Mapped[str | None] = mapped_column(String(64), info=INTERNAL)
    state: Mapped[PushState] = mapped_column(word(PushState), info=INTERNAL)
    skipped: Mapped[Skip | None] = mapped_column(word(Skip), info=INTERNAL)
    channel: Mapped[Channel | None] = mapped_column(word(Channel), info=INTERNAL)
    #: Attempts before this moment do not count any more: an administrator let it begin anew.
    tried_since: Mapped[datetime]
    next_attempt_at: Mapped[datetime]
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class PushAttempt(Base):
    """One attempt, stored before the call; without an outcome it is under way or was lost.

    `provider_id` is ours, the same for every attempt of a push on a channel: a provider that knows
    such ids sends once. `reference` is what the provider answered.
    """

    __tablename__ = "notice_attempts"
    __table_args__ = (Index("ix_notice_attempts_push", "push_id", "started_at"),)

    id: Mapped[UUID] = id_column()
    push_id: Mapped[UUID] = mapped_column(ForeignKey("notice_pushes.id", ondelete="CASCADE"))
    hospital_id: Mapped[UUID] = hospital_column()
    channel: Mapped[Channel] = mapped_column(word(Channel), info=INTERNAL)
    template_version: Mapped[int] = mapped_column(info=INTERNAL)
    provider_id: Mapped[str] = mapped_column(String(64), info=INTERNAL)
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    outcome: Mapped[Outcome | None] = mapped_column(word(Outcome), info=INTERNAL)
    detail: Mapped[str] = mapped_column(Text, info=INTERNAL)
    reference: Mapped[str] = mapped_column(String(100), info=INTERNAL)


class RoomNote(Base):
    """The last word of a room of which a member was told outside."""

    __tablename__ = "notice_rooms"

    room_id: Mapped[UUID] = mapped_column(
        ForeignKey("rooms.id", ondelete="CASCADE"), primary_key=True
    )
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    noted_seq: Mapped[int] = mapped_column(BigInteger, info=INTERNAL)
    noted_at: Mapped[datetime]


class RoomSweep(Base):
    """Up to which moment a hospital's rooms were looked through for words nobody has read."""

    __tablename__ = "notice_sweeps"

    hospital_id: Mapped[UUID] = mapped_column(ForeignKey("hospitals.id"), primary_key=True)
    up_to: Mapped[datetime]


class WechatToken(Base):
    """The access token of one application at WeChat, shared by all processes.

    `refreshing_until`: somebody asks for a new one, and until then nobody else does.
    """

    __tablename__ = "wechat_tokens"

    appid: Mapped[str] = mapped_column(String(64), primary_key=True, info=INTERNAL)
    token: Mapped[str] = mapped_column(EncryptedText(), info=SENSITIVE)
    expires_at: Mapped[datetime]
    refreshing_until: Mapped[datetime | None]


class SenderApplication(Base):
    """Another system that sends notices, and what it may do.

    `codes` are notices, `audiences` whom it may write to, `addresses` networks (empty: everywhere).
    """

    __tablename__ = "notice_applications"
    __table_args__ = (Index("ix_notice_applications_hospital", "hospital_id", "created_at"),)

    id: Mapped[UUID] = id_column()
    hospital_id: Mapped[UUID] = hospital_column()
    code: Mapped[str] = mapped_column(String(40), unique=True, info=INTERNAL)
    name: Mapped[str] = mapped_column(String(100), info=INTERNAL)
    enabled: Mapped[bool] = mapped_column(info=INTERNAL)
    secret: Mapped[str] = mapped_column(EncryptedText(), info=SENSITIVE)
    codes: Mapped[list[str]] = mapped_column(JSONB, info=INTERNAL)
    audiences: Mapped[list[str]] = mapped_column(JSONB, info=INTERNAL)
    addresses: Mapped[list[str]] = mapped_column(JSONB, info=INTERNAL)
    per_minute: Mapped[int] = mapped_column(info=INTERNAL)
    created_at: Mapped[datetime]
    created_by: Mapped[UUID | None]
    changed_at: Mapped[datetime]


class SentMessage(Base):
    """What an application sent: once for each of its request ids.

    `content` is what recipients read behind the login. `recipients` are user ids. While it waits
    for an acknowledgement, `remind_at` says when it is told again.
    """

    __tablename__ = "notice_messages"
    __table_args__ = (
        UniqueConstraint("application_id", "request_id"),
        Index(
            "ix_notice_messages_unacknowledged",
            "remind_at",
            postgresql_where=text("remind_at IS NOT NULL"),
        ),
    )

    id: Mapped[UUID] = id_column()
    hospital_id: Mapped[UUID] = hospital_column()
    application_id: Mapped[UUID] = mapped_column(ForeignKey("notice_applications.id"))
    request_id: Mapped[str] = mapped_column(String(64), info=INTERNAL)
    digest: Mapped[str] = mapped_column(String(64), info=INTERNAL)
    code: Mapped[str] = mapped_column(String(64), info=INTERNAL)
    content: Mapped[dict[str, Any]] = mapped_column(EncryptedJSON(), info=SENSITIVE)
    recipients: Mapped[list[str]] = mapped_column(JSONB, info=INTERNAL)
    acknowledge: Mapped[bool] = mapped_column(info=INTERNAL)
    reminders: Mapped[int] = mapped_column(info=INTERNAL)
    remind_at: Mapped[datetime | None]
    acknowledged_at: Mapped[datetime | None]
    acknowledged_by: Mapped[UUID | None]
    created_at: Mapped[datetime]
