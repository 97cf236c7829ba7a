"""Named errors of access."""

from core.errors import Conflict, Forbidden, InvalidRequest


class NotPermitted(Forbidden):
    """The role may come in, but the hospital's policy gives it nothing here."""

    code, status, title = "not_permitted", 403, "没有这项操作的权限"


class PolicyInvalid(InvalidRequest):
    code, status, title = "policy_invalid", 422, "权限设置不符合要求"


class ChangeConflict(Conflict):
    """The matrix was changed since the change was asked for."""

    code, status, title = "access_change_conflict", 409, "权限已被其他变更修改，请撤回后重新提交"


class ChangeClosed(Conflict):
    code, status, title = "access_change_closed", 409, "该变更申请已经处理或已过期"


class OwnRequest(Forbidden):
    """The four-eyes rule: nobody decides about what he asked for himself."""

    code, status, title = "own_request", 403, "不能审批自己提交的申请"


class RoleHeld(Conflict):
    code, status, title = "access_role_held", 409, "仍有人员使用该岗位角色，不能删除"


class RoleNameTaken(Conflict):
    code, status, title = "access_role_name_taken", 409, "已有同名的岗位角色"


class DelegationRefused(InvalidRequest):
    code, status, title = "delegation_refused", 422, "不能这样委托"


class PermitPending(Conflict):
    code, status, title = "permit_pending", 409, "已有一份申请在等待审批"


class PermitClosed(Conflict):
    code, status, title = "permit_closed", 409, "该申请已经处理"


class EmergencyReviewed(Conflict):
    code, status, title = "emergency_reviewed", 409, "该次紧急调阅已经复核"
