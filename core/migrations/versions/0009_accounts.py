"""Accounts: visit cards are found by their number."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Filled by the job `index_visit_cards`: a migration holds no keys.
    op.add_column("patients", sa.Column("card_number_index", sa.LargeBinary(32), nullable=True))
    op.create_index("ix_patients_card", "patients", ["hospital_id", "card_number_index"])


def downgrade() -> None:
    op.drop_index("ix_patients_card", table_name="patients")
    op.drop_column("patients", "card_number_index")
