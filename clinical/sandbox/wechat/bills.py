"""The day bill and the platform's certificates."""

from __future__ import annotations

import gzip
import hashlib
import secrets
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from clinical.sandbox.store import Document
from clinical.sandbox.wechat.protocol import ZONE, Refusal, beijing, check_merchant, seal
from clinical.sandbox.world import World, world_of

COLUMNS = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,"
    "付款银行,货币种类,应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,"
    "退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注"
)
SUMMARY = (
    "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"
)
FEE = Decimal("0.006")
KEPT_DAYS = 92
LINK_SECONDS = 300


async def certificates(world: World, request: Request, content: dict[str, Any]) -> Document:
    """`GET /v3/certificates`."""
    pair = world.keys.platform
    return {
        "data": [
            {
                "serial_no": pair.serial,
                "effective_time": beijing(pair.certificate.not_valid_before_utc),
                "expire_time": beijing(pair.certificate.not_valid_after_utc),
                "encrypt_certificate": seal(world, pair.certificate_pem, "certificate"),
            }
        ]
    }


async def trade_bill(world: World, request: Request, content: dict[str, Any]) -> Document:
    """`GET /v3/bill/tradebill?bill_date=&bill_type=&tar_type=`."""
    kind = request.query_params.get("bill_type", "ALL")
    packed = request.query_params.get("tar_type")
    if kind not in ("ALL", "SUCCESS", "REFUND") or packed not in (None, "GZIP"):
        raise Refusal(400, "PARAM_ERROR", "账单类型或压缩类型错误")
    try:
        day = date.fromisoformat(request.query_params.get("bill_date", ""))
    except ValueError as error:
        raise Refusal(400, "PARAM_ERROR", "账单日期格式错误") from error
    _check_day(world, day)
    fault = content["_fault"]
    if fault == "not_ready":
        raise Refusal(400, "STATEMENT_CREATING", "账单正在生成中")
    rows = _rows(world, day, kind)
    if not rows:
        raise Refusal(400, "NO_STATEMENT_EXIST", "账单不存在")
    text = _bill(world, _spoil(rows, fault))
    token = secrets.token_urlsafe(24)
    valid = (world.now() + timedelta(seconds=LINK_SECONDS)).isoformat()
    document = {"text": text, "gzip": packed == "GZIP", "until": valid, "broken": fault == "broken"}
    world.store.put("bill", token, document)
    world.note("wechat", "申请账单", day=day.isoformat(), rows=len(rows), fault=fault)
    return {
        "hash_type": "SHA1",
        "hash_value": hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest(),
        "download_url": f"{_origin(request)}/v3/billdownload/file?token={token}",
    }


async def download(request: Request) -> Response:
    """`GET /v3/billdownload/file?token=`: a signed request, an unsigned stream."""
    world = world_of(request)
    try:
        check_merchant(world, request, b"")
    except Refusal as refusal:
        return Response(refusal.code, status_code=refusal.status)
    document = world.store.get("bill", request.query_params.get("token", ""))
    if document is None or datetime.fromisoformat(document["until"]) < world.now():
        return Response("RESOURCE_NOT_EXISTS", status_code=404)
    raw = document["text"].encode()
    if document["broken"]:
        raw = raw[: len(raw) // 2]
    if document["gzip"]:
        return Response(gzip.compress(raw), media_type="application/gzip")
    return Response(raw, media_type="text/plain; charset=utf-8")


def _origin(request: Request) -> str:
    return f"{request.url.scheme}://{request.url.netloc}"


def _check_day(world: World, day: date) -> None:
    now = world.now().astimezone(ZONE)
    if day >= now.date():
        raise Refusal(400, "NO_STATEMENT_EXIST", "账单不存在")
    if now.date() - day > timedelta(days=KEPT_DAYS):
        raise Refusal(400, "PARAM_ERROR", "仅支持三个月内的账单")
    ready = time(hour=world.config.bill_ready_hour)
    if day == now.date() - timedelta(days=1) and now.time() < ready:
        raise Refusal(400, "STATEMENT_CREATING", "账单正在生成中")


def _rows(world: World, day: date, kind: str) -> list[Document]:
    """Payments by the time of their success, refunds by the time of their acceptance."""
    orders = {order["out_trade_no"]: order for order in world.store.all("order")}
    rows: list[Document] = []
    if kind in ("ALL", "SUCCESS"):
        paid = (order for order in orders.values() if "transaction_id" in order)
        rows += [{**o, "at": o["success_time"], "paid": o["total"]} for o in paid]
    if kind in ("ALL", "REFUND"):
        rows += [
            {**orders[refund["order"]], "at": refund["created"], "refund": refund}
            for refund in world.store.all("refund")
        ]
    rows = [row for row in rows if datetime.fromisoformat(row["at"]).date() == day]
    return sorted(rows, key=lambda row: str(row["at"]), reverse=True)


def _spoil(rows: list[Document], fault: str) -> list[Document]:
    if fault == "missing":
        return rows[1:]
    if fault == "extra":
        stranger = {
            **rows[0],
            "out_trade_no": "unknown" + secrets.token_hex(8),
            "transaction_id": "4299" + "".join(secrets.choice("0123456789") for _ in range(24)),
            "paid": 100,
        }
        stranger.pop("refund", None)
        return [stranger, *rows]
    if fault == "amount":
        first = dict(rows[0])
        if "refund" in first:
            first["refund"] = {**first["refund"], "amount": first["refund"]["amount"] + 1}
        else:
            first["paid"] += 1
        return [first, *rows[1:]]
    return rows


def _bill(world: World, rows: list[Document]) -> str:
    lines = [_line(world, row) for row in rows]
    paid = sum(row["paid"] for row in rows if "refund" not in row)
    refunded = sum(row["refund"]["amount"] for row in rows if "refund" in row)
    fee = sum((_fee(row) for row in rows), Decimal(0))
    totals = [str(len(rows)), _yuan(paid), _yuan(refunded), "0.00", f"{fee:.5f}"]
    totals += [_yuan(paid), _yuan(refunded)]
    everything = [COLUMNS, *lines, SUMMARY, _ticked(totals)]
    return "\ufeff" + "\r\n".join(everything) + "\r\n"


def _line(world: World, row: Document) -> str:
    at = datetime.fromisoformat(row["at"]).strftime("%Y-%m-%d %H:%M:%S")
    refund = row.get("refund")
    values = world.keys.secrets
    paid = 0 if refund else row["paid"]
    back = refund["amount"] if refund else 0
    return _ticked(
        [
            *(at, values.appid, values.mchid, "0", "", row["transaction_id"], row["out_trade_no"]),
            *(row["openid"], row["trade_type"], "REFUND" if refund else "SUCCESS", "OTHERS", "CNY"),
            *(_yuan(paid), "0.00", refund["refund_id"] if refund else "0"),
            *(refund["out_refund_no"] if refund else "0", _yuan(back), "0.00"),
            *("ORIGINAL" if refund else "", refund["status"] if refund else ""),
            *(row["description"].replace(",", " "), row["attach"] or "", f"{_fee(row):.5f}"),
            *("0.60%", _yuan(paid), _yuan(back), ""),
        ]
    )


def _fee(row: Document) -> Decimal:
    refund = row.get("refund")
    return Decimal(-refund["amount"] if refund else row["paid"]) / 100 * FEE


def _ticked(values: list[str]) -> str:
    return ",".join("`" + value for value in values)


def _yuan(fen: int) -> str:
    return f"{Decimal(fen) / 100:.2f}"
