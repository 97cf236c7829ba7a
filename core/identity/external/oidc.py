"""An OpenID provider as its client sees it: discovery, keys, exchange of a code, checked tokens.

Source: OpenID Connect Core 1.0 (3.1.3.7, validation of ID tokens), Discovery 1.0, Back-Channel
Logout 1.0 (2.6); PKCE is RFC 7636.
"""

import base64
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from core.outside import OutsideClient, OutsideError

SYSTEM = "oidc"
#: Nothing symmetric and never `none`: whoever could make such a token would be the client itself.
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "Ed25519"]
#: How far the provider's clock may be off.
SKEW = timedelta(seconds=60)
#: A logout token is news, not an archive.
LOGOUT_TOKEN_LIFE = timedelta(minutes=5)
METADATA_SECONDS = 3600.0
#: Unknown keys make us ask again, but not at an attacker's pace.
KEYS_AGAIN_SECONDS = 30.0
_LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
_LONGEST_TOKEN = 16_384


class OidcUnavailable(Exception):
    """The provider does not answer, or not by the protocol."""


class OidcRefused(Exception):
    """The provider refused the code, or its token does not pass; the text says why."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """What discovery says of a provider."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str


class OidcProvider:
    """One provider; its metadata and keys are remembered by this process.

    `insecure` allows plain HTTP, for the simulator alone. The client calls nothing but the issuer's
    own host.
    """

    def __init__(self, issuer: str, now: Callable[[], datetime], *, insecure: bool = False) -> None:
        parts = urlsplit(issuer)
        if parts.scheme != "https" and not (insecure and parts.scheme == "http"):
            raise OidcUnavailable("the issuer must be an https address")
        self.issuer = issuer.rstrip("/")
        self._now = now
        origin = f"{parts.scheme}://{parts.netloc}"
        self._http = OutsideClient(SYSTEM, origin, timeout=6.0, attempts=2, max_body=1024 * 1024)
        self._metadata: Metadata | None = None
        self._keys: KeySet | None = None
        self._metadata_at = self._keys_at = float("-inf")

    async def aclose(self) -> None:
        await self._http.aclose()

    async def metadata(self) -> Metadata:
        """The provider's description, asked for once an hour. Raises OidcUnavailable."""
        if self._metadata is None or time.monotonic() - self._metadata_at > METADATA_SECONDS:
            found = await self._get(f"{self.issuer}/.well-known/openid-configuration")
            names = ("issuer", "authorization_endpoint", "token_endpoint", "jwks_uri")
            if any(not isinstance(found.get(name), str) for name in names):
                raise OidcUnavailable("discovery is incomplete")
            if found["issuer"].rstrip("/") != self.issuer:
                raise OidcUnavailable("discovery names another issuer")
            self._metadata = Metadata(*(found[name] for name in names))
            self._metadata_at = time.monotonic()
        return self._metadata

    async def authorize_url(
        self, client_id: str, redirect_uri: str, state: str, nonce: str, verifier: str
    ) -> str:
        """Where the browser is sent (code flow with PKCE S256)."""
        query = {
            "response_type": "code",
            "client_id": client_id,
            "redirect_uri": redirect_uri,
            "scope": "openid profile",
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge_of(verifier),
            "code_challenge_method": "S256",
        }
        endpoint = (await self.metadata()).authorization_endpoint
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"

    async def claims_for(
        self, code: str, redirect_uri: str, client_id: str, secret: str | None, verifier: str,
        nonce: str,
    ) -> dict[str, Any]:  # fmt: skip
        """Exchange a code and check the ID token. Raises OidcRefused, OidcUnavailable."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "client_id": client_id,
            "code_verifier": verifier,
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        if secret:
            pair = f"{quote(client_id, safe='')}:{quote(secret, safe='')}".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        endpoint = (await self.metadata()).token_endpoint
        try:
            reply = await self._http.call(
                "POST", endpoint, headers=headers, body=urlencode(form).encode()
            )
            answer = reply.json(SYSTEM)
        except OutsideError as error:
            raise OidcUnavailable(str(error)) from error
        token = answer.get("id_token")
        if reply.status != 200 or not isinstance(token, str):
            raise OidcRefused(f"token endpoint: {reply.status} {answer.get('error', '')}")
        claims = await self._verified(token, client_id)
        if claims.get("nonce") != nonce:
            raise OidcRefused("the nonce is not ours")
        self._check_times(claims, "exp")
        return claims

    async def logout_claims(self, token: str, client_id: str) -> dict[str, Any]:
        """Check a back-channel logout token. Raises OidcRefused, OidcUnavailable."""
        claims = await self._verified(token, client_id)
        events = claims.get("events")
        if not isinstance(events, dict) or _LOGOUT_EVENT not in events:
            raise OidcRefused("this is no logout token")
        if "nonce" in claims or not (claims.get("sid") or claims.get("sub")):
            raise OidcRefused("the logout token is malformed")
        self._check_times(claims)
        if self._now().timestamp() - claims["iat"] > LOGOUT_TOKEN_LIFE.total_seconds():
            raise OidcRefused("the logout token is too old")
        return claims

    async def _verified(self, token: str, client_id: str) -> dict[str, Any]:
        """Signature, issuer and audience."""
        if len(token) > _LONGEST_TOKEN:
            raise OidcRefused("the token is too long")
        claims = await self._decode(token)
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        if str(claims.get("iss", "")).rstrip("/") != self.issuer:
            raise OidcRefused("the token has another issuer")
        if client_id not in audiences:
            raise OidcRefused("the token is for somebody else")
        if claims.get("azp", client_id) != client_id or (
            len(audiences) > 1 and "azp" not in claims
        ):
            raise OidcRefused("the token was issued to somebody else")
        return claims

    async def _decode(self, token: str) -> dict[str, Any]:
        for again in (False, True):
            keys = await self._key_set(again=again)
            try:
                return dict(jwt.decode(token, keys, algorithms=ALGORITHMS).claims)
            except (JoseError, ValueError, KeyError, TypeError) as error:
                # A key that we do not know may be new: the provider has rotated them.
                if again or time.monotonic() - self._keys_at < KEYS_AGAIN_SECONDS:
                    raise OidcRefused(f"the token does not verify: {error!r}") from error
        raise OidcRefused("the token does not verify")

    def _check_times(self, claims: dict[str, Any], *required: str) -> None:
        now, skew = self._now().timestamp(), SKEW.total_seconds()
        times: dict[str, Any] = {name: claims.get(name) for name in ("iat", "exp", "nbf")}
        for name in ("iat", *required):
            if not isinstance(times[name], int | float):
                raise OidcRefused(f"the token lacks {name}")
        ends = times["exp"]
        if ends is not None and now >= ends + skew:
            raise OidcRefused("the token has expired")
        begins = [times[name] for name in ("iat", "nbf") if times[name] is not None]
        if any(begin > now + skew for begin in begins):
            raise OidcRefused("the token is from the future")

    async def _key_set(self, *, again: bool) -> KeySet:
        old = time.monotonic() - self._keys_at > METADATA_SECONDS
        if self._keys is None or old or again:
            found = await self._get((await self.metadata()).jwks_uri)
            try:
                self._keys = KeySet.import_key_set(found)  # type: ignore[arg-type]
            except (JoseError, ValueError, KeyError, TypeError) as error:
                raise OidcUnavailable("the keys cannot be read") from error
            self._keys_at = time.monotonic()
        return self._keys

    async def _get(self, target: str) -> dict[str, Any]:
        try:
            reply = await self._http.call_repeatedly("GET", target)
            answer = reply.json(SYSTEM)
        except OutsideError as error:
            raise OidcUnavailable(str(error)) from error
        if reply.status != 200:
            raise OidcUnavailable(f"{target}: status {reply.status}")
        return answer


class OidcProviders:
    """The providers that this process has met, by issuer."""

    def __init__(self, now: Callable[[], datetime], *, insecure: bool = False) -> None:
        self._now, self._insecure = now, insecure
        self._known: dict[str, OidcProvider] = {}

    def of(self, issuer: str) -> OidcProvider:
        """The provider with this issuer. Raises OidcUnavailable for an address not allowed."""
        if issuer not in self._known:
            self._known[issuer] = OidcProvider(issuer, self._now, insecure=self._insecure)
        return self._known[issuer]

    async def aclose(self) -> None:
        for provider in self._known.values():
            await provider.aclose()


def challenge_of(verifier: str) -> str:
    """The S256 challenge of a code verifier (RFC 7636, 4.2)."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
