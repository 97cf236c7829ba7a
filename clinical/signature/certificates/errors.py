"""Named refusals about certificates."""

from core.errors import ProblemError


class CertificateUnreadable(ProblemError):
    code, status, title = "certificate_unreadable", 422, "无法识别该证书文件"


class CertificateInUse(ProblemError):
    code, status, title = "certificate_in_use", 409, "证书正在使用，不能移除"


class NotAnAuthority(ProblemError):
    code, status, title = "certificate_not_authority", 409, "只有CA证书才能设为信任的根证书"
