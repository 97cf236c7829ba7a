"""Checking the chain: every block against the one before and against the ledger rows in it."""

from datetime import timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from core.integrity.chain import GENESIS, block_is_genuine, digest_of
from core.integrity.models import Kind, LedgerRow, SealBlock
from core.integrity.reporting import Found
from core.runtime import Runtime

#: A row that has waited longer for the sealer is reported.
SEAL_WITHIN = timedelta(minutes=15)
_BLOCKS = 200
_TABLE = SealBlock.__tablename__
_COLUMNS = LedgerRow.__table__.c


async def blocks(
    runtime: Runtime, session: AsyncSession, cursor: dict[str, Any], limit: int
) -> tuple[list[Found], int, dict[str, Any] | None]:
    """Check blocks until `limit` rows were looked at; the last slice looks behind the chain too."""
    number, seq = cursor.get("number", 0), cursor.get("seq", 0)
    previous = cursor.get("mac", GENESIS)
    found: list[Found] = []
    rows = 0
    page = await session.scalars(
        select(SealBlock).where(SealBlock.number > number).order_by(SealBlock.number).limit(_BLOCKS)
    )
    for block in page:
        found += _link(runtime, block, number, seq, previous)
        found += await _content(session, block)
        number, seq, previous = block.number, block.last_seq, block.mac
        rows += max(block.count, 1)
        if rows >= limit:
            break
    if rows:
        return found, rows, {"number": number, "seq": seq, "mac": previous}
    return await _behind(runtime, session, seq), 0, None


def _link(runtime: Runtime, block: SealBlock, number: int, seq: int, previous: str) -> list[Found]:
    found = []
    if block.number != number + 1:
        missing = (
            f"{number + 1}" if block.number == number + 2 else f"{number + 1}–{block.number - 1}"
        )
        found.append(
            Found(Kind.BLOCK_REMOVED, _TABLE, str(number + 1), f"封存链缺少第 {missing} 块")
        )
    elif block.previous_mac != previous or block.first_seq != seq + 1:
        found.append(_changed(block, "不与前一块相接"))
    if not block_is_genuine(runtime.keyring, block):
        found.append(_changed(block, "的封存码不符"))
    return found


async def _content(session: AsyncSession, block: SealBlock) -> list[Found]:
    rows = await session.execute(
        select(*_COLUMNS)
        .where(LedgerRow.seal_seq.between(block.first_seq, block.last_seq))
        .order_by(LedgerRow.seal_seq)
    )
    inside = rows.all()
    if len(inside) != block.count:
        words = f"第 {block.number} 块封存了 {block.count} 条台账，只剩 {len(inside)} 条"
        return [Found(Kind.LEDGER_CHANGED, _TABLE, str(block.number), words)]
    if digest_of(inside) != block.digest:
        words = f"第 {block.number} 块中的台账被改动"
        return [Found(Kind.LEDGER_CHANGED, _TABLE, str(block.number), words)]
    return []


def _changed(block: SealBlock, words: str) -> Found:
    return Found(Kind.BLOCK_CHANGED, _TABLE, str(block.number), f"第 {block.number} 块{words}")


async def _behind(runtime: Runtime, session: AsyncSession, seq: int) -> list[Found]:
    """What no block covers: places beyond the chain, rows that the sealer leaves lying."""
    found = []
    beyond = await session.scalar(
        select(func.count()).select_from(LedgerRow).where(LedgerRow.seal_seq > seq)
    )
    if beyond:
        words = f"{beyond} 条台账已封存，但封存它们的块不见了"
        found.append(Found(Kind.BLOCK_REMOVED, _TABLE, "tail", words))
    before = runtime.clock.now() - SEAL_WITHIN
    waiting = await session.scalar(
        select(func.count())
        .select_from(LedgerRow)
        .where(LedgerRow.seal_seq.is_(None), LedgerRow.at < before)
    )
    if waiting:
        words = f"{waiting} 条台账等待封存超过 15 分钟：封存任务没有运行"
        found.append(Found(Kind.LEDGER_UNSEALED, LedgerRow.__tablename__, "waiting", words))
    return found
