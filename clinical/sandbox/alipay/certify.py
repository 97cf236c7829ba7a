"""Identity certification: `alipay.user.certify.open.initialize`, `.certify` (a page), `.query`."""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from html import escape
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from clinical.sandbox.keys import ALIPAY_APPID
from clinical.sandbox.look import page, web_address
from clinical.sandbox.wechat.accounts import STYLE
from clinical.sandbox.world import World, mask_name, mask_number, world_of

PREFIX = "alipay.user.certify.open."
KIND, FAULT = "certify", "alipay"


def _signed_by_us(world: World, form: dict[str, str]) -> bool:
    text = "&".join(f"{name}={form[name]}" for name in sorted(form) if name != "sign")
    key = world.keys.merchant.private_key.public_key()
    try:
        signature = base64.b64decode(form.get("sign", ""), validate=True)
        key.verify(signature, text.encode(), padding.PKCS1v15(), hashes.SHA256())
    except (InvalidSignature, binascii.Error):
        return False
    return form.get("app_id") == ALIPAY_APPID and form.get("sign_type") == "RSA2"


def _answer(world: World, verb: str, content: dict[str, Any], mode: str) -> Response:
    node = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    signature = world.keys.alipay.private_key.sign(
        b"other" if mode == "wrong_signature" else node.encode(),
        padding.PKCS1v15(),
        hashes.SHA256(),
    )
    sign = base64.b64encode(signature).decode()
    name = f"alipay_user_certify_open_{verb}_response"
    return Response(f'{{"{name}":{node},"sign":"{sign}"}}', media_type="application/json")


async def gateway(request: Request) -> Response:
    """`POST /gateway.do`: initialize and query."""
    world = world_of(request)
    form = {name: str(value) for name, value in (await request.form()).items()}
    mode = world.faults.take(FAULT)
    if (down := await world.disturb(mode)) is not None:
        return down
    verb = form.get("method", "").removeprefix(PREFIX)
    if not _signed_by_us(world, form):
        refusal = {"code": "40002", "msg": "Invalid Arguments", "sub_code": "isv.invalid-signature"}
        return _answer(world, verb, refusal, mode)
    content = json.loads(form.get("biz_content", "{}"))
    if verb == "initialize":
        return _answer(world, verb, _initialize(world, content), mode)
    found = world.store.get(KIND, str(content.get("certify_id", "")))
    if verb != "query" or found is None:
        return _answer(world, verb, {"code": "40004", "msg": "Business Failed"}, mode)
    passed = {"passed": found["passed"]} if found["passed"] else {}
    return _answer(world, verb, {"code": "10000", "msg": "Success", **passed}, mode)


def _initialize(world: World, content: dict[str, Any]) -> dict[str, Any]:
    certify_id = secrets.token_hex(16)
    person = content["identity_param"]
    world.store.put(
        KIND,
        certify_id,
        {
            "name": person["cert_name"],
            "number": person["cert_no"],
            "return_url": content["merchant_config"]["return_url"],
            "passed": "",
        },
    )
    world.note(
        FAULT,
        "发起认证",
        name=mask_name(person["cert_name"]),
        id_number=mask_number(person["cert_no"]),
    )
    return {"code": "10000", "msg": "Success", "certify_id": certify_id}


async def show(request: Request) -> Response:
    """`GET /gateway.do`: the page that the person sees."""
    world, form = world_of(request), dict(request.query_params)
    found = None
    if form.get("method") == f"{PREFIX}certify" and _signed_by_us(world, form):
        certify_id = str(json.loads(form["biz_content"]).get("certify_id", ""))
        found = world.store.get(KIND, certify_id)
    if found is None:
        return HTMLResponse(page("支付宝认证", STYLE, "<main><h1>链接无效</h1></main>"), 400)
    body = f"""<main><div class="ribbon">模拟支付宝 · 不会真的采集人脸</div>
<h1>身份认证</h1><p>{escape(mask_name(found["name"]))} {escape(mask_number(found["number"]))}</p>
<form method="post" action="/alipay/certify/{escape(certify_id)}/T">
<button data-testid="alipay-pass">是本人，通过认证</button></form>
<form method="post" action="/alipay/certify/{escape(certify_id)}/F">
<button data-testid="alipay-fail">认证不通过</button></form></main>"""
    return HTMLResponse(page("模拟支付宝认证", STYLE, body))


async def decide(request: Request) -> Response:
    """`POST /alipay/certify/{id}/T` or `/F`: the outcome, then back to the hospital."""
    world, certify_id = world_of(request), request.path_params["certify_id"]
    found = world.store.get(KIND, certify_id)
    passed = request.path_params["passed"]
    if found is None or passed not in ("T", "F"):
        return HTMLResponse(page("支付宝认证", STYLE, "<main><h1>链接无效</h1></main>"), 404)
    world.store.put(KIND, certify_id, {**found, "passed": passed})
    world.note(FAULT, "认证完成", name=mask_name(found["name"]), passed=passed)
    return RedirectResponse(web_address(found["return_url"]) or "/", status_code=303)


routes = [
    Route("/gateway.do", gateway, methods=["POST"]),
    Route("/gateway.do", show, methods=["GET"]),
    Route("/alipay/certify/{certify_id}/{passed}", decide, methods=["POST"]),
]
