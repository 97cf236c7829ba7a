"""Named errors of identity."""

from core.errors import Conflict, Forbidden, InvalidRequest, ProblemError, Unauthenticated


class TokenExpired(Unauthenticated):
    """The access token was good once: refresh it and try again."""

    code, status, title = "token_expired", 401, "登录已过期，正在重新登录"


class SessionIsRevoked(Unauthenticated):
    """The session was ended: log in again."""

    code, status, title = "session_revoked", 401, "登录已失效，请重新登录"


class SessionIdle(SessionIsRevoked):
    """Nobody has done anything in this session for too long."""

    code, status, title = "session_idle", 401, "长时间没有操作，已为您退出登录"


class SessionTooOld(SessionIsRevoked):
    """The session has lasted as long as one may."""

    code, status, title = "session_over", 401, "登录已达最长时间，请重新登录"


class SecondFactorRequired(ProblemError):
    """A second factor has to be proved first, then the same request will do.

    `details`: `methods` (totp, sms, password, recovery, or enrol_totp where nothing else is left),
    `phone_masked`.
    """

    code, status, title = "second_factor_required", 403, "请先完成身份验证"


class SecondFactorWrong(ProblemError):
    code, status, title = "second_factor_wrong", 422, "验证未通过，请检查后重试"


class SecondFactorUnavailable(Conflict):
    code, status, title = "second_factor_unavailable", 409, "此验证方式不可用，请换一种"


class PasswordChangeRequired(ProblemError):
    """The password was reset or is too old: only changing it is possible."""

    code, status, title = "password_change_required", 403, "请先修改密码"


class SmsCodeWrong(ProblemError):
    code, status, title = "sms_code_wrong", 422, "验证码不正确"


class SmsCodeExpired(ProblemError):
    code, status, title = "sms_code_expired", 422, "验证码已失效，请重新获取"


class TooManyAttempts(ProblemError):
    """`retry_after` says in how many seconds another try is heard."""

    code, status, title = "too_many_attempts", 429, "尝试次数过多，请稍后再试"


class SmsUnavailable(ProblemError):
    code, status, title = "sms_unavailable", 503, "短信暂时无法发送，请稍后再试"


class PasswordWrong(ProblemError):
    code, status, title = "password_wrong", 422, "账号或密码不正确"


class PasswordTooWeak(InvalidRequest):
    code, status, title = "password_too_weak", 422, "密码不符合要求"


class PhoneInvalid(InvalidRequest):
    code, status, title = "phone_invalid", 422, "手机号码不正确"


class AccountDisabled(ProblemError):
    code, status, title = "account_disabled", 403, "账号已停用，请联系医院"


class RoleNotAssigned(Forbidden):
    code, status, title = "role_not_assigned", 403, "您没有该身份"


class IdNumberInvalid(InvalidRequest):
    code, status, title = "id_number_invalid", 422, "身份证号不正确"


class RealNameMismatch(ProblemError):
    code, status, title = "real_name_mismatch", 422, "姓名与身份证号不一致"


class RealNameUnavailable(ProblemError):
    code, status, title = "real_name_unavailable", 503, "实名核验暂时不可用，请稍后再试"


class RealNameAlreadyVerified(Conflict):
    code, status, title = "real_name_already_verified", 409, "您已完成实名认证"


class LoginTaken(Conflict):
    code, status, title = "login_taken", 409, "该账号已被使用"


class PhoneTaken(Conflict):
    code, status, title = "phone_taken", 409, "该手机号已被使用"
