"""People's rights: texts confirmed by a second person, requests given to an officer."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "consent_text_proposals",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("hospital_id", sa.Uuid(), nullable=False),
        sa.Column("text_id", sa.Uuid(), nullable=False),
        sa.Column("base_id", sa.Uuid(), nullable=True),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("requested_by", sa.Uuid(), nullable=False),
        sa.Column("requested_at", MOMENT, nullable=False),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.Column("decided_at", MOMENT, nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["hospital_id"], ["hospitals.id"], name="fk_consent_text_proposals_hospital_id"
        ),
        sa.ForeignKeyConstraint(
            ["text_id"],
            ["consent_texts.id"],
            name="fk_consent_text_proposals_text_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["base_id"], ["consent_texts.id"], name="fk_consent_text_proposals_base_id"
        ),
        sa.ForeignKeyConstraint(
            ["requested_by"], ["users.id"], name="fk_consent_text_proposals_requested_by"
        ),
        sa.ForeignKeyConstraint(
            ["decided_by"], ["users.id"], name="fk_consent_text_proposals_decided_by"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_consent_text_proposals"),
    )
    op.create_index(
        "ix_consent_text_proposals_text", "consent_text_proposals", ["text_id", "requested_at"]
    )
    op.create_index(
        "uq_consent_text_proposals_pending",
        "consent_text_proposals",
        ["text_id"],
        unique=True,
        postgresql_where=sa.text("state = 'pending'"),
    )


def downgrade() -> None:
    op.execute("UPDATE consent_texts SET state = 'draft' WHERE state = 'pending'")
    op.drop_table("consent_text_proposals")
