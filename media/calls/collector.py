"""What workers tell about the sessions that this process connected, collected by the minute."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from core.runtime import Runtime
from media.calls import quality
from media.calls.quality import Minute


class Collector:
    """Writes a session's minute down when it is over or the session ends, its level at once."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._minutes: dict[str, Minute] = {}
        self._paused: dict[str, bool] = {}

    def paused(self, session: str, paused: bool) -> None:
        """Whether a session's network bears no picture at present."""
        self._paused[session] = paused

    async def heard(
        self, session: str, call_id: UUID, user_id: UUID, event: dict[str, Any]
    ) -> None:
        """A `peer.quality` of the worker."""
        now = self._runtime.clock.now()
        minute = self._minutes.get(session)
        before = minute.level if minute is not None else 0
        if minute is not None and minute.due(now):
            await self._keep(minute)
            minute = None
        if minute is None:
            minute = Minute(call_id, user_id, now.replace(second=0, microsecond=0))
            self._minutes[session] = minute
        minute.add(event, paused=self._paused.get(session, False))
        if minute.level != before:
            async with self._runtime.unit_of_work() as uow:
                await quality.show_level(uow, call_id, user_id, minute.level)

    async def gone(self, session: str) -> None:
        """The session is over."""
        self._paused.pop(session, None)
        minute = self._minutes.pop(session, None)
        if minute is not None:
            await self._keep(minute)

    async def _keep(self, minute: Minute) -> None:
        async with self._runtime.unit_of_work() as uow:
            await quality.keep(uow, minute)
