"""Routes of the officers: the queue of requests, and the legal holds."""

from uuid import UUID

from starlette.responses import Response

from clinical.consent import access, officers, queue, retention, rights_views
from clinical.consent.models import RightsRequest
from clinical.consent.policies import OFFICERS
from clinical.consent.queue import Filters, Holder
from clinical.consent.rights_schemas import (
    CheckInput,
    DecideInput,
    GiveInput,
    HoldingView,
    HoldView,
    NewHold,
    OfficerView,
    QueueNumbers,
    ReasonInput,
    RequestView,
)
from clinical.consent.states import Right
from clinical.cursors import cut, read_moment
from core import audit
from core.defence.kinds import Kind
from core.http import Context, Page, Routes

routes = Routes(tag="rights", title="个人信息权利")
LIMIT = 100


async def _view(ctx: Context, row: RightsRequest) -> RequestView:
    await ctx.uow.session.flush()
    return (await rights_views.request_views(ctx.uow, ctx.caller, [row]))[0]


@routes.get("/rights/queue", roles=OFFICERS)
async def listed(
    ctx: Context,
    which: str = "open",
    right: Right | None = None,
    holder: Holder = Holder.ANY,
    overdue: bool = False,
    cursor: str | None = None,
    limit: int = 20,
) -> Page[RequestView]:
    """Requests of the hospital, newest first."""
    size = max(1, min(limit, LIMIT))
    filters = Filters(which=which, right=right, holder=holder, overdue_only=overdue)
    rows = await queue.page(ctx.uow, ctx.caller, filters, read_moment(cursor), size + 1)
    shown, following = cut(rows, size, lambda row: (row.created_at, row.id))
    await audit.look(ctx.uow, ctx.caller, "rights_request", "list", detail={"rows": len(shown)})
    return Page(items=await rights_views.request_views(ctx.uow, ctx.caller, shown), next=following)


@routes.get("/rights/queue/numbers", roles=OFFICERS)
async def numbers(ctx: Context) -> QueueNumbers:
    """How many wait, come near or are late, and how long answers took."""
    return await queue.numbers(ctx.uow, ctx.caller)


@routes.get("/rights/queue/export.csv", roles=OFFICERS, limit=Kind.EXPORT)
async def exported(
    ctx: Context,
    which: str = "all",
    right: Right | None = None,
    holder: Holder = Holder.ANY,
    overdue: bool = False,
) -> Response:
    """The filtered queue as a table."""
    filters = Filters(which=which, right=right, holder=holder, overdue_only=overdue)
    rows = await queue.page(ctx.uow, ctx.caller, filters, None, queue.MOST)
    shown = await rights_views.request_views(ctx.uow, ctx.caller, rows)
    return Response(
        await queue.as_csv(ctx.uow, ctx.caller, filters, shown),
        media_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": 'attachment; filename="rights.csv"',
            "Cache-Control": "no-store",
        },
    )


@routes.get("/rights/requests/{request_id}/holdings", roles=OFFICERS)
async def holdings(ctx: Context, request_id: UUID) -> list[HoldingView]:
    """What is held about the requester, by category: numbers, no contents."""
    row = await access.request_for(ctx.uow.session, ctx.caller, request_id)
    await audit.look(ctx.uow, ctx.caller, "rights_holdings", row.id, row.patient_id)
    return await rights_views.holding_views(ctx.uow, row.hospital_id, row.user_id)


@routes.post("/rights/requests/{request_id}/take", roles=OFFICERS)
async def take(ctx: Context, request_id: UUID) -> RequestView:
    """Take on a request that nobody has."""
    return await _view(ctx, await officers.take(ctx.uow, ctx.caller, request_id))


@routes.post("/rights/requests/{request_id}/give", roles=OFFICERS)
async def give(ctx: Context, request_id: UUID, body: GiveInput) -> RequestView:
    """Give a request to a colleague, or take over one of a colleague who is absent."""
    row = await officers.give(ctx.uow, ctx.caller, request_id, body.to, body.held_by)
    return await _view(ctx, row)


@routes.get("/rights/officers", roles=OFFICERS)
async def colleagues(ctx: Context) -> list[OfficerView]:
    """Who answers requests at this hospital, the caller too, by name."""
    return await rights_views.officer_views(ctx.uow, ctx.caller)


@routes.post("/rights/requests/{request_id}/check", roles=OFFICERS)
async def check(ctx: Context, request_id: UUID, body: CheckInput) -> RequestView:
    """Say how the requester's identity was checked."""
    row = await officers.check_identity(ctx.uow, ctx.caller, request_id, body.note)
    return await _view(ctx, row)


@routes.post("/rights/requests/{request_id}/extend", roles=OFFICERS)
async def extend(ctx: Context, request_id: UUID, body: ReasonInput) -> RequestView:
    """Lengthen the time to answer, once; the requester is told."""
    return await _view(ctx, await officers.extend(ctx.uow, ctx.caller, request_id, body.reason))


@routes.post("/rights/requests/{request_id}/decide", roles=OFFICERS)
async def decide(ctx: Context, request_id: UUID, body: DecideInput) -> RequestView:
    """Answer a request; what is granted is carried out at once."""
    row = await officers.decide(ctx.uow, ctx.caller, request_id, body.outcome, body.reason)
    return await _view(ctx, row)


# --- legal holds ---------------------------------------------------------------------------------


@routes.get("/rights/holds", roles=OFFICERS)
async def holds(ctx: Context) -> list[HoldView]:
    """The hospital's legal holds, those in force first."""
    return await rights_views.hold_views(
        ctx.uow, await access.holds_of(ctx.uow.session, ctx.caller)
    )


@routes.post("/rights/holds", roles=OFFICERS, status=201, idempotent=True)
async def place(ctx: Context, body: NewHold) -> HoldView:
    """Keep something from being deleted."""
    row = await retention.place_hold(ctx.uow, ctx.caller, body.thing, body.thing_id, body.reason)
    return (await rights_views.hold_views(ctx.uow, [row]))[0]


@routes.post("/rights/holds/{hold_id}/lift", roles=OFFICERS)
async def lift(ctx: Context, hold_id: UUID, body: ReasonInput) -> HoldView:
    """End a hold."""
    row = await retention.lift_hold(ctx.uow, ctx.caller, hold_id, body.reason)
    return (await rights_views.hold_views(ctx.uow, [row]))[0]
