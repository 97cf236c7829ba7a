"""Trust: what access, accounts and keys need."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

#: The handwriting under a consent may be sealed anew by a change of keys, and by nobody else.
NARROW = """CREATE OR REPLACE FUNCTION consent_records_refuse_change() RETURNS trigger
LANGUAGE plpgsql AS $body$
DECLARE
  technical text[] := ARRAY['integrity_version', 'integrity_mac'];
BEGIN
  IF current_setting('zhenjian.resealing', true) = 'on' THEN
    technical := technical || 'signature'::text;
  END IF;
  IF TG_OP = 'DELETE' THEN
    IF current_setting('zhenjian.retention', true) = 'over' THEN
      RETURN OLD;
    END IF;
  ELSIF to_jsonb(NEW) - technical = to_jsonb(OLD) - technical THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'consent_records is append-only' USING ERRCODE = 'insufficient_privilege';
END
$body$"""
BEFORE = """CREATE OR REPLACE FUNCTION consent_records_refuse_change() RETURNS trigger
LANGUAGE plpgsql AS $body$
DECLARE
  technical text[] := ARRAY['integrity_version', 'integrity_mac', 'signature'];
BEGIN
  IF TG_OP = 'DELETE' THEN
    IF current_setting('zhenjian.retention', true) = 'over' THEN
      RETURN OLD;
    END IF;
  ELSIF to_jsonb(NEW) - technical = to_jsonb(OLD) - technical THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'consent_records is append-only' USING ERRCODE = 'insufficient_privilege';
END
$body$"""


def upgrade() -> None:
    op.execute(NARROW)
    op.add_column("users", sa.Column("reminders", JSONB(), nullable=True))
    op.add_column("key_runs", sa.Column("moved_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("key_runs", "moved_at")
    op.drop_column("users", "reminders")
    op.execute(BEFORE)
