"""The Python client does what clients/behaviour lists; the TypeScript client has its own runner."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.clients.scripted_server import ROOM, ScriptedServer
from zhenjian_client import FileStorage, JoinedRoom, Refused, RoomClient

BEHAVIOURS = json.loads(
    (Path(__file__).parents[2] / "clients/behaviour/behaviours.json").read_text()
)
PATIENCE = 10.0
STILL = 0.4


class Play:
    """One behaviour: the server, the client, and what both have to look like."""

    def __init__(self, behaviour: Mapping[str, Any], folder: Path) -> None:
        self.given = behaviour.get("given", {})
        self.steps = behaviour["steps"]
        self.server = ScriptedServer(self.given)
        self.storage = FileStorage(folder / "outbox.json")
        self.refreshes = 0
        self.names: dict[str, str] = {}
        self.room: JoinedRoom | None = None
        self.token = self._new_token()
        self.client: RoomClient

    async def run(self) -> None:
        await self.server.start()
        self._make_client()
        try:
            for step in self.steps:
                await self._do(step)
        finally:
            await self.client.close()
            await self.server.stop()

    def _make_client(self) -> None:
        self.client = RoomClient(
            self.server.url,
            self.token,
            refresh=self._refresh,
            storage=self.storage,
            ack_timeout=self.given.get("ack_timeout", 10.0),
        )

    def _new_token(self) -> str:
        name = f"t{self.refreshes + 1}"
        if "token_life" not in self.given:
            return name
        claims = {"jti": name, "iat": time.time(), "exp": time.time() + self.given["token_life"]}
        payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
        self.server.taken.add(f"e30.{payload}.s")
        return f"e30.{payload}.s"

    async def _refresh(self) -> str:
        self.refreshes += 1
        if code := self.given.get("refresh_refused"):
            raise Refused(code)
        self.token = self._new_token()
        self.server.taken.add(self.token)
        return self.token

    async def _do(self, step: Mapping[str, Any]) -> None:
        if "server" in step:
            await self.server.do(step)
        elif "client" in step:
            await self._act(step)
        elif "pause" in step:
            await asyncio.sleep(step["pause"])
        elif "still" in step:
            end = time.monotonic() + STILL
            while time.monotonic() < end:
                assert self._seen(step["still"]) == step["still"]
                await asyncio.sleep(0.02)
        else:
            end = time.monotonic() + PATIENCE
            while self._seen(step) != step and time.monotonic() < end:
                await asyncio.sleep(0.01)
            assert self._seen(step) == step

    async def _act(self, step: Mapping[str, Any]) -> None:
        match step["client"]:
            case "connect":
                self.client.start()
            case "join":
                self.room = await self.client.join(ROOM)
            case "say":
                assert self.room is not None
                self.names[step.get("as", "")] = self.room.post_text(step["text"])
            case "retry":
                self.client.outbox.retry(self.names[step["as"]])
            case "discard":
                self.client.outbox.discard(self.names[step["as"]])
            case "wake":
                self.client.wake()
            case "restart":
                await self.client.close()
                self._make_client()
                self.client.start()
            case unknown:
                raise AssertionError(f"Unknown step of the client: {unknown}")

    def _seen(self, step: Mapping[str, Any]) -> dict[str, Any]:
        """The same step with what is there now; it is fulfilled when both are equal."""
        return {name: self._look(name, wanted) for name, wanted in step.items()}

    def _look(self, name: str, wanted: Any) -> Any:
        messages = self.room.log.messages if self.room is not None else []
        match name:
            case "shows":
                return [each["body"]["text"] for each in messages]
            case "shows_count":
                numbered = [each["seq"] for each in messages] == [*range(1, len(messages) + 1)]
                return len(messages) if numbered else "a hole"
            case "outgoing":
                return [_entry(each) for each in self.client.outbox.of(ROOM)]
            case "state":
                return self.client.state
            case "reason":
                return getattr(self.client.failure, "code", None)
            case "problem":
                return self.room.problem if self.room is not None else None
            case "stored":
                return [each["body"]["text"] for each in self.server.log]
            case "requests":
                return {**wanted, "count": len(self._requests(wanted["event"]))}
            case "one_id":
                ids = {payload["client_id"] for _, payload, _ in self._requests(wanted)}
                return wanted if len(ids) == 1 else ids
            case "connections":
                return len(self._requests("connect"))
            case "tokens_seen":
                return self.server.tokens_seen
            case "attempts_at_most":
                count = self.server.attempts_while_down
                return wanted if 1 <= count <= wanted else count
            case "refreshes":
                return self.refreshes
            case "waited":
                return wanted if self._waited(wanted["event"]) >= wanted["at_least"] else "less"
            case unknown:
                raise AssertionError(f"Unknown expectation: {unknown}")

    def _requests(self, event: str) -> list[tuple[str, dict[str, Any], float]]:
        return [each for each in self.server.requests if each[0] == event]

    def _waited(self, event: str) -> float:
        at = self.server.refused_at.get(event)
        if at is None:
            return -1.0
        refused = self.server.requests[at]
        later = [each for each in self.server.requests[at + 1 :] if each[0] == event]
        return later[0][2] - refused[2] if later else -1.0


def _entry(entry: Any) -> list[str]:
    shown = [entry.body["text"], entry.state]
    return [*shown, entry.error["code"]] if entry.error else shown


@pytest.mark.parametrize("behaviour", BEHAVIOURS, ids=lambda behaviour: behaviour["name"])
async def test_the_client(behaviour: Mapping[str, Any], tmp_path: Path) -> None:
    await Play(behaviour, tmp_path).run()
