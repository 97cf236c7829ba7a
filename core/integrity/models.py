"""Tables of integrity: the ledger of protected rows, the chain of blocks, checks and findings."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import DDL, BigInteger, Enum, ForeignKey, Index, String, Text, event, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from core.crypto.columns import EncryptedText
from core.data_classes import INTERNAL, SENSITIVE
from core.db import Base, id_column


def _word(kind: type[StrEnum]) -> Enum:
    return Enum(
        kind,
        native_enum=False,
        length=32,
        create_constraint=False,
        values_callable=lambda members: [member.value for member in members],
    )


class Entry(StrEnum):
    """What a ledger row says of its subject."""

    WRITTEN = "written"
    REMOVED = "removed"
    #: The rows that a table held before it was protected were taken in.
    ADOPTED = "adopted"


class LedgerRow(Base):
    """That a row of a protected table got this version and MAC, or was lawfully removed.

    `seal_seq` is NULL until the sealer has put the row into a block; then it is its place in the
    chain. Nothing else of a row ever changes, and no row is ever removed.
    """

    __tablename__ = "integrity_ledger"
    __table_args__ = (
        Index("uq_integrity_ledger_subject", "table_name", "row_id", "version", unique=True),
        Index("ix_integrity_ledger_unsealed", "id", postgresql_where=text("seal_seq IS NULL")),
    )

    id: Mapped[UUID] = id_column()
    at: Mapped[datetime]
    table_name: Mapped[str] = mapped_column(String(63), info=INTERNAL)
    row_id: Mapped[str] = mapped_column(Text, info=INTERNAL)
    version: Mapped[int] = mapped_column(info=INTERNAL)
    kind: Mapped[Entry] = mapped_column(_word(Entry), info=INTERNAL)
    mac: Mapped[str] = mapped_column(Text, info=INTERNAL)
    seal_seq: Mapped[int | None] = mapped_column(BigInteger, unique=True, info=INTERNAL)


class SealBlock(Base):
    """One link of the chain: the ledger rows `first_seq` to `last_seq`, and the link before."""

    __tablename__ = "integrity_blocks"

    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    first_seq: Mapped[int] = mapped_column(BigInteger, unique=True, info=INTERNAL)
    last_seq: Mapped[int] = mapped_column(BigInteger, unique=True, info=INTERNAL)
    digest: Mapped[str] = mapped_column(Text, info=INTERNAL)
    previous_mac: Mapped[str] = mapped_column(Text, info=INTERNAL)
    mac: Mapped[str] = mapped_column(Text, info=INTERNAL)
    sealed_at: Mapped[datetime]

    @property
    def count(self) -> int:
        return self.last_seq - self.first_seq + 1


class AnchorMark(Base):
    """How far the chain has been anchored at one place outside the database."""

    __tablename__ = "integrity_anchors"

    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, info=INTERNAL)
    block: Mapped[int] = mapped_column(BigInteger, info=INTERNAL)
    anchored_at: Mapped[datetime]


class CheckOrigin(StrEnum):
    """Who asked for a check."""

    SCHEDULE = "schedule"
    PERSON = "person"
    COMMAND = "command"


class IntegrityCheck(Base):
    """One run of the checker, done in slices; `cursor` is where the next slice begins.

    `done` and `total` count rows; `total` is an estimate made at the beginning.
    """

    __tablename__ = "integrity_checks"
    __table_args__ = (
        # At most one runs at a time; asking again joins the one under way.
        Index(
            "uq_integrity_checks_running",
            text("(finished_at IS NULL)"),
            unique=True,
            postgresql_where=text("finished_at IS NULL"),
        ),
        Index("ix_integrity_checks_started", "started_at"),
    )

    id: Mapped[UUID] = id_column()
    origin: Mapped[CheckOrigin] = mapped_column(_word(CheckOrigin), info=INTERNAL)
    hospital_id: Mapped[UUID | None] = mapped_column(ForeignKey("hospitals.id"))
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    stage: Mapped[str] = mapped_column(String(100), default="", info=INTERNAL)
    cursor: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict, info=INTERNAL)
    total: Mapped[int] = mapped_column(BigInteger, default=0, info=INTERNAL)
    done: Mapped[int] = mapped_column(BigInteger, default=0, info=INTERNAL)
    found: Mapped[int] = mapped_column(default=0, info=INTERNAL)


class Kind(StrEnum):
    """What the checker found wrong."""

    ROW_CHANGED = "row_changed"
    ROW_REMOVED = "row_removed"
    ROW_SWAPPED = "row_swapped"
    ROW_ROLLED_BACK = "row_rolled_back"
    ROW_FORGED = "row_forged"
    LEDGER_CHANGED = "ledger_changed"
    LEDGER_UNSEALED = "ledger_unsealed"
    BLOCK_CHANGED = "block_changed"
    BLOCK_REMOVED = "block_removed"
    TAIL_CUT = "tail_cut"
    CHAIN_REPLACED = "chain_replaced"
    ANCHOR_CHANGED = "anchor_changed"
    ANCHOR_REMOVED = "anchor_removed"


class IntegrityFinding(Base):
    """Something wrong, known once however often it is found again, until somebody explains it.

    `hospital_id` is NULL for what concerns the whole installation (the chain).
    """

    __tablename__ = "integrity_findings"
    __table_args__ = (
        Index(
            "uq_integrity_findings_open",
            "kind",
            "table_name",
            "row_id",
            unique=True,
            postgresql_where=text("explained_at IS NULL"),
        ),
        Index("ix_integrity_findings_seen", "last_seen_at"),
    )

    id: Mapped[UUID] = id_column()
    check_id: Mapped[UUID | None] = mapped_column(ForeignKey("integrity_checks.id"))
    hospital_id: Mapped[UUID | None] = mapped_column(ForeignKey("hospitals.id"))
    kind: Mapped[Kind] = mapped_column(_word(Kind), info=INTERNAL)
    table_name: Mapped[str] = mapped_column(String(63), info=INTERNAL)
    row_id: Mapped[str] = mapped_column(Text, info=INTERNAL)
    words: Mapped[str] = mapped_column(Text, info=INTERNAL)
    #: What the thing looks like now: an explanation holds for this alone.
    fingerprint: Mapped[str] = mapped_column(String(64), info=INTERNAL)
    found_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    explained_at: Mapped[datetime | None]
    explained_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    explanation: Mapped[str | None] = mapped_column(EncryptedText(), info=SENSITIVE)


#: Statements for a migration and for `create_all`, in order.
APPEND_ONLY_DDL: tuple[str, ...] = (
    """CREATE OR REPLACE FUNCTION integrity_refuse_change() RETURNS trigger
LANGUAGE plpgsql AS $body$
BEGIN
  RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END
$body$""",
    """CREATE OR REPLACE FUNCTION integrity_ledger_only_seal() RETURNS trigger
LANGUAGE plpgsql AS $body$
BEGIN
  IF OLD.seal_seq IS NULL AND NEW.seal_seq IS NOT NULL
     AND (OLD.id, OLD.at, OLD.table_name, OLD.row_id, OLD.version, OLD.kind, OLD.mac)
       = (NEW.id, NEW.at, NEW.table_name, NEW.row_id, NEW.version, NEW.kind, NEW.mac) THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'integrity_ledger is append-only' USING ERRCODE = 'insufficient_privilege';
END
$body$""",
    """CREATE TRIGGER integrity_ledger_only_seal
BEFORE UPDATE ON integrity_ledger
FOR EACH ROW EXECUTE FUNCTION integrity_ledger_only_seal()""",
    """CREATE TRIGGER integrity_ledger_append_only
BEFORE DELETE ON integrity_ledger
FOR EACH ROW EXECUTE FUNCTION integrity_refuse_change()""",
    """CREATE TRIGGER integrity_ledger_no_truncate
BEFORE TRUNCATE ON integrity_ledger
FOR EACH STATEMENT EXECUTE FUNCTION integrity_refuse_change()""",
    """CREATE TRIGGER integrity_blocks_append_only
BEFORE UPDATE OR DELETE ON integrity_blocks
FOR EACH ROW EXECUTE FUNCTION integrity_refuse_change()""",
    """CREATE TRIGGER integrity_blocks_no_truncate
BEFORE TRUNCATE ON integrity_blocks
FOR EACH STATEMENT EXECUTE FUNCTION integrity_refuse_change()""",
)

for _statement in APPEND_ONLY_DDL:
    event.listen(
        SealBlock.__table__ if "integrity_blocks" in _statement else LedgerRow.__table__,
        "after_create",
        DDL(_statement.replace("%", "%%")),  # type: ignore[no-untyped-call]
    )
