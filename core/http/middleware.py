"""What surrounds every request: its id, its log line, its metrics, security headers."""

from __future__ import annotations

import time
import uuid

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.defence.headers import Policies
from core.errors import HeadersTooLarge, MalformedRequest, ProblemError, UriTooLong
from core.http.dispatch import problem_response
from core.metrics import REQUEST_SECONDS, REQUESTS
from core.origin import set_origin

log = structlog.get_logger(__name__)

#: Longer addresses and more headers than any client of ours sends.
LONGEST_ADDRESS = 8 * 1024
MOST_HEADERS = 100
MOST_HEADER_BYTES = 24 * 1024


class RequestMiddleware:
    """Pure ASGI, so that streaming answers stay streams."""

    def __init__(self, app: ASGIApp, policies: Policies | None = None) -> None:
        self._app = app
        self._policies = policies or Policies()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        _as_meant(scope)
        request_id = _request_id(Headers(scope=scope).get("x-request-id"))
        scope.setdefault("state", {})["request_id"] = request_id
        structlog.contextvars.bind_contextvars(request=request_id)
        set_origin(request_id, (scope.get("client") or ("", 0))[0])
        status = 500
        began = time.perf_counter()

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = request_id
                for name, value in self._policies.of(scope["path"], scope["scheme"]).items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            problem = _unacceptable(scope)
            if problem is not None:
                answer = problem_response(problem, Request(scope))
                # Whatever follows on this line is not to be believed either.
                answer.headers["Connection"] = "close"
                await answer(scope, receive, send_with_headers)
                return
            await self._app(scope, receive, send_with_headers)
        finally:
            self._observe(scope, status, time.perf_counter() - began)

    def _observe(self, scope: Scope, status: int, seconds: float) -> None:
        route = scope.get("route")
        # The pattern, never the path itself: a path holds identifiers and would grow without bound.
        pattern = getattr(route, "path", None) or "unmatched"
        method = scope["method"]
        REQUESTS.labels(method, pattern, status).inc()
        REQUEST_SECONDS.labels(method, pattern).observe(seconds)
        if pattern.startswith("/api/"):
            milliseconds = round(seconds * 1000, 1)
            log.info("request", method=method, route=pattern, status=status, ms=milliseconds)


def _as_meant(scope: Scope) -> None:
    """Mini-programs have no PATCH: they send POST and say in a header what they mean."""
    meant = Headers(scope=scope).get("x-http-method-override", "").upper()
    if scope["method"] == "POST" and meant == "PATCH":
        scope["method"] = meant


def _unacceptable(scope: Scope) -> ProblemError | None:
    """What no client of ours sends, and an attacker gains by."""
    raw_path: bytes = scope.get("raw_path") or scope["path"].encode()
    if len(raw_path) + len(scope["query_string"]) > LONGEST_ADDRESS:
        return UriTooLong()
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    size = sum(len(name) + len(value) for name, value in headers)
    if len(headers) > MOST_HEADERS or size > MOST_HEADER_BYTES:
        return HeadersTooLarge()
    names = {name for name, _ in headers}
    if b"content-length" in names and b"transfer-encoding" in names:
        # Two servers that read such a request differently can be made to see two requests.
        return MalformedRequest()
    return None


def _request_id(given: str | None) -> str:
    if given and len(given) <= 64 and given.isascii() and given.replace("-", "").isalnum():
        return given
    return uuid.uuid4().hex
