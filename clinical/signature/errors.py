"""Named refusals of personal signing."""

from core.errors import ProblemError


class SignatureImageRequired(ProblemError):
    code, status, title = "signature_image_required", 409, "请先采集手写签名"


class SignatureImageUnusable(ProblemError):
    code, status, title = "signature_image_unusable", 422, "签名图片无法使用，请重新书写"


class RealNameRequired(ProblemError):
    code, status, title = "signing_real_name_required", 409, "请先完成实名核验，再申请数字证书"


class SigningPinRequired(ProblemError):
    code, status, title = "signing_pin_required", 409, "请先设置签名密码"


class SigningPinSet(ProblemError):
    code, status, title = "signing_pin_set", 409, "已设置签名密码，如需更换请使用修改或重置"


class SigningPinInvalid(ProblemError):
    code, status, title = "signing_pin_invalid", 422, "签名密码不符合要求"


class SigningPinsDiffer(ProblemError):
    code, status, title = "signing_pins_differ", 422, "两次输入的签名密码不一致"


class SigningPinWrong(ProblemError):
    code, status, title = "signing_pin_wrong", 403, "签名密码不正确"


class SigningPinLocked(ProblemError):
    code, status, title = "signing_pin_locked", 429, "签名密码错误次数过多，已暂停签名"


class CertificatePending(ProblemError):
    code, status, title = "certificate_pending", 409, "数字证书申请中，请稍后再试"


class CertificateUnusable(ProblemError):
    code, status, title = "certificate_unusable", 409, "数字证书已失效，请重新申请"


class SigningSuspended(ProblemError):
    code, status, title = "signing_suspended", 403, "您的签名已被停用，请联系管理员"


class SigningSessionOff(ProblemError):
    code, status, title = "signing_session_off", 409, "医院未开启免密签名时段"


class ConfirmationInvalid(ProblemError):
    code, status, title = "signing_confirmation_invalid", 403, "签名确认已失效，请重新输入签名密码"


class DocumentChanged(ProblemError):
    code, status, title = "document_changed", 409, "文书内容已变化，请重新核对后再签名"


class DocumentNotReady(ProblemError):
    code, status, title = "document_not_ready", 409, "文书尚未完成，暂不能签名"


class NotTheSigner(ProblemError):
    code, status, title = "not_the_signer", 403, "该文书不由您签署"


class SignatureFileUnreadable(ProblemError):
    code, status, title = "signature_file_unreadable", 422, "无法识别该签名文件"
