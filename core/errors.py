"""Named errors that a person or a client can act on (problem details, RFC 9457).

Every failure that crosses a boundary is a :class:`ProblemError` with a stable ``code``. Modules
subclass it in their ``errors.py``; HTTP and Socket.IO render the same error each in its own form.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True)
class FieldProblem:
    """What is wrong with one field of a request: its dotted path and a Chinese sentence."""

    field: str
    message: str


class ProblemError(Exception):
    """A named failure.

    ``code`` is stable and machine-readable, ``status`` the HTTP status, ``title`` the Chinese
    sentence that a person sees, ``detail`` an optional second one. ``retry_after`` is in seconds.
    """

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "系统出错了，请稍后再试"

    def __init__(
        self,
        detail: str | None = None,
        *,
        fields: list[FieldProblem] | None = None,
        retry_after: int | None = None,
        details: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(detail or self.title)
        self.detail = detail
        self.fields = fields or []
        self.retry_after = retry_after
        self.details = details or {}

    def problem(self, request_id: str | None = None) -> dict[str, Any]:
        """The RFC 9457 body."""
        body: dict[str, Any] = {
            "type": "about:blank",
            "title": self.title,
            "status": self.status,
            "code": self.code,
        }
        if self.detail:
            body["detail"] = self.detail
        if self.fields:
            body["fields"] = [{"field": f.field, "message": f.message} for f in self.fields]
        if self.retry_after is not None:
            body["retry_after"] = self.retry_after
        if self.details:
            body["details"] = self.details
        if request_id:
            body["request_id"] = request_id
        return body

    def ack(self) -> dict[str, Any]:
        """The negative acknowledgement of a Socket.IO event."""
        details = dict(self.details)
        if self.retry_after is not None:
            details["retry_after"] = self.retry_after
        if self.fields:
            details["fields"] = [{"field": f.field, "message": f.message} for f in self.fields]
        message = self.detail or self.title
        return {
            "ok": False,
            "error": {"code": self.code, "message": message, "details": details},
        }


class InvalidRequest(ProblemError):
    code, status, title = "invalid", 422, "填写的内容有误，请检查后再提交"


class MalformedRequest(ProblemError):
    code, status, title = "malformed", 400, "请求格式不正确"


class BodyTooLarge(ProblemError):
    code, status, title = "body_too_large", 413, "提交的内容过大"


class BodyTooSlow(ProblemError):
    code, status, title = "body_too_slow", 408, "网络过慢，提交未完成，请重试"


class RequestTimedOut(ProblemError):
    """The handler's time ran out; its transaction was rolled back."""

    code, status, title = "timed_out", 503, "处理时间过长，请稍后再试"


class UriTooLong(ProblemError):
    code, status, title = "uri_too_long", 414, "请求地址过长"


class HeadersTooLarge(ProblemError):
    code, status, title = "headers_too_large", 431, "请求头过大"


class UnsupportedMediaType(ProblemError):
    code, status, title = "unsupported_media_type", 415, "请求的内容类型不受支持"


class Unauthenticated(ProblemError):
    code, status, title = "unauthenticated", 401, "请先登录"


class Forbidden(ProblemError):
    code, status, title = "forbidden", 403, "您没有权限进行此操作"


class ChangedMeanwhile(ProblemError):
    """Somebody else changed the same row at the same moment; trying again sees his change."""

    code, status, title = "changed_meanwhile", 409, "内容刚被别人修改，请刷新后重试"


class NotFound(ProblemError):
    code, status, title = "not_found", 404, "没有找到相关内容"


class MethodNotAllowed(ProblemError):
    code, status, title = "method_not_allowed", 405, "不支持此操作"


class Conflict(ProblemError):
    code, status, title = "conflict", 409, "内容已发生变化，请刷新后再试"


class PreconditionFailed(ProblemError):
    code, status, title = "precondition_failed", 412, "内容已被他人修改，请刷新后再试"


class RateLimited(ProblemError):
    code, status, title = "rate_limited", 429, "操作过于频繁，请稍后再试"


class ServiceUnavailable(ProblemError):
    code, status, title = "service_unavailable", 503, "服务暂时不可用，请稍后再试"


class NotConfigured(ProblemError):
    """The installation lacks an outside system that this needs."""

    code, status, title = "not_configured", 503, "此功能尚未开通，请联系医院"


class IdempotencyKeyRequired(ProblemError):
    code, status, title = "idempotency_key_required", 400, "缺少 Idempotency-Key 请求头"


class IdempotencyKeyReused(ProblemError):
    code, status, title = (
        "idempotency_key_reused",
        422,
        "Idempotency-Key 已用于另一个请求",
    )


class IdempotencyKeyInUse(ProblemError):
    code, status, title = "idempotency_key_in_use", 409, "同一请求正在处理，请稍候"
