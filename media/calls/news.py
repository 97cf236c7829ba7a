"""What workers tell about the sessions that this process offered: who is there and how he fares."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from prometheus_client import Histogram

from core.runtime import Runtime
from media.calls import access, call, observers, service
from media.calls.collector import Collector

JOIN_SECONDS = Histogram(
    "zhenjian_call_join_seconds",
    "From the offer of a session until its media flows",
    buckets=(0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 30),
)


@dataclass
class _Offered:
    """A session that this process offered. `people` hear how good its connection is; `since` is
    None once its media has flowed.
    """

    call_id: UUID
    user_id: UUID
    people: list[UUID]
    since: float | None


class News:
    """Passes on what concerns people, each session's by the process that offered it."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._offered: dict[str, _Offered] = {}
        self._quality = Collector(runtime)

    def offered(self, session: str, call_id: UUID, user_id: UUID, people: list[UUID]) -> None:
        """A session begins; its device takes up the offer from now on."""
        self._offered[session] = _Offered(call_id, user_id, people, time.monotonic())

    async def peer(self, event: dict[str, Any], *, connected: bool) -> None:
        """Media of a session began to flow, or it is gone."""
        call_id, session = UUID(event["call"]), event["session"]
        if connected:
            self._measure(session)
        else:
            self._offered.pop(session, None)
            await self._quality.gone(session)
        async with self._runtime.unit_of_work() as uow:
            stored = await access.stored(uow, call_id)
            people = stored.people if stored is not None else []
            person = next((each for each in people if each.session == session), None)
            if person is None:
                if not connected:
                    await observers.gone(uow, session)
                return
            user_id = person.user_id
            if connected:
                await service.change(uow, call_id, lambda it: call.found(it, user_id))
                # Not before the change has locked the room and the call: whoever leaves at this
                # moment locks them first, and both would wait for each other.
                if person.connect_ms is None and person.joined_at is not None:
                    person.connect_ms = (uow.now - person.joined_at) // timedelta(milliseconds=1)
            else:
                await service.change(uow, call_id, lambda it: call.lost(it, user_id, uow.now))

    def _measure(self, session: str) -> None:
        offered = self._offered.get(session)
        if offered is not None and offered.since is not None:
            JOIN_SECONDS.observe(time.monotonic() - offered.since)
            offered.since = None

    async def quality(self, event: dict[str, Any]) -> None:
        """How good a connection is; a hint that nobody misses."""
        for session, offered in tuple(self._offered.items()):
            if str(offered.call_id) != event["call"]:
                continue
            if not event["peer"].startswith(f"{offered.user_id}:"):
                continue
            if session != event.get("session", session):
                continue
            shown = {
                "call": event["call"],
                "user": str(offered.user_id),
                "level": event["level"],
                "rtt_ms": event.get("rtt_ms"),
                "loss": event.get("loss"),
            }
            # First written, then told: who asks because of the news finds the level.
            await self._quality.heard(session, offered.call_id, offered.user_id, event)
            for each in offered.people:
                await self._runtime.realtime.to_user(each, "call:quality", shown)
            return

    async def speaker(self, event: dict[str, Any]) -> None:
        """Who speaks now."""
        payload = {"call": event["call"], "user": event["user"]}
        for offered in tuple(self._offered.values()):
            if str(offered.call_id) == event["call"]:
                await self._runtime.realtime.to_user(offered.user_id, "call:speaker", payload)

    async def paused(self, event: dict[str, Any]) -> None:
        """A viewer's pictures pause because its network bears no more; sound goes on."""
        offered = self._offered.get(event["session"])
        if offered is None:
            return
        self._quality.paused(event["session"], bool(event["streams"]))
        device = event["peer"].partition(":")[2]
        paused = [stream[2:] for stream in event["streams"] if stream.startswith("u_")]
        screen = any(stream.startswith("s_") for stream in event["streams"])
        payload = {
            "call": str(offered.call_id),
            "device": device,
            "paused": paused,
            "screen": screen,
        }
        await self._runtime.realtime.to_user(offered.user_id, "call:network", payload)
