"""Refunds: accepted at once, finished a little later, told by callback."""

from __future__ import annotations

import re
import secrets
from typing import Any

from starlette.requests import Request

from clinical.sandbox.store import Document
from clinical.sandbox.wechat import callbacks
from clinical.sandbox.wechat.protocol import Refusal, beijing
from clinical.sandbox.world import World

SLOW_SECONDS = 3600.0


async def refund(world: World, request: Request, content: dict[str, Any]) -> Document:
    """`POST /v3/refund/domestic/refunds`; the same number with the same content is one refund."""
    number, amount = content.get("out_refund_no"), content.get("amount")
    if not (isinstance(number, str) and re.fullmatch(r"[0-9A-Za-z_\-|*@]{1,64}", number)):
        raise Refusal(400, "PARAM_ERROR", "商户退款单号格式错误")
    if not isinstance(amount, dict) or amount.get("currency") != "CNY":
        raise Refusal(400, "PARAM_ERROR", "退款金额错误")
    order = _order(world, content)
    known = world.store.get("refund", number)
    if known is not None:
        if known["amount"] != amount.get("refund") or known["order"] != order["out_trade_no"]:
            raise Refusal(400, "PARAM_ERROR", "订单金额或退款金额与之前请求不一致")
        return shown(known)
    made = _make(world, order, number, amount, content)
    world.store.put("refund", number, made)
    world.store.put("order", order["out_trade_no"], order)
    world.note("wechat", "申请退款", out_refund_no=number, amount=made["amount"])
    world.spawn(_finish(world, number, content["_fault"]))
    return shown(made)


async def query(world: World, request: Request, content: dict[str, Any]) -> Document:
    """`GET /v3/refund/domestic/refunds/{out_refund_no}`."""
    found = world.store.get("refund", request.path_params["out_refund_no"])
    if found is None:
        raise Refusal(404, "RESOURCE_NOT_EXISTS", "退款单不存在")
    return shown(found)


def shown(refund: Document) -> Document:
    """A refund as the API shows it."""
    amounts = {
        "total": refund["total"],
        "refund": refund["amount"],
        "payer_total": refund["total"],
        "payer_refund": refund["amount"],
        "settlement_refund": refund["amount"],
        "settlement_total": refund["total"],
        "discount_refund": 0,
        "currency": "CNY",
    }
    answer = {
        "refund_id": refund["refund_id"],
        "out_refund_no": refund["out_refund_no"],
        "transaction_id": refund["transaction_id"],
        "out_trade_no": refund["order"],
        "channel": "ORIGINAL",
        "user_received_account": "支付用户零钱",
        "create_time": refund["created"],
        "status": refund["status"],
        "funds_account": "AVAILABLE",
        "amount": amounts,
    }
    if refund.get("success_time"):
        answer["success_time"] = refund["success_time"]
    return answer


def _order(world: World, content: dict[str, Any]) -> Document:
    transaction, number = content.get("transaction_id"), content.get("out_trade_no")
    for order in world.store.all("order"):
        if (transaction and order.get("transaction_id") == transaction) or (
            not transaction and number and order["out_trade_no"] == number
        ):
            if "transaction_id" not in order:
                raise Refusal(400, "INVALID_REQUEST", "订单未支付")
            return order
    raise Refusal(404, "RESOURCE_NOT_EXISTS", "订单不存在")


def _make(
    world: World, order: Document, number: str, amount: dict[str, Any], content: dict[str, Any]
) -> Document:
    wanted, total = amount.get("refund"), amount.get("total")
    if not isinstance(wanted, int) or isinstance(wanted, bool) or wanted < 1:
        raise Refusal(400, "PARAM_ERROR", "退款金额错误")
    if total != order["total"]:
        raise Refusal(400, "PARAM_ERROR", "订单金额与原订单不一致")
    if order["refunded"] + wanted > order["total"]:
        raise Refusal(400, "INVALID_REQUEST", "申请退款金额大于订单可退金额")
    if content["_fault"] == "not_enough":
        raise Refusal(403, "NOT_ENOUGH", "基本账户余额不足，请充值后重新发起")
    order["refunded"] += wanted
    order["trade_state"] = "REFUND"
    return {
        "out_refund_no": number,
        "refund_id": f"503{world.now():%Y%m%d%H%M%S}{secrets.randbelow(10**10):010d}",
        "order": order["out_trade_no"],
        "transaction_id": order["transaction_id"],
        "amount": wanted,
        "total": order["total"],
        "reason": content.get("reason"),
        "notify_url": content.get("notify_url"),
        "status": "PROCESSING",
        "created": beijing(world.now()),
    }


async def _finish(world: World, number: str, fault: str) -> None:
    if fault == "slow":
        await world.hold(SLOW_SECONDS)
    else:
        await world.pause(world.config.refund_seconds)
    finish(world, number, "ABNORMAL" if fault == "abnormal" else "SUCCESS")


def finish(world: World, number: str, status: str) -> None:
    """End a refund and tell the merchant."""
    refund = world.store.get("refund", number)
    if refund is None or refund["status"] != "PROCESSING":
        return
    refund["status"] = status
    if status == "SUCCESS":
        refund["success_time"] = beijing(world.now())
    world.store.put("refund", number, refund)
    if not refund["notify_url"]:
        return
    content = {
        "mchid": world.keys.secrets.mchid,
        "transaction_id": refund["transaction_id"],
        "out_trade_no": refund["order"],
        "refund_id": refund["refund_id"],
        "out_refund_no": number,
        "refund_status": status,
        "user_received_account": "支付用户零钱",
        "amount": {
            "total": refund["total"],
            "refund": refund["amount"],
            "payer_total": refund["total"],
            "payer_refund": refund["amount"],
        },
    }
    if status == "SUCCESS":
        content["success_time"] = refund["success_time"]
    callbacks.announce(
        world, "refund_callback", refund["notify_url"], f"REFUND.{status}", "refund", content
    )


def resume(world: World) -> None:
    """Finish what was under way when the simulators stopped."""
    for refund in world.store.all("refund"):
        if refund["status"] == "PROCESSING":
            world.spawn(_finish(world, refund["out_refund_no"], "ok"))
