"""The verbs of own roles and menus."""

from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from core import audit
from core.access import access
from core.access.book import BookCache, changed
from core.access.engine import require
from core.access.errors import OwnRequest, PolicyInvalid, RoleHeld, RoleNameTaken
from core.access.models import EVERYWHERE, AccessMenu, AccessPolicy, AccessRole
from core.access.own import ACCESS, place_of
from core.errors import FieldProblem
from core.identity import sessions
from core.identity.roles import STAFF_ROLES, Role
from core.ids import new_id

if TYPE_CHECKING:
    from core.identity.caller import Caller
    from core.uow import UnitOfWork


async def create(
    uow: "UnitOfWork", caller: "Caller", base: Role, name: str, description: str
) -> AccessRole:
    """Make an own role of the caller's place from a base role; it starts as the base does.

    Raises NotPermitted, PolicyInvalid for the patient's role, RoleNameTaken.
    """
    await require(uow, caller, ACCESS, "roles")
    if base not in STAFF_ROLES:
        raise PolicyInvalid(fields=[FieldProblem("base", "患者身份不能派生岗位角色")])
    await _require_free_name(uow, place_of(caller), name, None)
    row = AccessRole(
        id=new_id(),
        hospital_id=place_of(caller),
        base=base,
        name=name,
        description=description,
        created_by=caller.user_id,
        created_at=uow.now,
        changed_at=uow.now,
    )
    uow.session.add(row)
    await _audit(uow, caller, "create", row)
    return row


async def edit(
    uow: "UnitOfWork", caller: "Caller", role_id: UUID, name: str, description: str
) -> AccessRole:
    """Change name and description. Raises NotFound, NotPermitted, RoleNameTaken."""
    await require(uow, caller, ACCESS, "roles")
    row = await access.role_for(uow, caller, role_id, own=True, lock=True)
    await _require_free_name(uow, row.hospital_id, name, row.id)
    row.name, row.description, row.changed_at = name, description, uow.now
    await _audit(uow, caller, "edit", row)
    return row


async def copy(uow: "UnitOfWork", caller: "Caller", role_id: UUID, name: str) -> AccessRole:
    """A new role of the caller's place with the policies and the menu of another.

    The policies were confirmed by two people when the other role got them.
    """
    source = await access.role_for(uow, caller, role_id)
    row = await create(uow, caller, source.base, name, source.description)
    await uow.session.flush()
    for policy in await uow.session.scalars(
        select(AccessPolicy).where(AccessPolicy.role_id == source.id)
    ):
        uow.session.add(
            AccessPolicy(
                id=new_id(),
                hospital_id=row.hospital_id,
                role=policy.role,
                role_id=row.id,
                resource=policy.resource,
                action=policy.action,
                scope=policy.scope,
                filters=policy.filters,
                hidden=policy.hidden,
                masked=policy.masked,
                change_id=policy.change_id,
                changed_at=uow.now,
            )
        )
    pages = await uow.session.scalar(
        select(AccessMenu.pages).where(AccessMenu.role_id == source.id)
    )
    if pages is not None:
        await _store_menu(uow, caller, source.base, row.id, pages)
    changed(uow)
    return row


async def remove(uow: "UnitOfWork", caller: "Caller", role_id: UUID) -> None:
    """Delete a role that nobody holds. Raises NotFound, NotPermitted, RoleHeld."""
    await require(uow, caller, ACCESS, "roles")
    row = await access.role_for(uow, caller, role_id, own=True, lock=True)
    if await access.is_held(uow, row.id):
        raise RoleHeld()
    await _audit(uow, caller, "delete", row)
    await uow.session.execute(delete(AccessPolicy).where(AccessPolicy.role_id == row.id))
    await uow.session.execute(delete(AccessMenu).where(AccessMenu.role_id == row.id))
    await uow.session.delete(row)
    changed(uow)


async def assign(
    uow: "UnitOfWork", caller: "Caller", user_id: UUID, base: Role, role_id: UUID | None
) -> None:
    """Let a colleague hold the base role as an own role, or (None) as the base role itself.

    Raises NotFound, NotPermitted, OwnRequest for oneself, PolicyInvalid for another base.
    """
    await require(uow, caller, ACCESS, "assign")
    if user_id == caller.user_id:
        raise OwnRequest("不能给自己分配岗位角色")
    rows = await access.assignments(uow, caller, user_id, base)
    if role_id is not None:
        # The lock keeps the role from being deleted meanwhile.
        role = await access.role_for(uow, caller, role_id, lock=True)
        if role.base is not base:
            raise PolicyInvalid(fields=[FieldProblem("role_id", "岗位角色与身份不符")])
    for row in rows:
        row.access_role_id = role_id
    await audit.record(
        uow,
        caller,
        "access_role.assign",
        "user",
        user_id,
        detail={"role": base, "access_role": role_id},
    )
    changed(uow)
    sessions.announce_user_change(uow, user_id)


async def _require_free_name(uow: "UnitOfWork", place: UUID, name: str, but: UUID | None) -> None:
    await access.hold(uow, place)
    query = select(AccessRole.id).where(AccessRole.hospital_id == place, AccessRole.name == name)
    if but is not None:
        query = query.where(AccessRole.id != but)
    if await uow.session.scalar(query) is not None:
        raise RoleNameTaken()


async def _audit(uow: "UnitOfWork", caller: "Caller", verb: str, row: AccessRole) -> None:
    await audit.record(
        uow,
        caller,
        f"access_role.{verb}",
        "access_role",
        row.id,
        detail={"name": row.name, "base": row.base},
    )


# ---- menus -----------------------------------------------------------------------------------


async def set_menu(
    uow: "UnitOfWork",
    caller: "Caller",
    base: Role,
    role_id: UUID | None,
    pages: Sequence[str] | None,
) -> None:
    """Say which pages a role is shown, in order; None: all that it may open.

    Raises NotFound, NotPermitted, PolicyInvalid.
    """
    await require(uow, caller, ACCESS, "roles")
    if role_id is not None:
        role = await access.role_for(uow, caller, role_id, own=True)
        if role.base is not base:
            raise PolicyInvalid(fields=[FieldProblem("role_id", "岗位角色与身份不符")])
    if pages is not None and len(set(pages)) != len(pages):
        raise PolicyInvalid(fields=[FieldProblem("pages", "菜单重复")])
    if pages is None:
        await uow.session.execute(
            delete(AccessMenu).where(
                AccessMenu.hospital_id == place_of(caller),
                AccessMenu.role == base,
                AccessMenu.role_id == (role_id or EVERYWHERE),
            )
        )
    else:
        await _store_menu(uow, caller, base, role_id or EVERYWHERE, list(pages))
    await audit.record(
        uow,
        caller,
        "access_menu.change",
        "access_menu",
        role_id or base.value,
        detail={"role": base, "pages": pages},
    )
    changed(uow)


async def _store_menu(
    uow: "UnitOfWork", caller: "Caller", base: Role, role_id: UUID, pages: list[str]
) -> None:
    new = {"pages": pages, "changed_by": caller.user_id, "changed_at": uow.now}
    place = {"hospital_id": place_of(caller), "role": base, "role_id": role_id}
    await uow.session.execute(
        insert(AccessMenu)
        .values(**place, **new)
        .on_conflict_do_update(index_elements=list(place), set_=new)
    )


async def menu_of(uow: "UnitOfWork", caller: "Caller") -> list[str] | None:
    """The pages that the caller is shown, in order; None: all that the role may open."""
    book = await BookCache.of(uow.runtime).read(uow)
    held = book.roles_of((caller.user_id, caller.hospital_id, caller.role))
    found: list[str] = []
    for role_id in sorted(held):
        places = [(caller.hospital_id, role_id), (EVERYWHERE, role_id)]
        places += [(caller.hospital_id, EVERYWHERE), (EVERYWHERE, EVERYWHERE)]
        stored = (book.menus.get((place, caller.role, held_as)) for place, held_as in places)
        pages = next((each for each in stored if each is not None), None)
        if pages is None:
            return None
        found += [page for page in pages if page not in found]
    return found
