"""The words of this module."""

from enum import StrEnum


class Operation(StrEnum):
    """What the hospital's system is asked."""

    PERSON = "person"
    RECORDS = "records"
    REPORTS = "reports"
    REPORT = "report"
    PICTURE = "picture"
    PRESCRIPTIONS = "prescriptions"
    PRESCRIPTION = "prescription"


OPERATION_TEXT = {
    Operation.PERSON: "患者信息查询",
    Operation.RECORDS: "门诊病历查询",
    Operation.REPORTS: "检查检验报告列表",
    Operation.REPORT: "检查检验报告详情",
    Operation.PICTURE: "检查图像",
    Operation.PRESCRIPTIONS: "历史处方列表",
    Operation.PRESCRIPTION: "历史处方详情",
}


class Outcome(StrEnum):
    """How an exchange went."""

    ANSWERED = "answered"
    UNKNOWN = "unknown"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    MALFORMED = "malformed"


OUTCOME_TEXT = {
    Outcome.ANSWERED: "成功",
    Outcome.UNKNOWN: "查无此项",
    Outcome.REFUSED: "对方拒绝",
    Outcome.UNREACHABLE: "无应答",
    Outcome.MALFORMED: "应答有误",
}


class ReportKind(StrEnum):
    """Examinations (imaging, ECG, pathology ...) or laboratory tests."""

    EXAM = "exam"
    LAB = "lab"


class PrescriptionKind(StrEnum):
    """Western drugs, Chinese patent medicines, or herbs that are decocted together."""

    WESTERN = "western"
    PATENT = "patent"
    HERBAL = "herbal"


PRESCRIPTION_TEXT = {
    PrescriptionKind.WESTERN: "西药处方",
    PrescriptionKind.PATENT: "中成药处方",
    PrescriptionKind.HERBAL: "中草药处方",
}


class Mark(StrEnum):
    """How a result stands to its reference."""

    NORMAL = "normal"
    HIGH = "high"
    LOW = "low"
    ABNORMAL = "abnormal"
    CRITICAL_HIGH = "critical_high"
    CRITICAL_LOW = "critical_low"
    CRITICAL = "critical"
