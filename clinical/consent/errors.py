"""Named refusals of consent and people's rights."""

from core.errors import ProblemError


class ConsentMissing(ProblemError):
    """`details.kinds` names what must be agreed to first."""

    code, status, title = "consent_missing", 409, "请先阅读并同意相关告知书"


class TextOutdated(ProblemError):
    code, status, title = "agreement_outdated", 409, "协议已更新，请重新阅读"


class NothingAsked(ProblemError):
    code, status, title = "nothing_asked", 409, "此诊间的录制同意已经确定"


class TextNotDraft(ProblemError):
    code, status, title = "text_published", 409, "已发布的版本不能修改，请新建版本"


class TextPending(ProblemError):
    code, status, title = "text_pending", 409, "该版本正在等待第二人确认，撤回后才能修改"


class ProposalClosed(ProblemError):
    """Somebody else decided first, or it was taken back; the title of the answer says which."""

    code, status, title = "text_proposal_closed", 409, "该版本没有待确认的发布申请"


class ProposalOutdated(ProblemError):
    """Another text came into force, or another wording was shown, since the proposal was read."""

    code, status, title = (
        "text_proposal_outdated",
        409,
        "文本或对照的生效版本已变化，请刷新后重新核对",
    )


class TextIncomplete(ProblemError):
    code, status, title = "text_incomplete", 422, "请填写标题、正文和生效时间后再发布"


class VersionTaken(ProblemError):
    code, status, title = "version_taken", 409, "该版本号已使用，请换一个"


class PurposeMissing(ProblemError):
    """`details.purposes` names the purposes without which the service cannot be given."""

    code, status, title = "purpose_required", 422, "有必须同意的用途尚未勾选"


class SignatureNeeded(ProblemError):
    code, status, title = "signature_needed", 422, "请先手写签名"


class GuardianOnly(ProblemError):
    code, status, title = (
        "guardian_only",
        403,
        "未满十四周岁儿童的信息，只能由已实名核验的监护人本人同意",
    )


class NotAChildsConsent(ProblemError):
    code, status, title = "not_under_fourteen", 409, "该就诊人已满十四周岁，无需监护人单独同意"


class NothingToWithdraw(ProblemError):
    code, status, title = "nothing_to_withdraw", 409, "没有可以撤回的同意"


class WithdrawnByNotice(ProblemError):
    code, status, title = (
        "not_withdrawable",
        409,
        "须知在就诊过程中不能撤回，如不想继续请取消或结束问诊",
    )


class RequestClosed(ProblemError):
    code, status, title = "rights_request_closed", 409, "该请求已办结"


class RequestPending(ProblemError):
    code, status, title = "rights_request_pending", 409, "同类请求正在处理中，请等待答复"


class RequestHeld(ProblemError):
    """A colleague has the request; `details.holder` names who."""

    code, status, title = "rights_request_held", 409, "该请求已由其他人员受理"


class NotAnOfficer(ProblemError):
    code, status, title = "not_an_officer", 422, "只能转交给本院的管理员或监督人员"


class IdentityUnchecked(ProblemError):
    code, status, title = "identity_unchecked", 409, "请先核验请求人身份"


class AlreadyExtended(ProblemError):
    code, status, title = "already_extended", 409, "答复期限只能延长一次"


class ReasonRequired(ProblemError):
    code, status, title = "reason_required", 422, "请填写理由"


class ClosingBlocked(ProblemError):
    """`details.reasons` lists what stands in the way, in Chinese."""

    code, status, title = "closing_blocked", 409, "当前不能注销账号"


class CopyNotReady(ProblemError):
    code, status, title = "copy_not_ready", 409, "副本尚未生成或已过期"


class IdentityWrong(ProblemError):
    code, status, title = "identity_wrong", 403, "身份核验未通过，请核对后重试"


class HoldLifted(ProblemError):
    code, status, title = "hold_lifted", 409, "该保全已解除"
