"""Routes of access: what the caller may, the matrix with its changes, own roles and menus."""

from uuid import UUID

from admin.access import emergency_api, sharing_api, views
from admin.access.paging import Limit, page_of
from admin.access.schemas import (
    AssignRole,
    ChangeView,
    CopyRole,
    EditRole,
    GiveNote,
    Matrix,
    MenuView,
    Mine,
    NewRole,
    OwnRoleView,
    PersonView,
    ProposeChange,
    RoleRef,
    SetMenu,
    StaffRoleView,
)
from core.access import access as rows
from core.access import changes, held
from core.access import roles as own_roles
from core.access.models import AccessChange, AccessRole
from core.access.own import KEEPERS, place_of
from core.http import ANY_ROLE, Context, Page, Routes
from core.identity.roles import Role

routes = Routes(tag="access", title="权限")
READERS = [*KEEPERS, Role.SUPERVISOR]
STAFF_SHOWN = 200


@routes.get("/me/menus", roles=ANY_ROLE, summary="The pages and permissions of the caller")
async def my_menus(ctx: Context) -> Mine:
    return Mine(
        pages=await own_roles.menu_of(ctx.uow, ctx.caller),
        permissions=await held(ctx.uow, ctx.caller),
    )


# ---- the matrix ------------------------------------------------------------------------------


@routes.get("/access/matrix", roles=READERS, summary="Resources and roles, and what holds")
async def matrix(ctx: Context) -> Matrix:
    return await views.matrix(ctx.uow, ctx.caller)


@routes.get("/access/changes", roles=READERS, summary="Changes of the matrix, newest first")
async def list_changes(
    ctx: Context, state: str | None = None, cursor: str | None = None, limit: Limit = 20
) -> Page[ChangeView]:
    states = [word for word in (state or "").split(",") if word]
    return await page_of(
        cursor,
        limit,
        lambda before, size: rows.changes(ctx.uow, ctx.caller, states, before, size),
        lambda row: (row.requested_at, row.id),
        lambda page: views.changes(ctx.uow, ctx.caller, page),
    )


@routes.post(
    "/access/changes",
    roles=KEEPERS,
    status=201,
    idempotent=True,
    summary="Ask for a change; a second person confirms it",
)
async def propose(ctx: Context, body: ProposeChange) -> ChangeView:
    wanted = [
        changes.Wanted(
            role=each.role,
            role_id=each.role_id,
            resource=each.resource,
            action=each.action,
            policy=each.policy.policy if each.policy else None,
        )
        for each in body.items
    ]
    return await _change(ctx, await changes.propose(ctx.uow, ctx.caller, wanted, body.reason))


@routes.post("/access/changes/{change_id}/confirm", roles=KEEPERS, summary="Put into effect")
async def confirm(ctx: Context, change_id: UUID, body: GiveNote) -> ChangeView:
    return await _change(ctx, await changes.confirm(ctx.uow, ctx.caller, change_id, body.note))


@routes.post("/access/changes/{change_id}/refuse", roles=KEEPERS, summary="Say no to a change")
async def refuse(ctx: Context, change_id: UUID, body: GiveNote) -> ChangeView:
    return await _change(ctx, await changes.refuse(ctx.uow, ctx.caller, change_id, body.note))


@routes.post("/access/changes/{change_id}/withdraw", roles=KEEPERS, summary="Take it back")
async def withdraw(ctx: Context, change_id: UUID) -> ChangeView:
    return await _change(ctx, await changes.withdraw(ctx.uow, ctx.caller, change_id))


async def _change(ctx: Context, row: AccessChange) -> ChangeView:
    return (await views.changes(ctx.uow, ctx.caller, [row]))[0]


# ---- own roles -------------------------------------------------------------------------------


@routes.get("/access/roles", roles=READERS, summary="The hospital's own roles, and the group's")
async def list_roles(ctx: Context) -> list[OwnRoleView]:
    return await _roles(ctx, await rows.roles(ctx.uow, ctx.caller))


@routes.post(
    "/access/roles", roles=KEEPERS, status=201, idempotent=True, summary="Make an own role"
)
async def create_role(ctx: Context, body: NewRole) -> OwnRoleView:
    row = await own_roles.create(ctx.uow, ctx.caller, body.base, body.name, body.description)
    return (await _roles(ctx, [row]))[0]


@routes.put("/access/roles/{role_id}", roles=KEEPERS, summary="Rename or describe a role")
async def edit_role(ctx: Context, role_id: UUID, body: EditRole) -> OwnRoleView:
    row = await own_roles.edit(ctx.uow, ctx.caller, role_id, body.name, body.description)
    return (await _roles(ctx, [row]))[0]


@routes.post(
    "/access/roles/{role_id}/copy",
    roles=KEEPERS,
    status=201,
    idempotent=True,
    summary="A new role with the policies and the menu of another",
)
async def copy_role(ctx: Context, role_id: UUID, body: CopyRole) -> OwnRoleView:
    return (await _roles(ctx, [await own_roles.copy(ctx.uow, ctx.caller, role_id, body.name)]))[0]


@routes.delete("/access/roles/{role_id}", roles=KEEPERS, summary="Delete a role nobody holds")
async def delete_role(ctx: Context, role_id: UUID) -> None:
    await own_roles.remove(ctx.uow, ctx.caller, role_id)


async def _roles(ctx: Context, found: list[AccessRole]) -> list[OwnRoleView]:
    await ctx.uow.session.flush()
    ids = [row.id for row in found]
    held_by = await rows.holders(ctx.uow, ctx.caller, ids)
    stored = await rows.policy_counts(ctx.uow, ids)
    return [
        OwnRoleView(
            id=row.id,
            base=row.base,
            name=row.name,
            description=row.description,
            own=row.hospital_id == place_of(ctx.caller),
            holders=held_by.get(row.id, 0),
            policies=stored.get(row.id, 0),
            changed_at=row.changed_at,
        )
        for row in found
    ]


@routes.get("/access/staff", roles=KEEPERS, summary="Colleagues and the roles they hold")
async def staff(ctx: Context, q: str | None = None) -> list[StaffRoleView]:
    found = await rows.staff_with_roles(ctx.uow, ctx.caller, q, STAFF_SHOWN)
    ids = {row.access_role_id for _, row, _ in found if row.access_role_id is not None}
    names = await rows.role_names(ctx.uow, ids)
    return [
        StaffRoleView(
            user=PersonView(id=user.id, name=user.name),
            role=row.role,
            department=department.name if department else None,
            access_role=RoleRef(
                role=row.role, id=row.access_role_id, name=names[row.access_role_id]
            )
            if row.access_role_id is not None
            else None,
        )
        for user, row, department in found
    ]


@routes.put("/access/staff/{user_id}/role", roles=KEEPERS, summary="Give or take an own role")
async def assign(ctx: Context, user_id: UUID, body: AssignRole) -> None:
    await own_roles.assign(ctx.uow, ctx.caller, user_id, body.role, body.role_id)


@routes.get("/access/menus", roles=READERS, summary="Menus that were set here")
async def menus(ctx: Context) -> list[MenuView]:
    return [
        MenuView(role=row.role, role_id=row.role_id if row.role_id.int else None, pages=row.pages)
        for row in await rows.menus_at(ctx.uow, ctx.caller)
    ]


@routes.put("/access/menus", roles=KEEPERS, summary="Which pages a role is shown, in order")
async def set_menu(ctx: Context, body: SetMenu) -> None:
    await own_roles.set_menu(ctx.uow, ctx.caller, body.role, body.role_id, body.pages)


routes.routes.extend(sharing_api.routes.routes)
routes.routes.extend(emergency_api.routes.routes)
