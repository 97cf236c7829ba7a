"""Callbacks to the merchant, on WeChat's schedule, with the faults that real networks have."""

from __future__ import annotations

import json
import uuid
from typing import Any

import aiohttp

from clinical.sandbox.store import Document
from clinical.sandbox.wechat.protocol import beijing, platform_headers, seal
from clinical.sandbox.world import World

# Seconds between attempts as published: 15 s, 15 s, 30 s, 3 min ... about a day in all.
SCHEDULE = (15, 15, 30, 180, 600, 1200, 1800, 1800, 1800, 3600, 10800, 10800, 10800, 21600, 21600)


def announce(
    world: World, switch: str, url: str, kind: str, original_type: str, content: Document
) -> None:
    """Send a callback about a payment or a refund, as the fault switch allows."""
    summary = {"TRANSACTION.SUCCESS": "支付成功", "REFUND.SUCCESS": "退款成功"}.get(kind, kind)
    callback: dict[str, Any] = {
        "id": str(uuid.uuid4()),
        "create_time": beijing(world.now()),
        "event_type": kind,
        "summary": summary,
        "original_type": original_type,
        "content": content,
        "url": url,
        "switch": switch,
        "state": "pending",
        "attempts": 0,
        "fault": world.faults.take(switch),
    }
    if callback["fault"] == "lost":
        callback["state"] = "lost"
    world.store.put("callback", callback["id"], callback)
    world.note("wechat", f"通知：{summary}", fault=callback["fault"], url=url)
    if callback["state"] == "pending":
        world.spawn(_deliver(world, callback))


def resume(world: World) -> None:
    """Go on with what was not delivered when the simulators stopped."""
    for callback in world.store.all("callback"):
        if callback["state"] == "pending":
            world.spawn(_deliver(world, callback))


async def _deliver(world: World, callback: Document) -> None:
    if callback["fault"] == "late":
        await world.hold(world.config.late_seconds)
    delivered = False
    while callback["attempts"] <= len(SCHEDULE):
        if callback["attempts"] > 0:
            pause = SCHEDULE[callback["attempts"] - 1] * world.config.callback_pace
            await world.pause(pause)
        delivered = await _attempt(world, callback)
        if delivered:
            break
    if delivered and callback["fault"] == "duplicated":
        await _attempt(world, callback)
    callback["state"] = "delivered" if delivered else "given_up"
    world.store.put("callback", callback["id"], callback)


async def _attempt(world: World, callback: Document) -> bool:
    """One POST; anything but 2xx within five seconds is a failure."""
    raw = _body(world, callback)
    # A wrong signature is a forgery or a fault of the network: the right callback comes later.
    spoiled = callback["fault"] == "wrong_signature" and callback["attempts"] == 0
    headers = platform_headers(world, raw, spoiled=spoiled)
    headers |= {"Content-Type": "application/json", "User-Agent": "Mozilla/4.0"}
    callback["attempts"] += 1
    try:
        async with world.http.post(callback["url"], data=raw, headers=headers) as response:
            callback["answer"] = f"{response.status}"
            good = 200 <= response.status < 300
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        callback["answer"] = type(error).__name__
        good = False
    world.store.put("callback", callback["id"], callback)
    return good


def _body(world: World, callback: Document) -> bytes:
    plain = json.dumps(callback["content"], ensure_ascii=False).encode()
    resource = seal(world, plain, callback["original_type"])
    body = {name: callback[name] for name in ("id", "create_time", "event_type", "summary")}
    body["resource_type"] = "encrypt-resource"
    body["resource"] = {"original_type": callback["original_type"], **resource}
    return json.dumps(body, ensure_ascii=False).encode()
