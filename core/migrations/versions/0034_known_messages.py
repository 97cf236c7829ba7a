"""Repetitions are looked up by their whole key, whatever PostgreSQL believes about the table.

`store_messages` joined what is known already in the hope that all three columns of the unique
index would be used. While the table had no statistics (a new hospital, a table just emptied), the
planner took the room alone and filtered: every message read all messages of its room, until the
first ANALYZE. A lateral look with a limit can only use the whole key.
"""

from __future__ import annotations

import importlib

from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

BEFORE = importlib.import_module("core.migrations.versions.0018_lighter_rooms").STORE

JOINED = """
        LEFT JOIN room_messages AS k
            ON k.room_id = r.id AND k.sender_id = asked.sender_id
            AND k.client_id = asked.client_id AND k.client_id IS NOT NULL
"""
LOOKED_UP = """
        LEFT JOIN LATERAL (
            SELECT seq, at FROM room_messages
            WHERE room_id = asked.room_id AND sender_id = asked.sender_id
                AND client_id = asked.client_id AND client_id IS NOT NULL
            LIMIT 1
        ) AS k ON true
"""


def upgrade() -> None:
    assert JOINED in BEFORE
    op.execute(BEFORE.replace(JOINED, LOOKED_UP))


def downgrade() -> None:
    op.execute(BEFORE)
