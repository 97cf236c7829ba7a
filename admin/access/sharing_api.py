"""Routes of what is held for a time: delegations between colleagues, permissions on request."""

from uuid import UUID

from admin.access import views
from admin.access.paging import Limit, page_of
from admin.access.schemas import (
    AskPermission,
    Choice,
    DecidePermit,
    DelegationOptions,
    DelegationView,
    GiveDelegation,
    GiveNote,
    MyPermissions,
    PermitView,
    ReceiverView,
    StandingView,
)
from core import settings
from core.access import access as rows
from core.access import delegations, permits
from core.access.engine import own_permissions
from core.access.models import AccessDelegation, AccessPermit
from core.access.own import GIVERS, OFFICERS, STAFF
from core.access.settings import DELEGATION_DAYS
from core.http import Context, Page, Routes
from core.identity.roles import Role

routes = Routes(tag="access", title="权限")

# ---- delegation ------------------------------------------------------------------------------


@routes.get("/access/delegations/options", roles=GIVERS, summary="To whom and what")
async def options(ctx: Context) -> DelegationOptions:
    possible = await delegations.receivers(ctx.uow, ctx.caller)
    mine = await own_permissions(ctx.uow, ctx.caller)
    return DelegationOptions(
        receivers=[
            ReceiverView(id=user.id, name=user.name, department=department.name)
            for user, department in possible
        ],
        actions=[Choice(value=each, label=views.permission_title(each)) for each in sorted(mine)],
        most_days=await settings.get(ctx.uow, DELEGATION_DAYS, hospital_id=ctx.caller.hospital_id),
    )


@routes.get("/access/delegations", roles=STAFF, summary="Given and received, or all for officers")
async def list_delegations(
    ctx: Context, everybody: bool = False, cursor: str | None = None, limit: Limit = 20
) -> Page[DelegationView]:
    return await page_of(
        cursor,
        limit,
        lambda before, size: rows.delegations(
            ctx.uow, ctx.caller, everybody=everybody, before=before, limit=size
        ),
        lambda row: (row.created_at, row.id),
        lambda page: views.delegations(ctx.uow, page),
    )


@routes.post(
    "/access/delegations", roles=GIVERS, status=201, idempotent=True, summary="Delegate for a time"
)
async def give(ctx: Context, body: GiveDelegation) -> DelegationView:
    row = await delegations.give(
        ctx.uow,
        ctx.caller,
        body.receiver_id,
        body.actions,
        body.starts_at,
        body.ends_at,
        body.reason,
    )
    return await _delegation(ctx, row)


@routes.post("/access/delegations/{delegation_id}/end", roles=STAFF, summary="End it early")
async def end(ctx: Context, delegation_id: UUID) -> DelegationView:
    return await _delegation(ctx, await delegations.end(ctx.uow, ctx.caller, delegation_id))


async def _delegation(ctx: Context, row: AccessDelegation) -> DelegationView:
    return (await views.delegations(ctx.uow, [row]))[0]


# ---- permissions on request ------------------------------------------------------------------


@routes.get("/me/permissions", roles=STAFF, summary="Permissions that can be asked for")
async def my_permissions(ctx: Context) -> MyPermissions:
    standings = await permits.standings(ctx.uow, ctx.caller)
    return MyPermissions(
        standings=[
            StandingView(
                permission=each.permission, title=each.title, held=each.held, until=each.until
            )
            for each in standings
        ],
        applications=await views.permits(ctx.uow, await rows.own_permits(ctx.uow, ctx.caller)),
    )


@routes.post(
    "/me/permissions/applications",
    roles=STAFF,
    status=201,
    idempotent=True,
    summary="Ask for a permission",
)
async def ask(ctx: Context, body: AskPermission) -> PermitView:
    row = await permits.ask(ctx.uow, ctx.caller, body.permission, body.reason, body.days)
    return await _permit(ctx, row)


@routes.post(
    "/me/permissions/applications/{permit_id}/withdraw", roles=STAFF, summary="Take it back"
)
async def withdraw(ctx: Context, permit_id: UUID) -> PermitView:
    return await _permit(ctx, await permits.withdraw(ctx.uow, ctx.caller, permit_id))


@routes.get("/access/permits", roles=OFFICERS, summary="Applications, newest first")
async def list_permits(
    ctx: Context, state: str | None = None, cursor: str | None = None, limit: Limit = 20
) -> Page[PermitView]:
    states = [word for word in (state or "").split(",") if word]
    return await page_of(
        cursor,
        limit,
        lambda before, size: rows.permits(ctx.uow, ctx.caller, states, before, size),
        lambda row: (row.asked_at, row.id),
        lambda page: views.permits(ctx.uow, page),
    )


@routes.post(
    "/access/permits/{permit_id}/decide", roles=[Role.ADMINISTRATOR], summary="Grant or refuse"
)
async def decide(ctx: Context, permit_id: UUID, body: DecidePermit) -> PermitView:
    row = await permits.decide(
        ctx.uow, ctx.caller, permit_id, granted=body.granted, days=body.days, note=body.note
    )
    return await _permit(ctx, row)


@routes.post(
    "/access/permits/{permit_id}/revoke", roles=[Role.ADMINISTRATOR], summary="Take it back"
)
async def revoke(ctx: Context, permit_id: UUID, body: GiveNote) -> PermitView:
    return await _permit(ctx, await permits.revoke(ctx.uow, ctx.caller, permit_id, body.note))


async def _permit(ctx: Context, row: AccessPermit) -> PermitView:
    return (await views.permits(ctx.uow, [row]))[0]
