"""The words of a consultation: states, ways to end, evidence, modes, and what they are called."""

from enum import StrEnum

from core.identity.roles import Role


class State(StrEnum):
    """Where a consultation stands."""

    DRAFT = "draft"
    AWAITING_PAYMENT = "awaiting_payment"
    #: Paid for an appointed time, and taken in for the doctor beforehand.
    BOOKED = "booked"
    WAITING = "waiting"
    ACTIVE = "active"
    ENDED = "ended"
    CANCELLED = "cancelled"


class CloseReason(StrEnum):
    """Why a consultation is over."""

    COMPLETED = "completed"
    ENDED_BY_PATIENT = "ended_by_patient"
    CANCELLED_BY_PATIENT = "cancelled_by_patient"
    PAYMENT_EXPIRED = "payment_expired"
    NOT_ACCEPTED = "not_accepted"
    DECLINED = "declined"
    REFUNDED_BY_DOCTOR = "refunded_by_doctor"
    NOT_A_REVISIT = "not_a_revisit"
    SUSPENDED = "suspended"


class Kind(StrEnum):
    """What sort of consultation it is."""

    FIRST = "first"
    REVISIT = "revisit"
    ADVICE = "advice"
    #: Ordered by department: any doctor of it accepts.
    DEPARTMENT = "department"
    #: About medicines, with a pharmacist.
    MEDICATION = "medication"
    #: About care, with a nurse: text, pictures and voice messages, not at the same time.
    NURSING = "nursing"


class Mode(StrEnum):
    """How doctor and patient talk."""

    TEXT = "text"
    VOICE = "voice"
    VIDEO = "video"


class Purpose(StrEnum):
    """What the patient wants of a revisit."""

    REVISIT = "revisit"
    REFILL = "refill"


class Direction(StrEnum):
    """What a question about medicines is about (药物咨询方向)."""

    USAGE = "usage"
    REACTION = "reaction"
    INTERACTION = "interaction"
    SPECIAL = "special"
    CHOICE = "choice"
    STORAGE = "storage"
    OTHER = "other"


class RevisitStatus(StrEnum):
    """How far the evidence for a revisit has come."""

    UNCHECKED = "unchecked"
    ELIGIBLE = "eligible"
    PROOF_REQUIRED = "proof_required"
    PROOF_SUBMITTED = "proof_submitted"
    PROOF_CONFIRMED = "proof_confirmed"
    PROOF_REJECTED = "proof_rejected"


class TextCalls(StrEnum):
    """What a doctor may start in a consultation that was booked in text."""

    NONE = "none"
    VOICE = "voice"
    VIDEO = "video"


class Refusal(StrEnum):
    """What a hospital offers a patient who does not agree to be recorded."""

    TEXT_ONLY = "text_only"
    OFFLINE = "offline"


STATE_TEXT: dict[State, str] = {
    State.DRAFT: "待提交",
    State.AWAITING_PAYMENT: "待支付",
    State.BOOKED: "预约中",
    State.WAITING: "待接诊",
    State.ACTIVE: "问诊中",
    State.ENDED: "已结束",
    State.CANCELLED: "已取消",
}

CLOSE_TEXT: dict[CloseReason, str] = {
    CloseReason.COMPLETED: "医生已结束问诊",
    CloseReason.ENDED_BY_PATIENT: "患者已结束问诊",
    CloseReason.CANCELLED_BY_PATIENT: "患者已取消",
    CloseReason.PAYMENT_EXPIRED: "超时未支付，已自动取消",
    CloseReason.NOT_ACCEPTED: "医生未在规定时间内接诊，费用全额退回",
    CloseReason.DECLINED: "医生未接诊，费用全额退回",
    CloseReason.REFUNDED_BY_DOCTOR: "医生已退诊，费用全额退回",
    CloseReason.NOT_A_REVISIT: "复诊凭证未通过，费用全额退回",
    CloseReason.SUSPENDED: "医生停诊，费用全额退回",
}

KIND_TEXT: dict[Kind, str] = {
    Kind.FIRST: "首诊咨询",
    Kind.REVISIT: "在线复诊",
    Kind.ADVICE: "图文咨询",
    Kind.DEPARTMENT: "科室咨询",
    Kind.MEDICATION: "用药咨询",
    Kind.NURSING: "护理咨询",
}
MODE_TEXT: dict[Mode, str] = {Mode.TEXT: "图文", Mode.VOICE: "语音", Mode.VIDEO: "视频"}
#: In which ways a consultation of a kind can be held.
MODES: dict[Kind, tuple[Mode, ...]] = {
    Kind.FIRST: (Mode.TEXT,),
    Kind.REVISIT: (Mode.TEXT, Mode.VOICE, Mode.VIDEO),
    Kind.ADVICE: (Mode.TEXT,),
    Kind.DEPARTMENT: (Mode.TEXT, Mode.VOICE, Mode.VIDEO),
    Kind.MEDICATION: (Mode.TEXT, Mode.VOICE, Mode.VIDEO),
    Kind.NURSING: (Mode.TEXT,),
}
#: The profession that leads.
PRACTITIONER: dict[Kind, Role] = {
    Kind.FIRST: Role.DOCTOR,
    Kind.REVISIT: Role.DOCTOR,
    Kind.ADVICE: Role.DOCTOR,
    Kind.DEPARTMENT: Role.DOCTOR,
    Kind.MEDICATION: Role.PHARMACIST,
    Kind.NURSING: Role.NURSE,
}
#: Everybody who leads consultations of some kind.
TREATERS: tuple[Role, ...] = tuple(dict.fromkeys(PRACTITIONER.values()))
#: What a clinician opens for patients with a price and a length; a department is not anybody's own.
OFFERABLE = frozenset(Kind) - {Kind.DEPARTMENT}
#: Opened with a number of patients a day, instead of sessions.
COUNTED = frozenset({Kind.NURSING})
#: Held in sessions of a clinician, too.
PLANNED = OFFERABLE - COUNTED
#: Backed by evidence of an earlier visit: here alone a diagnosis may be written.
TREATING = frozenset({Kind.REVISIT})
PURPOSE_TEXT: dict[Purpose, str] = {
    Purpose.REVISIT: "在线复诊",
    Purpose.REFILL: "在线续方",
}
DIRECTION_TEXT: dict[Direction, str] = {
    Direction.USAGE: "用法用量",
    Direction.REACTION: "不良反应",
    Direction.INTERACTION: "联合用药与相互作用",
    Direction.SPECIAL: "孕产、儿童、老人用药",
    Direction.CHOICE: "药品选择与替换",
    Direction.STORAGE: "药品储存与有效期",
    Direction.OTHER: "其他用药问题",
}


def service_text(kind: Kind, mode: Mode) -> str:
    """What people call a service: 视频复诊, 图文首诊咨询, 图文咨询, 护理咨询, 视频问药."""
    if kind in (Kind.ADVICE, Kind.NURSING):
        return KIND_TEXT[kind]
    if kind is Kind.MEDICATION:
        return f"{MODE_TEXT[mode]}问药"
    return MODE_TEXT[mode] + ("复诊" if kind is Kind.REVISIT else KIND_TEXT[kind])


def worded(kind: Kind, text: str) -> str:
    """A text as it is said in a consultation of this kind: whoever answers is called what he is."""
    return text.replace(Role.DOCTOR.label, PRACTITIONER[kind].label)


def kinds_led_by(profession: Role) -> tuple[Kind, ...]:
    """The kinds that clinicians of a profession lead."""
    return tuple(kind for kind, role in PRACTITIONER.items() if role is profession)


OVER = frozenset({State.ENDED, State.CANCELLED})
BACKED = frozenset({RevisitStatus.ELIGIBLE, RevisitStatus.PROOF_CONFIRMED})
