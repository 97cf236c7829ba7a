"""Sealing new ledger rows into blocks, in the background, and anchoring the head of the chain.

A row gets its place in the chain when it is sealed, not when it is written: ids and times of rows
say nothing about the order in which their transactions committed, and a transaction that commits
late would otherwise be passed by. Whatever is visible and has no place yet is taken.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, literal, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from core.integrity.chain import GENESIS, block_mac, digest_of
from core.integrity.models import LedgerRow, SealBlock
from core.runtime import Runtime
from core.uow import UnitOfWork

#: Rows of one block; what is left over goes into the next.
BLOCK_ROWS = 5_000
#: One sealer at a time (`pg_try_advisory_xact_lock`).
_LOCK = 0x7A6A_5EA1


@dataclass(frozen=True)
class Sealed:
    """What one run of the sealer did."""

    blocks: int
    rows: int


async def seal(runtime: Runtime, block_rows: int = BLOCK_ROWS) -> Sealed:
    """Seal everything that has committed; nothing when another process is at it."""
    blocks = rows = 0
    while True:
        async with runtime.unit_of_work() as uow:
            block = await seal_block(uow, block_rows)
        if block is None:
            return Sealed(blocks, rows)
        blocks, rows = blocks + 1, rows + block.count
        if block.count < block_rows:
            return Sealed(blocks, rows)


async def seal_block(uow: UnitOfWork, block_rows: int = BLOCK_ROWS) -> SealBlock | None:
    """Make the next block; None when there is nothing to seal or somebody else is sealing.

    Rows and block commit together, so a sealer that dies half-way leaves nothing behind.
    """
    if not await uow.session.scalar(select(func.pg_try_advisory_xact_lock(_LOCK))):
        return None
    head = await chain_head(uow.session)
    last = head.last_seq if head else 0
    rows = await _take(uow.session, last, block_rows)
    if not rows:
        return None
    block = SealBlock(
        number=head.number + 1 if head else 1,
        first_seq=last + 1,
        last_seq=last + len(rows),
        digest=digest_of(rows),
        previous_mac=head.mac if head else GENESIS,
        sealed_at=uow.now,
    )
    block.mac = block_mac(uow.runtime.keyring, block)
    uow.session.add(block)
    await uow.session.flush()
    return block


async def chain_head(session: AsyncSession) -> SealBlock | None:
    """The newest block."""
    return await session.scalar(select(SealBlock).order_by(SealBlock.number.desc()).limit(1))


async def _take(session: AsyncSession, last: int, limit: int) -> Sequence[Any]:
    """Give the next rows their places after `last`; returns them in that order."""
    waiting = (
        select(
            LedgerRow.id,
            (literal(last) + func.row_number().over(order_by=LedgerRow.id)).label("place"),
        )
        .where(LedgerRow.seal_seq.is_(None))
        .order_by(LedgerRow.id)
        .limit(limit)
        .subquery()
    )
    taken = await session.execute(
        update(LedgerRow)
        .values(seal_seq=waiting.c.place)
        .where(LedgerRow.id == waiting.c.id)
        .returning(*LedgerRow.__table__.c)
        .execution_options(synchronize_session=False)
    )
    return sorted(taken.all(), key=lambda row: row.seal_seq)
