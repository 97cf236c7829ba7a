"""How long a participant of a call took from joining to media."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("call_participants", sa.Column("connect_ms", sa.Integer()))


def downgrade() -> None:
    op.drop_column("call_participants", "connect_ms")
