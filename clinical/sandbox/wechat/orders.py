"""Orders: placed, queried, closed, paid in the cashier."""

from __future__ import annotations

import re
import secrets
from datetime import datetime
from typing import Any

from starlette.requests import Request

from clinical.sandbox.store import Document
from clinical.sandbox.wechat import callbacks
from clinical.sandbox.wechat.protocol import Refusal, beijing
from clinical.sandbox.world import World

TRADE_TYPES = {"h5": "MWEB", "jsapi": "JSAPI", "native": "NATIVE"}
STATES = {
    "NOTPAY": "订单未支付",
    "SUCCESS": "支付成功",
    "CLOSED": "订单已关闭",
    "PAYERROR": "支付失败",
    "REFUND": "订单发生过退款",
}


async def place(world: World, request: Request, content: dict[str, Any]) -> Document:
    """`POST /v3/pay/transactions/{h5,jsapi,native}`."""
    way = request.path_params["way"]
    if way not in TRADE_TYPES:
        raise Refusal(404, "RESOURCE_NOT_EXISTS", "接口不存在")
    order = _checked(world, way, content)
    known = world.store.get("order", order["out_trade_no"])
    if known is not None:
        _check_same(known, order)
        order = known
    # Each placing hands out a fresh prepay id for the same order.
    order["prepay_id"] = "wx" + secrets.token_hex(17)
    world.store.put("order", order["out_trade_no"], order)
    world.store.put("prepay", order["prepay_id"], {"out_trade_no": order["out_trade_no"]})
    world.note("wechat", "下单", out_trade_no=order["out_trade_no"], total=order["total"], way=way)
    if way == "jsapi":
        return {"prepay_id": order["prepay_id"]}
    address = f"{world.config.url}/cgi-bin/mmpayweb-bin/checkmweb?prepay_id={order['prepay_id']}"
    if way == "native":
        return {"code_url": address}
    return {"h5_url": f"{address}&package={secrets.randbelow(10**10)}"}


def _checked(world: World, way: str, content: dict[str, Any]) -> Document:
    values = world.keys.secrets
    amount, scene = content.get("amount"), content.get("scene_info")
    number, notify = content.get("out_trade_no"), content.get("notify_url")
    if content.get("mchid") != values.mchid or content.get("appid") != values.appid:
        raise Refusal(400, "APPID_MCHID_NOT_MATCH", "appid 和 mchid 不匹配")
    if not (isinstance(number, str) and re.fullmatch(r"[0-9A-Za-z_\-|*]{6,32}", number)):
        raise Refusal(400, "PARAM_ERROR", "商户订单号格式错误")
    description = content.get("description")
    if not isinstance(description, str) or not 1 <= len(description) <= 127:
        raise Refusal(400, "PARAM_ERROR", "商品描述不能为空且不超过 127 字")
    if not (isinstance(notify, str) and re.fullmatch(r"https?://[^?]{1,240}", notify)):
        raise Refusal(400, "PARAM_ERROR", "通知地址格式错误")
    total = amount.get("total") if isinstance(amount, dict) else None
    if not isinstance(total, int) or isinstance(total, bool) or total < 1:
        raise Refusal(400, "PARAM_ERROR", "订单金额必须是大于 0 的整数（分）")
    if way == "h5" and not (
        isinstance(scene, dict)
        and scene.get("payer_client_ip")
        and isinstance(scene.get("h5_info"), dict)
        and scene["h5_info"].get("type")
    ):
        raise Refusal(400, "PARAM_ERROR", "H5 支付缺少场景信息")
    payer = content.get("payer")
    if way == "jsapi" and not (isinstance(payer, dict) and payer.get("openid")):
        raise Refusal(400, "PARAM_ERROR", "JSAPI 支付缺少 openid")
    return {
        "out_trade_no": number,
        "description": description,
        "total": total,
        "notify_url": notify,
        "attach": content.get("attach"),
        "time_expire": _expiry(content.get("time_expire")),
        "trade_type": TRADE_TYPES[way],
        "trade_state": "NOTPAY",
        "openid": payer["openid"] if way == "jsapi" and payer else "o" + secrets.token_hex(13),
        "created": beijing(world.now()),
        "refunded": 0,
    }


def _expiry(value: Any) -> str | None:
    if value is None:
        return None
    try:
        at = datetime.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise Refusal(400, "PARAM_ERROR", "支付截止时间格式错误") from error
    if at.tzinfo is None:
        raise Refusal(400, "PARAM_ERROR", "支付截止时间缺少时区")
    return at.isoformat()


def _check_same(known: Document, order: Document) -> None:
    if known["trade_state"] in ("SUCCESS", "REFUND"):
        raise Refusal(400, "ORDERPAID", "该订单已支付")
    if known["trade_state"] == "CLOSED":
        raise Refusal(400, "ORDER_CLOSED", "该订单已关闭")
    if any(known[part] != order[part] for part in ("total", "description", "trade_type")):
        raise Refusal(403, "OUT_TRADE_NO_USED", "商户订单号重复")


async def query(world: World, request: Request, content: dict[str, Any]) -> Document:
    """`GET /v3/pay/transactions/out-trade-no/{out_trade_no}?mchid=`."""
    if request.query_params.get("mchid") != world.keys.secrets.mchid:
        raise Refusal(400, "PARAM_ERROR", "商户号错误")
    order = world.store.get("order", request.path_params["out_trade_no"])
    if order is None:
        raise Refusal(404, "ORDER_NOT_EXIST", "订单不存在")
    return transaction(world, order)


async def close(world: World, request: Request, content: dict[str, Any]) -> None:
    """`POST /v3/pay/transactions/out-trade-no/{out_trade_no}/close`; closing twice is well."""
    if content.get("mchid") != world.keys.secrets.mchid:
        raise Refusal(400, "PARAM_ERROR", "商户号错误")
    order = world.store.get("order", request.path_params["out_trade_no"])
    if order is None:
        raise Refusal(404, "ORDER_NOT_EXIST", "订单不存在")
    if order["trade_state"] in ("SUCCESS", "REFUND"):
        raise Refusal(400, "ORDERPAID", "该订单已支付，不能关闭")
    order["trade_state"] = "CLOSED"
    world.store.put("order", order["out_trade_no"], order)
    world.note("wechat", "关单", out_trade_no=order["out_trade_no"])


def transaction(world: World, order: Document) -> Document:
    """An order as the API and the callback show it."""
    shown = {
        "appid": world.keys.secrets.appid,
        "mchid": world.keys.secrets.mchid,
        "out_trade_no": order["out_trade_no"],
        "trade_state": order["trade_state"],
        "trade_state_desc": STATES[order["trade_state"]],
    }
    if order["attach"]:
        shown["attach"] = order["attach"]
    amount: Document = {"total": order["total"], "currency": "CNY"}
    if "transaction_id" in order:
        shown |= {
            "transaction_id": order["transaction_id"],
            "trade_type": order["trade_type"],
            "bank_type": "OTHERS",
            "success_time": order["success_time"],
            "payer": {"openid": order["openid"]},
        }
        amount |= {"payer_total": order["total"], "payer_currency": "CNY"}
    return {**shown, "amount": amount}


def payable(world: World, order: Document) -> str | None:
    """Why an order cannot be paid in the cashier, or None when it can."""
    if order["trade_state"] in ("SUCCESS", "REFUND"):
        return "该订单已支付"
    if order["trade_state"] == "CLOSED":
        return "订单已关闭"
    if order["time_expire"] and world.now() > datetime.fromisoformat(order["time_expire"]):
        return "订单已过期"
    return None


def pay(world: World, order: Document) -> None:
    """The payer confirms: the money moves and the merchant is told."""
    now = world.now()
    order |= {
        "trade_state": "SUCCESS",
        "transaction_id": f"4200{now:%Y%m%d%H%M%S}{secrets.randbelow(10**10):010d}",
        "success_time": beijing(now),
    }
    world.store.put("order", order["out_trade_no"], order)
    world.note("wechat", "用户支付", out_trade_no=order["out_trade_no"], total=order["total"])
    callbacks.announce(
        world,
        "payment_callback",
        order["notify_url"],
        "TRANSACTION.SUCCESS",
        "transaction",
        transaction(world, order),
    )
