"""Rooms: when retention cleared one, transcripts; the order of phrases."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "room_transcripts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("hospital_id", sa.Uuid(), nullable=False),
        sa.Column("room_id", sa.Uuid(), nullable=False),
        sa.Column("asked_by", sa.Uuid(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("names", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("done", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("claimed_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ready_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("digest", sa.Text(), nullable=True),
        sa.Column("json_digest", sa.Text(), nullable=True),
        sa.Column("pdf_digest", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["asked_by"], ["users.id"], name=op.f("fk_room_transcripts_asked_by")
        ),
        sa.ForeignKeyConstraint(
            ["hospital_id"], ["hospitals.id"], name=op.f("fk_room_transcripts_hospital_id")
        ),
        sa.ForeignKeyConstraint(
            ["room_id"], ["rooms.id"], name=op.f("fk_room_transcripts_room_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_room_transcripts")),
    )
    op.create_index("ix_room_transcripts_digest", "room_transcripts", ["digest"], unique=False)
    op.create_index(
        "ix_room_transcripts_pdf_digest", "room_transcripts", ["pdf_digest"], unique=False
    )
    op.create_index(
        "ix_room_transcripts_room", "room_transcripts", ["room_id", "asked_by"], unique=False
    )
    op.create_index(
        "ix_room_transcripts_waiting",
        "room_transcripts",
        ["created_at"],
        unique=False,
        postgresql_where=sa.text("state IN ('waiting', 'running')"),
    )
    op.add_column(
        "phrases", sa.Column("position", sa.Integer(), server_default="0", nullable=False)
    )
    op.add_column("rooms", sa.Column("cleared_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("rooms", "cleared_at")
    op.drop_column("phrases", "position")
    op.drop_index(
        "ix_room_transcripts_waiting",
        table_name="room_transcripts",
        postgresql_where=sa.text("state IN ('waiting', 'running')"),
    )
    op.drop_index("ix_room_transcripts_room", table_name="room_transcripts")
    op.drop_index("ix_room_transcripts_pdf_digest", table_name="room_transcripts")
    op.drop_index("ix_room_transcripts_digest", table_name="room_transcripts")
    op.drop_table("room_transcripts")
