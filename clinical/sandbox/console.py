"""The page that shows what every simulator received, and its fault switches."""

from __future__ import annotations

from importlib import resources
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from clinical.sandbox.faults import UnknownFault
from clinical.sandbox.look import page
from clinical.sandbox.store import Document
from clinical.sandbox.world import mask_number, refuse, world_of

SHOWN = 30


async def show(request: Request) -> Response:
    body = resources.files(__package__).joinpath("console.html").read_text("utf-8")
    return HTMLResponse(page("外部系统模拟器", "", body))


async def state(request: Request) -> Response:
    """`GET /_sandbox/state`: what the page shows, personal data masked, SMS codes readable."""
    world = world_of(request)
    store = world.store
    return JSONResponse(
        {
            "now": world.now().isoformat(),
            "faults": world.faults.show(),
            "sms": [_sms(item) for item in store.newest("sms", 12)],
            "wechat_messages": [_wechat(item) for item in store.newest("wechat_message", SHOWN)],
            "orders": [_order(item) for item in store.newest("order", SHOWN)],
            "refunds": [_refund(item) for item in store.newest("refund", SHOWN)],
            "callbacks": [_callback(item) for item in store.newest("callback", SHOWN)],
            "journal": store.journal(60),
        }
    )


async def faults(request: Request) -> Response:
    """`GET /_sandbox/faults`; `PUT {"sms": "error", "bill": {"mode": "extra", "times": 1}}`."""
    world = world_of(request)
    if request.method == "PUT":
        try:
            wanted: dict[str, Any] = await request.json()
            for name, value in wanted.items():
                position = value if isinstance(value, dict) else {"mode": value}
                world.faults.set(name, position["mode"], position.get("times"))
                world.note("faults", "切换故障", switch=name, **position)
        except (ValueError, KeyError, AttributeError, TypeError, UnknownFault) as error:
            return refuse(400, "FAULT_UNKNOWN", str(error))
    return JSONResponse(world.faults.show())


async def release(request: Request) -> Response:
    """`POST /_sandbox/release`: let late callbacks and slow refunds go."""
    world = world_of(request)
    world.release()
    world.note("faults", "放行被扣住的通知与退款")
    return JSONResponse({"ok": True})


def _sms(item: Document) -> Document:
    return {
        "at": item["at"],
        "phone": mask_number(item["phone"]),
        "text": item["text"],
        "code": item["params"].get("code"),
    }


def _wechat(item: Document) -> Document:
    names = ("at", "application", "name", "title", "lines", "page")
    return {name: item[name] for name in names}


def _order(item: Document) -> Document:
    names = ("out_trade_no", "description", "total", "trade_state", "created", "refunded")
    return {name: item[name] for name in names}


def _refund(item: Document) -> Document:
    names = ("out_refund_no", "order", "amount", "status", "created", "reason")
    return {name: item.get(name) for name in names}


def _callback(item: Document) -> Document:
    names = ("summary", "create_time", "url", "state", "attempts", "fault", "answer")
    return {name: item.get(name) for name in names}


routes = [
    Route("/", show, methods=["GET"]),
    Route("/_sandbox/state", state, methods=["GET"]),
    Route("/_sandbox/faults", faults, methods=["GET", "PUT"]),
    Route("/_sandbox/release", release, methods=["POST"]),
]
