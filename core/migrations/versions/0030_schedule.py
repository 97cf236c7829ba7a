"""Schedule, queue and calling log; kinds, terms and appointed times of consultations."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "service_terms",
        sa.Column("hospital_id", sa.Uuid(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("price_fen", sa.Integer(), nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("minutes BETWEEN 5 AND 240", name=op.f("ck_service_terms_minutes")),
        sa.CheckConstraint("price_fen >= 0", name=op.f("ck_service_terms_price")),
        sa.ForeignKeyConstraint(
            ["hospital_id"], ["hospitals.id"], name=op.f("fk_service_terms_hospital_id")
        ),
        sa.PrimaryKeyConstraint(
            "hospital_id", "title", "kind", "mode", name=op.f("pk_service_terms")
        ),
    )
    op.create_table(
        "shifts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("hospital_id", sa.Uuid(), nullable=False),
        sa.Column("doctor_id", sa.Uuid(), nullable=False),
        sa.Column("department_id", sa.Uuid(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "first",
                "revisit",
                "advice",
                "department",
                name="kind",
                native_enum=False,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column(
            "mode",
            sa.Enum("text", "voice", "video", name="mode", native_enum=False, length=32),
            nullable=False,
        ),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("places", sa.Integer(), nullable=False),
        sa.Column("extra", sa.Integer(), nullable=False),
        sa.Column("taken", sa.Integer(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "open", "disabled", "suspended", name="shiftstate", native_enum=False, length=32
            ),
            nullable=False,
        ),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("reminded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("ends_at > starts_at", name=op.f("ck_shifts_times")),
        sa.CheckConstraint("places >= 0 AND extra >= 0", name=op.f("ck_shifts_places")),
        sa.CheckConstraint("taken BETWEEN 0 AND places + extra", name=op.f("ck_shifts_taken")),
        sa.ForeignKeyConstraint(
            ["department_id"], ["departments.id"], name=op.f("fk_shifts_department_id")
        ),
        sa.ForeignKeyConstraint(["doctor_id"], ["users.id"], name=op.f("fk_shifts_doctor_id")),
        sa.ForeignKeyConstraint(
            ["hospital_id"], ["hospitals.id"], name=op.f("fk_shifts_hospital_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shifts")),
    )
    op.create_index("ix_shifts_doctor", "shifts", ["doctor_id", "starts_at"], unique=False)
    op.create_index(
        "ix_shifts_hospital", "shifts", ["hospital_id", "starts_at", "id"], unique=False
    )
    op.create_table(
        "bookings",
        sa.Column("consultation_id", sa.Uuid(), nullable=False),
        sa.Column("hospital_id", sa.Uuid(), nullable=False),
        sa.Column("shift_id", sa.Uuid(), nullable=False),
        sa.Column("payer_id", sa.Uuid(), nullable=False),
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("relation_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "held",
                "queued",
                "called",
                "passed",
                "serving",
                "done",
                "released",
                name="bookingstate",
                native_enum=False,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("arrived_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("called_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.Column("reminded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["consultation_id"], ["consultations.id"], name=op.f("fk_bookings_consultation_id")
        ),
        sa.ForeignKeyConstraint(
            ["hospital_id"], ["hospitals.id"], name=op.f("fk_bookings_hospital_id")
        ),
        sa.ForeignKeyConstraint(
            ["patient_id"], ["patients.id"], name=op.f("fk_bookings_patient_id")
        ),
        sa.ForeignKeyConstraint(["payer_id"], ["users.id"], name=op.f("fk_bookings_payer_id")),
        sa.ForeignKeyConstraint(
            ["relation_id"], ["patient_relations.id"], name=op.f("fk_bookings_relation_id")
        ),
        sa.ForeignKeyConstraint(["shift_id"], ["shifts.id"], name=op.f("fk_bookings_shift_id")),
        sa.PrimaryKeyConstraint("consultation_id", name=op.f("pk_bookings")),
    )
    op.create_index(
        "ix_bookings_payer", "bookings", ["payer_id", "created_at", "consultation_id"], unique=False
    )
    op.create_index(
        "uq_bookings_number",
        "bookings",
        ["shift_id", "number"],
        unique=True,
        postgresql_where=sa.text("state <> 'released'"),
    )
    op.create_table(
        "queue_calls",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("hospital_id", sa.Uuid(), nullable=False),
        sa.Column("shift_id", sa.Uuid(), nullable=False),
        sa.Column("consultation_id", sa.Uuid(), nullable=False),
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("doctor_id", sa.Uuid(), nullable=False),
        sa.Column("by_id", sa.Uuid(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "called",
                "called_again",
                "passed",
                "returned",
                name="announcement",
                native_enum=False,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("mac", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["by_id"], ["users.id"], name=op.f("fk_queue_calls_by_id")),
        sa.ForeignKeyConstraint(
            ["consultation_id"], ["consultations.id"], name=op.f("fk_queue_calls_consultation_id")
        ),
        sa.ForeignKeyConstraint(["doctor_id"], ["users.id"], name=op.f("fk_queue_calls_doctor_id")),
        sa.ForeignKeyConstraint(
            ["hospital_id"], ["hospitals.id"], name=op.f("fk_queue_calls_hospital_id")
        ),
        sa.ForeignKeyConstraint(
            ["patient_id"], ["patients.id"], name=op.f("fk_queue_calls_patient_id")
        ),
        sa.ForeignKeyConstraint(["shift_id"], ["shifts.id"], name=op.f("fk_queue_calls_shift_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_queue_calls")),
    )
    op.create_index(
        "ix_queue_calls_hospital", "queue_calls", ["hospital_id", "at", "id"], unique=False
    )
    op.add_column(
        "clinician_services",
        sa.Column("minutes", sa.Integer(), server_default="15", nullable=False),
    )
    op.add_column(
        "clinician_services",
        sa.Column("own", sa.Boolean(), server_default=sa.text("true"), nullable=False),
    )
    op.add_column(
        "consultations", sa.Column("minutes", sa.Integer(), server_default="15", nullable=False)
    )
    op.add_column("consultations", sa.Column("shift_id", sa.Uuid(), nullable=True))
    op.add_column(
        "consultations", sa.Column("starts_at", sa.DateTime(timezone=True), nullable=True)
    )
    op.add_column("consultations", sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True))
    op.alter_column("consultations", "doctor_id", existing_type=sa.UUID(), nullable=True)
    op.create_index(
        "ix_consultations_pool",
        "consultations",
        ["department_id"],
        unique=False,
        postgresql_where=sa.text("state = 'waiting' AND doctor_id IS NULL"),
    )
    op.create_index(
        "ix_consultations_shift",
        "consultations",
        ["shift_id"],
        unique=False,
        postgresql_where=sa.text("shift_id IS NOT NULL"),
    )
    op.create_check_constraint(
        op.f("ck_consultations_doctor"),
        "consultations",
        "doctor_id IS NOT NULL OR (kind = 'department' AND accepted_at IS NULL)",
    )
    op.drop_index("ix_consultations_accept_by", table_name="consultations")
    op.create_index(
        "ix_consultations_accept_by",
        "consultations",
        ["accept_by"],
        postgresql_where=sa.text("state IN ('waiting', 'booked')"),
    )


def downgrade() -> None:
    op.drop_index("ix_consultations_accept_by", table_name="consultations")
    op.create_index(
        "ix_consultations_accept_by",
        "consultations",
        ["accept_by"],
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.drop_constraint(op.f("ck_consultations_doctor"), "consultations", type_="check")
    op.drop_index(
        "ix_consultations_shift",
        table_name="consultations",
        postgresql_where=sa.text("shift_id IS NOT NULL"),
    )
    op.drop_index(
        "ix_consultations_pool",
        table_name="consultations",
        postgresql_where=sa.text("state = 'waiting' AND doctor_id IS NULL"),
    )
    op.alter_column("consultations", "doctor_id", existing_type=sa.UUID(), nullable=False)
    op.drop_column("consultations", "ends_at")
    op.drop_column("consultations", "starts_at")
    op.drop_column("consultations", "shift_id")
    op.drop_column("consultations", "minutes")
    op.drop_column("clinician_services", "own")
    op.drop_column("clinician_services", "minutes")
    op.drop_index("ix_queue_calls_hospital", table_name="queue_calls")
    op.drop_table("queue_calls")
    op.drop_index(
        "uq_bookings_number", table_name="bookings", postgresql_where=sa.text("state <> 'released'")
    )
    op.drop_index("ix_bookings_payer", table_name="bookings")
    op.drop_table("bookings")
    op.drop_index("ix_shifts_hospital", table_name="shifts")
    op.drop_index("ix_shifts_doctor", table_name="shifts")
    op.drop_table("shifts")
    op.drop_table("service_terms")
