"""The words of consent and of people's rights, and what they are called."""

from enum import StrEnum


class Kind(StrEnum):
    """What a text is about. Each is agreed to by itself; nothing is bundled."""

    USER_AGREEMENT = "user_agreement"
    PRIVACY = "privacy"
    NOTICE = "consultation_notice"
    RECORDING = "recording"
    SENSITIVE = "sensitive"
    GUARDIAN = "guardian"
    HOME_NURSING = "home_nursing"
    LONG_TERM = "long_term_prescription"
    SELF_ORDER = "self_order_notice"


KIND_TEXT: dict[Kind, str] = {
    Kind.USER_AGREEMENT: "用户服务协议",
    Kind.PRIVACY: "隐私政策",
    Kind.NOTICE: "互联网复诊须知",
    Kind.RECORDING: "录音录像同意",
    Kind.SENSITIVE: "敏感个人信息处理同意",
    Kind.GUARDIAN: "未满十四周岁儿童监护人同意",
    Kind.HOME_NURSING: "上门护理知情同意",
    Kind.LONG_TERM: "长期处方知情同意",
    Kind.SELF_ORDER: "自助开单须知",
}


class Reach(StrEnum):
    """What one consent covers: the account, one patient, or one thing (a consultation)."""

    ACCOUNT = "account"
    PATIENT = "patient"
    OBJECT = "object"


REACH: dict[Kind, Reach] = {
    Kind.USER_AGREEMENT: Reach.ACCOUNT,
    Kind.PRIVACY: Reach.ACCOUNT,
    Kind.NOTICE: Reach.OBJECT,
    Kind.RECORDING: Reach.OBJECT,
    Kind.SENSITIVE: Reach.PATIENT,
    Kind.GUARDIAN: Reach.PATIENT,
    Kind.HOME_NURSING: Reach.OBJECT,
    Kind.LONG_TERM: Reach.OBJECT,
    Kind.SELF_ORDER: Reach.ACCOUNT,
}


class TextState(StrEnum):
    """A draft may change; one that waits for the second person and a published one may not."""

    DRAFT = "draft"
    PENDING = "pending"
    PUBLISHED = "published"


class ProposalState(StrEnum):
    """What became of the wish to publish a version."""

    PENDING = "pending"
    CONFIRMED = "confirmed"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


class Act(StrEnum):
    """What somebody did about a text."""

    GIVEN = "given"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


class Method(StrEnum):
    """How it was done."""

    TAP = "tap"
    SIGNATURE = "signature"
    MIGRATED = "migrated"


METHOD_TEXT: dict[Method, str] = {
    Method.TAP: "在线勾选确认",
    Method.SIGNATURE: "手写签名",
    Method.MIGRATED: "历史记录迁移",
}
ACT_TEXT: dict[Act, str] = {
    Act.GIVEN: "已同意",
    Act.REFUSED: "不同意",
    Act.WITHDRAWN: "已撤回",
}


class Right(StrEnum):
    """What a person may ask of whoever handles the person's information."""

    ACCESS = "access"
    COPY = "copy"
    CORRECTION = "correction"
    DELETION = "deletion"
    RESTRICTION = "restriction"
    CLOSING = "account_closing"


RIGHT_TEXT: dict[Right, str] = {
    Right.ACCESS: "查阅",
    Right.COPY: "复制",
    Right.CORRECTION: "更正",
    Right.DELETION: "删除",
    Right.RESTRICTION: "限制或反对处理",
    Right.CLOSING: "注销账号",
}


class RequestState(StrEnum):
    """How far a request has come."""

    SUBMITTED = "submitted"
    IN_PROGRESS = "in_progress"
    COOLING = "cooling"
    DONE = "done"
    REFUSED = "refused"
    CANCELLED = "cancelled"


REQUEST_TEXT: dict[RequestState, str] = {
    RequestState.SUBMITTED: "待受理",
    RequestState.IN_PROGRESS: "处理中",
    RequestState.COOLING: "冷静期",
    RequestState.DONE: "已完成",
    RequestState.REFUSED: "未予支持",
    RequestState.CANCELLED: "已撤销",
}
OPEN = frozenset({RequestState.SUBMITTED, RequestState.IN_PROGRESS, RequestState.COOLING})


class Outcome(StrEnum):
    """The officer's decision."""

    GRANTED = "granted"
    PARTLY = "partly"
    REFUSED = "refused"


OUTCOME_TEXT: dict[Outcome, str] = {
    Outcome.GRANTED: "予以支持",
    Outcome.PARTLY: "部分支持",
    Outcome.REFUSED: "不予支持",
}


class CopyState(StrEnum):
    """How far a copy of the person's information has come."""

    QUEUED = "queued"
    RUNNING = "running"
    READY = "ready"
    FAILED = "failed"
    EXPIRED = "expired"


class HeldThing(StrEnum):
    """What a legal hold can lie on."""

    USER = "user"
    PATIENT = "patient"
    CONSULTATION = "consultation"


HELD_TEXT: dict[HeldThing, str] = {
    HeldThing.USER: "账号",
    HeldThing.PATIENT: "就诊人",
    HeldThing.CONSULTATION: "问诊",
}


class WithoutRecording(StrEnum):
    """What becomes of a call under way when the consent to record it is withdrawn."""

    GO_ON = "go_on"
    END = "end"
