"""Tables of rooms, their log, the users' inboxes and who is connected where."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from core.crypto.columns import EncryptedJSON, EncryptedText
from core.data_classes import INTERNAL, PERSONAL, SENSITIVE
from core.db import Base, hospital_column, id_column


class RoomRow(Base):
    """A room and the number of the last entry in its log.

    The row lock of a room orders everything that takes a `seq` in it. `ref_type` and `ref_id` are
    opaque here: they belong to whoever opened the room.
    """

    __tablename__ = "rooms"

    id: Mapped[UUID] = id_column()
    hospital_id: Mapped[UUID] = hospital_column()
    kind: Mapped[str] = mapped_column(Text, info=INTERNAL)
    state: Mapped[str] = mapped_column(Text, info=INTERNAL)
    close_reason: Mapped[str | None] = mapped_column(Text, info=INTERNAL)
    seq: Mapped[int] = mapped_column(BigInteger, info=INTERNAL)
    title: Mapped[str] = mapped_column(EncryptedText(), info=PERSONAL)
    ref_type: Mapped[str | None] = mapped_column(Text, info=INTERNAL)
    ref_id: Mapped[UUID | None]
    recording: Mapped[str] = mapped_column(Text, info=INTERNAL)
    lead_id: Mapped[UUID | None]
    opened_at: Mapped[datetime]
    activated_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    last_at: Mapped[datetime]
    #: When retention removed what was said in it; the frame of the log stays.
    cleared_at: Mapped[datetime | None]

    __table_args__ = (
        Index(
            "uq_rooms_ref",
            "ref_type",
            "ref_id",
            "kind",
            unique=True,
            postgresql_where=text("ref_id IS NOT NULL"),
        ),
        # Moves with every message: BRIN lets the row be updated in its page.
        Index(
            "ix_rooms_last",
            "last_at",
            postgresql_using="brin",
            postgresql_with={"pages_per_range": 16, "autosummarize": "on"},
        ),
        Index(
            "ix_rooms_open",
            "hospital_id",
            "kind",
            "id",
            postgresql_where=text("state <> 'closed'"),
        ),
    )


class ParticipantRow(Base):
    """Somebody's place in a room, kept after he left, with how far he has received and read."""

    __tablename__ = "room_participants"

    room_id: Mapped[UUID] = mapped_column(ForeignKey("rooms.id"), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    role: Mapped[str] = mapped_column(Text, info=INTERNAL)
    name: Mapped[str] = mapped_column(EncryptedText(), info=PERSONAL)
    avatar: Mapped[str | None] = mapped_column(Text, info=INTERNAL)
    joined_at: Mapped[datetime]
    left_at: Mapped[datetime | None]
    leave_reason: Mapped[str | None] = mapped_column(Text, info=INTERNAL)
    read_seq: Mapped[int] = mapped_column(BigInteger, default=0, info=INTERNAL)
    delivered_seq: Mapped[int] = mapped_column(BigInteger, default=0, info=INTERNAL)

    __table_args__ = (Index("ix_room_participants_user", "user_id"),)


class MessageRow(Base):
    """One entry of a room's log: what somebody said, or what happened (`kind` `system`).

    `(room, sender, client_id)` is unique for good, so that a retry finds its first delivery. The
    body of a recalled message stays, encrypted, but is not served.
    """

    __tablename__ = "room_messages"

    room_id: Mapped[UUID] = mapped_column(ForeignKey("rooms.id"), primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    id: Mapped[UUID] = mapped_column(unique=True)
    sender_id: Mapped[UUID | None]
    sender_role: Mapped[str | None] = mapped_column(Text, info=INTERNAL)
    client_id: Mapped[UUID | None]
    kind: Mapped[str] = mapped_column(Text, info=INTERNAL)
    body: Mapped[dict[str, Any]] = mapped_column(EncryptedJSON(), info=SENSITIVE)
    reply_to: Mapped[int | None] = mapped_column(BigInteger, info=INTERNAL)
    at: Mapped[datetime]
    recalled_at: Mapped[datetime | None]

    __table_args__ = (
        Index(
            "uq_room_messages_client",
            "room_id",
            "sender_id",
            "client_id",
            unique=True,
            postgresql_where=text("client_id IS NOT NULL"),
        ),
    )


class TranscriptRow(Base):
    """A room's log as a document: asked for, made in the background, kept for some days.

    The digests stay when the files are gone, so that a copy can be compared with them later.
    `total` and `done` count entries; the document holds those up to `last_seq`.
    """

    __tablename__ = "room_transcripts"

    id: Mapped[UUID] = id_column()
    hospital_id: Mapped[UUID] = hospital_column()
    room_id: Mapped[UUID] = mapped_column(ForeignKey("rooms.id"))
    asked_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    role: Mapped[str] = mapped_column(Text, info=INTERNAL)
    #: What is taken out for whoever asked: `none`, `masked` or `hidden` names of patients.
    names: Mapped[str] = mapped_column(Text, info=INTERNAL)
    state: Mapped[str] = mapped_column(Text, info=INTERNAL)
    last_seq: Mapped[int] = mapped_column(BigInteger, info=INTERNAL)
    total: Mapped[int] = mapped_column(BigInteger, info=INTERNAL)
    done: Mapped[int] = mapped_column(BigInteger, default=0, info=INTERNAL)
    attempts: Mapped[int] = mapped_column(default=0, info=INTERNAL)
    claimed_until: Mapped[datetime | None]
    last_error: Mapped[str | None] = mapped_column(Text, info=INTERNAL)
    created_at: Mapped[datetime]
    ready_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    #: SM3, hexadecimal: of the canonical content, of the JSON file and of the PDF file.
    digest: Mapped[str | None] = mapped_column(Text, info=INTERNAL)
    json_digest: Mapped[str | None] = mapped_column(Text, info=INTERNAL)
    pdf_digest: Mapped[str | None] = mapped_column(Text, info=INTERNAL)

    __table_args__ = (
        Index("ix_room_transcripts_room", "room_id", "asked_by"),
        Index(
            "ix_room_transcripts_waiting",
            "created_at",
            postgresql_where=text("state IN ('waiting', 'running')"),
        ),
        Index("ix_room_transcripts_digest", "digest"),
        Index("ix_room_transcripts_pdf_digest", "pdf_digest"),
    )

    def key(self, kind: str) -> str:
        """Where the file lies in the object store; `kind` is `json` or `pdf`."""
        return f"transcripts/{self.created_at:%Y/%m}/{self.id}/transcript.{kind}"


class InboxRow(Base):
    """How far the numbering of one user's inbox at one hospital has come, and how far he has read.

    Its row lock orders the items, so that a cursor never passes an item that commits later.
    """

    __tablename__ = "inboxes"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    hospital_id: Mapped[UUID] = mapped_column(ForeignKey("hospitals.id"), primary_key=True)
    last: Mapped[int] = mapped_column(BigInteger, default=0, info=INTERNAL)
    read_up_to: Mapped[int] = mapped_column(BigInteger, default=0, info=INTERNAL)


class InboxItemRow(Base):
    """One thing that concerns a user outside the open room. `cursor` starts at 1 and has no
    gaps. `read_at`: opened by itself, above the watermark of the inbox.
    """

    __tablename__ = "inbox_items"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    hospital_id: Mapped[UUID] = mapped_column(ForeignKey("hospitals.id"), primary_key=True)
    cursor: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    type: Mapped[str] = mapped_column(Text, info=INTERNAL)
    title: Mapped[str] = mapped_column(EncryptedText(), info=SENSITIVE)
    text: Mapped[str] = mapped_column(EncryptedText(), info=SENSITIVE)
    ref_type: Mapped[str | None] = mapped_column(Text, info=INTERNAL)
    ref_id: Mapped[str | None] = mapped_column(Text, info=INTERNAL)
    at: Mapped[datetime]
    read_at: Mapped[datetime | None]


class NodeRow(Base):
    """A process that holds sockets. When its lease runs out, everybody on it is offline."""

    __tablename__ = "gateway_nodes"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    expires_at: Mapped[datetime]


class ConnectionRow(Base):
    """One living socket: a user is online while he has one on a node with a living lease."""

    __tablename__ = "gateway_connections"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    node_id: Mapped[UUID] = mapped_column(ForeignKey("gateway_nodes.id", ondelete="CASCADE"))
    user_id: Mapped[UUID]
    device: Mapped[str] = mapped_column(Text, info=PERSONAL)
    connected_at: Mapped[datetime]

    __table_args__ = (
        Index("ix_gateway_connections_user", "user_id"),
        Index("ix_gateway_connections_node", "node_id"),
    )


class LastSeenRow(Base):
    """When a user was last connected anywhere; who is connected now may have an old one."""

    __tablename__ = "presence_last_seen"

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    seen_at: Mapped[datetime]


class BusyRow(Base):
    """A user who is in a call until `until`, at the latest; renewed while it lasts."""

    __tablename__ = "presence_busy"

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    until: Mapped[datetime]
