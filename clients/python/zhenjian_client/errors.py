"""What can go wrong, by name.

ClientError
├── ConnectionLost      the line is down; what was under way may or may not have happened
├── Refused             the server refused the connection; `code` says what to do
├── RequestFailed       the server refused one event; `code` says why
└── ApiError            the server refused one HTTP request
"""

from typing import Any

#: Codes after which the same request may be tried again, a little later.
RETRYABLE = frozenset({"overloaded", "rate_limited", "service_unavailable"})


class ClientError(Exception):
    """Base of everything this package raises on purpose."""


class ConnectionLost(ClientError):
    """The line went down before an answer came."""


class Refused(ClientError):
    """The connection was refused or ended. `code`: token_expired, session_revoked, ..."""

    def __init__(self, code: str, data: dict[str, Any] | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.data = data or {}


class RequestFailed(ClientError):
    """An event was answered with an error."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(f"{error.get('code')}: {error.get('message')}")
        self.code: str = error.get("code", "internal_error")
        self.message: str = error.get("message", "")
        self.details: dict[str, Any] = error.get("details") or {}

    @property
    def retry_after(self) -> float | None:
        """Seconds to wait before another try, when the same request may be tried again."""
        if self.code not in RETRYABLE:
            return None
        return float(self.details.get("retry_after", 1))

    @property
    def is_fault(self) -> bool:
        """Whether the server failed without a reason that it knows: no verdict on the request."""
        return self.code == "internal_error"


class ApiError(ClientError):
    """An HTTP request was answered with a problem (RFC 9457)."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        super().__init__(f"{status} {problem.get('code')}: {problem.get('title')}")
        self.status = status
        self.code: str = problem.get("code", "")
        self.problem = problem
