"""Tables of the convenience clinic: items, their times, orders of patients with their lines."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from clinical.columns import word
from clinical.outpatient.rules import Standing
from clinical.outpatient.states import CloseReason, Desk, ItemKind, State
from core.crypto.columns import EncryptedText
from core.data_classes import INTERNAL, PUBLIC, SENSITIVE
from core.db import Base, hospital_column, id_column
from core.integrity import Protected, WrittenOnce


class SelfOrderItem(Base):
    """Something that patients may order. `times` are clock times of a day, each with `capacity`.

    `special`: the purpose must be named. Prices are fen.
    """

    __tablename__ = "self_order_items"

    id: Mapped[UUID] = id_column()
    hospital_id: Mapped[UUID] = hospital_column()
    kind: Mapped[ItemKind] = mapped_column(word(ItemKind), info=PUBLIC)
    code: Mapped[str] = mapped_column(Text, info=PUBLIC)
    name: Mapped[str] = mapped_column(Text, info=PUBLIC)
    category: Mapped[str] = mapped_column(Text, info=PUBLIC)
    subcategory: Mapped[str] = mapped_column(Text, info=PUBLIC)
    price_fen: Mapped[int] = mapped_column(info=PUBLIC)
    precautions: Mapped[str] = mapped_column(Text, info=PUBLIC)
    special: Mapped[bool] = mapped_column(info=PUBLIC)
    needs_time: Mapped[bool] = mapped_column(info=PUBLIC)
    times: Mapped[list[str]] = mapped_column(JSONB, info=PUBLIC)
    capacity: Mapped[int] = mapped_column(info=PUBLIC)
    active: Mapped[bool] = mapped_column(info=PUBLIC)
    version: Mapped[int] = mapped_column(default=1, info=INTERNAL)
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]

    __table_args__ = (
        UniqueConstraint("hospital_id", "code"),
        CheckConstraint("price_fen >= 0", name="price"),
        CheckConstraint("capacity >= 1", name="capacity"),
        Index("ix_self_order_items_list", "hospital_id", "kind", "category", "subcategory", "code"),
    )


class SelfOrderTime(Base):
    """How many have taken a time of an item. One statement takes a place or finds none."""

    __tablename__ = "self_order_times"

    item_id: Mapped[UUID] = mapped_column(ForeignKey("self_order_items.id"), primary_key=True)
    starts_at: Mapped[datetime] = mapped_column(primary_key=True)
    taken: Mapped[int] = mapped_column(info=INTERNAL)

    __table_args__ = (CheckConstraint("taken >= 0", name="taken"),)


class SelfOrder(Protected, Base):
    """An order of a patient. Its row lock decides every race about it.

    `first_at` is the earliest time of its lines. `order_id` names the order of payments.
    """

    __tablename__ = "self_orders"
    __protected__ = (
        "hospital_id",
        "number",
        "desk",
        "state",
        "close_reason",
        "payer_id",
        "patient_id",
        "relation_id",
        "purpose",
        "notice_version",
        "total_fen",
        "order_id",
        "reviewer_id",
        "reviewed_at",
        "review_words",
        "submitted_at",
        "paid_at",
        "done_at",
        "done_by",
        "refund_requested_at",
    )

    id: Mapped[UUID] = id_column()
    hospital_id: Mapped[UUID] = hospital_column()
    number: Mapped[str] = mapped_column(Text, info=INTERNAL)
    desk: Mapped[Desk] = mapped_column(word(Desk), info=INTERNAL)
    state: Mapped[State] = mapped_column(word(State), info=INTERNAL)
    close_reason: Mapped[CloseReason | None] = mapped_column(word(CloseReason), info=INTERNAL)
    payer_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    patient_id: Mapped[UUID] = mapped_column(ForeignKey("patients.id"))
    relation_id: Mapped[UUID] = mapped_column(ForeignKey("patient_relations.id"))
    purpose: Mapped[str] = mapped_column(EncryptedText(), info=SENSITIVE)
    notice_version: Mapped[str] = mapped_column(Text, info=INTERNAL)
    total_fen: Mapped[int] = mapped_column(info=INTERNAL)
    order_id: Mapped[UUID | None] = mapped_column(unique=True)
    reviewer_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    reviewed_at: Mapped[datetime | None]
    review_words: Mapped[str | None] = mapped_column(EncryptedText(), info=SENSITIVE)
    first_at: Mapped[datetime | None]
    submitted_at: Mapped[datetime]
    review_by: Mapped[datetime]
    pay_by: Mapped[datetime | None]
    reminded_at: Mapped[datetime | None]
    paid_at: Mapped[datetime | None]
    done_at: Mapped[datetime | None]
    done_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    refund_requested_at: Mapped[datetime | None]
    changed_at: Mapped[datetime]

    __table_args__ = (
        UniqueConstraint("hospital_id", "number"),
        CheckConstraint("total_fen >= 0", name="total"),
        # No payment without approval, whatever the code above it does.
        CheckConstraint("order_id IS NULL OR reviewed_at IS NOT NULL", name="reviewed"),
        Index("ix_self_orders_payer", "payer_id", "submitted_at", "id"),
        Index("ix_self_orders_desk", "hospital_id", "desk", "state", "submitted_at", "id"),
        Index("ix_self_orders_patient", "patient_id"),
        Index(
            "ix_self_orders_review_by", "review_by", postgresql_where=text("state = 'submitted'")
        ),
        Index(
            "ix_self_orders_pay_by", "pay_by", postgresql_where=text("state = 'awaiting_payment'")
        ),
    )

    @property
    def standing(self) -> Standing:
        """What the rules need to know."""
        return Standing(
            state=self.state,
            total_fen=self.total_fen,
            paid=self.paid_at is not None and self.order_id is not None,
            refund_requested=self.refund_requested_at is not None,
            review_by=self.review_by,
            pay_by=self.pay_by,
        )


class SelfOrderLine(WrittenOnce, Base):
    """One item of an order as it was when it was ordered."""

    __tablename__ = "self_order_lines"
    __protected__ = (
        "id",
        "self_order_id",
        "item_id",
        "kind",
        "name",
        "price_fen",
        "quantity",
        "starts_at",
    )

    id: Mapped[UUID] = id_column()
    hospital_id: Mapped[UUID] = hospital_column()
    self_order_id: Mapped[UUID] = mapped_column(ForeignKey("self_orders.id"), index=True)
    item_id: Mapped[UUID] = mapped_column(ForeignKey("self_order_items.id"))
    kind: Mapped[ItemKind] = mapped_column(word(ItemKind), info=INTERNAL)
    name: Mapped[str] = mapped_column(EncryptedText(), info=SENSITIVE)
    price_fen: Mapped[int] = mapped_column(info=INTERNAL)
    quantity: Mapped[int] = mapped_column(info=INTERNAL)
    starts_at: Mapped[datetime | None]


class SelfOrderNumber(Base):
    """The last number given at a hospital on a business day."""

    __tablename__ = "self_order_numbers"

    hospital_id: Mapped[UUID] = mapped_column(ForeignKey("hospitals.id"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    last: Mapped[int] = mapped_column(info=INTERNAL)
