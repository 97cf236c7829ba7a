"""Any Socket.IO v5 client that uses the WebSocket transport can talk: here the stock one."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any
from uuid import UUID

import pytest
import socketio
from socketio.exceptions import ConnectionError as NotConnected

from tests.support.cast import Cast
from tests.support.nodes import Node


@pytest.mark.requirement("S3-133")
async def test_the_stock_client_joins_talks_and_hears(node: Node, cast: Cast, room: UUID) -> None:
    heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    client = socketio.AsyncClient()
    client.on("message", heard.put)
    await client.connect(node.url, auth={"token": cast.patient.token}, transports=["websocket"])
    joined = await client.call("room:join", {"room": str(room), "after": 0})
    assert joined["ok"] is True
    message = {
        "room": str(room),
        "client_id": str(uuid.uuid4()),
        "kind": "text",
        "body": {"text": "标准客户端"},
        "reply_to": None,
    }
    sent = await client.call("message:send", message)
    assert (sent["ok"], sent["seq"]) == (True, 2)
    assert (await asyncio.wait_for(heard.get(), 5))["body"] == {"text": "标准客户端"}
    await client.disconnect()


async def test_the_stock_client_learns_why_it_is_refused(node: Node) -> None:
    client, told = socketio.AsyncClient(), asyncio.Queue()  # type: ignore[var-annotated]
    client.on("connect_error", told.put)
    with pytest.raises(NotConnected):
        await client.connect(node.url, auth={"token": "nonsense"}, transports=["websocket"])
    assert (await asyncio.wait_for(told.get(), 5))["data"] == {"code": "unauthenticated"}
