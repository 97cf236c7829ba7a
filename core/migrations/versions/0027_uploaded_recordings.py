"""Recordings that were uploaded, and those whose time is over."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "recording_uploads",
        sa.Column("recording_id", sa.Uuid(), nullable=False),
        sa.Column("hospital_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("title", sa.LargeBinary(), nullable=False),
        sa.Column("patient_id", sa.Uuid(), nullable=True),
        sa.Column("uploader_id", sa.Uuid(), nullable=False),
        sa.Column("file_id", sa.Uuid(), nullable=False),
        sa.Column("source", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("chapters", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["hospital_id"], ["hospitals.id"], name=op.f("fk_recording_uploads_hospital_id")
        ),
        sa.ForeignKeyConstraint(
            ["recording_id"],
            ["recordings.id"],
            name=op.f("fk_recording_uploads_recording_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["uploader_id"], ["users.id"], name=op.f("fk_recording_uploads_uploader_id")
        ),
        sa.PrimaryKeyConstraint("recording_id", name=op.f("pk_recording_uploads")),
    )
    op.create_index(
        "ix_recording_uploads_hospital",
        "recording_uploads",
        ["hospital_id", "created_at"],
        unique=False,
    )
    op.create_index(
        op.f("ix_recording_uploads_uploader_id"), "recording_uploads", ["uploader_id"], unique=False
    )
    op.add_column(
        "files", sa.Column("source", postgresql.JSONB(astext_type=sa.Text()), nullable=True)
    )
    op.add_column(
        "recording_files", sa.Column("superseded_at", sa.DateTime(timezone=True), nullable=True)
    )
    op.add_column("recordings", sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("recordings", sa.Column("removed_rule", sa.String(length=64), nullable=True))
    op.add_column("recordings", sa.Column("emptied_at", sa.DateTime(timezone=True), nullable=True))
    op.alter_column("recordings", "room_id", existing_type=sa.UUID(), nullable=True)
    op.alter_column("recordings", "call_id", existing_type=sa.UUID(), nullable=True)
    op.alter_column("speech_texts", "room_id", existing_type=sa.UUID(), nullable=True)


def downgrade() -> None:
    op.alter_column("speech_texts", "room_id", existing_type=sa.UUID(), nullable=False)
    op.alter_column("recordings", "call_id", existing_type=sa.UUID(), nullable=False)
    op.alter_column("recordings", "room_id", existing_type=sa.UUID(), nullable=False)
    op.drop_column("recordings", "emptied_at")
    op.drop_column("recordings", "removed_rule")
    op.drop_column("recordings", "removed_at")
    op.drop_column("recording_files", "superseded_at")
    op.drop_column("files", "source")
    op.drop_index(op.f("ix_recording_uploads_uploader_id"), table_name="recording_uploads")
    op.drop_index("ix_recording_uploads_hospital", table_name="recording_uploads")
    op.drop_table("recording_uploads")
