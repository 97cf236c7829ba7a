"""Accounts: visit cards are found by their number; clinicians' profiles and certificates."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    # Filled by the job `index_visit_cards`: a migration holds no keys.
    op.add_column("patients", sa.Column("card_number_index", sa.LargeBinary(32), nullable=True))
    op.create_index("ix_patients_card", "patients", ["hospital_id", "card_number_index"])
    op.create_table(
        "staff_profiles",
        *_owned("staff_profiles"),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("activated_at", MOMENT, nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.UniqueConstraint("hospital_id", "user_id", name="uq_staff_profiles_hospital_id_user_id"),
    )
    op.create_table(
        "profile_submissions",
        *_owned("profile_submissions"),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        *_reviewed(),
    )
    op.create_index(
        "uq_profile_submissions_open",
        "profile_submissions",
        ["hospital_id", "user_id"],
        unique=True,
        postgresql_where=sa.text("state = 'submitted'"),
    )
    op.create_index(
        "ix_profile_submissions_state",
        "profile_submissions",
        ["hospital_id", "state", "submitted_at"],
    )
    op.create_table(
        "staff_certificates",
        *_owned("staff_certificates"),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("number", sa.LargeBinary(), nullable=False),
        sa.Column("issued_on", sa.Date(), nullable=False),
        sa.Column("valid_until", sa.Date()),
        sa.Column("file_id", sa.Uuid(), nullable=False),
        *_reviewed(),
    )
    op.create_index("ix_staff_certificates_user", "staff_certificates", ["hospital_id", "user_id"])
    op.create_index(
        "ix_staff_certificates_state", "staff_certificates", ["hospital_id", "state", "valid_until"]
    )


def _owned(table: str) -> list[sa.schema.SchemaItem]:
    return [
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("hospital_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=f"pk_{table}"),
        sa.ForeignKeyConstraint(["hospital_id"], ["hospitals.id"], name=f"fk_{table}_hospital_id"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=f"fk_{table}_user_id"),
    ]


def _reviewed() -> list[sa.schema.SchemaItem]:
    return [
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("submitted_at", MOMENT, nullable=False),
        sa.Column("decided_at", MOMENT),
        sa.Column("decided_by", sa.Uuid()),
        sa.Column("reason", sa.LargeBinary()),
    ]


def downgrade() -> None:
    for table in ("staff_certificates", "profile_submissions", "staff_profiles"):
        op.drop_table(table)
    op.drop_index("ix_patients_card", table_name="patients")
    op.drop_column("patients", "card_number_index")
