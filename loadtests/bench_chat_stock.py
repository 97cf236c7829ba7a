"""The stock peer of `make bench-chat`: python-socketio on uvicorn as their documentation shows.

    python -m loadtests.bench_chat_stock <port> <postgresql://...>

Each message is stored by the statement that Zhenjian runs, alone, and acknowledged after its
commit. Nothing is encrypted and nobody is asked for a token: less work than Zhenjian does.
"""

from __future__ import annotations

import json
import os
import sys
import uuid
from datetime import UTC, datetime
from typing import Any

import asyncpg
import socketio
import uvicorn

STORE = "SELECT seq FROM store_messages($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
PLACES = ["consultation:active"]


def build(database: str, hospital: str) -> socketio.ASGIApp:
    """The application."""
    server = socketio.AsyncServer(async_mode="asgi", transports=["websocket"])
    pool: list[Any] = []

    async def open_pool() -> None:
        pool.append(await asyncpg.create_pool(database, min_size=10, max_size=10))

    @server.event
    async def connect(sid: str, environ: dict[str, Any], auth: dict[str, Any]) -> None:
        await server.save_session(sid, auth)

    @server.on("room:join")
    async def join(sid: str, data: dict[str, Any]) -> dict[str, Any]:
        await server.enter_room(sid, data["room"])
        return {"ok": True}

    @server.on("message:send")
    async def send(sid: str, message: dict[str, Any]) -> dict[str, Any]:
        user = await server.get_session(sid)
        at = datetime.now(UTC)
        own = str(uuid.uuid4())
        values = (
            [message["room"]], [hospital], [user["user"]], [user["role"]], [message["client_id"]],
            [message["kind"]], PLACES, [message["reply_to"]], [own],
            [json.dumps(message["body"]).encode()], at,
        )  # fmt: skip
        seq = await pool[0].fetchval(STORE, *values)
        event = {
            "room": message["room"],
            "seq": seq,
            "id": own,
            "kind": message["kind"],
            "sender": {"user_id": user["user"], "name": "压力测试", "role": user["role"]},
            "client_id": message["client_id"],
            "body": message["body"],
            "reply_to": message["reply_to"],
            "at": at.isoformat(),
            "recalled": False,
        }
        await server.emit("message", event, room=message["room"])
        return {"ok": True, "seq": seq, "at": at.isoformat(), "duplicate": False}

    return socketio.ASGIApp(server, on_startup=open_pool)


def main() -> None:
    port, database = sys.argv[1:3]
    application = build(database, os.environ["BENCH_HOSPITAL"])
    uvicorn.run(application, host="127.0.0.1", port=int(port), log_level="warning")


if __name__ == "__main__":
    main()
