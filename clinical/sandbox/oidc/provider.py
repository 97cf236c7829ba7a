"""OpenID provider: discovery, login page, code exchange with PKCE, back-channel logout.

Source: OpenID Connect Core 1.0, Discovery 1.0, Back-Channel Logout 1.0; RFC 7636.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from html import escape
from typing import Any
from urllib.parse import urlencode

import aiohttp
from joserfc import jwt
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from clinical.sandbox.look import page, web_address
from clinical.sandbox.oidc import keys
from clinical.sandbox.wechat.accounts import STYLE
from clinical.sandbox.world import World, refuse, world_of

CLIENT_ID = "zhenjian"
LIFE_SECONDS = 300
FAULT = "oidc"

#: Employees of the simulated hospital; the last one has no account with us.
EMPLOYEES: tuple[tuple[str, str], ...] = (
    ("doctor", "陈安和"),
    ("doctor2", "沈若水"),
    ("supervisor", "督明远"),
    ("admin", "管一成"),
    ("stranger", "外来人"),
)


def _issuer(world: World) -> str:
    return f"{world.config.url}/oidc"


async def discovery(request: Request) -> Response:
    world = world_of(request)
    if (down := await world.disturb(world.faults.peek(FAULT))) is not None:
        return down
    issuer = _issuer(world)
    return JSONResponse(
        {
            "issuer": issuer,
            "authorization_endpoint": f"{issuer}/authorize",
            "token_endpoint": f"{issuer}/token",
            "jwks_uri": f"{issuer}/jwks",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
            "backchannel_logout_supported": True,
            "backchannel_logout_session_supported": True,
        }
    )


async def jwks(request: Request) -> Response:
    return JSONResponse(keys.published(world_of(request)))


async def authorize(request: Request) -> Response:
    """The login page: a tap says which employee one is."""
    query = request.query_params
    if _wrong(query) is not None:
        return HTMLResponse(page("统一登录", STYLE, "<main><h1>参数错误</h1></main>"), 400)
    buttons = "".join(
        f'<form method="post" action="?{escape(urlencode(dict(query)))}">'
        f'<button name="user" value="{login}" data-testid="sso-{login}">{escape(name)}'
        f"<small>{login}</small></button></form>"
        for login, name in EMPLOYEES
    )
    body = (
        '<main><div class="ribbon">模拟统一身份平台</div>'
        f"<h1>仁和统一登录</h1><p>选择登录的员工</p>{buttons}</main>"
    )
    return HTMLResponse(page("仁和统一登录", STYLE, body))


def _wrong(query: Any) -> str | None:
    if query.get("client_id") != CLIENT_ID or query.get("response_type") != "code":
        return "client"
    if query.get("code_challenge_method") != "S256" or not query.get("code_challenge"):
        return "pkce"
    return None if web_address(query.get("redirect_uri")) else "redirect_uri"


async def log_in(request: Request) -> Response:
    world, query = world_of(request), request.query_params
    login = str((await request.form()).get("user", ""))
    if _wrong(query) is not None or login not in dict(EMPLOYEES):
        return HTMLResponse(page("统一登录", STYLE, "<main><h1>参数错误</h1></main>"), 400)
    code = secrets.token_urlsafe(24)
    world.store.put(
        "oidc_code",
        code,
        {
            "login": login,
            "nonce": query.get("nonce", ""),
            "challenge": query["code_challenge"],
            "redirect_uri": query["redirect_uri"],
            "sid": secrets.token_hex(8),
            "used": False,
        },
    )
    world.note(FAULT, "员工登录", login=login)
    answer = urlencode({"code": code, "state": query.get("state", "")})
    return RedirectResponse(f"{query['redirect_uri']}?{answer}", status_code=303)


async def token(request: Request) -> Response:
    """Exchange a code; the fault switch spoils the ID token in one way."""
    world, form = world_of(request), await request.form()
    mode = world.faults.take(FAULT)
    if (down := await world.disturb(mode)) is not None:
        return down
    if not _client_is_ours(world, request):
        return JSONResponse({"error": "invalid_client"}, status_code=401)
    code = str(form.get("code", ""))
    found = world.store.get("oidc_code", code)
    verifier = str(form.get("code_verifier", "")).encode()
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier).digest()).decode().rstrip("=")
    good = (
        found is not None
        and not found["used"]
        and found["challenge"] == challenge
        and found["redirect_uri"] == form.get("redirect_uri")
    )
    if found is None or not good:
        return JSONResponse({"error": "invalid_grant"}, status_code=400)
    world.store.put("oidc_code", code, {**found, "used": True})
    world.store.put("oidc_session", found["login"], {"sid": found["sid"]})
    return JSONResponse(
        {
            "access_token": secrets.token_urlsafe(24),
            "token_type": "Bearer",
            "expires_in": LIFE_SECONDS,
            "id_token": _id_token(world, found, mode),
        }
    )


def _client_is_ours(world: World, request: Request) -> bool:
    expected = base64.b64encode(f"{CLIENT_ID}:{world.keys.secrets.oidc_secret}".encode()).decode()
    return secrets.compare_digest(request.headers.get("authorization", ""), f"Basic {expected}")


def _id_token(world: World, found: dict[str, Any], mode: str) -> str:
    now = int(world.now().timestamp())
    login = "stranger" if mode == "unknown_user" else found["login"]
    claims: dict[str, Any] = {
        "iss": "https://elsewhere.test" if mode == "wrong_issuer" else _issuer(world),
        "sub": f"emp-{login}",
        "aud": "somebody-else" if mode == "wrong_audience" else CLIENT_ID,
        "iat": now,
        "exp": now - 3600 if mode == "expired" else now + LIFE_SECONDS,
        "nonce": "another" if mode == "wrong_nonce" else found["nonce"],
        "preferred_username": login,
        "name": dict(EMPLOYEES)[login],
        "sid": found["sid"],
        "amr": ["pwd", "otp"] if mode == "with_factor" else ["pwd"],
    }
    if mode == "alg_none":
        parts = (b'{"alg":"none"}', json.dumps(claims).encode())
        texts = [base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts]
        return ".".join([*texts, ""])
    key = keys.current(world)
    if mode == "rotated_key":
        key = keys.rotate(world)
    elif mode == "foreign_key":
        key = keys.make()
    return jwt.encode({"alg": "RS256", "kid": key.kid, "typ": "JWT"}, claims, key)


async def log_out(request: Request) -> Response:
    """`POST /_sandbox/oidc/logout {user, url}`: end an employee's login and tell the hospital."""
    world, body = world_of(request), await request.json()
    session = world.store.get("oidc_session", str(body["user"]))
    if session is None:
        return refuse(404, "NOT_LOGGED_IN", "该员工没有登录")
    now = int(world.now().timestamp())
    claims: dict[str, Any] = {
        "iss": _issuer(world),
        "aud": CLIENT_ID,
        "iat": now,
        "jti": secrets.token_hex(8),
        "sid": session["sid"],
        "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
    }
    key = keys.current(world)
    made = jwt.encode({"alg": "RS256", "kid": key.kid, "typ": "logout+jwt"}, claims, key)
    try:
        async with world.http.post(str(body["url"]), data={"logout_token": made}) as answer:
            status = answer.status
    except aiohttp.ClientError:
        status = 0
    world.note(FAULT, "员工退出", login=str(body["user"]), status=status)
    return JSONResponse({"status": status, "logout_token": made})


routes = [
    Route("/oidc/.well-known/openid-configuration", discovery, methods=["GET"]),
    Route("/oidc/jwks", jwks, methods=["GET"]),
    Route("/oidc/authorize", authorize, methods=["GET"]),
    Route("/oidc/authorize", log_in, methods=["POST"]),
    Route("/oidc/token", token, methods=["POST"]),
    Route("/_sandbox/oidc/logout", log_out, methods=["POST"]),
]
