"""How often and how long pictures stood still in a minute of a call."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("freezes", "frozen_ms"):
        op.add_column(
            "call_quality", sa.Column(name, sa.Integer(), server_default="0", nullable=False)
        )


def downgrade() -> None:
    op.drop_column("call_quality", "frozen_ms")
    op.drop_column("call_quality", "freezes")
