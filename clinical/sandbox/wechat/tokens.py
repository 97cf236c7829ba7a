"""WeChat's access tokens: `POST /cgi-bin/stable_token`, and who accepts them.

Asked in the ordinary way it hands out the same token for as long as that is good; by force it makes
a new one, and the old one is bad from then on.
"""

from __future__ import annotations

import json
import secrets
from datetime import datetime, timedelta

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from clinical.sandbox.world import World, world_of

MINI, SERVICE = "mini", "service"
SECRET_BAD, TOKEN_BAD, TOKEN_OLD = 40125, 40001, 42001
TOKEN_SECONDS = 7200
RENEW_BEFORE = timedelta(minutes=5)


def error(code: int, message: str) -> Response:
    return JSONResponse({"errcode": code, "errmsg": message})


def _application(world: World, appid: str, secret: str) -> str | None:
    values = world.keys.secrets
    if not secrets.compare_digest(secret, values.wechat_secret):
        return None
    return {values.appid: MINI, values.wechat_web_appid: SERVICE}.get(appid)


async def stable_token(request: Request) -> Response:
    world = world_of(request)
    mode = world.faults.take("wechat_token")
    if (down := await world.disturb(mode)) is not None:
        return down
    try:
        body = json.loads(await request.body())
    except ValueError:
        return error(47001, "data format error")
    application = _application(world, str(body.get("appid")), str(body.get("secret")))
    if application is None:
        return error(SECRET_BAD, "invalid appsecret")
    known = world.store.get("wechat_token", application)
    force = body.get("force_refresh") is True
    now = world.now()
    if known is None or force or _expiry(known["expires"]) - now < RENEW_BEFORE:
        known = {
            "token": secrets.token_hex(32),
            "expires": (now + timedelta(seconds=TOKEN_SECONDS)).isoformat(),
        }
        world.store.put("wechat_token", application, known)
        world.note("wechat_message", "发放令牌", application=application, force=force)
    seconds = int((_expiry(known["expires"]) - now).total_seconds())
    return JSONResponse({"access_token": known["token"], "expires_in": seconds})


def revoke(world: World, application: str) -> None:
    """Make the token in hand bad, as WeChat does when somebody else has forced a new one."""
    known = world.store.get("wechat_token", application)
    if known is not None:
        world.store.put("wechat_token", application, {**known, "token": secrets.token_hex(32)})


def problem(world: World, request: Request, application: str) -> Response | None:
    """What WeChat says to a bad token; None when it is good."""
    given = request.query_params.get("access_token", "")
    known = world.store.get("wechat_token", application)
    if known is None or not secrets.compare_digest(known["token"], given):
        return error(TOKEN_BAD, "invalid credential, access_token is invalid or not latest")
    if _expiry(known["expires"]) <= world.now():
        return error(TOKEN_OLD, "access_token expired")
    return None


def _expiry(text: str) -> datetime:
    return datetime.fromisoformat(text)


routes = [Route("/cgi-bin/stable_token", stable_token, methods=["POST"])]
