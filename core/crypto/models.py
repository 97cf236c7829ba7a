"""Tables of the keys: what wraps, what is wrapped, and what is under way with them."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, LargeBinary, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from core.crypto.columns import EncryptedBytes
from core.data_classes import INTERNAL, SENSITIVE
from core.db import Base, id_column


class KekState(StrEnum):
    """A version of the key-encryption key: `current` wraps, `retired` only opens."""

    CURRENT = "current"
    RETIRED = "retired"


class KeyState(StrEnum):
    """A data key: `live` may write, `retired` only reads, of a `destroyed` one the row is left."""

    LIVE = "live"
    RETIRED = "retired"
    DESTROYED = "destroyed"


class RunState(StrEnum):
    """A re-encryption: `running` until every part is through, `failed` when a part gave up."""

    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"


class RunKind(StrEnum):
    """What a run is for: `rotate` moves everything onto the current keys, `convert` encrypts the
    stored files of the time before files were encrypted.
    """

    ROTATE = "rotate"
    CONVERT = "convert"


class KeyEncryptionKey(Base):
    """A version of the key-encryption key. The key itself is with its provider, never here."""

    __tablename__ = "key_encryption_keys"
    __table_args__ = (
        Index(
            "uq_key_encryption_keys_current",
            "state",
            unique=True,
            postgresql_where=text("state = 'current'"),
        ),
    )

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    provider: Mapped[str] = mapped_column(Text, info=INTERNAL)
    state: Mapped[str] = mapped_column(Text, info=INTERNAL)
    created_at: Mapped[datetime]
    activated_at: Mapped[datetime]
    retired_at: Mapped[datetime | None]


class DataKey(Base):
    """A data key, wrapped. `hospital_id` is NULL for a key of the group, `period` for one that
    belongs to no period. It writes from `active_from` on (NULL: since ever).
    """

    __tablename__ = "data_keys"
    __table_args__ = (
        CheckConstraint("(state = 'destroyed') = (wrapped IS NULL)", name="destroyed"),
    )

    purpose: Mapped[str] = mapped_column(Text, primary_key=True)
    id: Mapped[str] = mapped_column(Text, primary_key=True)
    hospital_id: Mapped[UUID | None] = mapped_column(ForeignKey("hospitals.id"), index=True)
    period: Mapped[str | None] = mapped_column(Text, info=INTERNAL)
    state: Mapped[str] = mapped_column(Text, info=INTERNAL)
    created_at: Mapped[datetime]
    active_from: Mapped[datetime | None]
    retired_at: Mapped[datetime | None]
    destroyed_at: Mapped[datetime | None]
    kek_id: Mapped[str] = mapped_column(ForeignKey("key_encryption_keys.id"))
    wrapped: Mapped[bytes | None] = mapped_column(LargeBinary, info=SENSITIVE)
    #: The same secret sealed for the officers of the latest backup.
    backup_id: Mapped[UUID | None] = mapped_column(ForeignKey("key_backups.id"))
    escrow: Mapped[bytes | None] = mapped_column(LargeBinary, info=SENSITIVE)


class KeyRun(Base):
    """One re-encryption, of one hospital (or of everything) and its progress."""

    __tablename__ = "key_runs"
    __table_args__ = (Index("ix_key_runs_started", "started_at"),)

    id: Mapped[UUID] = id_column()
    kind: Mapped[str] = mapped_column(Text, info=INTERNAL)
    hospital_id: Mapped[UUID | None] = mapped_column(ForeignKey("hospitals.id"))
    state: Mapped[str] = mapped_column(Text, info=INTERNAL)
    #: Work begins when the new keys write everywhere.
    begin_at: Mapped[datetime]
    started_at: Mapped[datetime]
    started_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    #: When a batch was done last; None before the first.
    moved_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class KeyRunPart(Base):
    """One table, or the stored files, within a run. `cursor` is the last key that was done."""

    __tablename__ = "key_run_parts"

    run_id: Mapped[UUID] = mapped_column(
        ForeignKey("key_runs.id", ondelete="CASCADE"), primary_key=True
    )
    target: Mapped[str] = mapped_column(Text, primary_key=True)
    cursor: Mapped[list[Any] | None] = mapped_column(JSONB(none_as_null=True), info=INTERNAL)
    total: Mapped[int] = mapped_column(BigInteger, info=INTERNAL)
    seen: Mapped[int] = mapped_column(BigInteger, default=0, info=INTERNAL)
    changed: Mapped[int] = mapped_column(BigInteger, default=0, info=INTERNAL)
    #: Rows or files that could not be read; they are left as they are and hold their key.
    failed: Mapped[int] = mapped_column(BigInteger, default=0, info=INTERNAL)
    error: Mapped[str | None] = mapped_column(Text, info=INTERNAL)
    finished_at: Mapped[datetime | None]


class KeyBackup(Base):
    """A backup of all data keys that was written for the officers to keep; `id` names the set.

    `public_key` seals every key that is made afterwards; `check_key` authenticates that, and
    `stamp` the public key itself (`core.crypto.shares`).
    """

    __tablename__ = "key_backups"

    id: Mapped[UUID] = id_column()
    at: Mapped[datetime]
    officers: Mapped[int] = mapped_column(info=INTERNAL)
    needed: Mapped[int] = mapped_column(info=INTERNAL)
    public_key: Mapped[bytes] = mapped_column(LargeBinary, info=INTERNAL)
    check_key: Mapped[bytes] = mapped_column(EncryptedBytes(), info=SENSITIVE)
    stamp: Mapped[bytes] = mapped_column(LargeBinary, info=INTERNAL)


class KeyDrill(Base):
    """A rehearsal of a restore: whether the shares and the backup opened samples of the data."""

    __tablename__ = "key_drills"

    id: Mapped[UUID] = id_column()
    backup_id: Mapped[UUID | None]
    at: Mapped[datetime]
    ok: Mapped[bool] = mapped_column(info=INTERNAL)
    samples: Mapped[int] = mapped_column(info=INTERNAL)
    detail: Mapped[dict[str, Any]] = mapped_column(JSONB, info=INTERNAL)
