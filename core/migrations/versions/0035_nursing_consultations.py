"""Nursing consultations: how many patients a day a nurse takes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("clinician_services", sa.Column("per_day", sa.Integer(), nullable=True))
    op.create_check_constraint(
        op.f("ck_clinician_services_per_day"), "clinician_services", "per_day > 0"
    )


def downgrade() -> None:
    op.drop_constraint(op.f("ck_clinician_services_per_day"), "clinician_services", type_="check")
    op.drop_column("clinician_services", "per_day")
