"""Carrying the head of the chain to the anchors, after the block has committed."""

import structlog
from sqlalchemy.dialects.postgresql import insert

from core.integrity.anchors import Anchor, AnchorEntry, AnchorError, Anchors, moment
from core.integrity.models import AnchorMark, Kind, SealBlock
from core.integrity.reporting import Found
from core.integrity.sealer import chain_head
from core.runtime import Runtime

log = structlog.get_logger(__name__)


async def anchor_head(runtime: Runtime) -> list[Found]:
    """Append the head of the chain to every anchor that has not got it.

    Returns what contradicts: an anchor that knows more of the chain, or another chain, than the
    database holds. Nothing is appended to such an anchor. One that cannot be reached is logged and
    tried again next time.
    """
    found: list[Found] = []
    for anchor in runtime.port(Anchors).all:
        try:
            contradiction = await _anchor(runtime, anchor)
        except AnchorError as error:
            log.error("anchor_failed", anchor=anchor.name, error=str(error))
            continue
        if contradiction is not None:
            found.append(contradiction)
    return found


async def _anchor(runtime: Runtime, anchor: Anchor) -> Found | None:
    async with runtime.unit_of_work() as uow:
        head = await chain_head(uow.session)
        mark = await uow.session.get(AnchorMark, anchor.name)
        newest = await anchor.last()
        known = await uow.session.get(SealBlock, newest.block) if newest and newest.block else None
    wrong = contradiction(anchor.name, newest, mark, known, head)
    if wrong is not None or head is None:
        return wrong
    if newest is None or newest.block < head.number:
        entry = _entry(newest, head, moment(runtime.clock.now()))
        if await anchor.append(entry.sealed(runtime.keyring, anchor.name)):
            newest = entry
        else:
            return None
    if mark is None or mark.number < newest.number:
        await _remember(runtime, anchor.name, newest)
    return None


def contradiction(
    name: str,
    newest: AnchorEntry | None,
    mark: AnchorMark | None,
    known: SealBlock | None,
    head: SealBlock | None,
) -> Found | None:
    """What is wrong between an anchor's newest entry and the database, by a look at both ends.

    `known` is the block that the entry speaks of, `mark` what the database remembers of the anchor.
    """
    if mark is not None and (newest is None or newest.number < mark.number):
        kept = newest.number if newest else 0
        words = f"锚点“{name}”应有 {mark.number} 条，只剩 {kept} 条"
        return Found(Kind.ANCHOR_REMOVED, "integrity_anchors", name, words)
    if newest is None or newest.block == 0:
        return None
    if known is None:
        reached = head.number if head else 0
        words = (
            f"锚点“{name}”记录到第 {newest.block} 块，数据库只到第 {reached} 块："
            "封存链尾部被截断，或数据库被换成了较早的备份"
        )
        return Found(Kind.TAIL_CUT, "integrity_blocks", str(newest.block), words)
    if known.mac != newest.block_mac:
        words = f"第 {newest.block} 块与锚点“{name}”记录的不同：封存链被替换"
        return Found(Kind.CHAIN_REPLACED, "integrity_blocks", str(newest.block), words)
    return None


async def restart(runtime: Runtime, reason: str) -> int:
    """Begin the anchors anew at the present head, after a backup was lawfully restored.

    The old entries stay, and `reason` stays with the new ones. Returns how many anchors there are.
    """
    anchors = runtime.port(Anchors).all
    for anchor in anchors:
        async with runtime.unit_of_work() as uow:
            head = await chain_head(uow.session)
            mark = await uow.session.get(AnchorMark, anchor.name)
        newest = await anchor.last()
        number = max(newest.number if newest else 0, mark.number if mark else 0)
        entry = AnchorEntry(
            number=number + 1,
            block=head.number if head else 0,
            block_mac=head.mac if head else "",
            last_seq=head.last_seq if head else 0,
            at=moment(runtime.clock.now()),
            restart=reason,
        )
        if await anchor.append(entry.sealed(runtime.keyring, anchor.name)):
            await _remember(runtime, anchor.name, entry)
    return len(anchors)


def _entry(newest: AnchorEntry | None, head: SealBlock, at: str) -> AnchorEntry:
    return AnchorEntry(
        number=newest.number + 1 if newest else 1,
        block=head.number,
        block_mac=head.mac,
        last_seq=head.last_seq,
        at=at,
    )


async def _remember(runtime: Runtime, name: str, entry: AnchorEntry) -> None:
    async with runtime.unit_of_work() as uow:
        values = {"number": entry.number, "block": entry.block, "anchored_at": uow.now}
        await uow.session.execute(
            insert(AnchorMark)
            .values(name=name, **values)
            .on_conflict_do_update(
                index_elements=[AnchorMark.name],
                set_=values,
                where=AnchorMark.number < entry.number,
            )
        )
