"""Who may see and change which keys: an administrator the hospital's, an operator all.

Everybody here sees the group's keys, which seal what belongs to no hospital.
"""

from uuid import UUID

from core.access import READ, Action, Grant, Scope, allow, declare, require
from core.crypto.models import DataKey
from core.crypto.periods import Owner
from core.crypto.rotation import owners
from core.errors import Forbidden
from core.identity.caller import Caller
from core.identity.roles import Role
from core.uow import UnitOfWork

KEEPERS = (Role.ADMINISTRATOR, Role.OPERATOR)

KEYS = declare(
    "keys",
    "密钥",
    area="管理",
    here=DataKey.hospital_id,
    actions={
        READ: Action("查看密钥状态", KEEPERS),
        "rotate": Action("更换数据密钥", KEEPERS),
    },
    scopes={Scope.HOSPITAL: None, Scope.GROUP: None},
    only={Scope.GROUP: (Role.OPERATOR,)},
    defaults=[
        allow(Role.ADMINISTRATOR, Scope.HOSPITAL, READ, "rotate"),
        allow(Role.OPERATOR, Scope.GROUP, READ, "rotate"),
    ],
)


async def visible_owner(uow: UnitOfWork, caller: Caller) -> UUID | None:
    """The hospital to which the caller's view is limited; None: all. Raises NotPermitted."""
    return _limit(await require(uow, caller, KEYS, READ), caller)


async def rotation_scope(uow: UnitOfWork, caller: Caller, everything: bool) -> list[Owner]:
    """Whose keys a rotation changes. Raises NotPermitted, and Forbidden for more than is given."""
    limit = _limit(await require(uow, caller, KEYS, "rotate"), caller)
    if everything and limit is not None:
        raise Forbidden()
    return await owners(uow.session) if everything else [limit]


def _limit(allowed: Grant, caller: Caller) -> UUID | None:
    return None if Scope.GROUP in allowed.scopes else caller.hospital_id
