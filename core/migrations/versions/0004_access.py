"""Trust: access."""

import sqlalchemy as sa
from alembic import op

MOMENT = sa.DateTime(timezone=True)

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _alarms()


def _alarms() -> None:
    op.create_table(
        "alarms",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("hospital_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("title", sa.LargeBinary(), nullable=False),
        sa.Column("text", sa.LargeBinary(), nullable=False),
        sa.Column("ref_type", sa.String(40)),
        sa.Column("ref_id", sa.String(100)),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("raised_at", MOMENT, nullable=False),
        sa.Column("last_at", MOMENT, nullable=False),
        sa.Column("acknowledged_at", MOMENT),
        sa.Column("acknowledged_by", sa.Uuid()),
        sa.Column("resolved_at", MOMENT),
        sa.Column("resolved_by", sa.Uuid()),
        sa.Column("resolution", sa.LargeBinary()),
        sa.ForeignKeyConstraint(["hospital_id"], ["hospitals.id"], name="fk_alarms_hospital_id"),
        sa.ForeignKeyConstraint(
            ["acknowledged_by"], ["users.id"], name="fk_alarms_acknowledged_by"
        ),
        sa.ForeignKeyConstraint(["resolved_by"], ["users.id"], name="fk_alarms_resolved_by"),
        sa.PrimaryKeyConstraint("id", name="pk_alarms"),
    )
    op.create_index("ix_alarms_hospital", "alarms", ["hospital_id", "raised_at", "id"])
    op.create_index(
        "uq_alarms_open",
        "alarms",
        ["hospital_id", "kind", "ref_type", "ref_id"],
        unique=True,
        postgresql_where=sa.text("resolved_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_table("alarms")
