"""One request or one event is one transaction, committed at the boundary.

A service takes the unit of work, changes rows through ``uow.session`` and announces with
``uow.record``. The boundary (request, socket message, handler, job) owns the ``async with`` and so
the commit. ``WITH_COMMIT`` reactions run before the commit in the same transaction; outbox rows
are written with it; ``after_commit`` callbacks (sockets hear, caches drop) run only once it has
succeeded.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm.exc import StaleDataError

from core.clock import Clock
from core.crypto.scope import KeyedSession
from core.errors import ChangedMeanwhile
from core.events import Event, Handlers

if TYPE_CHECKING:
    from core.runtime import Runtime

log = structlog.get_logger(__name__)

AfterCommitCallback = Callable[[], Awaitable[None]]
StoreEvents = Callable[[AsyncSession, list[Event]], Awaitable[None]]

# Reactions may announce further events; a chain longer than this is a loop in the tables.
MAX_EVENTS = 1000
_UNIT = "unit_of_work"


class UnitOfWork:
    """A transaction in progress, with the events that it will announce.

    ``runtime`` gives reactions in the same transaction the key ring, the settings cache and the
    senders that they hang on ``after_commit``; calls to outside systems stay forbidden here.
    """

    runtime: Runtime

    def __init__(self, session: AsyncSession, now: datetime, handlers: Handlers) -> None:
        self.session = session
        self.now = now
        self._handlers = handlers
        self._pending: list[Event] = []
        self._recorded: list[Event] = []
        self._callbacks: list[AfterCommitCallback] = []

    def record(self, event: Event) -> None:
        """Announce an event: its reactions run at commit, in the order of announcement."""
        self._pending.append(event)

    def after_commit(self, callback: AfterCommitCallback) -> None:
        """Run ``callback`` after a successful commit; should it fail, that is only logged."""
        self._callbacks.append(callback)

    @property
    def recorded(self) -> tuple[Event, ...]:
        """Events announced so far, for tests and for batching boundaries."""
        return (*self._recorded, *self._pending)

    async def react(self) -> list[Event]:
        """Run the ``WITH_COMMIT`` reactions to what was announced; returns all events."""
        while self._pending:
            if len(self._recorded) > MAX_EVENTS:
                raise RuntimeError("WITH_COMMIT reactions announce events in a loop.")
            event = self._pending.pop(0)
            self._recorded.append(event)
            for handler in self._handlers.with_commit.get(type(event), ()):
                await handler(self, event)
        return self._recorded

    async def announce(self) -> None:
        for callback in self._callbacks:
            try:
                await callback()
            except (
                OSError,
                RuntimeError,
                TimeoutError,
                ValueError,
                LookupError,
            ) as error:
                # The change is committed: a hint that got lost is healed by cursors, never by an
                # error to somebody whose request succeeded.
                log.warning("after_commit_failed", error=repr(error))


def unit_of(session: AsyncSession) -> UnitOfWork:
    """The unit of work that a session belongs to. Raises KeyError for a session of its own."""
    unit: UnitOfWork = session.info[_UNIT]
    return unit


@asynccontextmanager
async def begin(
    engine: AsyncEngine, clock: Clock, handlers: Handlers, store: StoreEvents
) -> AsyncIterator[UnitOfWork]:
    """A unit of work that commits on a clean exit and rolls back on any error.

    Raises ChangedMeanwhile when a protected row was changed by somebody else since it was read.
    """
    now = clock.now()
    session_of = partial(AsyncSession, engine, sync_session_class=KeyedSession)
    async with session_of(expire_on_commit=False, info={"now": now}) as session:
        uow = UnitOfWork(session, now, handlers)
        session.info[_UNIT] = uow
        try:
            async with session.begin():
                yield uow
                events = await uow.react()
                if events:
                    await store(session, events)
        except StaleDataError as error:
            raise ChangedMeanwhile() from error
    await uow.announce()
