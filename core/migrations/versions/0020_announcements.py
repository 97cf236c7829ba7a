"""Announcements and appointments of work: their wordings, and who has read them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "announcements",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("hospital_id", sa.Uuid(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "news",
                "internal",
                "public",
                "meeting",
                "course",
                "academic",
                name="kind",
                native_enum=False,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("cover_id", sa.Uuid(), nullable=True),
        sa.Column("file_ids", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("roles", postgresql.ARRAY(sa.String(length=32)), nullable=False),
        sa.Column("department_ids", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("people", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("pinned", sa.Boolean(), nullable=False),
        sa.Column("confirm", sa.Boolean(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("remind_minutes", sa.Integer(), nullable=True),
        sa.Column(
            "state",
            sa.Enum("draft", "published", "withdrawn", name="state", native_enum=False, length=32),
            nullable=False,
        ),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("announced_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reminded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["created_by"], ["users.id"], name=op.f("fk_announcements_created_by")
        ),
        sa.ForeignKeyConstraint(
            ["hospital_id"], ["hospitals.id"], name=op.f("fk_announcements_hospital_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_announcements")),
    )
    op.create_index(
        "ix_announcements_due",
        "announcements",
        ["published_at"],
        unique=False,
        postgresql_where=sa.text("state = 'published' AND announced_at IS NULL"),
    )
    op.create_index(
        "ix_announcements_kept", "announcements", ["hospital_id", "changed_at", "id"], unique=False
    )
    op.create_index(
        "ix_announcements_shown",
        "announcements",
        ["hospital_id", "state", "published_at", "id"],
        unique=False,
    )
    op.create_index(
        "ix_announcements_starts",
        "announcements",
        ["starts_at"],
        unique=False,
        postgresql_where=sa.text("state = 'published' AND reminded_at IS NULL"),
    )
    op.create_table(
        "announcement_reads",
        sa.Column("announcement_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["announcement_id"],
            ["announcements.id"],
            name=op.f("fk_announcement_reads_announcement_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_announcement_reads_user_id")
        ),
        sa.PrimaryKeyConstraint("announcement_id", "user_id", name=op.f("pk_announcement_reads")),
    )
    op.create_index(
        "ix_announcement_reads_user", "announcement_reads", ["user_id", "read_at"], unique=False
    )
    op.create_table(
        "announcement_versions",
        sa.Column("announcement_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("content", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("changed_by", sa.Uuid(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["announcement_id"],
            ["announcements.id"],
            name=op.f("fk_announcement_versions_announcement_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["changed_by"], ["users.id"], name=op.f("fk_announcement_versions_changed_by")
        ),
        sa.PrimaryKeyConstraint(
            "announcement_id", "version", name=op.f("pk_announcement_versions")
        ),
    )


def downgrade() -> None:
    op.drop_table("announcement_versions")
    op.drop_index("ix_announcement_reads_user", table_name="announcement_reads")
    op.drop_table("announcement_reads")
    op.drop_index(
        "ix_announcements_starts",
        table_name="announcements",
        postgresql_where=sa.text("state = 'published' AND reminded_at IS NULL"),
    )
    op.drop_index("ix_announcements_shown", table_name="announcements")
    op.drop_index("ix_announcements_kept", table_name="announcements")
    op.drop_index(
        "ix_announcements_due",
        table_name="announcements",
        postgresql_where=sa.text("state = 'published' AND announced_at IS NULL"),
    )
    op.drop_table("announcements")
