"""The platform's half of the protocol: check the merchant, sign answers, seal resources.

Written from the published description and apart from the client's code, so that neither can hide an
error of the other.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta, timezone
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from starlette.requests import Request
from starlette.responses import Response

from clinical.sandbox.store import Document
from clinical.sandbox.world import World, world_of

ZONE = timezone(timedelta(hours=8))
SCHEME = "WECHATPAY2-SHA256-RSA2048"
MAX_BODY = 256 * 1024


class Refusal(Exception):
    """An error answer: HTTP status, WeChat's code, Chinese message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.message = message


Handler = Callable[[World, Request, dict[str, Any]], Awaitable[Document | None]]


def beijing(at: datetime) -> str:
    """A time as WeChat writes it."""
    return at.astimezone(ZONE).isoformat(timespec="seconds")


def endpoint(switch: str, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """A door of the API: faults, the merchant's signature, the work, a signed answer."""

    async def answer(request: Request) -> Response:
        world = world_of(request)
        raw = await request.body()
        mode = world.faults.take(switch)
        if mode == "rate_limited":
            return _unsigned(429, "FREQUENCY_LIMITED", "请求频率超限")
        if (down := await world.disturb(mode)) is not None:
            world.note("wechat", "故障：没有正常应答", fault=mode, path=request.url.path)
            return down
        try:
            check_merchant(world, request, raw)
            status, content = await _work(world, request, raw, mode, handler)
        except Refusal as refusal:
            world.note("wechat", f"拒绝：{refusal.message}", code=refusal.code)
            if refusal.status == 401:
                return _unsigned(refusal.status, refusal.code, refusal.message)
            status = refusal.status
            content = {"code": refusal.code, "message": refusal.message}
        if mode == "answer_lost":
            return Response(status_code=502)
        return signed(world, status, content, spoiled=mode == "wrong_signature")

    return answer


async def _work(
    world: World, request: Request, raw: bytes, mode: str, handler: Handler
) -> tuple[int, Document | None]:
    content: Any = {}
    if request.method == "POST":
        try:
            content = json.loads(raw)
        except ValueError as error:
            raise Refusal(400, "PARAM_ERROR", "请求体不是 JSON") from error
        if not isinstance(content, dict):
            raise Refusal(400, "PARAM_ERROR", "请求体不是 JSON 对象")
    result = await handler(world, request, {**content, "_fault": mode})
    return (204, None) if result is None else (200, result)


def check_merchant(world: World, request: Request, raw: bytes) -> None:
    """Raise Refusal 401 unless the merchant signed this very request."""
    header = request.headers.get("Authorization", "")
    scheme, _, rest = header.partition(" ")
    fields = dict(re.findall(r'([a-z_]+)="([^"]*)"', rest))
    names = {"mchid", "nonce_str", "signature", "timestamp", "serial_no"}
    if scheme != SCHEME or set(fields) != names or len(raw) > MAX_BODY:
        raise Refusal(401, "SIGN_ERROR", "Authorization 格式错误")
    if fields["mchid"] != world.keys.secrets.mchid:
        raise Refusal(401, "SIGN_ERROR", "商户号不存在")
    if fields["serial_no"] != world.keys.merchant.serial:
        raise Refusal(401, "SIGN_ERROR", "商户证书序列号不存在")
    if not re.fullmatch(r"[0-9]{1,12}", fields["timestamp"]):
        raise Refusal(401, "SIGN_ERROR", "时间戳格式错误")
    if abs(world.now().timestamp() - int(fields["timestamp"])) > 300:
        raise Refusal(401, "SIGN_ERROR", "时间戳已过期")
    target = request.scope["raw_path"].decode("ascii")
    if request.scope["query_string"]:
        target += "?" + request.scope["query_string"].decode("ascii")
    lines = [request.method, target, fields["timestamp"], fields["nonce_str"], ""]
    text = "\n".join(lines).encode() + raw + b"\n"
    try:
        world.keys.merchant.private_key.public_key().verify(
            base64.b64decode(fields["signature"]), text, PKCS1v15(), SHA256()
        )
    except (InvalidSignature, ValueError) as error:
        raise Refusal(401, "SIGN_ERROR", "签名错误") from error


def platform_headers(world: World, raw: bytes, *, spoiled: bool = False) -> dict[str, str]:
    """The signature headers over an answer or a callback; `spoiled` ones do not verify."""
    timestamp, nonce = str(int(world.now().timestamp())), secrets.token_hex(16)
    text = timestamp.encode() + b"\n" + nonce.encode() + b"\n" + raw + b"\n"
    if spoiled:
        text = b"spoiled" + text
    signature = world.keys.platform.private_key.sign(text, PKCS1v15(), SHA256())
    return {
        "Wechatpay-Timestamp": timestamp,
        "Wechatpay-Nonce": nonce,
        "Wechatpay-Serial": world.platform_serial,
        "Wechatpay-Signature": base64.b64encode(signature).decode(),
        "Wechatpay-Signature-Type": SCHEME,
    }


def signed(
    world: World, status: int, content: Document | None, *, spoiled: bool = False
) -> Response:
    raw = b"" if content is None else json.dumps(content, ensure_ascii=False).encode()
    headers = platform_headers(world, raw, spoiled=spoiled)
    headers["Request-ID"] = secrets.token_hex(16).upper()
    if content is None:
        return Response(status_code=status, headers=headers)
    return Response(raw, status, headers, media_type="application/json")


def seal(world: World, plain: bytes, associated_data: str) -> Document:
    """Seal under the APIv3 key: AEAD_AES_256_GCM with a nonce of twelve characters."""
    nonce = secrets.token_hex(6)
    sealed = AESGCM(world.keys.secrets.api_v3_key.encode()).encrypt(
        nonce.encode(), plain, associated_data.encode()
    )
    return {
        "algorithm": "AEAD_AES_256_GCM",
        "nonce": nonce,
        "associated_data": associated_data,
        "ciphertext": base64.b64encode(sealed).decode(),
    }


def _unsigned(status: int, code: str, message: str) -> Response:
    raw = json.dumps({"code": code, "message": message}, ensure_ascii=False).encode()
    return Response(raw, status, media_type="application/json")
