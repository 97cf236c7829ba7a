"""Tags by which clinicians know patients again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "patient_tags",
        sa.Column("clinician_id", sa.Uuid(), nullable=False),
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("hospital_id", sa.Uuid(), nullable=False),
        sa.Column("tags", sa.LargeBinary(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["clinician_id"], ["users.id"], name=op.f("fk_patient_tags_clinician_id")
        ),
        sa.ForeignKeyConstraint(
            ["patient_id"], ["patients.id"], name=op.f("fk_patient_tags_patient_id")
        ),
        sa.ForeignKeyConstraint(
            ["hospital_id"], ["hospitals.id"], name=op.f("fk_patient_tags_hospital_id")
        ),
        sa.PrimaryKeyConstraint("clinician_id", "patient_id", name=op.f("pk_patient_tags")),
    )
    op.create_index("ix_patient_tags_patient", "patient_tags", ["patient_id"])


def downgrade() -> None:
    op.drop_table("patient_tags")
