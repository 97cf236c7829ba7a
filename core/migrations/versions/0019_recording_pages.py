"""Recordings: what stands on the time line, and the layout of the composed picture."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("recordings", sa.Column("layout", sa.String(length=16), nullable=True))
    op.add_column(
        "recordings",
        sa.Column("arranging", sa.Boolean(), server_default="false", nullable=False),
    )
    op.create_table(
        "recording_outlines",
        sa.Column("recording_id", sa.Uuid(), nullable=False),
        sa.Column("hospital_id", sa.Uuid(), nullable=False),
        sa.Column("origin_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("layout", sa.String(length=16), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["hospital_id"], ["hospitals.id"], name=op.f("fk_recording_outlines_hospital_id")
        ),
        sa.ForeignKeyConstraint(
            ["recording_id"],
            ["recordings.id"],
            name=op.f("fk_recording_outlines_recording_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("recording_id", name=op.f("pk_recording_outlines")),
    )


def downgrade() -> None:
    op.drop_table("recording_outlines")
    op.drop_column("recordings", "arranging")
    op.drop_column("recordings", "layout")
