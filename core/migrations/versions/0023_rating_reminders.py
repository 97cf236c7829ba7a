"""Who has not rated is reminded once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "rating_invitations", sa.Column("reminded_at", sa.DateTime(timezone=True), nullable=True)
    )
    op.create_index(
        "ix_rating_invitations_open",
        "rating_invitations",
        ["invited_at"],
        unique=False,
        postgresql_where=sa.text("reminded_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_index(
        "ix_rating_invitations_open",
        table_name="rating_invitations",
        postgresql_where=sa.text("reminded_at IS NULL"),
    )
    op.drop_column("rating_invitations", "reminded_at")
