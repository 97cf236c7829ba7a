"""The checker: every protected row against its MAC and the ledger, the ledger against the chain,
the chain against its anchors.

It works in slices. A slice reads under one snapshot and commits its findings together with the
place where the next one begins, so a check that is interrupted goes on where it stopped, several
processes never do a slice twice, and other work is not held up.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from core.ids import new_id
from core.integrity import check_anchors, check_chain, check_rows
from core.integrity.findings import keep
from core.integrity.models import CheckOrigin, IntegrityCheck, LedgerRow
from core.integrity.protection import protections
from core.integrity.reporting import Found
from core.runtime import Runtime
from core.uow import UnitOfWork

#: Rows that one slice looks at, roughly.
SLICE_ROWS = 5_000

OnNew = Callable[[UnitOfWork, list[Found]], Awaitable[None]]


@dataclass(frozen=True)
class Slice:
    """What one slice gave: findings, rows looked at, and where to go on (None: stage is over)."""

    found: list[Found]
    rows: int
    cursor: dict[str, Any] | None


async def begin(
    uow: UnitOfWork,
    origin: CheckOrigin,
    hospital_id: UUID | None = None,
    user_id: UUID | None = None,
) -> tuple[IntegrityCheck, bool]:
    """Ask for a check; one that is under way serves. Returns it and whether it is new."""
    made = await uow.session.scalar(
        insert(IntegrityCheck)
        .values(
            id=new_id(),
            origin=origin,
            hospital_id=hospital_id,
            user_id=user_id,
            started_at=uow.now,
            stage=stages()[0],
            cursor={},
            total=0,
            done=0,
            found=0,
        )
        .on_conflict_do_nothing()
        .returning(IntegrityCheck)
    )
    if made is not None:
        return made, True
    running = await uow.session.scalar(
        select(IntegrityCheck).where(IntegrityCheck.finished_at.is_(None)).limit(1)
    )
    if running is None:
        # It ended between the two statements.
        return await begin(uow, origin, hospital_id, user_id)
    return running, False


def stages() -> list[str]:
    """The stages of a check in their order, `rows:<table>` and so on."""
    tables = [each.table for each in protections()]
    return [
        "count",
        *(f"{part}:{table}" for table in tables for part in ("rows", "strays")),
        "chain",
        "anchors",
    ]


async def advance(runtime: Runtime, on_new: OnNew, rows: int = SLICE_ROWS) -> bool:
    """Do one slice of the check under way; False when there is nothing to do here.

    `on_new` hears, in the same transaction, of findings that nobody knew.
    """
    async with runtime.unit_of_work() as uow:
        check = await uow.session.scalar(
            select(IntegrityCheck)
            .where(IntegrityCheck.finished_at.is_(None))
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        if check is None:
            return False
        await _slice(uow, check, on_new, rows)
    return True


async def _slice(uow: UnitOfWork, check: IntegrityCheck, on_new: OnNew, rows: int) -> None:
    runtime = uow.runtime
    order = stages()
    # A table that is protected no longer, after an upgrade in the middle: begin again.
    place = order.index(check.stage) if check.stage in order else 0
    part, _, table = order[place].partition(":")
    # Anchors are read between two looks at the database, so one snapshot would not do for them.
    async with _session(runtime, snapshot=part != "anchors") as session:
        match part:
            case "count":
                check.total = await _total(session)
                done = Slice([], 0, None)
            case "rows":
                done = Slice(*await check_rows.rows(runtime, session, table, check.cursor, rows))
            case "strays":
                done = Slice(*await check_rows.strays(runtime, session, table, check.cursor, rows))
            case "chain":
                done = Slice(*await check_chain.blocks(runtime, session, check.cursor, rows))
            case _:
                done = Slice(await check_anchors.anchors(runtime, session), 0, None)
    new = await keep(uow, check.id, done.found)
    check.done += done.rows
    check.found += len(done.found)
    if done.cursor is not None:
        check.cursor = done.cursor
    elif place + 1 < len(order):
        check.stage, check.cursor = order[place + 1], {}
    else:
        check.finished_at, check.cursor = runtime.clock.now(), {}
        check.total = check.done
    if new:
        await on_new(uow, new)


async def _total(session: AsyncSession) -> int:
    """Rows to be looked at: each table twice (known ones, strays), the ledger once."""
    total = await session.scalar(select(func.count()).select_from(LedgerRow)) or 0
    for protection in protections():
        rows = await session.scalar(select(func.count()).select_from(protection.model.__table__))
        total += 2 * (rows or 0)
    return total


@asynccontextmanager
async def _session(runtime: Runtime, *, snapshot: bool) -> AsyncIterator[AsyncSession]:
    """A session beside the check's own transaction; with `snapshot` it sees one moment."""
    async with runtime.engine.connect() as connection:
        if snapshot:
            await connection.execution_options(isolation_level="REPEATABLE READ")
        async with AsyncSession(bind=connection, expire_on_commit=False) as session:
            yield session
