"""Who may see which order: every query made for a person, and the locks that services take."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from clinical.consultation.states import TREATERS
from clinical.cursors import Moment
from clinical.payments.models import Order, Payment, Refund
from clinical.payments.rules import OrderState, RefundState
from core.access import (
    READ,
    Action,
    NotPermitted,
    Scope,
    allow,
    condition,
    declare,
    find_grant,
    require,
)
from core.errors import NotFound
from core.identity.caller import Caller
from core.identity.roles import Role
from core.uow import unit_of

#: Staff who look up and mend orders of their hospital.
STAFF = (Role.ADMINISTRATOR, Role.OPERATOR, Role.CUSTOMER_SERVICE, Role.SUPERVISOR)
READERS = (Role.PATIENT, *STAFF)
MENDERS = (Role.ADMINISTRATOR, Role.OPERATOR)

ORDER = declare(
    "order",
    "订单",
    area="费用",
    here=Order.hospital_id,
    actions={
        READ: Action("查看", READERS, delegable=True),
        "pay": Action("支付", (Role.PATIENT,)),
        "refund": Action("退诊退款", TREATERS, on_request=Scope.PATIENTS),
        "mend": Action("重试失败的退款", MENDERS),
    },
    scopes={
        Scope.OWN: lambda caller: Order.user_id == caller.user_id,
        # Which orders a doctor may give back is decided by the consultations that he treats.
        Scope.PATIENTS: None,
        Scope.HOSPITAL: None,
    },
    only={Scope.OWN: (Role.PATIENT,), Scope.PATIENTS: TREATERS},
    defaults=[
        allow(Role.PATIENT, Scope.OWN, READ, "pay"),
        *(allow(role, Scope.HOSPITAL, READ) for role in STAFF),
        *(allow(role, Scope.HOSPITAL, "mend") for role in MENDERS),
    ],
    floors=[allow(Role.PATIENT, Scope.OWN, READ, "pay")],
)


async def _visible(session: AsyncSession, caller: Caller) -> ColumnElement[bool]:
    return await condition(unit_of(session), caller, ORDER)


async def require_refund(session: AsyncSession, caller: Caller) -> None:
    """The caller's permission to give money back by an own decision (退款权限).

    Raises NotPermitted.
    """
    if not await find_grant(unit_of(session), caller, ORDER, "refund"):
        raise NotPermitted("没有退款权限，请先在“权限申请”中申请")


async def open_refunds(session: AsyncSession, user_id: UUID) -> int:
    """How many refunds to an account are still on their way, at whichever hospital."""
    query = (
        select(func.count())
        .select_from(Refund)
        .join(Order, Order.id == Refund.order_id)
        .where(
            Order.user_id == user_id,
            Refund.state.in_((RefundState.REQUESTED, RefundState.PROCESSING)),
        )
    )
    return await session.scalar(query) or 0


async def order_for(session: AsyncSession, caller: Caller, order_id: UUID) -> Order:
    """An order that the caller may see. Raises NotFound."""
    order = await session.scalar(
        select(Order).where(Order.id == order_id, await _visible(session, caller))
    )
    if order is None:
        raise NotFound()
    return order


async def own_order(session: AsyncSession, caller: Caller, order_id: UUID) -> Order:
    """The caller's own order, locked. Raises NotFound."""
    allowed = await condition(unit_of(session), caller, ORDER, "pay")
    order = await session.scalar(
        select(Order).where(Order.id == order_id, allowed).with_for_update()
    )
    if order is None:
        raise NotFound()
    return order


async def orders_for(
    session: AsyncSession,
    caller: Caller,
    states: Collection[OrderState],
    before: Moment | None,
    limit: int,
) -> list[Order]:
    """Orders that the caller may see, newest first."""
    query: Select[Order] = select(Order).where(await _visible(session, caller))
    if states:
        query = query.where(Order.state.in_(states))
    if before is not None:
        query = query.where(tuple_(Order.created_at, Order.id) < before)
    query = query.order_by(Order.created_at.desc(), Order.id.desc()).limit(limit)
    return list(await session.scalars(query))


async def refunds_of(session: AsyncSession, orders: Collection[Order]) -> dict[UUID, list[Refund]]:
    """The refunds of orders that the caller has been shown, oldest first."""
    ids = [order.id for order in orders]
    found: dict[UUID, list[Refund]] = {order_id: [] for order_id in ids}
    query = select(Refund).where(Refund.order_id.in_(ids)).order_by(Refund.id)
    for refund in await session.scalars(query):
        found[refund.order_id].append(refund)
    return found


async def failed_refund_for(session: AsyncSession, caller: Caller, refund_id: UUID) -> Refund:
    """A refund at the caller's hospital, for staff who mend. Raises NotFound, NotPermitted."""
    await require(unit_of(session), caller, ORDER, "mend")
    refund = await session.scalar(
        select(Refund).where(Refund.id == refund_id, Refund.hospital_id == caller.hospital_id)
    )
    if refund is None:
        raise NotFound()
    return refund


async def locked_order(session: AsyncSession, order_id: UUID) -> Order | None:
    """An order for the house itself, locked and fresh; None when there is none."""
    return await session.scalar(
        select(Order)
        .where(Order.id == order_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )


async def refund_of_payment(session: AsyncSession, payment_id: UUID) -> Refund | None:
    return await session.scalar(select(Refund).where(Refund.payment_id == payment_id))


async def accepted_payment(session: AsyncSession, order_id: UUID) -> Payment | None:
    """The payment that paid an order."""
    return await session.scalar(
        select(Payment).where(Payment.order_id == order_id, Payment.arrival == "accepted")
    )
