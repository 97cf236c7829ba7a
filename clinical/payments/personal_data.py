"""What payments hold about a person: the orders, kept for reconciliation."""

from sqlalchemy import select

from clinical.payments.models import Order
from core.personal_data import (
    Erased,
    Holding,
    RecordClass,
    Section,
    Subject,
    counted,
    keep_until,
    register,
)
from core.uow import UnitOfWork

_STATES = {
    "pending": "待支付",
    "paid": "已支付",
    "closed": "已关闭",
    "refunding": "退款中",
    "refunded": "已退款",
}


class PaymentData:
    """Orders of the account at the hospital."""

    name = "payments"

    async def holdings(self, uow: UnitOfWork, subject: Subject) -> list[Holding]:
        """The orders, kept five years for reconciliation."""
        return [
            await counted(
                uow,
                "订单与支付记录",
                RecordClass.RECONCILIATION,
                (Order.created_at, Order.changed_at),
                Order.user_id == subject.user_id,
                Order.hospital_id == subject.hospital_id,
            )
        ]

    async def export(self, uow: UnitOfWork, subject: Subject) -> list[Section]:
        """Every order with its amount and how it ended."""
        rows = await uow.session.scalars(
            select(Order)
            .where(Order.user_id == subject.user_id, Order.hospital_id == subject.hospital_id)
            .order_by(Order.created_at)
        )
        return [
            Section(
                title="订单与支付记录",
                fields=(
                    ("number", "订单号"),
                    ("subject", "项目"),
                    ("amount", "金额（元）"),
                    ("state", "状态"),
                    ("created_at", "下单时间"),
                    ("paid_at", "支付时间"),
                ),
                records=[
                    {
                        "number": row.number,
                        "subject": row.subject,
                        "amount": f"{row.amount_fen / 100:.2f}",
                        "state": _STATES.get(row.state.value, row.state.value),
                        "created_at": row.created_at,
                        "paid_at": row.paid_at,
                    }
                    for row in rows
                ],
            )
        ]

    async def erase(self, uow: UnitOfWork, subject: Subject) -> list[Erased]:
        """Nothing: reconciliation needs them, and they hold no health data."""
        [held] = await self.holdings(uow, subject)
        if not held.count or held.newest is None:
            return []
        until = keep_until(RecordClass.RECONCILIATION, held.newest)
        why = "对账资料保存不少于5年"
        return [Erased(title=held.title, kept=held.count, until=until, why=why)]


register(PaymentData())
