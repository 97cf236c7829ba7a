"""A room server in memory that does what a behaviour scripts: see clients/behaviour/README.md."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

from aiohttp import WSMsgType, web

from zhenjian_client import wire

ROOM, ME, OTHER = "r", "user-me", "user-other"
PAGE = 200
NEWEST = 50


class Peer:
    """One connection, as the server sees it."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self.socket = socket
        self.silent = False
        self.deaf_to_events = False
        self.connected = False

    async def send(self, frame: str) -> None:
        if not self.silent and not self.socket.closed:
            await self.socket.send_str(frame)


class ScriptedServer:
    """Plays the server's part. `requests` are those that arrived, held and refused ones too."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self.ping = given.get("ping", [25_000, 20_000])
        self.taken: set[str] = set(given.get("tokens", ["t1"]))
        self.log: list[dict[str, Any]] = []
        self.requests: list[tuple[str, dict[str, Any], float]] = []
        self.refused_at: dict[str, int] = {}
        self.tokens_seen: list[str] = []
        self.attempts_while_down = 0
        self.url = ""
        self._down = False
        self._peers: set[Peer] = set()
        self._held: set[str] = set()
        self._waiting: list[tuple[Peer, str, dict[str, Any], int]] = []
        self._refusals: dict[str, list[dict[str, Any]]] = {}
        self._lost: Counter[str] = Counter()
        self._doubled: Counter[str] = Counter()
        self._delayed: dict[str, float] = {}
        self._answer_first = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/socket.io/", self._accept)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        if self._runner is not None:
            await self._cut()
            await self._runner.cleanup()

    async def do(self, step: Mapping[str, Any]) -> None:
        """One step of the server's part."""
        event, count = step.get("event", ""), step.get("count", 1)
        match step["server"]:
            case "write":
                texts = step.get("texts") or [str(number) for number in range(count)]
                for text in texts:
                    message = self._append(text, OTHER, None)
                    if step.get("told", True):
                        await self._tell(message)
            case "tell":
                for seq in step["seqs"]:
                    await self._tell(self.log[seq - 1])
            case "push":
                await self._push(event, step["payload"])
            case "hold":
                self._held.add(event)
            case "release":
                self._held.clear()
                waiting, self._waiting = self._waiting, []
                for peer, name, payload, ack_id in waiting:
                    await self._answer(peer, name, payload, ack_id)
            case "refuse":
                details = {"retry_after": step["retry_after"]} if "retry_after" in step else {}
                refusal = {"code": step["code"], "message": step["code"], "details": details}
                self._refusals.setdefault(event, []).append(refusal)
            case "lose_events":
                for peer in self._peers:
                    peer.deaf_to_events = True
            case "lose_answers":
                self._lost[event] += count
            case "double_answers":
                self._doubled[event] += count
            case "delay_answers":
                self._delayed[event] = step["seconds"]
            case "answer_first":
                self._answer_first = True
            case "drop":
                await self._cut()
            case "end":
                await self._push("session:revoked", {"code": step["code"]})
                if step["code"] == "token_expired":
                    self.taken.clear()
                for peer in tuple(self._peers):
                    await peer.send(wire.disconnect())
                await self._cut()
            case "go_down":
                self._down = True
                await self._cut()
            case "come_up":
                self._down = False
            case "fall_silent":
                for peer in self._peers:
                    peer.silent = True
            case unknown:
                raise AssertionError(f"Unknown step of the server: {unknown}")

    # ---- the wire ----------------------------------------------------------------------------

    async def _accept(self, request: web.Request) -> web.StreamResponse:
        if self._down:
            self.attempts_while_down += 1
            return web.Response(status=503)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        peer = Peer(socket)
        self._peers.add(peer)
        opened = {"sid": "s", "upgrades": [], "maxPayload": 1_000_000}
        opened |= {"pingInterval": self.ping[0], "pingTimeout": self.ping[1]}
        await peer.send("0" + json.dumps(opened))
        pings = self._spawn(self._ping(peer))
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT and not peer.silent:
                    await self._take(peer, message.data)
        finally:
            pings.cancel()
            self._peers.discard(peer)
        return socket

    async def _ping(self, peer: Peer) -> None:
        while True:
            await asyncio.sleep(self.ping[0] / 1000)
            await peer.send("2")

    async def _take(self, peer: Peer, frame: str) -> None:
        packet = wire.decode(frame)
        if packet.kind == "connect":
            await self._connect(peer, packet.data["token"])
        elif packet.kind == "event":
            name, payload = packet.data
            self.requests.append((name, payload, time.monotonic()))
            if name in self._held:
                self._waiting.append((peer, name, payload, packet.ack_id or 0))
            else:
                await self._answer(peer, name, payload, packet.ack_id or 0)

    async def _connect(self, peer: Peer, token: str) -> None:
        self.requests.append(("connect", {"token": token}, time.monotonic()))
        self.tokens_seen.append(token)
        refusal = self._next_refusal("connect")
        if refusal is None and token not in self.taken:
            refusal = {"code": "token_expired", "message": "", "details": {}}
        if refusal is None:
            peer.connected = True
            await peer.send('40{"sid":"s"}')
            return
        data = {"code": refusal["code"], **refusal["details"]}
        await peer.send("44" + json.dumps({"message": refusal["code"], "data": data}))

    async def _answer(self, peer: Peer, name: str, payload: dict[str, Any], ack_id: int) -> None:
        refusal = self._next_refusal(name)
        told: list[dict[str, Any]] = []
        if refusal is not None:
            answer: dict[str, Any] = {"ok": False, "error": refusal}
        else:
            answer = {"ok": True, **self._work(name, payload, told)}
        if not self._answer_first:
            for message in told:
                await self._tell(message)
        if self._lost[name]:
            self._lost[name] -= 1
        elif (delay := self._delayed.pop(name, None)) is not None:
            self._spawn(self._later(delay, peer, f"43{ack_id}" + json.dumps([answer])))
        else:
            for _ in range(2 if self._doubled[name] else 1):
                await peer.send(f"43{ack_id}" + json.dumps([answer]))
            self._doubled[name] -= bool(self._doubled[name])
        if self._answer_first:
            for message in told:
                await self._tell(message)

    async def _later(self, seconds: float, peer: Peer, frame: str) -> None:
        await asyncio.sleep(seconds)
        await peer.send(frame)

    def _next_refusal(self, name: str) -> dict[str, Any] | None:
        waiting = self._refusals.get(name)
        if not waiting:
            return None
        self.refused_at[name] = len(self.requests) - 1
        return waiting.pop(0)

    async def _push(self, event: str, payload: Any) -> None:
        for peer in tuple(self._peers):
            if peer.connected and not peer.deaf_to_events:
                await peer.send(wire.event(event, payload))

    async def _tell(self, message: dict[str, Any]) -> None:
        await self._push("message", message)

    async def _cut(self) -> None:
        for peer in tuple(self._peers):
            self._peers.discard(peer)
            transport = peer.socket._req.transport if peer.socket._req else None
            if transport is not None:
                transport.close()

    def _spawn(self, work: Any) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # ---- the room ----------------------------------------------------------------------------

    def _work(
        self, name: str, payload: dict[str, Any], told: list[dict[str, Any]]
    ) -> dict[str, Any]:
        if name == "room:join":
            after = payload["after"]
            found = self.log[-NEWEST:] if after is None else self.log[after:]
            page = {"messages": found[:PAGE], "resync": len(found) > PAGE}
            return {"room": self._view(), "call": None, **page}
        if name == "message:fetch":
            return self._fetch(payload)
        if name == "message:send":
            known = [each for each in self.log if each["client_id"] == payload["client_id"]]
            if not known:
                told.append(self._append(payload["body"]["text"], ME, payload["client_id"]))
            message = (known or told)[0]
            return {"seq": message["seq"], "at": message["at"], "duplicate": bool(known)}
        return {"states": {}}

    def _fetch(self, payload: dict[str, Any]) -> dict[str, Any]:
        limit = payload.get("limit", NEWEST)
        if payload.get("after") is not None:
            found = self.log[payload["after"] :]
            return {"messages": found[:limit], "has_more": len(found) > limit}
        before = payload.get("before") or len(self.log) + 1
        found = self.log[: before - 1]
        return {"messages": found[-limit:], "has_more": len(found) > limit}

    def _append(self, text: str, sender: str, client_id: str | None) -> dict[str, Any]:
        seq = len(self.log) + 1
        message = {
            "room": ROOM,
            "seq": seq,
            "id": f"m{seq}",
            "kind": "text",
            "sender": {"user_id": sender, "name": sender, "role": "patient"},
            "client_id": client_id,
            "body": {"text": text},
            "reply_to": None,
            "at": "2026-11-21T00:00:00Z",
            "recalled": False,
        }
        self.log.append(message)
        return message

    def _view(self) -> dict[str, Any]:
        members = [
            {
                "user_id": user,
                "name": user,
                "role": "patient",
                "avatar": None,
                "state": "joined",
                "presence": "online",
                "read_seq": 0,
                "delivered_seq": 0,
            }
            for user in (ME, OTHER)
        ]
        return {
            "id": ROOM,
            "kind": "consultation",
            "state": "active",
            "close_reason": None,
            "seq": len(self.log),
            "subject": {"title": "复诊", "consultation_id": None},
            "members": members,
            "me": {"user_id": ME, "read_seq": 0, "may_send": True},
        }
