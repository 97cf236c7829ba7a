"""Named refusals of the people module."""

from core.errors import ProblemError
from core.identity.errors import IdNumberInvalid, RealNameMismatch, RealNameUnavailable

__all__ = ["IdNumberInvalid", "RealNameMismatch", "RealNameUnavailable"]


class GuardianRequired(ProblemError):
    code, status, title = "guardian_required", 422, "请填写监护人信息"


class GuardianMinor(ProblemError):
    code, status, title = "guardian_minor", 422, "监护人须年满18周岁"


class NotAChild(ProblemError):
    code, status, title = "not_a_child", 422, "该就诊人已成年，请选择“成人”类型添加"


class TooManyPatients(ProblemError):
    code, status, title = "too_many_patients", 409, "就诊人数量已达上限"


class PatientAlreadyAdded(ProblemError):
    code, status, title = "patient_already_added", 409, "该就诊人已添加"


class SelfAlreadyAdded(ProblemError):
    code, status, title = "self_already_added", 409, "“本人”只能添加一位就诊人"


class CardMismatch(ProblemError):
    code, status, title = "card_mismatch", 422, "就诊卡号与就诊人信息不一致"


class CardUnavailable(ProblemError):
    code, status, title = "card_unavailable", 503, "医院建卡服务暂时不可用，请稍后再试"


class PractitionerUnqualified(ProblemError):
    code, status, title = (
        "practitioner_unqualified",
        409,
        "执业资质不满足线上诊疗要求",
    )
