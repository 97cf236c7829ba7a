"""Who hears of what: inbox items that stay, and a hint to the lists that show a consultation."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from clinical.consultation.models import Consultation
from clinical.consultation.states import MODE_TEXT, STATE_TEXT, Kind
from clinical.people import access as people
from core.uow import UnitOfWork
from realtime import inbox
from realtime.notices import (
    WECHAT,
    WECHAT_THEN_SMS,
    Category,
    Channel,
    Parameter,
    declare,
)
from realtime.notices import Kind as Holds

MODE = Parameter(
    "mode",
    "方式",
    Holds.WORD,
    words={mode.value: f"{text}问诊" for mode, text in MODE_TEXT.items()},
)
AMOUNT = Parameter("amount", "金额", Holds.MONEY)
PAY_BY = Parameter("pay_by", "支付截止", Holds.MOMENT)
ACCEPT_BY = Parameter("accept_by", "接诊截止", Holds.MOMENT)


def _stage(
    code: str,
    title: str,
    outside: str,
    *,
    channels: tuple[Channel, ...] = WECHAT_THEN_SMS,
    category: Category = Category.CONSULTATION,
    staff: bool = False,
    urgent: bool = False,
    more: tuple[Parameter, ...] = (),
) -> None:
    declare(
        code,
        category,
        title,
        staff=staff,
        outside=outside,
        channels=channels,
        parameters=(MODE, *more),
        urgent=urgent,
    )


# Whoever waits for the other one to come is told at night too.
_stage(
    "consultation_waiting", "待接诊提醒", "有新的患者等待接诊，请及时处理", staff=True, urgent=True
)
_stage(
    "consultation_still_waiting",
    "待接诊再次提醒",
    "仍有患者等待接诊，请于{accept_by}前处理",
    staff=True,
    urgent=True,
    more=(ACCEPT_BY,),
)
_stage(
    "consultation_payment_due",
    "待支付提醒",
    "您有一笔费用待支付，请于{pay_by}前完成",
    category=Category.PAYMENT,
    more=(AMOUNT, PAY_BY),
)
_stage("consultation_appointed", "新的预约", "有新的患者预约，请登录查看", staff=True)
_stage("consultation_suspended", "停诊通知", "您预约的时段停诊，费用将原路退回", urgent=True)
_stage("consultation_booked", "预约成功", "预约成功，请等待接诊", channels=WECHAT)
_stage("consultation_turn_near", "候诊提醒", "即将轮到您就诊，请进入诊间候诊", urgent=True)
_stage("consultation_accepted", "已接诊", "您的问诊已接诊，请进入诊间", urgent=True)
_stage("consultation_declined", "未接诊", "未能接诊，费用将原路退回")
_stage("consultation_cancelled", "预约取消", "您的预约已取消，请登录查看")
_stage("consultation_handed_over", "更换接诊人员", "您的接诊人员有变动，请登录查看")
_stage("consultation_ended", "服务结束", "本次服务已结束，请登录查看", channels=WECHAT)


async def tell(
    uow: UnitOfWork,
    row: Consultation,
    whom: UUID | Collection[UUID],
    kind: str,
    title: str,
    text: str,
    **parameters: Any,
) -> None:
    """Put an item about the consultation into the inbox of one or several."""
    await inbox.notify(
        uow,
        [whom] if isinstance(whom, UUID) else whom,
        hospital_id=row.hospital_id,
        type=kind,
        title=title,
        text=text,
        ref=("consultation", row.id),
        parameters={"mode": row.mode.value, **parameters},
    )


async def doctors_of(uow: UnitOfWork, row: Consultation) -> frozenset[UUID]:
    """The doctor; while an order by department has none, every doctor of the department."""
    if row.doctor_id is not None:
        return frozenset({row.doctor_id})
    return await people.doctors_of(uow.session, row.hospital_id, row.department_id)


def refresh_lists(uow: UnitOfWork, row: Consultation, *others: UUID) -> None:
    """After the commit, hint to both sides, and to `others`, that a list which shows this
    consultation is stale; of an order by department all its doctors have one.
    """
    heard = {row.payer_id, *others}
    if row.room_id is not None and row.doctor_id is not None:
        heard.add(row.doctor_id)
    pooled = row.kind is Kind.DEPARTMENT and row.room_id is not None
    department_id = row.department_id
    payload = {
        "code": "consultation_changed",
        "text": STATE_TEXT[row.state],
        "ref": {"type": "consultation", "id": str(row.id)},
        "state": row.state.value,
    }

    hospital_id = row.hospital_id

    async def hint() -> None:
        listening = set(heard)
        if pooled:
            async with uow.runtime.unit_of_work() as later:
                listening |= await people.doctors_of(later.session, hospital_id, department_id)
        for user_id in listening:
            await uow.runtime.realtime.to_user(user_id, "notice", payload, hospital_id=hospital_id)

    uow.after_commit(hint)
