"""WeChat's messages: one-time subscriptions of a mini-program, templates of a service account.

Templates have keywords with kinds that are checked as WeChat checks them. A subscription is used up
by the message that it lets through; a service account reaches whoever follows it.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from clinical.sandbox.wechat import tokens
from clinical.sandbox.wechat.accounts import PEOPLE
from clinical.sandbox.wechat.tokens import MINI, SERVICE, error
from clinical.sandbox.world import World, mask_number, world_of

#: Templates that were chosen in the simulated back office, with their keywords.
TEMPLATES: dict[str, tuple[str, tuple[str, ...]]] = {
    "SIM-notice": ("服务提醒", ("thing1", "time2")),
    "SIM-payment": ("缴费提醒", ("thing1", "amount2", "time3")),
    "SIM-service-notice": ("服务进度提醒", ("thing1", "time2")),
}
_TIME = re.compile(r"\d{4}年\d{2}月\d{2}日( \d{2}:\d{2})?")
_CHECKS: dict[str, Callable[[str], bool]] = {
    "thing": lambda value: 0 < len(value) <= 20,
    "time": lambda value: _TIME.fullmatch(value) is not None,
    "amount": lambda value: re.fullmatch(r"[¥$]?\d{1,10}(\.\d{1,2})?元?", value) is not None,
}
_SAYS: dict[str, tuple[int, str]] = {
    "busy": (-1, "system error"),
    "not_subscribed": (43101, "user refuse to accept the msg"),
    "bad_template": (40037, "invalid template_id"),
    "bad_parameters": (47003, "argument invalid! data.thing1.value is emtpy"),
    "quota": (45009, "reach max api daily quota limit"),
}


def _sender(application: str) -> Callable[[Request], Awaitable[Response]]:
    async def send(request: Request) -> Response:
        world = world_of(request)
        mode = world.faults.take("wechat_message")
        if (down := await world.disturb(mode)) is not None:
            world.note("wechat_message", "故障：没有正常应答", fault=mode)
            return down
        if mode == "token_revoked":
            tokens.revoke(world, application)
        if (bad := tokens.problem(world, request, application)) is not None:
            return bad
        if mode in _SAYS:
            world.note("wechat_message", "拒绝发送", fault=mode)
            return error(*_SAYS[mode])
        try:
            body = json.loads(await request.body())
        except ValueError:
            return error(47001, "data format error")
        answer = _take(world, application, body)
        return JSONResponse({}, status_code=504) if mode == "answer_lost" else answer

    return send


def _take(world: World, application: str, body: dict[str, Any]) -> Response:
    openid, template = str(body.get("touser", "")), str(body.get("template_id", ""))
    if not _is_ours(openid, application):
        return error(40003, "invalid openid")
    if template not in TEMPLATES:
        return error(40037, "invalid template_id")
    wrong = _wrong_keyword(template, body.get("data"))
    if wrong is not None:
        return error(47003, f"argument invalid! data.{wrong}.value invalid")
    once = str(body.get("client_msg_id") or "")
    if once and (known := world.store.get("wechat_once", f"{openid}/{once}")) is not None:
        world.note("wechat_message", "重复提交，未再发送", openid=mask_number(openid))
        return JSONResponse({"errcode": 0, "errmsg": "ok", "msgid": known["msgid"]})
    if (refused := _closed(world, application, openid, template)) is not None:
        return refused
    number = secrets.randbelow(10**15)
    if once:
        world.store.put("wechat_once", f"{openid}/{once}", {"msgid": number})
    _deliver(world, application, number, body)
    return JSONResponse({"errcode": 0, "errmsg": "ok", "msgid": number})


def _closed(world: World, application: str, openid: str, template: str) -> Response | None:
    """What WeChat says of somebody who does not want it; uses up a subscription."""
    if application == SERVICE:
        follows = world.store.get("wechat_follower", openid)
        return error(43004, "require subscribe") if follows == {"follows": False} else None
    key = f"{openid}/{template}"
    left = (world.store.get("wechat_subscription", key) or {"times": 0})["times"]
    if left < 1:
        return error(43101, "user refuse to accept the msg")
    world.store.put("wechat_subscription", key, {"times": left - 1})
    return None


def _deliver(world: World, application: str, number: int, body: dict[str, Any]) -> None:
    title, keywords = TEMPLATES[body["template_id"]]
    message = {
        "at": world.now().isoformat(),
        "application": application,
        "openid": body["touser"],
        "name": _name(body["touser"]),
        "title": title,
        "lines": [body["data"][each]["value"] for each in keywords],
        "page": body.get("page") or body.get("url") or "",
    }
    world.store.put("wechat_message", str(number), message)
    world.note("wechat_message", "送达消息", openid=mask_number(body["touser"]), template=title)


def _is_ours(openid: str, application: str) -> bool:
    return openid in {each if application == MINI else f"w{each}" for each, _, _ in PEOPLE}


def _name(openid: str) -> str:
    return next((name for each, name, _ in PEOPLE if openid in (each, f"w{each}")), "")


def _wrong_keyword(template: str, data: Any) -> str | None:
    """The first keyword that is missing or of the wrong kind."""
    _, wanted = TEMPLATES[template]
    given = data if isinstance(data, dict) else {}
    for keyword in wanted:
        value = given.get(keyword)
        text = value.get("value") if isinstance(value, dict) else None
        check = _CHECKS[keyword.rstrip("0123456789")]
        if not isinstance(text, str) or not check(text):
            return keyword
    return next((keyword for keyword in given if keyword not in wanted), None)


async def subscribe(request: Request) -> Response:
    """`POST /_sandbox/wechat/subscriptions {openid, template, times}`: taps on "always allow"."""
    world, body = world_of(request), await request.json()
    key = f"{body['openid']}/{body['template']}"
    world.store.put("wechat_subscription", key, {"times": int(body.get("times", 1))})
    return JSONResponse({"ok": True})


async def follow(request: Request) -> Response:
    """`POST /_sandbox/wechat/followers {openid, follows}`: of the service account."""
    world, body = world_of(request), await request.json()
    world.store.put("wechat_follower", str(body["openid"]), {"follows": bool(body["follows"])})
    return JSONResponse({"ok": True})


async def received(request: Request) -> Response:
    """`GET /_sandbox/wechat/messages`: everything delivered, newest first."""
    return JSONResponse({"messages": world_of(request).store.newest("wechat_message", 200)})


routes = [
    Route("/cgi-bin/message/subscribe/send", _sender(MINI), methods=["POST"]),
    Route("/cgi-bin/message/template/send", _sender(SERVICE), methods=["POST"]),
    Route("/_sandbox/wechat/subscriptions", subscribe, methods=["POST"]),
    Route("/_sandbox/wechat/followers", follow, methods=["POST"]),
    Route("/_sandbox/wechat/messages", received, methods=["GET"]),
]
