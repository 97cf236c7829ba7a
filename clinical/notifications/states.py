"""The words of notifications."""

from enum import StrEnum


class PushState(StrEnum):
    """How far a notice has come on its way out of the house."""

    DUE = "due"
    SENT = "sent"
    SKIPPED = "skipped"
    UNREACHABLE = "unreachable"
    PARKED = "parked"


class Outcome(StrEnum):
    """How one attempt on one channel ended."""

    SENT = "sent"
    NO_ADDRESS = "no_address"
    NO_TEMPLATE = "no_template"
    NOT_SUBSCRIBED = "not_subscribed"
    MISCONFIGURED = "misconfigured"
    REFUSED = "refused"
    UNANSWERED = "unanswered"
    BUSY = "busy"
    LOST = "lost"


class Skip(StrEnum):
    """Why a notice does not go out."""

    READ = "read"
    CONNECTED = "connected"
    SWITCHED_OFF = "switched_off"
    NOBODY = "nobody"


class QuietMode(StrEnum):
    """Whose quiet hours count."""

    HOSPITAL = "hospital"
    OWN = "own"
    NONE = "none"


class Audience(StrEnum):
    """Whom an application may write to."""

    PATIENTS = "patients"
    STAFF = "staff"


STATE_TEXT: dict[PushState, str] = {
    PushState.DUE: "待发送",
    PushState.SENT: "已送达渠道",
    PushState.SKIPPED: "无需发送",
    PushState.UNREACHABLE: "无可用渠道",
    PushState.PARKED: "需要处理",
}
OUTCOME_TEXT: dict[Outcome, str] = {
    Outcome.SENT: "成功",
    Outcome.NO_ADDRESS: "没有联系方式",
    Outcome.NO_TEMPLATE: "未配置模板",
    Outcome.NOT_SUBSCRIBED: "用户未订阅",
    Outcome.MISCONFIGURED: "模板或配置有误",
    Outcome.REFUSED: "渠道拒绝",
    Outcome.UNANSWERED: "渠道没有应答",
    Outcome.BUSY: "渠道繁忙",
    Outcome.LOST: "中断，结果不明",
}
SKIP_TEXT: dict[Skip, str] = {
    Skip.READ: "已读",
    Skip.CONNECTED: "用户在线",
    Skip.SWITCHED_OFF: "用户已关闭此类提醒",
    Skip.NOBODY: "账号已停用",
}
