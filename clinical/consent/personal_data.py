"""What consent holds about a person: everything the account said to texts, and its requests."""

from uuid import UUID

from sqlalchemy import select

from clinical.consent.models import ConsentRecord, RightsRequest, RightsStep
from clinical.consent.states import (
    ACT_TEXT,
    KIND_TEXT,
    METHOD_TEXT,
    OUTCOME_TEXT,
    REQUEST_TEXT,
    RIGHT_TEXT,
)
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


class ConsentData:
    """Consents, refusals and withdrawals."""

    name = "consent"

    async def holdings(self, uow: UnitOfWork, subject: Subject) -> list[Holding]:
        """How many entries there are."""
        return [
            await counted(
                uow,
                "同意与撤回记录",
                RecordClass.CONSENT,
                (ConsentRecord.at, ConsentRecord.at),
                ConsentRecord.user_id == subject.user_id,
                ConsentRecord.hospital_id == subject.hospital_id,
            ),
            await self._requests(uow, subject),
        ]

    async def _requests(self, uow: UnitOfWork, subject: Subject) -> Holding:
        return await counted(
            uow,
            "个人信息权利请求",
            RecordClass.CONSENT,
            (RightsRequest.created_at, RightsRequest.created_at),
            RightsRequest.user_id == subject.user_id,
            RightsRequest.hospital_id == subject.hospital_id,
            note="请求内容与答复",
        )

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
            ),
            await self._asked(uow, subject),
        ]

    async def _asked(self, uow: UnitOfWork, subject: Subject) -> Section:
        """The requests with the steps that the person may read; inner ones are the officers'."""
        rows = list(
            await uow.session.scalars(
                select(RightsRequest)
                .where(
                    RightsRequest.user_id == subject.user_id,
                    RightsRequest.hospital_id == subject.hospital_id,
                )
                .order_by(RightsRequest.created_at, RightsRequest.id)
            )
        )
        steps: dict[UUID, list[str]] = {row.id: [] for row in rows}
        for step in await uow.session.scalars(
            select(RightsStep)
            .where(RightsStep.request_id.in_(steps), RightsStep.shown)
            .order_by(RightsStep.at, RightsStep.id)
        ):
            if step.words:
                steps[step.request_id].append(step.words)
        return Section(
            title="个人信息权利请求",
            fields=(
                ("number", "编号"),
                ("right", "类型"),
                ("state", "状态"),
                ("field", "更正内容"),
                ("wish", "正确内容"),
                ("words", "说明"),
                ("outcome", "答复"),
                ("reason", "理由"),
                ("steps", "办理说明"),
                ("created_at", "提交时间"),
                ("closed_at", "办结时间"),
            ),
            records=[
                {
                    "number": row.number,
                    "right": RIGHT_TEXT[row.right],
                    "state": REQUEST_TEXT[row.state],
                    "field": row.field,
                    "wish": row.wish,
                    "words": row.words,
                    "outcome": OUTCOME_TEXT[row.outcome] if row.outcome else "",
                    "reason": row.reason,
                    "steps": "；".join(steps[row.id]),
                    "created_at": row.created_at,
                    "closed_at": row.closed_at,
                }
                for row in rows
            ],
        )

    async def erase(self, uow: UnitOfWork, subject: Subject) -> list[Erased]:
        """Nothing before its time: they prove what was allowed. The daily round removes them."""
        return [
            Erased(
                title=held.title,
                kept=held.count,
                until=keep_until(RecordClass.CONSENT, held.newest or subject.today),
                why="同意记录保存不少于3年",
            )
            for held in await self.holdings(uow, subject)
            if held.count
        ]


register(ConsentData())
