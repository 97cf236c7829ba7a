"""Participants: who leads a room; the open rooms of a hospital for its monitor."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("rooms", sa.Column("lead_id", sa.Uuid(), nullable=True))
    op.create_index(
        "ix_rooms_open",
        "rooms",
        ["hospital_id", "kind", "id"],
        unique=False,
        postgresql_where=sa.text("state <> 'closed'"),
    )
    # Until now every room was a consultation, led by the one doctor that it opened with.
    op.execute(
        "UPDATE rooms SET lead_id = ("
        "SELECT user_id FROM room_participants WHERE room_id = rooms.id AND role = 'doctor' "
        "ORDER BY joined_at, user_id LIMIT 1) WHERE kind = 'consultation'"
    )


def downgrade() -> None:
    op.drop_index("ix_rooms_open", table_name="rooms")
    op.drop_column("rooms", "lead_id")
