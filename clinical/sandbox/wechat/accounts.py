"""WeChat's accounts: codes for mini-programs, consent in the browser, shared phone numbers.

Everybody of the simulated world is listed on the consent page; a tap says who one is.
"""

from __future__ import annotations

import secrets
from html import escape
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from clinical.sandbox.look import page, web_address
from clinical.sandbox.wechat import tokens
from clinical.sandbox.world import World, mask_number, world_of

CODE_BAD, CODE_USED, SECRET_BAD = 40029, 40163, 40125
TOKEN_SECONDS = 7200

STYLE = """
main { max-width: 430px; margin: 0 auto; padding: 0 20px 32px; }
.ribbon { margin: 0 -20px; padding: 8px 20px; background: var(--waiting-soft);
  color: var(--waiting-strong); font-size: 13px; text-align: center; }
h1 { font-size: 22px; margin: 32px 0 4px; } p { color: var(--ink-3); margin: 0 0 20px; }
form { margin: 0 0 10px; }
button { width: 100%; padding: 14px 16px; border: 1px solid var(--line); border-radius: 12px;
  background: var(--card); text-align: left; font-size: 17px; }
small { display: block; color: var(--ink-3); }
"""

#: Who has WeChat: invented people, the first with the number of the demo's patient.
PEOPLE: tuple[tuple[str, str, str], ...] = (
    ("oSIM-linxiaoman-0001", "林小满", "13800000001"),
    ("oSIM-chenanhe-0002", "陈安和", "13800000002"),
    ("oSIM-newcomer-0003", "新朋友", "13612340003"),
)


def _error(code: int, message: str) -> Response:
    return JSONResponse({"errcode": code, "errmsg": message})


def _person(openid: str) -> tuple[str, str, str] | None:
    return next((person for person in PEOPLE if person[0] == openid), None)


def new_code(world: World, openid: str, use: str) -> str:
    """A code that stands for a person once: `mini`, `web` or `phone`."""
    code = "0" + secrets.token_hex(16)
    world.store.put("wechat_code", code, {"openid": openid, "use": use, "used": False})
    return code


def _take(world: World, code: str, use: str) -> str | int:
    """The person behind a code, which is used up; or WeChat's error code."""
    found = world.store.get("wechat_code", code)
    if found is None or found["use"] != use:
        return CODE_BAD
    if found["used"]:
        return CODE_USED
    world.store.put("wechat_code", code, {**found, "used": True})
    return str(found["openid"])


def _app_is_ours(world: World, appid: str, secret: str, *, mini: bool = True) -> bool:
    values = world.keys.secrets
    return appid == (values.appid if mini else values.wechat_web_appid) and secrets.compare_digest(
        secret, values.wechat_secret
    )


async def session(request: Request) -> Response:
    """`GET /sns/jscode2session` and `GET /sns/oauth2/access_token`."""
    world, query = world_of(request), request.query_params
    mode = world.faults.take("wechat_login")
    if (down := await world.disturb(mode)) is not None:
        return down
    mini = request.url.path.endswith("jscode2session")
    if not _app_is_ours(world, query.get("appid", ""), query.get("secret", ""), mini=mini):
        return _error(SECRET_BAD, "invalid appsecret")
    if mode == "worn_out":
        return _error(CODE_USED, "code been used")
    code = query.get("js_code" if mini else "code", "")
    found = _take(world, code, "mini" if mini else "web")
    if isinstance(found, int):
        return _error(found, "invalid code")
    world.note("wechat_login", "换取身份", openid=mask_number(found), mini=mini)
    # Each application knows a person under an openid of its own.
    answer: dict[str, Any] = {"openid": found if mini else f"w{found}", "unionid": f"u{found}"}
    if mini:
        answer["session_key"] = secrets.token_urlsafe(18)
    else:
        answer |= {"access_token": secrets.token_hex(16), "expires_in": TOKEN_SECONDS}
    return JSONResponse(answer)


async def phone_number(request: Request) -> Response:
    """`POST /wxa/business/getuserphonenumber`."""
    world, body = world_of(request), await request.json()
    if (bad := tokens.problem(world, request, tokens.MINI)) is not None:
        return bad
    found = _take(world, str(body.get("code")), "phone")
    person = _person(found) if isinstance(found, str) else None
    if person is None:
        return _error(found if isinstance(found, int) else CODE_BAD, "invalid code")
    number = person[2]
    info = {"phoneNumber": number, "purePhoneNumber": number, "countryCode": "86"}
    return JSONResponse({"errcode": 0, "errmsg": "ok", "phone_info": info})


async def authorize(request: Request) -> Response:
    """The consent page of the official account."""
    world, query = world_of(request), request.query_params
    if query.get("appid") != world.keys.secrets.wechat_web_appid or not web_address(
        query.get("redirect_uri")
    ):
        return HTMLResponse(page("微信授权", STYLE, "<main><h1>参数错误</h1></main>"), 400)
    buttons = "".join(
        f'<form method="post" action="?{escape(urlencode(dict(query)))}">'
        f'<button name="openid" value="{escape(openid)}" data-testid="wechat-{place}">'
        f"{escape(name)}<small>{mask_number(phone)}</small></button></form>"
        for place, (openid, name, phone) in enumerate(PEOPLE)
    )
    body = (
        '<main><div class="ribbon">模拟微信授权 · 不是真的微信</div>'
        f"<h1>用哪个微信登录？</h1><p>点选后返回医院的页面</p>{buttons}</main>"
    )
    return HTMLResponse(page("模拟微信授权", STYLE, body))


async def consent(request: Request) -> Response:
    world, query = world_of(request), request.query_params
    openid = str((await request.form()).get("openid", ""))
    back = web_address(query.get("redirect_uri"))
    if not back or _person(openid) is None:
        return HTMLResponse(page("微信授权", STYLE, "<main><h1>参数错误</h1></main>"), 400)
    answer = urlencode({"code": new_code(world, openid, "web"), "state": query.get("state", "")})
    world.note("wechat_login", "同意授权", openid=mask_number(openid))
    return RedirectResponse(f"{back}{'&' if '?' in back else '?'}{answer}", status_code=303)


async def codes(request: Request) -> Response:
    """`POST /_sandbox/wechat/codes {openid, use}`: what the phone's WeChat would hand out."""
    world, body = world_of(request), await request.json()
    return JSONResponse({"code": new_code(world, str(body["openid"]), str(body["use"]))})


routes = [
    Route("/sns/jscode2session", session, methods=["GET"]),
    Route("/sns/oauth2/access_token", session, methods=["GET"]),
    *tokens.routes,
    Route("/wxa/business/getuserphonenumber", phone_number, methods=["POST"]),
    Route("/connect/oauth2/authorize", authorize, methods=["GET"]),
    Route("/connect/oauth2/authorize", consent, methods=["POST"]),
    Route("/_sandbox/wechat/codes", codes, methods=["POST"]),
]
