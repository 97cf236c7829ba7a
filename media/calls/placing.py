"""Which worker carries which call: the first choice, and moves when a worker goes away."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog

from core.runtime import Runtime
from media.calls import access, observers, sessions
from media.calls.access import StoredCall
from media.calls.errors import MediaIsBusy, MediaUnavailable
from media.calls.models import CallObserverRow, CallRow
from media.calls.rules import CallState
from media.control import MediaWorkers, WorkerLink, control_tls
from media.errors import MediaError, WorkerFull, WorkerUnavailable

log = structlog.get_logger(__name__)

#: How long a worker may be away before its calls go to another one.
GRACE_SECONDS = 1.5
#: How long the first call waits for any worker to be connected.
CONNECT_SECONDS = 3.0
#: How long devices take to turn to a call's new worker before the old one lets go.
SWITCH_SECONDS = 1.5
#: A call that was assigned just now is still being opened by whoever assigned it.
OPENING = timedelta(seconds=3)

OnEvent = Callable[[WorkerLink, dict[str, Any]], Awaitable[None]]
OfferAll = Callable[[StoredCall, Sequence[CallObserverRow], WorkerLink], Awaitable[None]]


class Placing:
    """The workers of one process. `offer_all` gives everybody in a call a fresh session on a
    worker, `spawn` runs something beside.
    """

    def __init__(
        self,
        runtime: Runtime,
        on_event: OnEvent,
        offer_all: OfferAll,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self._runtime = runtime
        self._offer_all = offer_all
        self._spawn = spawn
        secret = runtime.config.media_secret
        self.workers = MediaWorkers(
            runtime.config.workers,
            secret.get_secret_value() if secret else "",
            on_event,
            self._on_up,
            self._on_lost,
            control_tls(runtime.config),
        )
        self._any_up = asyncio.Event()
        self._away_since: dict[str, float] = {}

    async def start(self) -> None:
        now = time.monotonic()
        self._away_since = {link.url: now for link in self.workers.links}
        await self.workers.start()

    async def choose(self) -> str:
        """The address of the least loaded worker. Raises MediaUnavailable, MediaIsBusy."""
        try:
            return self.workers.choose().url
        except WorkerFull as error:
            raise MediaIsBusy(retry_after=20) from error
        except WorkerUnavailable:
            pass
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await self._any_up.wait()
            return self.workers.choose().url
        except (TimeoutError, WorkerUnavailable, WorkerFull) as error:
            raise MediaUnavailable(retry_after=3) from error

    async def reach(self, url: str) -> WorkerLink:
        """The link to a worker; one that was lost just now, or is still being connected after
        this process began, is waited for. Raises WorkerUnavailable.
        """
        link = self.workers.by_url(url)
        patience = CONNECT_SECONDS - self.away_for(url)
        if link is None or (not link.alive and patience <= 0):
            raise WorkerUnavailable(f"{url} is not connected")
        if not link.alive:
            try:
                async with asyncio.timeout(patience):
                    await link.wait_up()
            except TimeoutError as error:
                raise WorkerUnavailable(f"{url} is not connected") from error
        return link

    async def reconcile(self) -> None:
        """Compare every worker with the database and put right what differs."""
        for link in self.workers.links:
            if link.alive:
                await self._settle(link)

    async def _settle(self, link: WorkerLink) -> None:
        try:
            open_calls = {str(each["call"]) for each in await link.list_calls()}
        except MediaError:
            return
        async with self._runtime.unit_of_work() as uow:
            live = {str(row.id): row for row in await access.live_calls(uow)}
            now = uow.now
        for name in open_calls:
            row = live.get(name)
            if row is None or row.worker != link.url:
                await self._close_stray(link, name, row)
        for name, row in live.items():
            if now - row.assigned_at < OPENING:
                continue
            lost_here = row.worker == link.url and name not in open_calls
            if lost_here or self.away_for(row.worker) >= GRACE_SECONDS:
                await self.move(row, link)

    async def _close_stray(self, link: WorkerLink, name: str, row: CallRow | None) -> None:
        """A call that is over, or has moved on, still runs on a worker."""
        if row is None and not await self._is_over(name):
            return
        try:
            await link.close_call(name, "moved" if row is not None else "ended")
        except MediaError as error:
            log.info("stray_call_not_closed", call=name, error=str(error))

    async def _is_over(self, name: str) -> bool:
        """Whether a call is known and ended: a worker may serve more than this installation."""
        try:
            call_id = UUID(name)
        except ValueError:
            return False
        async with self._runtime.unit_of_work() as uow:
            stored = await access.stored(uow, call_id)
        return stored is not None and stored.row.state == CallState.ENDED

    async def move(self, row: CallRow, link: WorkerLink) -> None:
        """Open a call on a worker anew, with fresh sessions for everybody in it."""
        async with self._runtime.unit_of_work() as uow:
            stored = await sessions.move(uow, row.id, row.generation, link.url)
            watching = await observers.fresh_sessions(uow, row.id) if stored is not None else []
        if stored is None:
            return
        log.warning("call_moved", call=str(row.id), to=link.url)
        await self._offer_all(stored, watching, link)

    async def _rescue(self, link: WorkerLink) -> None:
        """After a worker's loss: its calls go to others, if it is not back at once."""
        await asyncio.sleep(GRACE_SECONDS)
        if link.alive:
            return
        async with self._runtime.unit_of_work() as uow:
            rows = [row for row in await access.live_calls(uow) if row.worker == link.url]
        for row in rows:
            try:
                await self.move(row, self.workers.choose())
            except (WorkerUnavailable, WorkerFull):
                # The next worker that comes up takes them; the job ends them after its patience.
                log.error("call_without_worker", call=str(row.id))

    async def empty(self, link: WorkerLink) -> None:
        """A worker is about to stop: its calls go to others while it still carries them."""
        async with self._runtime.unit_of_work() as uow:
            rows = [row for row in await access.live_calls(uow) if row.worker == link.url]
        for row in rows:
            try:
                await self.move(row, self.workers.choose())
            except (WorkerUnavailable, WorkerFull):
                log.warning("call_stays_on_draining_worker", call=str(row.id))
        await asyncio.sleep(SWITCH_SECONDS)
        await self._settle(link)

    def away_for(self, url: str) -> float:
        """Seconds since this process lost a worker: 0 while it is connected, infinite for an
        address that is configured no longer.
        """
        link = self.workers.by_url(url)
        if link is None:
            return math.inf
        return 0.0 if link.alive else time.monotonic() - self._away_since[url]

    async def _on_up(self, link: WorkerLink) -> None:
        self._any_up.set()
        await self._settle(link)

    async def _on_lost(self, link: WorkerLink) -> None:
        if not any(each.alive for each in self.workers.links):
            self._any_up.clear()
        self._away_since[link.url] = time.monotonic()
        self._spawn(self._rescue(link))
