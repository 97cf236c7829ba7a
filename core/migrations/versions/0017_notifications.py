"""Notifications: templates, preferences, pushes, applications, reminders."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "wechat_tokens",
        sa.Column("appid", sa.String(length=64), nullable=False),
        sa.Column("token", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("refreshing_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("appid", name=op.f("pk_wechat_tokens")),
    )
    op.create_table(
        "notice_applications",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("hospital_id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("codes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("audiences", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("addresses", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("per_minute", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["hospital_id"], ["hospitals.id"], name=op.f("fk_notice_applications_hospital_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notice_applications")),
        sa.UniqueConstraint("code", name=op.f("uq_notice_applications_code")),
    )
    op.create_index(
        "ix_notice_applications_hospital",
        "notice_applications",
        ["hospital_id", "created_at"],
        unique=False,
    )
    op.create_table(
        "notice_preferences",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("hospital_id", sa.Uuid(), nullable=False),
        sa.Column("off", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "quiet_mode",
            sa.Enum("hospital", "own", "none", name="quietmode", native_enum=False, length=32),
            nullable=False,
        ),
        sa.Column("quiet_from", sa.Integer(), nullable=True),
        sa.Column("quiet_until", sa.Integer(), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["hospital_id"], ["hospitals.id"], name=op.f("fk_notice_preferences_hospital_id")
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_notice_preferences_user_id")
        ),
        sa.PrimaryKeyConstraint("user_id", "hospital_id", name=op.f("pk_notice_preferences")),
    )
    op.create_table(
        "notice_pushes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("hospital_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("source", sa.String(length=120), nullable=False),
        sa.Column("inbox_cursor", sa.BigInteger(), nullable=True),
        sa.Column("room_id", sa.Uuid(), nullable=True),
        sa.Column("room_seq", sa.BigInteger(), nullable=True),
        sa.Column("parameters", sa.LargeBinary(), nullable=False),
        sa.Column("ref_type", sa.String(length=40), nullable=True),
        sa.Column("ref_id", sa.String(length=64), nullable=True),
        sa.Column(
            "state",
            sa.Enum(
                "due",
                "sent",
                "skipped",
                "unreachable",
                "parked",
                name="pushstate",
                native_enum=False,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column(
            "skipped",
            sa.Enum(
                "read",
                "connected",
                "switched_off",
                "nobody",
                name="skip",
                native_enum=False,
                length=32,
            ),
            nullable=True,
        ),
        sa.Column(
            "channel",
            sa.Enum(
                "in_app",
                "wechat_mini",
                "wechat_service",
                "sms",
                name="channel",
                native_enum=False,
                length=32,
            ),
            nullable=True,
        ),
        sa.Column("tried_since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["hospital_id"], ["hospitals.id"], name=op.f("fk_notice_pushes_hospital_id")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_notice_pushes_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notice_pushes")),
        sa.UniqueConstraint(
            "hospital_id",
            "user_id",
            "source",
            name=op.f("uq_notice_pushes_hospital_id_user_id_source"),
        ),
    )
    op.create_index(
        "ix_notice_pushes_due",
        "notice_pushes",
        ["next_attempt_at"],
        unique=False,
        postgresql_where=sa.text("state = 'due'"),
    )
    op.create_index(
        "ix_notice_pushes_log", "notice_pushes", ["hospital_id", "created_at", "id"], unique=False
    )
    op.create_index("ix_notice_pushes_user", "notice_pushes", ["user_id"], unique=False)
    op.create_table(
        "notice_sweeps",
        sa.Column("hospital_id", sa.Uuid(), nullable=False),
        sa.Column("up_to", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["hospital_id"], ["hospitals.id"], name=op.f("fk_notice_sweeps_hospital_id")
        ),
        sa.PrimaryKeyConstraint("hospital_id", name=op.f("pk_notice_sweeps")),
    )
    op.create_table(
        "notice_templates",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("hospital_id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column(
            "channel",
            sa.Enum(
                "in_app",
                "wechat_mini",
                "wechat_service",
                "sms",
                name="channel",
                native_enum=False,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("provider_template", sa.String(length=100), nullable=False),
        sa.Column("fields", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(
            ["hospital_id"], ["hospitals.id"], name=op.f("fk_notice_templates_hospital_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notice_templates")),
        sa.UniqueConstraint(
            "hospital_id",
            "code",
            "channel",
            "version",
            name=op.f("uq_notice_templates_hospital_id_code_channel_version"),
        ),
    )
    op.create_table(
        "notice_attempts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("push_id", sa.Uuid(), nullable=False),
        sa.Column("hospital_id", sa.Uuid(), nullable=False),
        sa.Column(
            "channel",
            sa.Enum(
                "in_app",
                "wechat_mini",
                "wechat_service",
                "sms",
                name="channel",
                native_enum=False,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("template_version", sa.Integer(), nullable=False),
        sa.Column("provider_id", sa.String(length=64), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "outcome",
            sa.Enum(
                "sent",
                "no_address",
                "no_template",
                "not_subscribed",
                "misconfigured",
                "refused",
                "unanswered",
                "busy",
                "lost",
                name="outcome",
                native_enum=False,
                length=32,
            ),
            nullable=True,
        ),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("reference", sa.String(length=100), nullable=False),
        sa.ForeignKeyConstraint(
            ["hospital_id"], ["hospitals.id"], name=op.f("fk_notice_attempts_hospital_id")
        ),
        sa.ForeignKeyConstraint(
            ["push_id"],
            ["notice_pushes.id"],
            name=op.f("fk_notice_attempts_push_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notice_attempts")),
    )
    op.create_index(
        "ix_notice_attempts_push", "notice_attempts", ["push_id", "started_at"], unique=False
    )
    op.create_table(
        "notice_messages",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("hospital_id", sa.Uuid(), nullable=False),
        sa.Column("application_id", sa.Uuid(), nullable=False),
        sa.Column("request_id", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("recipients", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("acknowledge", sa.Boolean(), nullable=False),
        sa.Column("reminders", sa.Integer(), nullable=False),
        sa.Column("remind_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("acknowledged_by", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["application_id"],
            ["notice_applications.id"],
            name=op.f("fk_notice_messages_application_id"),
        ),
        sa.ForeignKeyConstraint(
            ["hospital_id"], ["hospitals.id"], name=op.f("fk_notice_messages_hospital_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notice_messages")),
        sa.UniqueConstraint(
            "application_id",
            "request_id",
            name=op.f("uq_notice_messages_application_id_request_id"),
        ),
    )
    op.create_index(
        "ix_notice_messages_unacknowledged",
        "notice_messages",
        ["remind_at"],
        unique=False,
        postgresql_where=sa.text("remind_at IS NOT NULL"),
    )
    op.create_table(
        "notice_rooms",
        sa.Column("room_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("noted_seq", sa.BigInteger(), nullable=False),
        sa.Column("noted_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["room_id"], ["rooms.id"], name=op.f("fk_notice_rooms_room_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_notice_rooms_user_id")),
        sa.PrimaryKeyConstraint("room_id", "user_id", name=op.f("pk_notice_rooms")),
    )
    op.create_table(
        "consultation_reminders",
        sa.Column("consultation_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["consultation_id"],
            ["consultations.id"],
            name=op.f("fk_consultation_reminders_consultation_id"),
        ),
        sa.PrimaryKeyConstraint("consultation_id", "kind", name=op.f("pk_consultation_reminders")),
    )
    op.add_column("inbox_items", sa.Column("read_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("inbox_items", "read_at")
    op.drop_table("consultation_reminders")
    op.drop_table("notice_rooms")
    op.drop_index(
        "ix_notice_messages_unacknowledged",
        table_name="notice_messages",
        postgresql_where=sa.text("remind_at IS NOT NULL"),
    )
    op.drop_table("notice_messages")
    op.drop_index("ix_notice_attempts_push", table_name="notice_attempts")
    op.drop_table("notice_attempts")
    op.drop_table("notice_templates")
    op.drop_table("notice_sweeps")
    op.drop_index("ix_notice_pushes_user", table_name="notice_pushes")
    op.drop_index("ix_notice_pushes_log", table_name="notice_pushes")
    op.drop_index(
        "ix_notice_pushes_due",
        table_name="notice_pushes",
        postgresql_where=sa.text("state = 'due'"),
    )
    op.drop_table("notice_pushes")
    op.drop_table("notice_preferences")
    op.drop_index("ix_notice_applications_hospital", table_name="notice_applications")
    op.drop_table("notice_applications")
    op.drop_table("wechat_tokens")
