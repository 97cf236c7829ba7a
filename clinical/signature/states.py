"""The words of signing: where a signer, a key, a request and a task stand, and their names."""

from enum import StrEnum


class SignerKind(StrEnum):
    """Who signs: a clinician with a PIN, or the hospital with its seal."""

    PERSON = "person"
    SEAL = "seal"


class Standing(StrEnum):
    """What somebody can do about signing now, and so what the next step is."""

    NO_IMAGE = "no_image"
    NO_PIN = "no_pin"
    REQUESTED = "requested"
    READY = "ready"
    SUSPENDED = "suspended"
    REVOKED = "revoked"
    EXPIRED = "expired"


class KeyState(StrEnum):
    """The life of a key pair and of its certificate."""

    REQUESTED = "requested"
    ACTIVE = "active"
    SUPERSEDED = "superseded"
    REVOKED = "revoked"
    REFUSED = "refused"


class RequestKind(StrEnum):
    """What the CA is asked for."""

    ISSUE = "issue"
    RENEW = "renew"
    REVOKE = "revoke"


class RequestState(StrEnum):
    """How far a request to the CA has come."""

    OPEN = "open"
    DONE = "done"
    REFUSED = "refused"


class TaskState(StrEnum):
    """Whether a finished document still waits for its signature."""

    OPEN = "open"
    DONE = "done"
    SUPERSEDED = "superseded"


class RevokeReason(StrEnum):
    """Why a certificate is taken back (RFC 5280, 5.3.1, in our words)."""

    KEY_COMPROMISE = "key_compromise"
    SUPERSEDED = "superseded"
    LEFT = "left"


STANDING_TEXT: dict[Standing, str] = {
    Standing.NO_IMAGE: "未采集手写签名",
    Standing.NO_PIN: "未设置签名密码",
    Standing.REQUESTED: "证书申请中",
    Standing.READY: "可以签名",
    Standing.SUSPENDED: "已停用",
    Standing.REVOKED: "证书已注销",
    Standing.EXPIRED: "证书已过期",
}

#: What the person does next, in plain words.
NEXT_STEP: dict[Standing, str] = {
    Standing.NO_IMAGE: "请先在手机上手写一次签名，签名会显示在您签署的文书上。",
    Standing.NO_PIN: "请设置签名密码，系统随后为您申请数字证书。",
    Standing.REQUESTED: "正在向CA机构申请证书，通常几秒内完成，请稍候刷新。",
    Standing.READY: "签署文书时输入签名密码即可。",
    Standing.SUSPENDED: "签名已被停用，请联系管理员。",
    Standing.REVOKED: "原证书已注销，请重新设置签名密码以申请新证书。",
    Standing.EXPIRED: "证书已过期，请重新设置签名密码以申请新证书。",
}

REVOKE_TEXT: dict[RevokeReason, str] = {
    RevokeReason.KEY_COMPROMISE: "手机丢失或密码可能泄露",
    RevokeReason.SUPERSEDED: "重新申请证书",
    RevokeReason.LEFT: "人员离岗",
}
