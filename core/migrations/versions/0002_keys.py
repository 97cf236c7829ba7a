"""Trust: keys. Wrapped data keys, their runs, backups and drills."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# Append-only, but for one thing: encrypted cells may be sealed anew with another key. What they
# say is under the row's MAC, so an update that changes its words is found like any other.
RESEALABLE_AUDIT = """
    CREATE OR REPLACE FUNCTION audit_entries_refuse_change() RETURNS trigger LANGUAGE plpgsql
    AS $body$
    BEGIN
      IF TG_OP = 'UPDATE' AND current_setting('zhenjian.resealing', true) = 'on' THEN
        IF to_jsonb(NEW) - ARRAY['detail', 'reason', 'changes']
            = to_jsonb(OLD) - ARRAY['detail', 'reason', 'changes'] THEN
          RETURN NEW;
        END IF;
      END IF;
      RAISE EXCEPTION 'audit_entries is append-only' USING ERRCODE = 'insufficient_privilege';
    END
    $body$
"""
SEALED_AUDIT = """
    CREATE OR REPLACE FUNCTION audit_entries_refuse_change() RETURNS trigger LANGUAGE plpgsql
    AS $body$
    BEGIN
      RAISE EXCEPTION 'audit_entries is append-only' USING ERRCODE = 'insufficient_privilege';
    END
    $body$
"""


def upgrade() -> None:
    op.create_table(
        "key_backups",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("officers", sa.Integer(), nullable=False),
        sa.Column("needed", sa.Integer(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("check_key", sa.LargeBinary(), nullable=False),
        sa.Column("stamp", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_key_backups")),
    )
    op.create_table(
        "key_drills",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("backup_id", sa.Uuid(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ok", sa.Boolean(), nullable=False),
        sa.Column("samples", sa.Integer(), nullable=False),
        sa.Column("detail", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_key_drills")),
    )
    op.create_table(
        "key_encryption_keys",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("activated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_key_encryption_keys")),
    )
    op.create_index(
        "uq_key_encryption_keys_current",
        "key_encryption_keys",
        ["state"],
        unique=True,
        postgresql_where=sa.text("state = 'current'"),
    )
    op.create_table(
        "data_keys",
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("hospital_id", sa.Uuid(), nullable=True),
        sa.Column("period", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("active_from", sa.DateTime(timezone=True), nullable=True),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("destroyed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("kek_id", sa.Text(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=True),
        sa.Column("backup_id", sa.Uuid(), nullable=True),
        sa.Column("escrow", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint(
            "(state = 'destroyed') = (wrapped IS NULL)", name=op.f("ck_data_keys_destroyed")
        ),
        sa.ForeignKeyConstraint(
            ["hospital_id"], ["hospitals.id"], name=op.f("fk_data_keys_hospital_id")
        ),
        sa.ForeignKeyConstraint(
            ["backup_id"], ["key_backups.id"], name=op.f("fk_data_keys_backup_id")
        ),
        sa.ForeignKeyConstraint(
            ["kek_id"], ["key_encryption_keys.id"], name=op.f("fk_data_keys_kek_id")
        ),
        sa.PrimaryKeyConstraint("purpose", "id", name=op.f("pk_data_keys")),
    )
    op.create_index(op.f("ix_data_keys_hospital_id"), "data_keys", ["hospital_id"], unique=False)
    op.create_table(
        "key_runs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("hospital_id", sa.Uuid(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("begin_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_by", sa.Uuid(), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["hospital_id"], ["hospitals.id"], name=op.f("fk_key_runs_hospital_id")
        ),
        sa.ForeignKeyConstraint(["started_by"], ["users.id"], name=op.f("fk_key_runs_started_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_key_runs")),
    )
    op.create_index("ix_key_runs_started", "key_runs", ["started_at"], unique=False)
    op.create_table(
        "key_run_parts",
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("cursor", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("seen", sa.BigInteger(), nullable=False),
        sa.Column("changed", sa.BigInteger(), nullable=False),
        sa.Column("failed", sa.BigInteger(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["run_id"], ["key_runs.id"], name=op.f("fk_key_run_parts_run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "target", name=op.f("pk_key_run_parts")),
    )
    op.execute(RESEALABLE_AUDIT)


def downgrade() -> None:
    op.execute(SEALED_AUDIT)
    op.drop_table("key_run_parts")
    op.drop_index("ix_key_runs_started", table_name="key_runs")
    op.drop_table("key_runs")
    op.drop_index(op.f("ix_data_keys_hospital_id"), table_name="data_keys")
    op.drop_table("data_keys")
    op.drop_table("key_backups")
    op.drop_index(
        "uq_key_encryption_keys_current",
        table_name="key_encryption_keys",
        postgresql_where=sa.text("state = 'current'"),
    )
    op.drop_table("key_encryption_keys")
    op.drop_table("key_drills")
