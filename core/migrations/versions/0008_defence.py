"""Trust: defence."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "quarantined_uploads",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("hospital_id", sa.Uuid(), nullable=False),
        sa.Column("uploader_id", sa.Uuid(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("signature", sa.String(200), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("first_at", MOMENT, nullable=False),
        sa.Column("last_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["hospital_id"], ["hospitals.id"], name="fk_quarantined_uploads_hospital_id"
        ),
        sa.ForeignKeyConstraint(
            ["uploader_id"], ["users.id"], name="fk_quarantined_uploads_uploader_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_quarantined_uploads"),
    )
    op.create_index(
        "uq_quarantined_uploads_digest",
        "quarantined_uploads",
        ["hospital_id", "sha256"],
        unique=True,
    )
    op.create_index(
        "ix_quarantined_uploads_hospital", "quarantined_uploads", ["hospital_id", "last_at", "id"]
    )


def downgrade() -> None:
    op.drop_table("quarantined_uploads")
