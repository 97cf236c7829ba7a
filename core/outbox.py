"""The outbox: events stored with the change, and the relay that runs the reactions to them.

One row per event; relays fan it out into one delivery per reaction, each with its own progress.
Several relays share the work with ``SKIP LOCKED``. For one reaction the events of one aggregate
run in their order; other aggregates overtake freely. A reaction that keeps failing is parked: it
is shown to an administrator, holds back only its own aggregate, and can be retried.

A relay holds the row lock of a delivery while the reaction runs, so that the death of a process
frees it at once. A reaction may run more than once and must be idempotent.
"""

from __future__ import annotations

import asyncio
import random
import uuid
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy import BigInteger, ForeignKey, Identity, Index, Text, func, select, text, update
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, aliased, mapped_column

from core.data_classes import INTERNAL
from core.db import Base
from core.errors import ProblemError
from core.events import Event, dump, event_class, load

if TYPE_CHECKING:
    from core.runtime import Runtime

log = structlog.get_logger(__name__)

MAX_ATTEMPTS = 12
FIRST_DELAY = timedelta(seconds=1)
LONGEST_DELAY = timedelta(minutes=10)
FAN_OUT_BATCH = 200
WAKE_CHANNEL = "outbox"


class OutboxEvent(Base):
    """An announced event, until every reaction to it is done."""

    __tablename__ = "outbox_events"

    position: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    name: Mapped[str] = mapped_column(Text, info=INTERNAL)
    hospital_id: Mapped[uuid.UUID]
    aggregate_id: Mapped[uuid.UUID]
    payload: Mapped[dict[str, Any]] = mapped_column(JSONB, info=INTERNAL)
    occurred_at: Mapped[datetime]
    fanned_out_at: Mapped[datetime | None]

    __table_args__ = (
        Index(
            "ix_outbox_events_waiting", "position", postgresql_where=text("fanned_out_at IS NULL")
        ),
        Index(
            "ix_outbox_events_waiting_aggregate",
            "aggregate_id",
            "position",
            postgresql_where=text("fanned_out_at IS NULL"),
        ),
    )


class OutboxDelivery(Base):
    """The progress of one reaction to one event."""

    __tablename__ = "outbox_deliveries"

    position: Mapped[int] = mapped_column(
        ForeignKey("outbox_events.position", ondelete="CASCADE"), primary_key=True
    )
    handler: Mapped[str] = mapped_column(Text, primary_key=True)
    id: Mapped[uuid.UUID] = mapped_column(default=uuid.uuid4, unique=True)
    hospital_id: Mapped[uuid.UUID]
    aggregate_id: Mapped[uuid.UUID]
    attempts: Mapped[int] = mapped_column(default=0, info=INTERNAL)
    next_attempt_at: Mapped[datetime]
    parked_at: Mapped[datetime | None]
    done_at: Mapped[datetime | None]
    error: Mapped[str | None] = mapped_column(Text, info=INTERNAL)

    __table_args__ = (
        Index(
            "ix_outbox_deliveries_due", "next_attempt_at", postgresql_where=text("done_at IS NULL")
        ),
        Index(
            "ix_outbox_deliveries_order",
            "handler",
            "aggregate_id",
            "position",
            postgresql_where=text("done_at IS NULL"),
        ),
        Index(
            "ix_outbox_deliveries_parked",
            "parked_at",
            postgresql_where=text("parked_at IS NOT NULL"),
        ),
    )


async def store(session: AsyncSession, events: list[Event]) -> None:
    """Write events into the caller's transaction and wake the relays at its commit."""
    session.add_all(
        OutboxEvent(
            name=event.name,
            hospital_id=event.hospital_id,
            aggregate_id=event.aggregate_id,
            payload=dump(event),
            occurred_at=event.occurred_at,
        )
        for event in events
    )
    await session.flush()


def retry_delay(attempts: int, jitter: float) -> timedelta:
    """The pause after the given number of failed attempts; ``jitter`` is between 0 and 1."""
    doubled: timedelta = FIRST_DELAY * 2 ** min(attempts - 1, 20)
    return min(doubled, LONGEST_DELAY) * (0.75 + jitter / 2)


class Relay:
    """Fans events out and runs their reactions, ``concurrency`` at a time."""

    def __init__(
        self, runtime: Runtime, *, concurrency: int = 4, poll_seconds: float = 1.0
    ) -> None:
        self._runtime = runtime
        self._concurrency = concurrency
        self._poll_seconds = poll_seconds
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Look for work now."""
        self._wake.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop`` is set; what is in hand is finished first."""
        await asyncio.gather(*(self._run_one(stop) for _ in range(self._concurrency)))

    async def _run_one(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                worked = await self.step()
            except (SQLAlchemyError, OSError) as error:
                log.error("relay_failed", error=repr(error))
                worked = False
            if worked:
                continue
            self._wake.clear()
            waits = [asyncio.create_task(self._wake.wait()), asyncio.create_task(stop.wait())]
            await asyncio.wait(
                waits, timeout=self._poll_seconds, return_when=asyncio.FIRST_COMPLETED
            )
            for wait in waits:
                wait.cancel()

    async def step(self) -> bool:
        """Do one piece of work; False when there is none due."""
        return await self._fan_out() or await self._deliver_one()

    async def drain(self) -> int:
        """Work until nothing is due, for tests; returns the pieces of work done."""
        pieces = 0
        while await self.step():
            pieces += 1
        return pieces

    async def _fan_out(self) -> bool:
        now = self._runtime.clock.now()
        async with AsyncSession(self._runtime.engine) as session, session.begin():
            rows = (
                await session.scalars(
                    select(OutboxEvent)
                    .where(OutboxEvent.fanned_out_at.is_(None))
                    .order_by(OutboxEvent.position)
                    .limit(FAN_OUT_BATCH)
                    .with_for_update(skip_locked=True)
                )
            ).all()
            for row in rows:
                for handler in self._runtime.handlers.after_commit_named(event_class(row.name)):
                    await session.execute(
                        insert(OutboxDelivery)
                        .values(
                            position=row.position,
                            handler=handler,
                            hospital_id=row.hospital_id,
                            aggregate_id=row.aggregate_id,
                            next_attempt_at=now,
                        )
                        .on_conflict_do_nothing()
                    )
                row.fanned_out_at = now
        return bool(rows)

    async def _deliver_one(self) -> bool:
        now = self._runtime.clock.now()
        session = AsyncSession(self._runtime.engine, expire_on_commit=False)
        async with session, session.begin():
            delivery = await session.scalar(_next_due(now))
            if delivery is None:
                return False
            event = await session.get_one(OutboxEvent, delivery.position)
            error = await self._react(event, delivery.handler)
            self._settle(delivery, error, now)
        return True

    async def _react(self, row: OutboxEvent, handler_name: str) -> str | None:
        event = load(row.name, row.payload)
        handler = self._runtime.handlers.after_commit_named(type(event)).get(handler_name)
        if handler is None:
            return f"The reaction {handler_name} no longer exists."
        try:
            await handler(self._runtime, event)
        # A reaction may fail in any way; whatever it was is stored, shown and retried, never lost.
        except Exception as error:  # noqa: BLE001
            detail = f"{error.code}: {error}" if isinstance(error, ProblemError) else repr(error)
            log.warning("reaction_failed", handler=handler_name, name=row.name, error=detail)
            return detail[:2000]
        return None

    def _settle(self, delivery: OutboxDelivery, error: str | None, now: datetime) -> None:
        delivery.attempts += 1
        delivery.error = error
        if error is None:
            delivery.done_at = now
        elif delivery.attempts >= MAX_ATTEMPTS:
            delivery.parked_at = now
            log.error("reaction_parked", handler=delivery.handler, error=error)
        else:
            delivery.next_attempt_at = now + retry_delay(delivery.attempts, random.random())


def _next_due(now: datetime) -> Any:
    """The next delivery in turn: no earlier one of its reaction and aggregate is open."""
    earlier, waiting = aliased(OutboxDelivery), aliased(OutboxEvent)
    return (
        select(OutboxDelivery)
        .where(
            OutboxDelivery.done_at.is_(None),
            OutboxDelivery.parked_at.is_(None),
            OutboxDelivery.next_attempt_at <= now,
            ~select(earlier.position)
            .where(
                earlier.handler == OutboxDelivery.handler,
                earlier.aggregate_id == OutboxDelivery.aggregate_id,
                earlier.position < OutboxDelivery.position,
                earlier.done_at.is_(None),
            )
            .exists(),
            ~select(waiting.position)
            .where(
                waiting.aggregate_id == OutboxDelivery.aggregate_id,
                waiting.position < OutboxDelivery.position,
                waiting.fanned_out_at.is_(None),
            )
            .exists(),
        )
        .order_by(OutboxDelivery.next_attempt_at, OutboxDelivery.position)
        .limit(1)
        .with_for_update(skip_locked=True, of=OutboxDelivery)
    )


async def retry_parked(session: AsyncSession, delivery_id: uuid.UUID, now: datetime) -> bool:
    """Give a parked delivery fresh attempts; False when there is no such delivery."""
    result = await session.execute(
        update(OutboxDelivery)
        .where(OutboxDelivery.id == delivery_id, OutboxDelivery.parked_at.is_not(None))
        .values(parked_at=None, attempts=0, next_attempt_at=now)
        .returning(OutboxDelivery.id)
    )
    return result.first() is not None


async def counts(session: AsyncSession) -> dict[str, int]:
    """How many deliveries wait and how many are parked, for health pages and metrics."""
    waiting = await session.scalar(
        select(func.count()).select_from(OutboxEvent).where(OutboxEvent.fanned_out_at.is_(None))
    )
    pending = await session.scalar(
        select(func.count())
        .select_from(OutboxDelivery)
        .where(OutboxDelivery.done_at.is_(None), OutboxDelivery.parked_at.is_(None))
    )
    parked = await session.scalar(
        select(func.count())
        .select_from(OutboxDelivery)
        .where(OutboxDelivery.parked_at.is_not(None))
    )
    return {"pending": (waiting or 0) + (pending or 0), "parked": parked or 0}
