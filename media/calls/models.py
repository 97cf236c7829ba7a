"""Tables of calls."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text, false, text, true
from sqlalchemy.orm import Mapped, mapped_column

from core.crypto.columns import EncryptedText
from core.data_classes import INTERNAL, PERSONAL
from core.db import Base, hospital_column, id_column


class CallRow(Base):
    """A call, and the worker that carries it.

    `generation` grows with every worker that takes the call over: whoever moves a call claims the
    next number, so that of several processes one does it.
    """

    __tablename__ = "calls"

    id: Mapped[UUID] = id_column()
    hospital_id: Mapped[UUID] = hospital_column()
    room_id: Mapped[UUID] = mapped_column(ForeignKey("rooms.id"))
    media: Mapped[str] = mapped_column(String(16), info=INTERNAL)
    state: Mapped[str] = mapped_column(String(16), info=INTERNAL)
    started_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    started_at: Mapped[datetime]
    ring_until: Mapped[datetime]
    answered_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    end_reason: Mapped[str | None] = mapped_column(String(32), info=INTERNAL)
    record: Mapped[bool] = mapped_column(info=INTERNAL)
    lecture: Mapped[bool] = mapped_column(server_default=false(), default=False, info=INTERNAL)
    worker: Mapped[str] = mapped_column(Text, info=INTERNAL)
    generation: Mapped[int] = mapped_column(default=1, info=INTERNAL)
    assigned_at: Mapped[datetime]

    __table_args__ = (
        Index(
            "uq_calls_live",
            "room_id",
            unique=True,
            postgresql_where=text("state <> 'ended'"),
        ),
        Index("ix_calls_room", "room_id", "started_at"),
        Index("ix_calls_hospital", "hospital_id", "started_at"),
    )


class CallParticipantRow(Base):
    """Somebody in a call. `session` is his current PeerConnection, `offer_version` the newest
    offer of it that was passed on, `connect_ms` how long he first took from joining to media.
    """

    __tablename__ = "call_participants"

    call_id: Mapped[UUID] = mapped_column(ForeignKey("calls.id"), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    position: Mapped[int] = mapped_column(info=INTERNAL)
    role: Mapped[str] = mapped_column(String(32), info=INTERNAL)
    name: Mapped[str] = mapped_column(EncryptedText(), info=PERSONAL)
    place: Mapped[str] = mapped_column(String(16), info=INTERNAL)
    device: Mapped[str | None] = mapped_column(String(128), info=PERSONAL)
    audio: Mapped[bool] = mapped_column(info=INTERNAL)
    video: Mapped[bool] = mapped_column(info=INTERNAL)
    screen: Mapped[bool] = mapped_column(server_default=false(), default=False, info=INTERNAL)
    on_stage: Mapped[bool] = mapped_column(server_default=true(), default=True, info=INTERNAL)
    hand_at: Mapped[datetime | None]
    joined_at: Mapped[datetime | None]
    seconds: Mapped[int] = mapped_column(default=0, info=INTERNAL)
    gone_since: Mapped[datetime | None]
    session: Mapped[str | None] = mapped_column(String(64), info=INTERNAL)
    offer_version: Mapped[int] = mapped_column(default=0, info=INTERNAL)
    quality: Mapped[int | None] = mapped_column(info=INTERNAL)
    connect_ms: Mapped[int | None] = mapped_column(info=INTERNAL)

    __table_args__ = (Index("ix_call_participants_user", "user_id"),)


class CallObserverRow(Base):
    """Somebody who listens to a call unseen, and why; `left_at` is None while he does."""

    __tablename__ = "call_observers"

    id: Mapped[UUID] = id_column()
    hospital_id: Mapped[UUID] = hospital_column()
    call_id: Mapped[UUID] = mapped_column(ForeignKey("calls.id"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    device: Mapped[str] = mapped_column(String(128), info=PERSONAL)
    reason: Mapped[str] = mapped_column(EncryptedText(), info=PERSONAL)
    joined_at: Mapped[datetime]
    left_at: Mapped[datetime | None]
    session: Mapped[str] = mapped_column(String(64), info=INTERNAL)
    offer_version: Mapped[int] = mapped_column(default=0, info=INTERNAL)

    __table_args__ = (
        Index(
            "uq_call_observers_present",
            "call_id",
            "user_id",
            unique=True,
            postgresql_where=text("left_at IS NULL"),
        ),
    )


class CallQualityRow(Base):
    """A participant's connection in one minute. `worst` is a level from 1 (bad) to 4; the others
    are sums over `samples` (`rtt_ms` over `rtt_samples`); `paused` counts samples without a
    picture. What stood still is the device's own word: such a row may come before any sample.
    """

    __tablename__ = "call_quality"

    call_id: Mapped[UUID] = mapped_column(ForeignKey("calls.id"), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    begun_at: Mapped[datetime] = mapped_column(primary_key=True)
    samples: Mapped[int] = mapped_column(info=INTERNAL)
    worst: Mapped[int] = mapped_column(info=INTERNAL)
    rtt_ms: Mapped[int] = mapped_column(info=INTERNAL)
    rtt_samples: Mapped[int] = mapped_column(info=INTERNAL)
    loss: Mapped[float] = mapped_column(info=INTERNAL)
    jitter_ms: Mapped[int] = mapped_column(info=INTERNAL)
    bitrate: Mapped[int] = mapped_column(BigInteger, info=INTERNAL)
    paused: Mapped[int] = mapped_column(info=INTERNAL)
    freezes: Mapped[int] = mapped_column(server_default="0", info=INTERNAL)
    frozen_ms: Mapped[int] = mapped_column(server_default="0", info=INTERNAL)
