"""Consultations about medicines: profession and fields of clinicians, what a question is about."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

_ROLES = (
    "patient",
    "doctor",
    "nurse",
    "pharmacist",
    "administrator",
    "supervisor",
    "operator",
    "customer_service",
)
_DIRECTIONS = ("usage", "reaction", "interaction", "special", "choice", "storage", "other")


def upgrade() -> None:
    op.add_column(
        "clinicians",
        sa.Column(
            "profession",
            sa.Enum(*_ROLES, name="role", native_enum=False, length=32),
            server_default="doctor",
            nullable=False,
        ),
    )
    op.add_column(
        "clinicians",
        sa.Column(
            "medication_fields",
            postgresql.ARRAY(sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
    )
    op.add_column(
        "consultations",
        sa.Column(
            "direction",
            sa.Enum(*_DIRECTIONS, name="direction", native_enum=False, length=32),
            nullable=True,
        ),
    )


def downgrade() -> None:
    op.drop_column("consultations", "direction")
    op.drop_column("clinicians", "medication_fields")
    op.drop_column("clinicians", "profession")
