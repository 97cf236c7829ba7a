"""Who hears of what in the convenience clinic: inbox items that stay, hints to open pages.

Nothing that leaves the house says what was ordered. Reviewers get hints alone: every doctor of the
hospital would otherwise find every order in the own inbox.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import select

from clinical.outpatient.access import OVERSEERS
from clinical.outpatient.models import SelfOrder
from clinical.outpatient.states import Desk, state_text
from core.identity.models import RoleAssignment, User
from core.identity.roles import Role
from core.uow import UnitOfWork
from realtime import inbox
from realtime.notices import WECHAT_THEN_SMS, Category, Kind, Parameter, declare

#: The type under which payments, consents and inbox items refer to an order of a patient.
SELF_ORDER = "self_order"
AMOUNT = Parameter("amount", "金额", Kind.MONEY)
PAY_BY = Parameter("pay_by", "支付截止", Kind.MOMENT)

declare(
    "self_order_approved",
    Category.PAYMENT,
    "订单审核通过",
    outside="您的订单已审核通过，请登录查看",
    channels=WECHAT_THEN_SMS,
)
declare(
    "self_order_refused",
    Category.PAYMENT,
    "订单审核未通过",
    outside="您的订单未通过审核，请登录查看",
    channels=WECHAT_THEN_SMS,
)
declare(
    "self_order_payment_due",
    Category.PAYMENT,
    "订单待支付提醒",
    outside="您有一笔订单待支付，请于{pay_by}前完成",
    channels=WECHAT_THEN_SMS,
    parameters=(AMOUNT, PAY_BY),
)
declare(
    "self_order_expired",
    Category.PAYMENT,
    "订单自动取消",
    outside="您的订单已自动取消，请登录查看",
    channels=WECHAT_THEN_SMS,
)


async def tell_payer(
    uow: UnitOfWork, row: SelfOrder, kind: str, title: str, text: str, **parameters: Any
) -> None:
    """Put an item about the order into the inbox of whoever placed it."""
    await inbox.notify(
        uow,
        [row.payer_id],
        hospital_id=row.hospital_id,
        type=kind,
        title=title,
        text=text,
        ref=(SELF_ORDER, row.id),
        parameters=parameters,
    )


#: Whose open pages show orders of a desk: its reviewers', and those of who sees everything.
_LISTENING = {
    Desk.PHARMACY: (Role.PHARMACIST, *OVERSEERS),
    Desk.CLINIC: (Role.DOCTOR, *OVERSEERS),
}


def refresh_pages(uow: UnitOfWork, row: SelfOrder) -> None:
    """After the commit, hint to the patient and to the staff concerned that an order changed."""
    hospital_id, payer_id, desk = row.hospital_id, row.payer_id, row.desk
    payload = {
        "code": "self_order_changed",
        "text": state_text(row.state, row.desk),
        "ref": {"type": SELF_ORDER, "id": str(row.id)},
        "state": row.state.value,
    }

    async def hint() -> None:
        async with uow.runtime.unit_of_work() as later:
            listening = await _staff_of(later, hospital_id, desk)
        for user_id in {payer_id, *listening}:
            await uow.runtime.realtime.to_user(user_id, "notice", payload, hospital_id=hospital_id)

    uow.after_commit(hint)


async def _staff_of(uow: UnitOfWork, hospital_id: UUID, desk: Desk) -> set[UUID]:
    rows = await uow.session.scalars(
        select(RoleAssignment.user_id)
        .join(User, User.id == RoleAssignment.user_id)
        .where(
            RoleAssignment.hospital_id == hospital_id,
            RoleAssignment.role.in_(_LISTENING[desk]),
            User.enabled,
        )
    )
    return set(rows)
