"""What consent holds about a person: everything the account said to texts, and its requests."""

from sqlalchemy import func, select

from clinical.consent.models import ConsentRecord
from clinical.consent.states import ACT_TEXT, KIND_TEXT, METHOD_TEXT
from core.personal_data import (
    Erased,
    Holding,
    RecordClass,
    Section,
    Subject,
    keep_until,
    register,
)
from core.uow import UnitOfWork


class ConsentData:
    """Consents, refusals and withdrawals."""

    name = "consent"

    async def holdings(self, uow: UnitOfWork, subject: Subject) -> list[Holding]:
        """How many entries there are."""
        count, first, last = (
            await uow.session.execute(
                select(func.count(), func.min(ConsentRecord.at), func.max(ConsentRecord.at)).where(
                    ConsentRecord.user_id == subject.user_id,
                    ConsentRecord.hospital_id == subject.hospital_id,
                )
            )
        ).one()
        return [
            Holding(
                title="同意与撤回记录",
                record_class=RecordClass.CONSENT,
                count=count,
                oldest=first.date() if first else None,
                newest=last.date() if last else None,
            )
        ]

    async def export(self, uow: UnitOfWork, subject: Subject) -> list[Section]:
        """Every entry with version and digest."""
        rows = await uow.session.scalars(
            select(ConsentRecord)
            .where(
                ConsentRecord.user_id == subject.user_id,
                ConsentRecord.hospital_id == subject.hospital_id,
            )
            .order_by(ConsentRecord.at, ConsentRecord.id)
        )
        return [
            Section(
                title="同意与撤回记录",
                fields=(
                    ("kind", "事项"),
                    ("version", "版本"),
                    ("act", "行为"),
                    ("at", "时间"),
                    ("method", "方式"),
                    ("device", "设备"),
                    ("address", "网络地址"),
                    ("digest", "内容摘要（SM3）"),
                ),
                records=[
                    {
                        "kind": KIND_TEXT[row.kind],
                        "version": row.version,
                        "act": ACT_TEXT[row.act],
                        "at": row.at,
                        "method": METHOD_TEXT[row.method],
                        "device": row.device,
                        "address": row.address,
                        "digest": row.digest,
                    }
                    for row in rows
                ],
            )
        ]

    async def erase(self, uow: UnitOfWork, subject: Subject) -> list[Erased]:
        """Nothing before its time: they prove what was allowed. The daily round removes them."""
        [held] = await self.holdings(uow, subject)
        if not held.count:
            return []
        until = keep_until(RecordClass.CONSENT, held.newest or subject.today)
        return [Erased(title=held.title, kept=held.count, until=until, why="同意记录保存不少于3年")]


register(ConsentData())
