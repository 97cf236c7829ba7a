"""Tables of payments: orders, money that arrived, refunds, talks with the channel, day bills."""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from clinical.columns import word
from clinical.payments.rules import Arrival, OrderState, RefundState
from core.data_classes import INTERNAL
from core.db import Base, hospital_column, id_column
from core.integrity import Protected


class Channel(StrEnum):
    """How the patient pays."""

    WECHAT_H5 = "wechat_h5"


class Action(StrEnum):
    """What the channel is asked to do."""

    PLACE = "place"
    CLOSE = "close"
    REFUND = "refund"


class CallState(StrEnum):
    """How a talk with the channel went; `unknown`: no answer, so it may have been carried out."""

    STARTED = "started"
    DONE = "done"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class Order(Protected, Base):
    """Something to be paid once. Its row lock decides every race about its money.

    `subject_type` and `subject_id` say what it was opened for (`consultation`, `self_order`);
    `subject` is what the patient reads, without health data, because the channel shows it too. The
    channel knows the order by the hexadecimal form of its id.
    """

    __tablename__ = "orders"
    __protected__ = (
        "hospital_id",
        "number",
        "user_id",
        "subject_type",
        "subject_id",
        "subject",
        "amount_fen",
        "state",
        "close_reason",
        "channel",
        "created_at",
        "expires_at",
        "paid_at",
        "closed_at",
    )

    id: Mapped[UUID] = id_column()
    hospital_id: Mapped[UUID] = hospital_column()
    number: Mapped[str] = mapped_column(Text, info=INTERNAL)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    subject_type: Mapped[str] = mapped_column(Text, info=INTERNAL)
    subject_id: Mapped[UUID]
    subject: Mapped[str] = mapped_column(Text, info=INTERNAL)
    amount_fen: Mapped[int] = mapped_column(info=INTERNAL)
    state: Mapped[OrderState] = mapped_column(word(OrderState), info=INTERNAL)
    close_reason: Mapped[str | None] = mapped_column(Text, info=INTERNAL)
    channel: Mapped[Channel | None] = mapped_column(word(Channel), info=INTERNAL)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    paid_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    changed_at: Mapped[datetime]
    queries: Mapped[int] = mapped_column(default=0, info=INTERNAL)
    queried_at: Mapped[datetime | None]
    next_query_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("hospital_id", "number"),
        UniqueConstraint("subject_type", "subject_id"),
        CheckConstraint("amount_fen > 0", name="amount"),
        Index("ix_orders_user", "user_id", "created_at", "id"),
        Index("ix_orders_hospital", "hospital_id", "created_at", "id"),
        Index("ix_orders_expiry", "expires_at", postgresql_where=text("state = 'pending'")),
        Index(
            "ix_orders_query", "next_query_at", postgresql_where=text("next_query_at IS NOT NULL")
        ),
    )

    @property
    def out_trade_no(self) -> str:
        """The number under which the channel knows the order."""
        return self.id.hex


class Payment(Protected, Base):
    """Money that the channel said has arrived, whether or not the order could take it."""

    __tablename__ = "payments"
    __protected__ = (
        "hospital_id",
        "order_id",
        "channel",
        "transaction_id",
        "amount_fen",
        "currency",
        "arrival",
        "source",
        "paid_at",
        "recorded_at",
    )

    id: Mapped[UUID] = id_column()
    hospital_id: Mapped[UUID] = hospital_column()
    order_id: Mapped[UUID] = mapped_column(ForeignKey("orders.id"), index=True)
    channel: Mapped[Channel] = mapped_column(word(Channel), info=INTERNAL)
    transaction_id: Mapped[str] = mapped_column(Text, info=INTERNAL)
    amount_fen: Mapped[int] = mapped_column(info=INTERNAL)
    currency: Mapped[str] = mapped_column(Text, info=INTERNAL)
    arrival: Mapped[Arrival] = mapped_column(word(Arrival), info=INTERNAL)
    source: Mapped[str] = mapped_column(Text, info=INTERNAL)
    paid_at: Mapped[datetime]
    recorded_at: Mapped[datetime]

    __table_args__ = (
        UniqueConstraint("channel", "transaction_id"),
        # At most one payment pays an order; every other one goes back.
        Index(
            "uq_payments_accepted",
            "order_id",
            unique=True,
            postgresql_where=text("arrival = 'accepted'"),
        ),
    )


class Refund(Protected, Base):
    """The way back of one payment; decided once, sent until the channel has answered.

    The channel knows it by the hexadecimal form of its id. `requested_by` is None for the house.
    """

    __tablename__ = "refunds"
    __protected__ = (
        "hospital_id",
        "order_id",
        "payment_id",
        "amount_fen",
        "reason",
        "reason_text",
        "state",
        "channel_refund_id",
        "created_at",
        "finished_at",
    )

    id: Mapped[UUID] = id_column()
    hospital_id: Mapped[UUID] = hospital_column()
    order_id: Mapped[UUID] = mapped_column(ForeignKey("orders.id"), index=True)
    payment_id: Mapped[UUID] = mapped_column(ForeignKey("payments.id"), unique=True)
    amount_fen: Mapped[int] = mapped_column(info=INTERNAL)
    reason: Mapped[str] = mapped_column(Text, info=INTERNAL)
    reason_text: Mapped[str] = mapped_column(Text, info=INTERNAL)
    state: Mapped[RefundState] = mapped_column(word(RefundState), info=INTERNAL)
    channel_refund_id: Mapped[str | None] = mapped_column(Text, info=INTERNAL)
    attempts: Mapped[int] = mapped_column(default=0, info=INTERNAL)
    next_attempt_at: Mapped[datetime | None]
    last_error: Mapped[str | None] = mapped_column(Text, info=INTERNAL)
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("amount_fen > 0", name="amount"),
        Index(
            "ix_refunds_due",
            "next_attempt_at",
            postgresql_where=text("state IN ('requested', 'processing')"),
        ),
    )

    @property
    def out_refund_no(self) -> str:
        """The number under which the channel knows the refund."""
        return self.id.hex


class ChannelCall(Base):
    """An intent to ask the channel, written before, and what came of it, written after."""

    __tablename__ = "channel_calls"

    id: Mapped[UUID] = id_column()
    hospital_id: Mapped[UUID] = hospital_column()
    order_id: Mapped[UUID] = mapped_column(ForeignKey("orders.id"), index=True)
    refund_id: Mapped[UUID | None] = mapped_column(ForeignKey("refunds.id"))
    action: Mapped[Action] = mapped_column(word(Action), info=INTERNAL)
    state: Mapped[CallState] = mapped_column(word(CallState), info=INTERNAL)
    error: Mapped[str | None] = mapped_column(Text, info=INTERNAL)
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class ChannelNotice(Base):
    """A verified callback; `times` counts how often it came. No hospital: the account is shared."""

    __tablename__ = "channel_notices"

    notice_id: Mapped[str] = mapped_column(Text, primary_key=True)
    channel: Mapped[Channel] = mapped_column(word(Channel), info=INTERNAL)
    kind: Mapped[str] = mapped_column(Text, info=INTERNAL)
    number: Mapped[str] = mapped_column(Text, info=INTERNAL)
    times: Mapped[int] = mapped_column(info=INTERNAL)
    first_at: Mapped[datetime]
    last_at: Mapped[datetime]


class DayBill(Base):
    """A day bill of the merchant account, which all hospitals of the installation share.

    `storage_key` is None when the channel says that there was no transaction.
    """

    __tablename__ = "day_bills"

    id: Mapped[UUID] = id_column()
    channel: Mapped[Channel] = mapped_column(word(Channel), info=INTERNAL)
    bill_date: Mapped[date] = mapped_column(info=INTERNAL)
    storage_key: Mapped[str | None] = mapped_column(Text, info=INTERNAL)
    sha1: Mapped[str | None] = mapped_column(Text, info=INTERNAL)
    line_count: Mapped[int] = mapped_column(info=INTERNAL)
    amount_fen: Mapped[int] = mapped_column(BigInteger, info=INTERNAL)
    refund_fen: Mapped[int] = mapped_column(BigInteger, info=INTERNAL)
    downloaded_at: Mapped[datetime]

    __table_args__ = (UniqueConstraint("channel", "bill_date"),)
