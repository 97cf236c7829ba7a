"""Lectures with a stage, and observers of calls."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "calls", sa.Column("lecture", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    op.add_column(
        "call_participants",
        sa.Column("on_stage", sa.Boolean(), server_default=sa.true(), nullable=False),
    )
    op.add_column(
        "call_participants", sa.Column("hand_at", sa.DateTime(timezone=True), nullable=True)
    )
    op.create_table(
        "call_observers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("hospital_id", sa.Uuid(), nullable=False),
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("device", sa.String(length=128), nullable=False),
        sa.Column("reason", sa.LargeBinary(), nullable=False),
        sa.Column("joined_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("left_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("session", sa.String(length=64), nullable=False),
        sa.Column("offer_version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["call_id"], ["calls.id"], name=op.f("fk_call_observers_call_id")),
        sa.ForeignKeyConstraint(
            ["hospital_id"], ["hospitals.id"], name=op.f("fk_call_observers_hospital_id")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_call_observers_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_call_observers")),
    )
    op.create_index(
        "uq_call_observers_present",
        "call_observers",
        ["call_id", "user_id"],
        unique=True,
        postgresql_where=sa.text("left_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_table("call_observers")
    op.drop_column("call_participants", "hand_at")
    op.drop_column("call_participants", "on_stage")
    op.drop_column("calls", "lecture")
