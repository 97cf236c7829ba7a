"""Calling an address that came out of data, without being led into the house.

A certificate names where its revocation list lies, a partner names where it wants to be called
back: whoever writes such data chooses where this server connects to. So the address is checked
where it cannot change any more, at the socket: names are resolved once, each resulting address is
judged right before the connection to that very address (a name that answers differently the second
time gains nothing), literal addresses take the same way, and every redirect starts over.

What lies inside the hospital on purpose is named by ZHENJIAN_INTERNAL_HOSTS.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import aiohttp
import structlog
from yarl import URL

from core.defence.addresses import Internal, is_public
from core.defence.metrics import FORGED_ADDRESS
from core.outside import OutsideError, OutsideGarbled, OutsideUnavailable, Reply

log = structlog.get_logger(__name__)

PORTS = frozenset({80, 443})
MOST_REDIRECTS = 3
LONGEST_URL = 2048
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class AddressRefused(OutsideError):
    """The address leads to a place that data must not lead to, or is no plain web address."""


class _RefusedSocket(OSError):
    """Raised where aiohttp asks for a socket to an address that is refused."""


class ForeignUrls:
    """A client for addresses out of data. `system` names the use in errors (`crl`, `ocsp`).

    Answers are bounded in size and time; nothing of the environment (proxies, cookies,
    credentials) takes part. The session is made on first use; `aclose` ends it.
    """

    def __init__(
        self,
        system: str,
        internal: Internal | None = None,
        *,
        timeout: float = 8.0,
        max_body: int = 16 * 1024 * 1024,
    ) -> None:
        self.system = system
        self._internal = internal or Internal()
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._max_body = max_body
        self._sessions: dict[bool, aiohttp.ClientSession] = {}

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
        sessions, self._sessions = self._sessions, {}
        for session in sessions.values():
            await session.close()

    async def get(self, url: str, headers: Mapping[str, str] | None = None) -> Reply:
        """The answer behind an address, after at most three redirects.

        Raises AddressRefused, OutsideUnavailable (no answer, 5xx) or OutsideGarbled (too large).
        """
        for _ in range(MOST_REDIRECTS + 1):
            reply = await self._once("GET", url, headers, b"")
            location = reply.headers.get("Location")
            if reply.status not in _REDIRECTS or not location:
                return reply
            try:
                url = str(URL(url).join(URL(location)))
            except ValueError as error:
                raise self._refusal("redirected to what is no address") from error
        raise self._refusal("redirected too often")

    async def post(self, url: str, body: bytes, headers: Mapping[str, str] | None = None) -> Reply:
        """The answer to a POST; redirects are not followed. Raises like `get`."""
        return await self._once("POST", url, headers, body)

    async def _once(
        self, method: str, text: str, headers: Mapping[str, str] | None, body: bytes
    ) -> Reply:
        url = self._readable(text)
        try:
            async with self._session(url).request(
                method, url, data=body or None, headers=dict(headers or {}), allow_redirects=False
            ) as response:
                content = await self._read(response)
                reply = Reply(response.status, response.headers.copy(), content)
        except aiohttp.ClientConnectorError as error:
            if _was_refused(error.os_error):
                raise self._refusal("leads into a closed network") from error
            raise OutsideUnavailable(self.system, type(error).__name__) from error
        except aiohttp.InvalidURL as error:
            raise self._refusal("is no web address") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise OutsideUnavailable(self.system, type(error).__name__) from error
        if reply.status >= 500:
            raise OutsideUnavailable(self.system, f"status {reply.status}")
        return reply

    def _readable(self, text: str) -> URL:
        """The URL when it is a plain web address. Raises AddressRefused."""
        if len(text) > LONGEST_URL:
            raise self._refusal("is too long")
        try:
            url = URL(text)
            host, port = url.host, url.port
        except ValueError as error:
            raise self._refusal("cannot be read") from error
        if url.scheme not in ("http", "https") or not host or port is None:
            raise self._refusal("is no web address")
        if url.user is not None or url.password is not None:
            raise self._refusal("carries credentials")
        if port not in PORTS and not self._trusted(url):
            raise self._refusal("names an unusual port")
        return url

    def _trusted(self, url: URL) -> bool:
        """Whether the setting names the host, or the network of a literal address."""
        if self._internal.admits_name(url.host or "", url.port or 0):
            return True
        try:
            return self._internal.admits(ipaddress.ip_address(url.host or ""))
        except ValueError:
            return False

    def _session(self, url: URL) -> aiohttp.ClientSession:
        """The session whose sockets may go where this host may lead.

        A host that is trusted by name has a session of its own: its kept connections are never
        offered to a host that is not, because sessions do not share them.
        """
        by_name = self._internal.admits_name(url.host or "", url.port or 0)
        session = self._sessions.get(by_name)
        if session is None or session.closed:
            factory = _any_socket if by_name else self._checked_socket
            connector = aiohttp.TCPConnector(
                socket_factory=factory, use_dns_cache=False, force_close=True, limit=8
            )
            session = self._sessions[by_name] = aiohttp.ClientSession(
                connector=connector,
                timeout=self._timeout,
                trust_env=False,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return session

    def _checked_socket(self, target: Any) -> socket.socket:
        """A socket for exactly this address, the last moment to refuse it."""
        address = ipaddress.ip_address(str(target[4][0]).partition("%")[0])
        if not is_public(address) and not self._internal.admits(address):
            raise _RefusedSocket("closed network")
        return _any_socket(target)

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        content = bytearray()
        async for chunk in response.content.iter_chunked(65536):
            content += chunk
            if len(content) > self._max_body:
                raise OutsideGarbled(self.system, "answer is too large")
        return bytes(content)

    def _refusal(self, reason: str) -> AddressRefused:
        FORGED_ADDRESS.inc()
        log.warning("outside_address_refused", system=self.system, reason=reason)
        return AddressRefused(self.system, f"the address {reason}")


def _any_socket(target: Any) -> socket.socket:
    return socket.socket(family=target[0], type=target[1], proto=target[2])


def _was_refused(error: BaseException | None) -> bool:
    """Whether a refusal of ours is among what aiohttp gathered over all addresses."""
    if isinstance(error, BaseExceptionGroup):
        return any(_was_refused(each) for each in error.exceptions)
    return isinstance(error, _RefusedSocket) or "closed network" in str(error)
