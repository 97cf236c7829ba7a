"""The engine's own things as resources: who may change who may."""

from typing import TYPE_CHECKING
from uuid import UUID

from core.access.models import (
    EVERYWHERE,
    AccessChange,
    AccessDelegation,
    AccessPermit,
    EmergencyAccess,
)
from core.access.registry import allow, declare
from core.access.vocabulary import READ, Action, RowFilter, Scope
from core.identity.roles import CLINICAL_ROLES, STAFF_ROLES, Role

if TYPE_CHECKING:
    from core.identity.caller import Caller

KEEPERS = (Role.ADMINISTRATOR, Role.OPERATOR)
OFFICERS = (Role.ADMINISTRATOR, Role.SUPERVISOR)
STAFF = tuple(sorted(STAFF_ROLES))
CLINICIANS = tuple(sorted(CLINICAL_ROLES))
GIVERS = (*CLINICIANS, Role.OPERATOR, Role.CUSTOMER_SERVICE)


def place_of(caller: "Caller") -> UUID:
    """Whose policies the caller looks after: an operator the group's, others the hospital's."""
    return EVERYWHERE if caller.role is Role.OPERATOR else caller.hospital_id


ACCESS = declare(
    "access",
    "权限",
    area="管理",
    actions={
        READ: Action("查看权限矩阵", (*KEEPERS, Role.SUPERVISOR)),
        "propose": Action("提出权限变更", KEEPERS),
        "confirm": Action("确认他人的变更", KEEPERS),
        "roles": Action("管理岗位角色与菜单", KEEPERS),
        "assign": Action("给人员分配岗位角色", KEEPERS),
    },
    scopes={
        Scope.HOSPITAL: lambda caller: AccessChange.hospital_id == caller.hospital_id,
        Scope.GROUP: lambda caller: AccessChange.hospital_id == EVERYWHERE,
    },
    only={
        Scope.HOSPITAL: (Role.ADMINISTRATOR, Role.SUPERVISOR),
        Scope.GROUP: (Role.OPERATOR,),
    },
    # Four eyes: nobody confirms what he asked for.
    never={"confirm": lambda caller: AccessChange.requested_by == caller.user_id},
    defaults=[
        allow(Role.ADMINISTRATOR, Scope.HOSPITAL, READ, "propose", "confirm", "roles", "assign"),
        allow(Role.OPERATOR, Scope.GROUP, READ, "propose", "confirm", "roles", "assign"),
        allow(Role.SUPERVISOR, Scope.HOSPITAL, READ),
    ],
    # A hospital must not lock itself out of its own matrix.
    floors=[allow(Role.ADMINISTRATOR, Scope.HOSPITAL, READ, "propose", "confirm")],
)

DELEGATION = declare(
    "delegation",
    "权限委托",
    area="管理",
    here=AccessDelegation.hospital_id,
    actions={
        READ: Action("查看全部委托", OFFICERS),
        "give": Action("把自己的权限委托给同事", GIVERS),
        "end": Action("终止他人的委托", OFFICERS),
    },
    scopes={Scope.DEPARTMENT: None, Scope.HOSPITAL: None},
    only={Scope.DEPARTMENT: GIVERS},
    defaults=[
        *(allow(role, Scope.HOSPITAL, READ, "end") for role in OFFICERS),
        allow(Role.DOCTOR, Scope.DEPARTMENT, "give"),
        allow(Role.OPERATOR, Scope.DEPARTMENT, "give"),
    ],
)

PERMIT = declare(
    "permit",
    "权限申请",
    area="管理",
    here=AccessPermit.hospital_id,
    actions={
        READ: Action("查看全部申请", OFFICERS),
        "decide": Action("审批申请", (Role.ADMINISTRATOR,)),
    },
    scopes={Scope.HOSPITAL: None},
    never={"decide": lambda caller: AccessPermit.user_id == caller.user_id},
    defaults=[
        *(allow(role, Scope.HOSPITAL, READ) for role in OFFICERS),
        allow(Role.ADMINISTRATOR, Scope.HOSPITAL, "decide"),
    ],
)

EMERGENCY = declare(
    "emergency",
    "紧急调阅",
    area="监管",
    here=EmergencyAccess.hospital_id,
    actions={
        READ: Action("查看全部紧急调阅", OFFICERS, delegable=True),
        "open": Action("打开紧急调阅", CLINICIANS),
        "review": Action("复核紧急调阅", OFFICERS),
    },
    scopes={Scope.HOSPITAL: None},
    filters={
        "unreviewed": RowFilter("仅待复核的", lambda caller: EmergencyAccess.verdict.is_(None))
    },
    # Nobody reviews what he opened himself, in whatever role he comes.
    never={"review": lambda caller: EmergencyAccess.user_id == caller.user_id},
    defaults=[
        *(allow(role, Scope.HOSPITAL, READ, "review") for role in OFFICERS),
        *(allow(role, Scope.HOSPITAL, "open") for role in CLINICIANS),
    ],
)
