"""Trust: access."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

MOMENT = sa.DateTime(timezone=True)

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _alarms()
    _roles()
    _policies()
    _for_a_time()
    _emergencies()


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


def _roles() -> None:
    op.create_table(
        "access_roles",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("hospital_id", sa.Uuid(), nullable=False),
        sa.Column("base", sa.String(32), nullable=False),
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name="fk_access_roles_created_by"),
        sa.PrimaryKeyConstraint("id", name="pk_access_roles"),
        sa.UniqueConstraint("hospital_id", "name", name="uq_access_roles_hospital_id_name"),
    )
    op.create_table(
        "access_menus",
        sa.Column("hospital_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.String(32), nullable=False),
        sa.Column("role_id", sa.Uuid(), nullable=False),
        sa.Column("pages", JSONB(), nullable=False),
        sa.Column("changed_by", sa.Uuid(), nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["changed_by"], ["users.id"], name="fk_access_menus_changed_by"),
        sa.PrimaryKeyConstraint("hospital_id", "role", "role_id", name="pk_access_menus"),
    )
    op.add_column("role_assignments", sa.Column("access_role_id", sa.Uuid()))
    op.create_foreign_key(
        "fk_role_assignments_access_role_id",
        "role_assignments",
        "access_roles",
        ["access_role_id"],
        ["id"],
    )
    op.create_index("ix_role_assignments_access_role_id", "role_assignments", ["access_role_id"])


def _policies() -> None:
    op.create_table(
        "access_changes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("hospital_id", sa.Uuid(), nullable=False),
        sa.Column("requested_by", sa.Uuid(), nullable=False),
        sa.Column("requested_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("items", JSONB(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("decided_by", sa.Uuid()),
        sa.Column("decided_at", MOMENT),
        sa.Column("note", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["requested_by"], ["users.id"], name="fk_access_changes_requested_by"
        ),
        sa.ForeignKeyConstraint(["decided_by"], ["users.id"], name="fk_access_changes_decided_by"),
        sa.PrimaryKeyConstraint("id", name="pk_access_changes"),
    )
    op.create_index(
        "ix_access_changes_place", "access_changes", ["hospital_id", "requested_at", "id"]
    )
    op.create_table(
        "access_policies",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("hospital_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.String(32), nullable=False),
        sa.Column("role_id", sa.Uuid(), nullable=False),
        sa.Column("resource", sa.String(60), nullable=False),
        sa.Column("action", sa.String(60), nullable=False),
        sa.Column("scope", sa.String(16), nullable=False),
        sa.Column("filters", JSONB(), nullable=False),
        sa.Column("hidden", JSONB(), nullable=False),
        sa.Column("masked", JSONB(), nullable=False),
        sa.Column("change_id", sa.Uuid()),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["change_id"], ["access_changes.id"], name="fk_access_policies_change_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_access_policies"),
        sa.UniqueConstraint(
            "hospital_id",
            "role",
            "role_id",
            "resource",
            "action",
            name="uq_access_policies_hospital_id_role_role_id_resource_action",
        ),
    )


def _for_a_time() -> None:
    op.create_table(
        "access_delegations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("hospital_id", sa.Uuid(), nullable=False),
        sa.Column("department_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.String(32), nullable=False),
        sa.Column("giver_id", sa.Uuid(), nullable=False),
        sa.Column("receiver_id", sa.Uuid(), nullable=False),
        sa.Column("actions", JSONB(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("starts_at", MOMENT, nullable=False),
        sa.Column("ends_at", MOMENT, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("revoked_at", MOMENT),
        sa.Column("revoked_by", sa.Uuid()),
        *_belongs("access_delegations", "giver_id", "receiver_id", "revoked_by"),
        sa.ForeignKeyConstraint(
            ["department_id"], ["departments.id"], name="fk_access_delegations_department_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_access_delegations"),
    )
    for who in ("receiver", "giver"):
        op.create_index(
            f"ix_access_delegations_{who}", "access_delegations", [f"{who}_id", "ends_at"]
        )
    op.create_table(
        "access_permits",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("hospital_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.String(32), nullable=False),
        sa.Column("permission", sa.String(121), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("asked_at", MOMENT, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("decided_by", sa.Uuid()),
        sa.Column("decided_at", MOMENT),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("starts_at", MOMENT),
        sa.Column("ends_at", MOMENT),
        *_belongs("access_permits", "user_id", "decided_by"),
        sa.PrimaryKeyConstraint("id", name="pk_access_permits"),
    )
    op.create_index("ix_access_permits_user", "access_permits", ["user_id", "hospital_id"])
    op.create_index(
        "ix_access_permits_place", "access_permits", ["hospital_id", "state", "asked_at", "id"]
    )
    op.create_index(
        "uq_access_permits_pending",
        "access_permits",
        ["user_id", "hospital_id", "role", "permission"],
        unique=True,
        postgresql_where=sa.text("state = 'pending'"),
    )


def _emergencies() -> None:
    op.create_table(
        "emergency_accesses",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("hospital_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.String(32), nullable=False),
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("patient_label", sa.LargeBinary(), nullable=False),
        sa.Column("category", sa.String(24), nullable=False),
        sa.Column("reason", sa.LargeBinary(), nullable=False),
        sa.Column("opened_at", MOMENT, nullable=False),
        sa.Column("ends_at", MOMENT, nullable=False),
        sa.Column("closed_at", MOMENT),
        sa.Column("looks", sa.Integer(), nullable=False),
        sa.Column("verdict", sa.String(16)),
        sa.Column("reviewed_by", sa.Uuid()),
        sa.Column("reviewed_at", MOMENT),
        sa.Column("note", sa.LargeBinary()),
        *_belongs("emergency_accesses", "user_id", "reviewed_by"),
        sa.PrimaryKeyConstraint("id", name="pk_emergency_accesses"),
    )
    op.create_index(
        "ix_emergency_accesses_user", "emergency_accesses", ["user_id", "patient_id", "ends_at"]
    )
    op.create_index(
        "ix_emergency_accesses_place", "emergency_accesses", ["hospital_id", "opened_at", "id"]
    )


def _belongs(table: str, *people: str) -> list[sa.ForeignKeyConstraint]:
    """To its hospital, and to people."""
    return [
        sa.ForeignKeyConstraint(["hospital_id"], ["hospitals.id"], name=f"fk_{table}_hospital_id"),
        *(
            sa.ForeignKeyConstraint([column], ["users.id"], name=f"fk_{table}_{column}")
            for column in people
        ),
    ]


def downgrade() -> None:
    op.drop_table("emergency_accesses")
    op.drop_table("access_permits")
    op.drop_table("access_delegations")
    op.drop_table("access_policies")
    op.drop_table("access_changes")
    op.drop_table("access_menus")
    op.drop_column("role_assignments", "access_role_id")
    op.drop_table("access_roles")
    op.drop_table("alarms")
