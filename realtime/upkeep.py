"""What a process looks after by itself: expired tokens, lost hints, and all that follows when the
bus was silent for a time.
"""

import asyncio
import contextlib
from collections.abc import Collection
from uuid import UUID

import structlog
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from core.access.book import BookCache
from core.identity.models import DeviceSession
from core.runtime import Runtime
from core.settings.cache import SettingsCache
from core.uow import UnitOfWork
from realtime.connections import Connections
from realtime.delivery import Delivery
from realtime.watch import PresenceWatch

log = structlog.get_logger(__name__)

#: Seconds between two looks for lost hints, and while the bus is known to lose all of them.
SWEEP_SECONDS = 2.0
DEAF_SWEEP_SECONDS = 0.5


class Upkeep:
    """The sweeps of one process.

    While the bus is deaf, entries of rooms come by looking at the database. When it hears again,
    whatever a hint would have told meanwhile is asked for: presence, and sessions that were ended.
    """

    def __init__(
        self, runtime: Runtime, connections: Connections, delivery: Delivery, watch: PresenceWatch
    ) -> None:
        self._runtime = runtime
        self._connections = connections
        self._delivery = delivery
        self._watch = watch
        self._gap = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._unsubscribe = runtime.bus.on_gap(self._gap.set)

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="upkeep")

    async def stop(self) -> None:
        self._unsubscribe()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            pause = DEAF_SWEEP_SECONDS if self._runtime.bus.deaf else SWEEP_SECONDS
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._gap.wait()
            self.drop_expired()
            await self._renew_what_is_remembered()
            await self._delivery.look_for_lost_hints()
            if self._gap.is_set():
                self._gap.clear()
                self._watch.look_again()
                await self.drop_revoked()

    async def _renew_what_is_remembered(self) -> None:
        """Policies and settings decide on every message: nobody waits until they are read."""
        for remembered in (BookCache, SettingsCache):
            await remembered.of(self._runtime).renew(self._runtime)

    def drop_expired(self) -> None:
        """End every socket whose token has run out without being renewed."""
        now = self._runtime.clock.now()
        for connection in tuple(self._connections.by_id.values()):
            if connection.expires_at <= now:
                connection.drop("token_expired")

    async def drop_revoked(self) -> None:
        """End every socket whose session was ended while nobody could tell."""
        mine = {each.caller.session_id for each in self._connections.by_id.values()}
        if not mine:
            return
        try:
            async with self._runtime.unit_of_work() as uow:
                revoked = await _revoked_among(uow, mine)
        except (SQLAlchemyError, OSError) as error:
            log.warning("sessions_not_read", error=repr(error))
            # Until it is known, it is asked for again.
            self._gap.set()
            await asyncio.sleep(SWEEP_SECONDS)
            return
        for session_id in revoked:
            for connection in self._connections.of_session(session_id):
                connection.drop("session_revoked")


async def _revoked_among(uow: UnitOfWork, session_ids: Collection[UUID]) -> list[UUID]:
    """Those of these sessions that have been ended."""
    ended = DeviceSession.id.in_(session_ids), DeviceSession.revoked_at.is_not(None)
    return list(await uow.session.scalars(select(DeviceSession.id).where(*ended)))
