"""HTTP to the outside world: one place for timeouts, named errors, retries and signed headers.

A gateway owns an :class:`OutsideClient` for its system and translates protocol into plain values.
The client never retries a call that is not idempotent: an unanswered call may have been carried
out, so it raises :class:`OutsideUnavailable` and the caller asks again under the same business
number.

A client connects to the host and port of its base URL and to nothing else, follows no redirect and
reads a bounded answer. Its circuit breaker refuses calls at once while the system is known to be
dead. Addresses that come out of data are the business of :mod:`core.defence.forgery`.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import aiohttp
import orjson
import stamina
from yarl import URL

from core.defence.breaker import Breaker


class OutsideError(Exception):
    """A call to an outside system did not give an answer that can be used."""

    def __init__(self, system: str, reason: str) -> None:
        super().__init__(f"{system}: {reason}")
        self.system = system
        self.reason = reason


class OutsideUnavailable(OutsideError):
    """No answer, or a server error: whether the call was carried out is unknown."""


class OutsideNotCalled(OutsideUnavailable):
    """The breaker is open: no call was made, and none will be for `retry_in` seconds."""

    def __init__(self, system: str, retry_in: float) -> None:
        super().__init__(system, "not called, the breaker is open")
        self.retry_in = retry_in


class OutsideRefused(OutsideError):
    """The system understood and said no; asking again unchanged will not help.

    `status` is the HTTP status, `code` the system's own word.
    """

    def __init__(self, system: str, status: int, code: str, message: str) -> None:
        super().__init__(system, f"{status} {code} {message}".strip())
        self.status = status
        self.code = code
        self.message = message


class OutsideGarbled(OutsideError):
    """The answer does not follow the protocol or its signature is wrong."""


@dataclass(frozen=True)
class Reply:
    """A complete HTTP answer; header names are case-insensitive."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self, system: str) -> dict[str, Any]:
        """The body as a JSON object. Raises OutsideGarbled when it is not one."""
        try:
            value = orjson.loads(self.body)
        except orjson.JSONDecodeError as error:
            raise OutsideGarbled(system, "answer is not JSON") from error
        if not isinstance(value, dict):
            raise OutsideGarbled(system, "answer is not a JSON object")
        return value


class OutsideClient:
    """One outside system behind a base URL.

    The session is made on first use, in the event loop that uses it; `aclose` ends it.
    """

    def __init__(
        self,
        system: str,
        base_url: str,
        *,
        timeout: float = 8.0,
        attempts: int = 3,
        max_body: int = 64 * 1024 * 1024,
        breaker: Breaker | None = None,
    ) -> None:
        self.system = system
        self.base_url = base_url.rstrip("/")
        self.breaker = breaker or Breaker(system)
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._attempts = attempts
        self._max_body = max_body
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def call(
        self,
        method: str,
        target: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Reply:
        """One request, one answer, whatever its status below 500.

        `target` is a path with its query, or an absolute URL below the same host and port that the
        system itself handed out. Raises OutsideGarbled for any other, OutsideUnavailable on a
        timeout, a broken connection or a 5xx, and OutsideNotCalled while the breaker is open.
        """
        url = self._own_url(target)
        wait = self.breaker.admit()
        if wait:
            raise OutsideNotCalled(self.system, wait)
        outcome = self.breaker.abandoned
        try:
            reply = await self._request(method, url, headers, body)
            outcome = self.breaker.succeeded
        except OutsideUnavailable:
            outcome = self.breaker.failed
            raise
        except OutsideError:
            outcome = self.breaker.succeeded
            raise
        finally:
            outcome()
        return reply

    def _own_url(self, target: str) -> URL:
        """The whole address of a call, not requoted: its signature covers it as it stands."""
        try:
            url = URL(target if _is_absolute(target) else self.base_url + target, encoded=True)
            base = URL(self.base_url)
            same = (url.scheme, url.host, url.port) == (base.scheme, base.host, base.port)
        except ValueError as error:
            raise OutsideGarbled(self.system, "the address cannot be read") from error
        if not same or url.user is not None:
            raise OutsideGarbled(self.system, "the address leads elsewhere")
        return url

    async def _request(
        self, method: str, url: URL, headers: Mapping[str, str] | None, body: bytes
    ) -> Reply:
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(timeout=self._timeout, trust_env=False)
        try:
            async with self._session.request(
                method,
                url,
                data=body or None,
                headers=dict(headers or {}),
                allow_redirects=False,
            ) as response:
                content = await self._read(response)
                reply = Reply(response.status, response.headers.copy(), content)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise OutsideUnavailable(self.system, f"{type(error).__name__} {error}") from error
        if reply.status >= 500:
            raise OutsideUnavailable(self.system, f"status {reply.status}")
        return reply

    async def call_repeatedly(
        self,
        method: str,
        target: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Reply:
        """Like `call`, tried again with backoff. Only for what may safely happen twice."""
        async for attempt in stamina.retry_context(
            on=_worth_repeating, attempts=self._attempts, timeout=30, wait_initial=0.2
        ):
            with attempt:
                return await self.call(method, target, headers=headers, body=body)
        raise OutsideUnavailable(self.system, "no attempt was made")

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        content = bytearray()
        async for chunk in response.content.iter_chunked(65536):
            content += chunk
            if len(content) > self._max_body:
                raise OutsideGarbled(self.system, "answer is too large")
        return bytes(content)


def _is_absolute(target: str) -> bool:
    return target.lower().startswith(("http://", "https://"))


def _worth_repeating(error: Exception) -> bool:
    return isinstance(error, OutsideUnavailable) and not isinstance(error, OutsideNotCalled)


def signed_json(
    prefix: str, key_id: str, secret: str, method: str, path: str, body: bytes, timestamp: int
) -> dict[str, str]:
    """Headers of an HMAC-signed JSON request, as SMS and identity vendors use them.

    The signed text has six lines: method, path, key id, timestamp (seconds), nonce and the SHA-256
    of the body in hexadecimal. `prefix` names the vendor's header family (``X-Sms``).
    """
    nonce = secrets.token_hex(16)
    digest = hashlib.sha256(body).hexdigest()
    text = "\n".join((method, path, key_id, str(timestamp), nonce, digest))
    signature = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    return {
        "Content-Type": "application/json",
        f"{prefix}-Key": key_id,
        f"{prefix}-Timestamp": str(timestamp),
        f"{prefix}-Nonce": nonce,
        f"{prefix}-Signature": signature,
    }
