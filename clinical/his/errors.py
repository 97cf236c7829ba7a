"""Why the hospital's records cannot be shown."""

from core.errors import ProblemError


class HospitalUnreachable(ProblemError):
    """Nobody answered in time. Asking again may help."""

    code, status, title = "his_unreachable", 503, "医院信息系统暂时没有应答，请稍后重试"


class HospitalBusy(ProblemError):
    """The platform holds back, so that the hospital's system is not overrun."""

    code, status, title = "his_busy", 503, "查询医院信息系统的人较多，请稍后重试"


class HospitalRefused(ProblemError):
    """The hospital's system said no."""

    code, status, title = "his_refused", 502, "医院信息系统拒绝了这次查询"


class HospitalMalformed(ProblemError):
    """An answer that cannot be believed is shown to nobody."""

    code, status, title = "his_malformed", 502, "医院信息系统的应答有误，暂时无法显示"


class PersonDiffers(ProblemError):
    """The hospital has somebody else under this number."""

    code, status, title = "his_person_differs", 409, "医院档案中的姓名与就诊人不一致，请到窗口核对"


class ReportUnknown(ProblemError):
    """The hospital has no such report of this person (any more)."""

    code, status, title = "his_report_unknown", 404, "医院没有这份报告，可能已被撤回"


class PrescriptionUnknown(ProblemError):
    """The hospital has no such prescription of this person (any more)."""

    code, status, title = "his_prescription_unknown", 404, "医院没有该就诊人的这张处方"


class ReasonEnded(ProblemError):
    """The consultation that was the reason to look is over."""

    code, status, title = "his_reason_ended", 409, "问诊已经结束，不能再查询院内病历"
