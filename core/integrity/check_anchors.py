"""Checking the chain against everything that its anchors know."""

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from core.integrity.anchoring import contradiction
from core.integrity.anchors import Anchor, AnchorEntry, AnchorError, Anchors
from core.integrity.models import AnchorMark, Kind, SealBlock
from core.integrity.reporting import Found
from core.integrity.sealer import chain_head
from core.runtime import Runtime

log = structlog.get_logger(__name__)

_TABLE = AnchorMark.__tablename__
_BATCH = 1_000


async def anchors(runtime: Runtime, session: AsyncSession) -> list[Found]:
    """Compare the chain with every anchor of this installation."""
    found: list[Found] = []
    for anchor in runtime.port(Anchors).all:
        try:
            found += await _anchor(runtime, session, anchor)
        except AnchorError as error:
            log.error("anchor_unreadable", anchor=anchor.name, error=str(error))
            words = f"锚点“{anchor.name}”无法读取：{error}"
            found.append(Found(Kind.ANCHOR_CHANGED, _TABLE, anchor.name, words))
    return found


async def _anchor(runtime: Runtime, session: AsyncSession, anchor: Anchor) -> list[Found]:
    found: list[Found] = []
    mark = await session.get(AnchorMark, anchor.name)
    newest: AnchorEntry | None = None
    batch: list[AnchorEntry] = []
    async for entry in anchor.entries():
        wrong = _entry(runtime, anchor.name, entry, newest)
        if wrong is not None:
            found.append(wrong)
        newest = entry
        if entry.restart is not None:
            # Older entries speak of a chain that a lawful restoration left behind.
            batch.clear()
        batch.append(entry)
        if len(batch) == _BATCH:
            found += await _blocks(session, anchor.name, batch[:-1])
            batch = batch[-1:]
    found += await _blocks(session, anchor.name, batch)
    if not found:
        known = await session.get(SealBlock, newest.block) if newest else None
        wrong = contradiction(anchor.name, newest, mark, known, await chain_head(session))
        if wrong is not None:
            found.append(wrong)
    return found


def _entry(
    runtime: Runtime, name: str, entry: AnchorEntry, before: AnchorEntry | None
) -> Found | None:
    if not entry.genuine(runtime.keyring, name):
        words = f"锚点“{name}”的第 {entry.number} 条被改动"
        return Found(Kind.ANCHOR_CHANGED, _TABLE, name, words)
    if entry.number != (before.number + 1 if before else 1) and entry.restart is None:
        words = f"锚点“{name}”在第 {entry.number} 条之前缺少记录"
        return Found(Kind.ANCHOR_REMOVED, _TABLE, name, words)
    return None


async def _blocks(session: AsyncSession, name: str, entries: list[AnchorEntry]) -> list[Found]:
    numbers = [entry.block for entry in entries]
    rows = await session.execute(
        select(SealBlock.number, SealBlock.mac).where(SealBlock.number.in_(numbers))
    )
    macs = {number: mac for number, mac in rows}
    head = await chain_head(session)
    reached = head.number if head else 0
    for entry in entries:
        if entry.block == 0 or macs.get(entry.block) == entry.block_mac:
            continue
        if entry.block > reached:
            words = (
                f"锚点“{name}”记录到第 {entries[-1].block} 块，数据库只到第 {reached} 块："
                "封存链尾部被截断，或数据库被换成了较早的备份"
            )
            return [Found(Kind.TAIL_CUT, SealBlock.__tablename__, str(entry.block), words)]
        words = f"第 {entry.block} 块与锚点“{name}”记录的不同：封存链被替换"
        return [Found(Kind.CHAIN_REPLACED, SealBlock.__tablename__, str(entry.block), words)]
    return []
