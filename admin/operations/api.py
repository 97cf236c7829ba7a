"""Routes of operations."""

from uuid import UUID

from admin.operations import access, status
from admin.operations.schemas import ParkedView, SystemStatus
from clinical.cursors import cut, read_moment
from core import audit, outbox
from core.errors import NotFound
from core.http import Context, Page, Routes
from core.identity.roles import Role

routes = Routes(tag="operations", title="系统运行")
KEEPERS = [Role.ADMINISTRATOR, Role.OPERATOR]
LIMIT = 100


@routes.get("/system", roles=KEEPERS, transaction=False, summary="How the installation is doing")
async def system(ctx: Context) -> SystemStatus:
    async with ctx.unit_of_work() as uow:
        await access.require_status(uow, ctx.caller)
    return await status.system_status(ctx.runtime)


@routes.get("/outbox/parked", roles=KEEPERS, summary="Reactions that gave up")
async def parked(ctx: Context, cursor: str | None = None, limit: int = 20) -> Page[ParkedView]:
    size = max(1, min(limit, LIMIT))
    rows = await access.parked(ctx.uow.session, ctx.caller, read_moment(cursor), size + 1)
    page, following = cut(rows, size, lambda row: (row[0].parked_at, row[0].id))
    items = [
        ParkedView(
            id=delivery.id,
            event=name,
            handler=delivery.handler,
            aggregate_id=delivery.aggregate_id,
            attempts=delivery.attempts,
            error=delivery.error,
            parked_at=delivery.parked_at or ctx.now,
        )
        for delivery, name in page
    ]
    return Page(items=items, next=following)


@routes.post("/outbox/parked/{delivery_id}/retry", roles=KEEPERS, summary="Let one try again")
async def retry(ctx: Context, delivery_id: UUID) -> None:
    delivery = await access.parked_one(ctx.uow.session, ctx.caller, delivery_id)
    if not await outbox.retry_parked(ctx.uow.session, delivery_id, ctx.now):
        raise NotFound()
    await audit.record(
        ctx.uow,
        ctx.caller,
        "outbox.retry",
        "outbox_delivery",
        delivery_id,
        detail={"handler": delivery.handler},
    )
