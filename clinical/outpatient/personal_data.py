"""What the convenience clinic holds about a person: orders with purpose, items and review."""

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, select

from clinical.outpatient import access
from clinical.outpatient.models import SelfOrder, SelfOrderLine
from clinical.outpatient.states import state_text
from core.integrity import remove
from core.personal_data import (
    Erased,
    Holding,
    RecordClass,
    Section,
    Subject,
    Tally,
    counted,
    register,
)
from core.uow import UnitOfWork

TITLE = "便民门诊订单"


def _mine(subject: Subject) -> ColumnElement[bool]:
    return (
        (SelfOrder.hospital_id == subject.hospital_id)
        & (SelfOrder.payer_id == subject.user_id)
        & SelfOrder.patient_id.in_(subject.patient_ids)
    )


class OutpatientData:
    """Orders that patients placed themselves: medical records, because a clinician reviewed."""

    name = "outpatient"

    async def holdings(self, uow: UnitOfWork, subject: Subject) -> list[Holding]:
        """The orders, kept as medical records."""
        return [
            await counted(
                uow,
                TITLE,
                RecordClass.MEDICAL,
                (SelfOrder.submitted_at, SelfOrder.changed_at),
                _mine(subject),
                note="项目、就诊目的与审核意见",
            )
        ]

    async def export(self, uow: UnitOfWork, subject: Subject) -> list[Section]:
        """Every order with what was ordered and how it was reviewed."""
        rows = list(
            await uow.session.scalars(
                select(SelfOrder).where(_mine(subject)).order_by(SelfOrder.submitted_at)
            )
        )
        lines = await access.lines_of(uow.session, [row.id for row in rows])
        return [
            Section(
                title=TITLE,
                fields=(
                    ("number", "订单号"),
                    ("state", "状态"),
                    ("items", "项目"),
                    ("purpose", "就诊目的"),
                    ("review", "审核意见"),
                    ("amount", "金额（元）"),
                    ("submitted_at", "提交时间"),
                ),
                records=[_record(row, lines[row.id]) for row in rows],
            )
        ]

    async def erase(self, uow: UnitOfWork, subject: Subject) -> list[Erased]:
        """Orders are blanked when their time is over and nothing holds them."""
        rows = await uow.session.scalars(
            select(SelfOrder).where(_mine(subject)).order_by(SelfOrder.id).with_for_update()
        )
        orders = Tally(subject, RecordClass.MEDICAL)
        for row in rows.all():
            if orders.keeps(row.changed_at.date(), row.patient_id, row.id):
                continue
            if await _blank(uow, row.id):
                row.purpose, row.review_words = "", None
                orders.erased += 1
        await uow.session.flush()
        return [orders.told(TITLE)]


async def _blank(uow: UnitOfWork, self_order_id: UUID) -> bool:
    """What was ordered goes; False when it had gone before."""
    mine = SelfOrderLine.self_order_id == self_order_id
    found = await uow.session.scalar(select(func.count()).select_from(SelfOrderLine).where(mine))
    await remove(uow.session, SelfOrderLine, mine)
    return bool(found)


def _record(row: SelfOrder, lines: list[SelfOrderLine]) -> dict[str, Any]:
    return {
        "number": row.number,
        "state": state_text(row.state, row.desk),
        "items": "；".join(f"{line.name}×{line.quantity}" for line in lines),
        "purpose": row.purpose,
        "review": row.review_words,
        "amount": f"{row.total_fen / 100:.2f}",
        "submitted_at": row.submitted_at,
    }


register(OutpatientData())
