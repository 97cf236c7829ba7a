"""The accounts that a visitor of the demo can use."""

from dataclasses import dataclass

from admin.demo.launch import Account
from core.identity.roles import CLINICAL_ROLES, Role

# Told to everybody who starts the demo; it opens nothing else.
PASSWORD = "Renhe-2026"  # noqa: S105
#: The signing PIN of the demo's doctors, pharmacist and nurse.
SIGNING_PIN = "2580"


@dataclass(frozen=True)
class Figure:
    """Somebody with a part in the demo: a role, a fixed number, a name and something to do."""

    role: Role
    login: str
    phone: str
    name: str
    note: str


PATIENT = Figure(
    Role.PATIENT,
    "patient",
    "13800000001",
    "林小满",
    "进行中的问诊、草稿、待评价；短信验证码见模拟器",
)
DOCTOR = Figure(Role.DOCTOR, "doctor", "13800000002", "陈安和", "三位患者待接诊，一位问诊中")
OTHER_DOCTOR = Figure(Role.DOCTOR, "doctor2", "13800000003", "沈若水", "儿科：一位患儿待接诊")
PHARMACIST = Figure(
    Role.PHARMACIST, "pharmacist", "13800000004", "方知白", "用药咨询：一位患者等待视频问药"
)
NURSE = Figure(Role.NURSE, "nurse", "13800000005", "何清和", "账号待激活：填写执业资料并提交审核")
SECOND_NURSE = Figure(
    Role.NURSE, "nurse2", "13800000011", "江雪如", "护理咨询：一位患者等待图文咨询"
)
ADMINISTRATOR = Figure(
    Role.ADMINISTRATOR, "admin", "13800000006", "管一成", "设置、人员账号、资料审核、审计、问诊导出"
)
SUPERVISOR = Figure(
    Role.SUPERVISOR, "supervisor", "13800000007", "督明远", "查看已结束的问诊和录制"
)
OPERATOR = Figure(
    Role.OPERATOR, "operator", "13800000008", "运长青", "各院账号、患者用户、系统状态"
)
CUSTOMER_SERVICE = Figure(
    Role.CUSTOMER_SERVICE, "service", "13800000009", "客小暖", "患者用户查询、消息"
)
SECOND_ADMINISTRATOR = Figure(
    Role.ADMINISTRATOR, "admin2", "13800000010", "管二成", "确认管一成提交的权限变更（两人原则）"
)

FIGURES: tuple[Figure, ...] = (
    PATIENT,
    DOCTOR,
    OTHER_DOCTOR,
    PHARMACIST,
    NURSE,
    ADMINISTRATOR,
    SUPERVISOR,
    OPERATOR,
    CUSTOMER_SERVICE,
    SECOND_ADMINISTRATOR,
    SECOND_NURSE,
)


def _told(figure: Figure) -> str:
    """What is printed beside an account; who signs is told the PIN."""
    signs = figure.role in CLINICAL_ROLES
    return f"{figure.note}；签名密码 {SIGNING_PIN}" if signs else figure.note


DEMO_ACCOUNTS: list[Account] = [
    Account(figure.role.label, figure.phone, PASSWORD, _told(figure)) for figure in FIGURES
]
