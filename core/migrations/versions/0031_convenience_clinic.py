"""The convenience clinic: items, times, orders of patients, and the notice to agree to."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from core.crypto.sm import sm3

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

KIND, VERSION, TITLE = "self_order_notice", "2026-11", "自助开单须知"
SUMMARY = "自助开单适合谁、怎么审核和支付、做检查前要注意什么。"
BODY = """\
一、自助开单（便民门诊）仅适用于病情稳定、清楚自己所需项目的人员，不能代替医生诊疗。如有胸痛、呼吸困难、意识不清等急症，请立即拨打120或到急诊就诊。

二、请为就诊人本人选择项目并如实填写就诊目的。备孕、妊娠、哺乳期，体内有金属植入物，或对药物、造影剂过敏的，请先咨询医生，不要自行选择放射、磁共振和增强检查。

三、订单提交后由医师（药品由药师）审核，审核通过后方可支付；不适合您的项目会说明原因并予以退回。未在规定时间内审核或支付的，订单自动取消，所约时间同时释放。

四、请仔细阅读每个项目的注意事项，如空腹、憋尿、停药等要求，并按所选时间到院。项目完成前可以取消，费用原路退回。

五、检查、检验结果不能代替诊断，请凭结果咨询医生。订单、审核和结果资料依法加密保存，仅用于诊疗、质量管理和依法监管。"""
SINCE = datetime(2026, 11, 1, tzinfo=UTC)


def upgrade() -> None:
    op.create_table(
        "self_order_items",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("hospital_id", sa.Uuid(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "drug",
                "examination",
                "laboratory",
                "nucleic_acid",
                name="itemkind",
                native_enum=False,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("subcategory", sa.Text(), nullable=False),
        sa.Column("price_fen", sa.Integer(), nullable=False),
        sa.Column("precautions", sa.Text(), nullable=False),
        sa.Column("special", sa.Boolean(), nullable=False),
        sa.Column("needs_time", sa.Boolean(), nullable=False),
        sa.Column("times", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("capacity", sa.Integer(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("capacity >= 1", name=op.f("ck_self_order_items_capacity")),
        sa.CheckConstraint("price_fen >= 0", name=op.f("ck_self_order_items_price")),
        sa.ForeignKeyConstraint(
            ["hospital_id"], ["hospitals.id"], name=op.f("fk_self_order_items_hospital_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_self_order_items")),
        sa.UniqueConstraint(
            "hospital_id", "code", name=op.f("uq_self_order_items_hospital_id_code")
        ),
    )
    op.create_index(
        "ix_self_order_items_list",
        "self_order_items",
        ["hospital_id", "kind", "category", "subcategory", "code"],
        unique=False,
    )
    op.create_table(
        "self_order_numbers",
        sa.Column("hospital_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["hospital_id"], ["hospitals.id"], name=op.f("fk_self_order_numbers_hospital_id")
        ),
        sa.PrimaryKeyConstraint("hospital_id", "day", name=op.f("pk_self_order_numbers")),
    )
    op.create_table(
        "self_order_times",
        sa.Column("item_id", sa.Uuid(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("taken", sa.Integer(), nullable=False),
        sa.CheckConstraint("taken >= 0", name=op.f("ck_self_order_times_taken")),
        sa.ForeignKeyConstraint(
            ["item_id"], ["self_order_items.id"], name=op.f("fk_self_order_times_item_id")
        ),
        sa.PrimaryKeyConstraint("item_id", "starts_at", name=op.f("pk_self_order_times")),
    )
    op.create_table(
        "self_orders",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("hospital_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column(
            "desk",
            sa.Enum("pharmacy", "clinic", name="desk", native_enum=False, length=32),
            nullable=False,
        ),
        sa.Column(
            "state",
            sa.Enum(
                "submitted",
                "awaiting_payment",
                "paid",
                "done",
                "refused",
                "cancelled",
                name="state",
                native_enum=False,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column(
            "close_reason",
            sa.Enum(
                "refused",
                "cancelled_by_patient",
                "review_expired",
                "payment_expired",
                name="closereason",
                native_enum=False,
                length=32,
            ),
            nullable=True,
        ),
        sa.Column("payer_id", sa.Uuid(), nullable=False),
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("relation_id", sa.Uuid(), nullable=False),
        sa.Column("purpose", sa.LargeBinary(), nullable=False),
        sa.Column("notice_version", sa.Text(), nullable=False),
        sa.Column("total_fen", sa.Integer(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=True),
        sa.Column("reviewer_id", sa.Uuid(), nullable=True),
        sa.Column("reviewed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("review_words", sa.LargeBinary(), nullable=True),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("review_by", sa.DateTime(timezone=True), nullable=False),
        sa.Column("pay_by", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reminded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("paid_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("done_by", sa.Uuid(), nullable=True),
        sa.Column("refund_requested_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("integrity_version", sa.Integer(), server_default="0", nullable=False),
        sa.Column("integrity_mac", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint(
            "order_id IS NULL OR reviewed_at IS NOT NULL", name=op.f("ck_self_orders_reviewed")
        ),
        sa.CheckConstraint("total_fen >= 0", name=op.f("ck_self_orders_total")),
        sa.ForeignKeyConstraint(["done_by"], ["users.id"], name=op.f("fk_self_orders_done_by")),
        sa.ForeignKeyConstraint(
            ["hospital_id"], ["hospitals.id"], name=op.f("fk_self_orders_hospital_id")
        ),
        sa.ForeignKeyConstraint(
            ["patient_id"], ["patients.id"], name=op.f("fk_self_orders_patient_id")
        ),
        sa.ForeignKeyConstraint(["payer_id"], ["users.id"], name=op.f("fk_self_orders_payer_id")),
        sa.ForeignKeyConstraint(
            ["relation_id"], ["patient_relations.id"], name=op.f("fk_self_orders_relation_id")
        ),
        sa.ForeignKeyConstraint(
            ["reviewer_id"], ["users.id"], name=op.f("fk_self_orders_reviewer_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_self_orders")),
        sa.UniqueConstraint(
            "hospital_id", "number", name=op.f("uq_self_orders_hospital_id_number")
        ),
        sa.UniqueConstraint("order_id", name=op.f("uq_self_orders_order_id")),
    )
    op.create_index(
        "ix_self_orders_desk",
        "self_orders",
        ["hospital_id", "desk", "state", "submitted_at", "id"],
        unique=False,
    )
    op.create_index("ix_self_orders_patient", "self_orders", ["patient_id"], unique=False)
    op.create_index(
        "ix_self_orders_pay_by",
        "self_orders",
        ["pay_by"],
        unique=False,
        postgresql_where=sa.text("state = 'awaiting_payment'"),
    )
    op.create_index(
        "ix_self_orders_payer", "self_orders", ["payer_id", "submitted_at", "id"], unique=False
    )
    op.create_index(
        "ix_self_orders_review_by",
        "self_orders",
        ["review_by"],
        unique=False,
        postgresql_where=sa.text("state = 'submitted'"),
    )
    op.create_table(
        "self_order_lines",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("hospital_id", sa.Uuid(), nullable=False),
        sa.Column("self_order_id", sa.Uuid(), nullable=False),
        sa.Column("item_id", sa.Uuid(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "drug",
                "examination",
                "laboratory",
                "nucleic_acid",
                name="itemkind",
                native_enum=False,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("name", sa.LargeBinary(), nullable=False),
        sa.Column("price_fen", sa.Integer(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("mac", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["hospital_id"], ["hospitals.id"], name=op.f("fk_self_order_lines_hospital_id")
        ),
        sa.ForeignKeyConstraint(
            ["item_id"], ["self_order_items.id"], name=op.f("fk_self_order_lines_item_id")
        ),
        sa.ForeignKeyConstraint(
            ["self_order_id"], ["self_orders.id"], name=op.f("fk_self_order_lines_self_order_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_self_order_lines")),
    )
    op.create_index(
        op.f("ix_self_order_lines_self_order_id"),
        "self_order_lines",
        ["self_order_id"],
        unique=False,
    )
    table = sa.table(
        "consent_texts",
        *(
            sa.column(name)
            for name in (
                *("kind", "version", "title", "summary", "body", "change_note"),
                *("state", "digest", "signature_required", "material"),
            )
        ),
        sa.column("id", sa.Uuid()),
        sa.column("purposes", postgresql.JSONB()),
        sa.column("grace_days", sa.Integer()),
        *(
            sa.column(name, sa.DateTime(timezone=True))
            for name in ("effective_at", "created_at", "changed_at", "published_at")
        ),
    )
    op.execute(
        postgresql.insert(table)
        .values(
            {
                "id": uuid.UUID("0194200a-0000-7000-8000-000000000031"),
                "kind": KIND,
                "version": VERSION,
                "title": TITLE,
                "summary": SUMMARY,
                "body": BODY,
                "purposes": [],
                "signature_required": False,
                "material": True,
                "grace_days": 0,
                "change_note": "",
                "state": "published",
                "digest": sm3("\n\n".join((VERSION, TITLE, BODY)).encode()).hex(),
                "effective_at": SINCE,
                "created_at": SINCE,
                "changed_at": SINCE,
                "published_at": SINCE,
            }
        )
        .on_conflict_do_nothing()
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_self_order_lines_self_order_id"), table_name="self_order_lines")
    op.drop_table("self_order_lines")
    op.drop_index(
        "ix_self_orders_review_by",
        table_name="self_orders",
        postgresql_where=sa.text("state = 'submitted'"),
    )
    op.drop_index("ix_self_orders_payer", table_name="self_orders")
    op.drop_index(
        "ix_self_orders_pay_by",
        table_name="self_orders",
        postgresql_where=sa.text("state = 'awaiting_payment'"),
    )
    op.drop_index("ix_self_orders_patient", table_name="self_orders")
    op.drop_index("ix_self_orders_desk", table_name="self_orders")
    op.drop_table("self_orders")
    op.drop_table("self_order_times")
    op.drop_table("self_order_numbers")
    op.drop_index("ix_self_order_items_list", table_name="self_order_items")
    op.drop_table("self_order_items")
    # A published text never changes; this one goes with everything that it is about, unless
    # somebody agreed to it: consents stay.
    op.execute("ALTER TABLE consent_texts DISABLE TRIGGER consent_texts_published_stay")
    op.execute(
        f"DELETE FROM consent_texts t WHERE t.kind = '{KIND}' AND NOT EXISTS "  # noqa: S608
        "(SELECT 1 FROM consent_records r WHERE r.text_id = t.id)"
    )
    op.execute("ALTER TABLE consent_texts ENABLE TRIGGER consent_texts_published_stay")
