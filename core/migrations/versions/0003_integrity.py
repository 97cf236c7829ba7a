"""Trust: protected rows, their ledger, the sealed chain, checks and findings."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# Rows that are there already get version and MAC when they are taken in (core.integrity.adoption).
PROTECTED = (
    "consultations",
    "orders",
    "patient_relations",
    "patients",
    "payments",
    "recording_files",
    "recordings",
    "refunds",
)

TRIGGERS = (
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


def upgrade() -> None:
    for table in PROTECTED:
        op.add_column(
            table, sa.Column("integrity_version", sa.Integer(), server_default="0", nullable=False)
        )
        op.add_column(
            table, sa.Column("integrity_mac", sa.Text(), server_default="", nullable=False)
        )
    # A protected row goes with a tombstone or not at all.
    op.drop_constraint("fk_recording_files_recording_id", "recording_files")
    op.create_foreign_key(
        "fk_recording_files_recording_id",
        "recording_files",
        "recordings",
        ["recording_id"],
        ["id"],
    )
    op.add_column("audit_entries", sa.Column("reason", sa.LargeBinary(), nullable=True))
    op.add_column("audit_entries", sa.Column("changes", sa.LargeBinary(), nullable=True))
    _ledger()
    _checks()
    for statement in TRIGGERS:
        op.execute(statement)
    # Answers were kept in the clear until now; a key keeps its effect without its answer.
    op.execute("UPDATE idempotency_keys SET answer = NULL")


def _ledger() -> None:
    op.create_table(
        "integrity_ledger",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("table_name", sa.String(length=63), nullable=False),
        sa.Column("row_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("mac", sa.Text(), nullable=False),
        sa.Column("seal_seq", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_integrity_ledger")),
        sa.UniqueConstraint("seal_seq", name=op.f("uq_integrity_ledger_seal_seq")),
    )
    op.create_index(
        "uq_integrity_ledger_subject",
        "integrity_ledger",
        ["table_name", "row_id", "version"],
        unique=True,
    )
    op.create_index(
        "ix_integrity_ledger_unsealed",
        "integrity_ledger",
        ["id"],
        postgresql_where=sa.text("seal_seq IS NULL"),
    )
    op.create_table(
        "integrity_blocks",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("first_seq", sa.BigInteger(), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("previous_mac", sa.Text(), nullable=False),
        sa.Column("mac", sa.Text(), nullable=False),
        sa.Column("sealed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_integrity_blocks")),
        sa.UniqueConstraint("first_seq", name=op.f("uq_integrity_blocks_first_seq")),
        sa.UniqueConstraint("last_seq", name=op.f("uq_integrity_blocks_last_seq")),
    )
    op.create_table(
        "integrity_anchors",
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("block", sa.BigInteger(), nullable=False),
        sa.Column("anchored_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_integrity_anchors")),
    )


def _checks() -> None:
    op.create_table(
        "integrity_checks",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("origin", sa.String(length=32), nullable=False),
        sa.Column("hospital_id", sa.Uuid(), nullable=True),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("stage", sa.String(length=100), nullable=False),
        sa.Column("cursor", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("done", sa.BigInteger(), nullable=False),
        sa.Column("found", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["hospital_id"], ["hospitals.id"], name=op.f("fk_integrity_checks_hospital_id")
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_integrity_checks_user_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_integrity_checks")),
    )
    op.create_index("ix_integrity_checks_started", "integrity_checks", ["started_at"])
    op.create_index(
        "uq_integrity_checks_running",
        "integrity_checks",
        [sa.text("(finished_at IS NULL)")],
        unique=True,
        postgresql_where=sa.text("finished_at IS NULL"),
    )
    op.create_table(
        "integrity_findings",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("check_id", sa.Uuid(), nullable=True),
        sa.Column("hospital_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("table_name", sa.String(length=63), nullable=False),
        sa.Column("row_id", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("explained_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("explained_by", sa.Uuid(), nullable=True),
        sa.Column("explanation", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["check_id"], ["integrity_checks.id"], name=op.f("fk_integrity_findings_check_id")
        ),
        sa.ForeignKeyConstraint(
            ["hospital_id"], ["hospitals.id"], name=op.f("fk_integrity_findings_hospital_id")
        ),
        sa.ForeignKeyConstraint(
            ["explained_by"], ["users.id"], name=op.f("fk_integrity_findings_explained_by")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_integrity_findings")),
    )
    op.create_index("ix_integrity_findings_seen", "integrity_findings", ["last_seen_at"])
    op.create_index(
        "uq_integrity_findings_open",
        "integrity_findings",
        ["kind", "table_name", "row_id"],
        unique=True,
        postgresql_where=sa.text("explained_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_constraint("fk_recording_files_recording_id", "recording_files")
    op.create_foreign_key(
        "fk_recording_files_recording_id",
        "recording_files",
        "recordings",
        ["recording_id"],
        ["id"],
        ondelete="CASCADE",
    )
    for table in (
        "integrity_findings",
        "integrity_checks",
        "integrity_anchors",
        "integrity_blocks",
        "integrity_ledger",
    ):
        op.drop_table(table)
    op.execute("DROP FUNCTION integrity_ledger_only_seal()")
    op.execute("DROP FUNCTION integrity_refuse_change()")
    op.drop_column("audit_entries", "changes")
    op.drop_column("audit_entries", "reason")
    for table in PROTECTED:
        op.drop_column(table, "integrity_mac")
        op.drop_column(table, "integrity_version")
