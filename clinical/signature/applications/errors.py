"""Named refusals of the signing service. Callers are programs, so the codes matter most."""

from core.errors import ProblemError
from core.proving import NotProved

__all__ = ["NotProved"]


class ServiceOff(ProblemError):
    code, status, title = "signature_service_off", 503, "签名服务接口已停用"


class RequestRepeated(ProblemError):
    code, status, title = "request_repeated", 409, "请求已处理过，随机数不能重复使用"


class ApplicationDisabled(ProblemError):
    code, status, title = "application_disabled", 403, "该业务系统已停用"


class AddressNotAllowed(ProblemError):
    code, status, title = "address_not_allowed", 403, "该地址不允许调用签名服务"


class OperationNotAllowed(ProblemError):
    code, status, title = "operation_not_allowed", 403, "该业务系统无权使用此功能"


class FormatNotAllowed(ProblemError):
    code, status, title = "format_not_allowed", 403, "该业务系统无权使用此签名格式"


class ServerKeyMissing(ProblemError):
    code, status, title = "server_key_missing", 409, "未配置可用的服务器证书"


class CreditCodeMissing(ProblemError):
    code, status, title = "credit_code_missing", 409, "请先在设置中填写统一社会信用代码"


class ServerKeyFailed(ProblemError):
    code, status, title = "server_key_failed", 503, "签名密钥暂时无法使用"


class ServerKeyInUse(ProblemError):
    code, status, title = "server_key_in_use", 409, "仍有业务系统使用该服务器证书"


class SignatureUnreadable(ProblemError):
    code, status, title = "signature_unreadable", 422, "无法识别签名或证书的格式"


class TimestampUnavailable(ProblemError):
    code, status, title = "timestamp_unavailable", 503, "时间戳服务暂时无法使用"


class SigningOverloaded(ProblemError):
    code, status, title = "signing_overloaded", 503, "签名请求过多，请稍后再试"


class CertificateNeeded(ProblemError):
    code, status, title = "certificate_needed", 422, "请选择业务系统用于证明身份的证书"
