"""Trust: login."""

import sqlalchemy as sa
from alembic import op

MOMENT = sa.DateTime(timezone=True)

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _extend()
    op.create_table(
        "totp_factors",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("secret", sa.LargeBinary()),
        sa.Column("confirmed_at", MOMENT),
        sa.Column("candidate", sa.LargeBinary()),
        sa.Column("candidate_at", MOMENT),
        sa.Column("last_step", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_totp_factors_user_id"),
        sa.PrimaryKeyConstraint("user_id", name="pk_totp_factors"),
    )
    op.create_table(
        "recovery_codes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("code_digest", sa.LargeBinary(32), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("used_at", MOMENT),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_recovery_codes_user_id"),
        sa.PrimaryKeyConstraint("id", name="pk_recovery_codes"),
    )
    op.create_index("ix_recovery_codes_user_id", "recovery_codes", ["user_id"])
    op.create_table(
        "password_history",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("replaced_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_password_history_user_id"),
        sa.PrimaryKeyConstraint("id", name="pk_password_history"),
    )
    op.create_index("ix_password_history_user", "password_history", ["user_id", "replaced_at"])
    _external()
    _certifications()


def _extend() -> None:
    """New columns of tables that are filled already."""
    required: sa.Column[bool] = sa.Column(
        "password_reset_required", sa.Boolean(), nullable=False, server_default=sa.false()
    )
    op.add_column("users", required)
    op.alter_column("users", "password_reset_required", server_default=None)
    sessions = "device_sessions"
    op.add_column(sessions, sa.Column("active_at", MOMENT))
    op.execute("UPDATE device_sessions SET active_at = last_seen_at")
    op.alter_column(sessions, "active_at", nullable=False)
    for table, name, length, value in (
        (sessions, "label", 40, ""),
        (sessions, "login_method", 16, "password"),
        ("sms_codes", "purpose", 16, "login"),
    ):
        text = sa.Column(name, sa.String(length), nullable=False, server_default=value)
        op.add_column(table, text)
        op.alter_column(table, name, server_default=None)
    op.add_column(sessions, sa.Column("second_factor_at", MOMENT))
    op.add_column(sessions, sa.Column("second_factor_method", sa.String(16)))
    op.add_column(sessions, sa.Column("external_session", sa.String(200)))
    op.add_column(sessions, sa.Column("notified_at", MOMENT))
    op.create_index("ix_device_sessions_external_session", sessions, ["external_session"])
    op.add_column("login_throttles", sa.Column("user_id", sa.Uuid()))
    op.create_foreign_key(
        "fk_login_throttles_user_id", "login_throttles", "users", ["user_id"], ["id"]
    )
    op.create_index("ix_login_throttles_user_id", "login_throttles", ["user_id"])
    none = sa.Column("lockouts", sa.Integer(), nullable=False, server_default="0")
    op.add_column("login_throttles", none)
    op.alter_column("login_throttles", "lockouts", server_default=None)


def _external() -> None:
    op.create_table(
        "external_identities",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.String(16), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("subject", sa.LargeBinary(), nullable=False),
        sa.Column("subject_index", sa.LargeBinary(32), nullable=False),
        sa.Column("union_index", sa.LargeBinary(32)),
        sa.Column("session_key", sa.LargeBinary()),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("last_used_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_external_identities_user_id"),
        sa.PrimaryKeyConstraint("id", name="pk_external_identities"),
        sa.UniqueConstraint(
            "provider",
            "tenant",
            "subject_index",
            name="uq_external_identities_provider_tenant_subject_index",
        ),
    )
    for column in ("user_id", "union_index"):
        op.create_index(f"ix_external_identities_{column}", "external_identities", [column])
    op.create_table(
        "login_attempts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("state_digest", sa.LargeBinary(32), nullable=False),
        sa.Column("device_id", sa.String(100), nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("hospital_id", sa.Uuid()),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("used_at", MOMENT),
        sa.ForeignKeyConstraint(
            ["hospital_id"], ["hospitals.id"], name="fk_login_attempts_hospital_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_login_attempts"),
        sa.UniqueConstraint("state_digest", name="uq_login_attempts_state_digest"),
    )
    for column in ("address", "expires_at"):
        op.create_index(f"ix_login_attempts_{column}", "login_attempts", [column])


def _certifications() -> None:
    op.create_table(
        "certifications",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("hospital_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("method", sa.String(16), nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("name", sa.LargeBinary(), nullable=False),
        sa.Column("id_number", sa.LargeBinary(), nullable=False),
        sa.Column("front_file_id", sa.Uuid()),
        sa.Column("back_file_id", sa.Uuid()),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("finished_at", MOMENT),
        sa.ForeignKeyConstraint(
            ["hospital_id"], ["hospitals.id"], name="fk_certifications_hospital_id"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_certifications_user_id"),
        sa.PrimaryKeyConstraint("id", name="pk_certifications"),
    )
    op.create_index("ix_certifications_user_id", "certifications", ["user_id"])


def downgrade() -> None:
    for table in (
        "certifications",
        "login_attempts",
        "external_identities",
        "password_history",
        "recovery_codes",
        "totp_factors",
    ):
        op.drop_table(table)
    op.drop_column("login_throttles", "lockouts")
    op.drop_column("login_throttles", "user_id")
    op.drop_column("sms_codes", "purpose")
    for column in (
        "notified_at",
        "external_session",
        "second_factor_method",
        "second_factor_at",
        "login_method",
        "label",
        "active_at",
    ):
        op.drop_column("device_sessions", column)
    op.drop_column("users", "password_reset_required")
