"""Routes of the orders of patients: submit, look, review, cancel, carry out."""

from uuid import UUID

from clinical.cursors import cut, read_moment
from clinical.outpatient import access, items_api, service, views, workload_api
from clinical.outpatient.models import SelfOrder
from clinical.outpatient.schemas import ApproveOrder, RefuseOrder, SelfOrderView, SubmitOrder
from clinical.outpatient.service import Basket, Choice
from clinical.outpatient.states import State
from core import audit
from core.access import look
from core.errors import FieldProblem, InvalidRequest
from core.http import Context, Page, Routes
from core.identity.roles import Role

routes = Routes(tag="outpatient", title="便民门诊")
PATIENT = [Role.PATIENT]
REVIEWERS = list(access.REVIEWERS)
LIMIT = 100

# Before the routes with an identifier in their path.
routes.routes.extend(items_api.routes.routes)
routes.routes.extend(workload_api.routes.routes)


async def _shown(ctx: Context, row: SelfOrder) -> SelfOrderView:
    return await views.order_view(ctx.uow, ctx.caller, row)


@routes.post(
    "/self-orders", roles=PATIENT, status=201, idempotent=True, summary="Submit for review"
)
async def submit(ctx: Context, body: SubmitOrder) -> SelfOrderView:
    basket = Basket(
        patient_id=body.patient_id,
        choices=[Choice(**each.model_dump()) for each in body.lines],
        purpose=body.purpose,
    )
    return await _shown(ctx, await service.submit(ctx.uow, ctx.caller, basket))


@routes.get("/self-orders", roles=access.READERS, summary="Orders of patients, newest first")
async def listed(
    ctx: Context,
    state: str | None = None,
    q: str = "",
    cursor: str | None = None,
    limit: int = 20,
) -> Page[SelfOrderView]:
    size = max(1, min(limit, LIMIT))
    rows = await access.orders(
        ctx.uow.session,
        ctx.caller,
        states=_states(state),
        number=q,
        before=read_moment(cursor),
        limit=size + 1,
    )
    page, following = cut(rows, size, lambda row: (row.submitted_at, row.id))
    if ctx.caller.role is not Role.PATIENT:
        await audit.look(ctx.uow, ctx.caller, "self_order", "list", detail={"rows": len(page)})
    return Page(items=await views.order_views(ctx.uow, ctx.caller, page), next=following)


def _states(text: str | None) -> list[State]:
    try:
        return [State(word) for word in (text or "").split(",") if word]
    except ValueError as error:
        raise InvalidRequest(fields=[FieldProblem("state", "未知的状态")]) from error


@routes.get("/self-orders/{self_order_id}", roles=access.READERS, summary="One order")
async def show(ctx: Context, self_order_id: UUID) -> SelfOrderView:
    row = await access.find(ctx.uow.session, ctx.caller, self_order_id)
    await look(ctx.uow, ctx.caller, "self_order", row.id, row.patient_id)
    return await _shown(ctx, row)


@routes.post(
    "/self-orders/{self_order_id}/cancel", roles=PATIENT, summary="Step back; money goes back"
)
async def cancel(ctx: Context, self_order_id: UUID) -> SelfOrderView:
    return await _shown(ctx, await service.cancel(ctx.uow, ctx.caller, self_order_id))


@routes.post("/self-orders/{self_order_id}/approve", roles=REVIEWERS, summary="Let it be paid")
async def approve(ctx: Context, self_order_id: UUID, body: ApproveOrder) -> SelfOrderView:
    row = await service.approve(ctx.uow, ctx.caller, self_order_id, body.words)
    return await _shown(ctx, row)


@routes.post("/self-orders/{self_order_id}/refuse", roles=REVIEWERS, summary="Refuse with a reason")
async def refuse(ctx: Context, self_order_id: UUID, body: RefuseOrder) -> SelfOrderView:
    row = await service.refuse(ctx.uow, ctx.caller, self_order_id, body.reason)
    return await _shown(ctx, row)


@routes.post(
    "/self-orders/{self_order_id}/fulfil", roles=REVIEWERS, summary="Carried out, handed out"
)
async def fulfil(ctx: Context, self_order_id: UUID) -> SelfOrderView:
    return await _shown(ctx, await service.fulfil(ctx.uow, ctx.caller, self_order_id))
