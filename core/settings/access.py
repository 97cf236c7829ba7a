"""Who may change which setting, and the history that a caller may read."""

from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import func, or_, select

from core.access import READ, Action, Grant, allow, declare, require
from core.access import Scope as AccessScope
from core.errors import FieldProblem, NotFound
from core.identity.models import Department, Hospital, RoleAssignment, User
from core.identity.roles import Role
from core.settings.errors import GroupSettingForbidden, SettingInvalid
from core.settings.models import EVERYWHERE, SettingChange
from core.settings.registry import Scope

#: Who may look after settings at most.
EDITORS = (Role.ADMINISTRATOR, Role.OPERATOR)

SETTING = declare(
    "setting",
    "业务设置",
    area="管理",
    actions={READ: Action("查看", EDITORS), "change": Action("修改", EDITORS)},
    scopes={AccessScope.HOSPITAL: None, AccessScope.GROUP: None},
    only={AccessScope.GROUP: (Role.OPERATOR,)},
    defaults=[
        allow(Role.ADMINISTRATOR, AccessScope.HOSPITAL, READ, "change"),
        allow(Role.OPERATOR, AccessScope.GROUP, READ, "change"),
    ],
)

if TYPE_CHECKING:
    from core.identity.caller import Caller
    from core.uow import UnitOfWork


async def scope_for_change(
    uow: "UnitOfWork", caller: "Caller", scope: Scope, scope_id: UUID | None
) -> tuple[UUID, UUID]:
    """The hospital and the id under which a value is stored.

    The hospital always is the caller's; a department or person of another hospital is `NotFound`.
    The group's values belong to whoever may change the group's, or to the administrator of a
    single hospital. Raises NotPermitted.
    """
    allowed = await require(uow, caller, SETTING, "change")
    match scope:
        case Scope.GROUP:
            await _require_group(uow, allowed)
            return EVERYWHERE, EVERYWHERE
        case Scope.HOSPITAL:
            if scope_id not in (None, caller.hospital_id):
                raise NotFound()
            return caller.hospital_id, caller.hospital_id
        case Scope.DEPARTMENT:
            found = select(Department.id).where(
                Department.id == scope_id, Department.hospital_id == caller.hospital_id
            )
        case Scope.PERSON:
            found = (
                select(RoleAssignment.user_id)
                .where(
                    RoleAssignment.user_id == scope_id,
                    RoleAssignment.hospital_id == caller.hospital_id,
                )
                .limit(1)
            )
    if scope_id is None:
        raise SettingInvalid(fields=[FieldProblem("scope_id", "请选择科室或人员")])
    if await uow.session.scalar(found) is None:
        raise NotFound()
    return caller.hospital_id, scope_id


async def _require_group(uow: "UnitOfWork", allowed: Grant) -> None:
    if AccessScope.GROUP in allowed.scopes:
        return
    count = await uow.session.scalar(select(func.count()).select_from(Hospital))
    if count != 1:
        raise GroupSettingForbidden()


async def require_sight(uow: "UnitOfWork", caller: "Caller") -> None:
    """Raises NotPermitted for somebody who may not see the settings."""
    await require(uow, caller, SETTING)


async def history(
    uow: "UnitOfWork", caller: "Caller", key: str, limit: int = 200
) -> list[tuple[SettingChange, str | None]]:
    """Changes of one key that concern the caller's hospital, newest first, with who made them."""
    await require_sight(uow, caller)
    rows = await uow.session.execute(
        select(SettingChange, User.name)
        .outerjoin(User, User.id == SettingChange.changed_by)
        .where(
            SettingChange.key == key,
            or_(
                SettingChange.hospital_id == caller.hospital_id,
                SettingChange.hospital_id == EVERYWHERE,
            ),
        )
        .order_by(SettingChange.id.desc())
        .limit(limit)
    )
    return [(change, name) for change, name in rows]
