"""Routes of payments."""

from datetime import timedelta
from urllib.parse import urlsplit
from uuid import UUID

from starlette.responses import Response

from clinical.cursors import cut, read_moment
from clinical.payments import access, channel, refunding
from clinical.payments.errors import PaymentUnavailable, ReturnUrlNotAllowed
from clinical.payments.models import Order
from clinical.payments.rules import OrderState, RefundState
from clinical.payments.schemas import BeginPayment, Cashier, OrderView, order_view
from core import audit
from core.errors import FieldProblem, InvalidRequest
from core.http import PUBLIC, Context, Page, Routes
from core.identity.roles import Role
from core.outside import OutsideError
from core.uow import UnitOfWork

routes = Routes(tag="payments", title="订单与支付")

LIMIT = 100
MAX_CALLBACK = 64 * 1024
SYNC_PAUSE = timedelta(seconds=2)


@routes.get("/orders", roles=access.READERS, summary="Orders, newest first")
async def list_orders(
    ctx: Context, state: str | None = None, cursor: str | None = None, limit: int = 20
) -> Page[OrderView]:
    size = max(1, min(limit, LIMIT))
    rows = await access.orders_for(
        ctx.uow.session, ctx.caller, _states(state), read_moment(cursor), size + 1
    )
    page, following = cut(rows, size, lambda order: (order.created_at, order.id))
    refunds = await access.refunds_of(ctx.uow.session, page)
    await audit.look(ctx.uow, ctx.caller, "order", "list", detail={"rows": len(page)})
    return Page(items=[order_view(order, refunds[order.id]) for order in page], next=following)


@routes.get("/orders/{order_id}", roles=access.READERS, summary="One order with its refunds")
async def show_order(ctx: Context, order_id: UUID) -> OrderView:
    order = await access.order_for(ctx.uow.session, ctx.caller, order_id)
    patient_id = await audit.patient_of(ctx.uow, order.subject_type, order.subject_id)
    await audit.look(ctx.uow, ctx.caller, "order", order.id, patient_id)
    return await _view(ctx.uow, order)


@routes.post(
    "/orders/{order_id}/pay",
    roles=[Role.PATIENT],
    idempotent=True,
    transaction=False,
    summary="Get the address of the cashier",
)
async def pay(ctx: Context, order_id: UUID, body: BeginPayment) -> Cashier:
    _require_our_page(ctx, body.return_url)
    pay_url = await channel.place(
        ctx.runtime, ctx.caller, order_id, body.channel, body.return_url, ctx.address
    )
    return Cashier(pay_url=pay_url)


@routes.post(
    "/orders/{order_id}/sync",
    roles=access.READERS,
    transaction=False,
    summary="Ask the channel how the order stands",
)
async def sync(ctx: Context, order_id: UUID) -> OrderView:
    async with ctx.unit_of_work() as uow:
        order = await access.order_for(uow.session, ctx.caller, order_id)
        refunds = (await access.refunds_of(uow.session, [order]))[order.id]
        fresh = order.queried_at is not None and uow.now - order.queried_at < SYNC_PAUSE
        ask = order.channel is not None and not fresh
    try:
        if ask and order.state in (OrderState.PENDING, OrderState.CLOSED):
            await channel.sync(ctx.runtime, order_id)
        for refund in refunds if ctx.caller.role in access.STAFF else []:
            if refund.state is RefundState.PROCESSING:
                await channel.send_refund(ctx.runtime, refund.id)
    except OutsideError as error:
        raise PaymentUnavailable(retry_after=5) from error
    async with ctx.unit_of_work() as uow:
        return await _view(uow, await access.order_for(uow.session, ctx.caller, order_id))


@routes.post(
    "/refunds/{refund_id}/retry",
    roles=access.MENDERS,
    idempotent=True,
    transaction=False,
    summary="Send a refund again that the channel had refused",
)
async def retry_refund(ctx: Context, refund_id: UUID) -> OrderView:
    async with ctx.unit_of_work() as uow:
        order = await refunding.retry_refund(uow, ctx.caller, refund_id)
    await channel.send_refund(ctx.runtime, refund_id)
    async with ctx.unit_of_work() as uow:
        return await _view(uow, await access.order_for(uow.session, ctx.caller, order.id))


@routes.post(
    "/payments/wechat/notify",
    roles=PUBLIC,
    transaction=False,
    max_body=MAX_CALLBACK,
    summary="WeChat Pay says that an order was paid",
)
async def payment_callback(ctx: Context, raw_body: bytes) -> Response:
    await channel.take_callback(ctx.runtime, dict(ctx.request.headers), raw_body)
    return Response(status_code=204)


@routes.post(
    "/payments/wechat/refund-notify",
    roles=PUBLIC,
    transaction=False,
    max_body=MAX_CALLBACK,
    summary="WeChat Pay says how a refund ended",
)
async def refund_callback(ctx: Context, raw_body: bytes) -> Response:
    await channel.take_callback(ctx.runtime, dict(ctx.request.headers), raw_body)
    return Response(status_code=204)


async def _view(uow: UnitOfWork, order: Order) -> OrderView:
    return order_view(order, (await access.refunds_of(uow.session, [order]))[order.id])


def _states(text: str | None) -> list[OrderState]:
    try:
        return [OrderState(word) for word in (text or "").split(",") if word]
    except ValueError as error:
        raise InvalidRequest(fields=[FieldProblem("state", "不在可选范围内")]) from error


def _require_our_page(ctx: Context, address: str) -> None:
    """The cashier may send people back to this site alone, on whatever port it is served."""
    parts = urlsplit(address)
    ours = {ctx.request.url.hostname, urlsplit(ctx.runtime.config.base_url).hostname}
    if parts.scheme not in ("http", "https") or parts.hostname not in ours:
        raise ReturnUrlNotAllowed()
