"""Floods of sockets: how fast one address or one user may connect, and how many may be strangers.

The door is asked before the WebSocket is accepted, so that a refused connection costs no more than
an HTTP answer with the time to wait. What connected users send is the business of `limits`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

import orjson
from starlette.types import ASGIApp, Receive, Scope, Send

from core.defence.addresses import client_key
from core.defence.counters import Counter, Counters, LocalCounters, Refusal
from core.defence.metrics import SOCKETS_SHED
from core.defence.rates import Rate, whole_seconds
from core.errors import ProblemError
from realtime.errors import Overloaded

_PER_ADDRESS, _PER_USER = Rate(per_minute=3000, burst=1500), Rate(per_minute=60, burst=30)


@dataclass(frozen=True, slots=True)
class DoorRules:
    """Numbers for one process.

    A hospital behind one address comes back at once after a restart, hence the wide burst;
    `strangers` have connected and not yet said who they are.
    """

    per_address: Rate = _PER_ADDRESS
    per_user: Rate = _PER_USER
    strangers: int = 2000
    sockets_per_user: int = 20


class Door:
    """Decides who may connect to this process. `guarded` False lets everybody in (load tests)."""

    def __init__(
        self,
        strangers: Callable[[], int],
        sockets_of: Callable[[UUID], int],
        rules: DoorRules | None = None,
        *,
        guarded: bool = True,
        counters: LocalCounters | None = None,
        shared: Counters | None = None,
    ) -> None:
        self.rules = rules or DoorRules()
        self._strangers = strangers
        self._sockets_of = sockets_of
        self._guarded = guarded
        self._counters = counters or LocalCounters()
        self._shared = shared or self._counters

    def knock(self, address: str) -> None:
        """Count a connection before it is accepted. Raises Overloaded with the seconds to wait."""
        if not self._guarded:
            return
        if self._strangers() >= self.rules.strangers:
            SOCKETS_SHED.labels("strangers").inc()
            raise Overloaded(retry_after=5)
        # Each process guards itself here: a storm must not wait for a word with anybody.
        counter = Counter("address", f"socket:{client_key(address)}", self.rules.per_address)
        _shed(self._counters.take_now([counter]))

    async def enter(self, user_id: UUID) -> None:
        """Count a connection of somebody who has proved who he is. Raises Overloaded.

        A user is counted for all processes together where they share counters; how many sockets he
        has elsewhere is looked at when they are noted (`realtime.watch`).
        """
        if not self._guarded:
            return
        if self._sockets_of(user_id) >= self.rules.sockets_per_user:
            SOCKETS_SHED.labels("sockets").inc()
            raise Overloaded(retry_after=30)
        counter = Counter("user", f"socket:{user_id}", self.rules.per_user)
        _shed(await self._shared.take([counter]))


def _shed(refusal: Refusal | None) -> None:
    if refusal is not None:
        SOCKETS_SHED.labels(refusal.counter.scope).inc()
        raise Overloaded(retry_after=whole_seconds(refusal.wait))


class GuardedSockets:
    """The door in front of an ASGI application; HTTP passes."""

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self._app = app
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            try:
                self._door.knock((scope.get("client") or ("", 0))[0])
            except ProblemError as problem:
                await _refuse(problem, receive, send)
                return
        await self._app(scope, receive, send)


async def _refuse(problem: ProblemError, receive: Receive, send: Send) -> None:
    await receive()
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"retry-after", str(problem.retry_after or 1).encode()),
    ]
    await send(
        {"type": "websocket.http.response.start", "status": problem.status, "headers": headers}
    )
    await send({"type": "websocket.http.response.body", "body": orjson.dumps(problem.problem())})
