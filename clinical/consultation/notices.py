"""Who hears of what: inbox items that stay, and a hint to the lists that show a consultation."""

from typing import Any
from uuid import UUID

from clinical.consultation.models import Consultation
from clinical.consultation.states import MODE_TEXT, STATE_TEXT
from core.uow import UnitOfWork
from realtime import inbox
from realtime.notices import (
    WECHAT,
    WECHAT_THEN_SMS,
    Category,
    Channel,
    Kind,
    Parameter,
    declare,
)

MODE = Parameter(
    "mode", "方式", Kind.WORD, words={mode.value: text for mode, text in MODE_TEXT.items()}
)
AMOUNT = Parameter("amount", "金额", Kind.MONEY)
PAY_BY = Parameter("pay_by", "支付截止", Kind.MOMENT)
ACCEPT_BY = Parameter("accept_by", "接诊截止", Kind.MOMENT)


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
_stage("consultation_booked", "预约成功", "预约成功，请等待医生接诊", channels=WECHAT)
_stage("consultation_accepted", "医生已接诊", "医生已接诊，请进入诊间", urgent=True)
_stage("consultation_declined", "医生未接诊", "医生未能接诊，费用将原路退回")
_stage("consultation_cancelled", "预约取消", "您的预约已取消，请登录查看")
_stage("consultation_handed_over", "更换医生", "您的接诊医生有变动，请登录查看")
_stage("consultation_ended", "服务结束", "本次服务已结束，请登录查看", channels=WECHAT)


async def tell(
    uow: UnitOfWork,
    row: Consultation,
    user_id: UUID,
    kind: str,
    title: str,
    text: str,
    **parameters: Any,
) -> None:
    """Put an item about the consultation into somebody's inbox."""
    await inbox.notify(
        uow,
        [user_id],
        hospital_id=row.hospital_id,
        type=kind,
        title=title,
        text=text,
        ref=("consultation", row.id),
        parameters={"mode": row.mode.value, **parameters},
    )


def refresh_lists(uow: UnitOfWork, row: Consultation, *others: UUID) -> None:
    """After the commit, hint to both sides, and to `others`, that a list which shows this
    consultation is stale.
    """
    people = {row.payer_id, *others}
    if row.room_id is not None:
        people.add(row.doctor_id)
    payload = {
        "code": "consultation_changed",
        "text": STATE_TEXT[row.state],
        "ref": {"type": "consultation", "id": str(row.id)},
        "state": row.state.value,
    }

    hospital_id = row.hospital_id

    async def hint() -> None:
        for user_id in people:
            await uow.runtime.realtime.to_user(user_id, "notice", payload, hospital_id=hospital_id)

    uow.after_commit(hint)
