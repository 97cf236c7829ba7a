"""The sealed chain: nothing in it can be changed, removed or cut off without being found."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError

from core.integrity import anchoring, sealer
from core.integrity.anchors import AnchorEntry, Anchors, FileAnchor, StorageAnchor
from core.integrity.models import AnchorMark, LedgerRow, SealBlock
from core.runtime import Runtime
from core.storage import Storage
from tests.core.integrity.conftest import Book, Check, Hand

Seal = Callable[[], Awaitable[None]]


async def blocks(runtime: Runtime) -> list[SealBlock]:
    async with runtime.unit_of_work() as uow:
        return list(await uow.session.scalars(select(SealBlock).order_by(SealBlock.number)))


async def unsealed(runtime: Runtime) -> int:
    async with runtime.unit_of_work() as uow:
        count = await uow.session.scalar(
            select(func.count()).select_from(LedgerRow).where(LedgerRow.seal_seq.is_(None))
        )
    return count or 0


@pytest.mark.requirement("S1-218")
async def test_blocks_follow_each_other_without_gaps_and_are_anchored(
    runtime: Runtime, book: Book, seal: Seal, check: Check
) -> None:
    for number in range(3):
        async with runtime.unit_of_work() as uow:
            uow.session.add_all([book.order(2 * number), book.order(2 * number + 1)])
        await seal()
    found = await blocks(runtime)
    assert [block.number for block in found] == [1, 2, 3]
    for before, after in pairwise(found):
        assert (after.first_seq, after.previous_mac) == (before.last_seq + 1, before.mac)
    entries = [entry async for entry in runtime.port(Anchors).all[0].entries()]
    assert [(entry.block, entry.block_mac) for entry in entries] == [
        (b.number, b.mac) for b in found
    ]
    assert await unsealed(runtime) == 0
    assert await check() == []


async def test_a_transaction_that_commits_late_with_older_ids_is_sealed_later(
    runtime: Runtime, book: Book, seal: Seal, check: Check
) -> None:
    async with runtime.unit_of_work() as late:
        late.session.add(book.order(1))
        await late.session.flush()
        async with runtime.unit_of_work() as quick:
            quick.session.add(book.order(2))
        await seal()
    assert await unsealed(runtime) == 1
    await seal()
    async with runtime.unit_of_work() as uow:
        rows = await uow.session.scalars(select(LedgerRow).order_by(LedgerRow.seal_seq))
        ids = [row.id for row in rows]
    assert ids != sorted(ids)
    assert await unsealed(runtime) == 0
    assert await check() == []


async def test_several_sealers_at_once_lose_and_double_nothing(
    runtime: Runtime, second_runtime: Runtime, book: Book, check: Check
) -> None:
    for number in range(6):
        async with runtime.unit_of_work() as uow:
            uow.session.add(book.order(number))
    await asyncio.gather(*(sealer.seal(each, 2) for each in (runtime, second_runtime) * 3))
    assert await unsealed(runtime) == 0
    assert sum(block.count for block in await blocks(runtime)) == 6
    assert await check() == []


async def test_a_sealer_killed_in_the_middle_leaves_nothing_behind(
    runtime: Runtime, book: Book, seal: Seal, check: Check
) -> None:
    await book.write(2)

    async def die() -> None:
        async with runtime.unit_of_work() as uow:
            assert await sealer.seal_block(uow) is not None
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await die()
    assert await blocks(runtime) == []
    # Killed between block and anchor: the next run makes good for it.
    await sealer.seal(runtime)
    assert await runtime.port(Anchors).all[0].last() is None
    await seal()
    newest = await runtime.port(Anchors).all[0].last()
    assert newest is not None
    assert newest.block == 1
    assert await check() == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE integrity_ledger SET mac = 'x'",
        "UPDATE integrity_ledger SET seal_seq = NULL",
        "UPDATE integrity_ledger SET seal_seq = seal_seq + 100",
        "DELETE FROM integrity_ledger",
        "TRUNCATE integrity_ledger",
        "UPDATE integrity_blocks SET mac = 'x'",
        "DELETE FROM integrity_blocks",
        "TRUNCATE integrity_blocks",
    ],
)
async def test_the_database_refuses_to_change_ledger_and_chain(
    runtime: Runtime, book: Book, seal: Seal, statement: str
) -> None:
    await book.write(1)
    await seal()
    with pytest.raises(DBAPIError, match="append-only"):
        async with runtime.engine.begin() as connection:
            await connection.exec_driver_sql(statement)


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        (
            "DELETE FROM orders WHERE number = 'DD000001'; DELETE FROM integrity_ledger"
            " WHERE seal_seq = 2",
            [("ledger_changed", "2")],
        ),
        (
            "UPDATE integrity_ledger SET at = at + interval '1 h' WHERE seal_seq = 2",
            [("ledger_changed", "2")],
        ),
        (
            "UPDATE integrity_blocks SET sealed_at = now() WHERE number = 2",
            [("block_changed", "2")],
        ),
        (
            "UPDATE integrity_blocks SET digest = (SELECT digest FROM integrity_blocks"
            " WHERE number = 1) WHERE number = 2",
            [("block_changed", "2"), ("ledger_changed", "2")],
        ),
        (
            "DELETE FROM integrity_blocks WHERE number = 2",
            [("block_removed", "2"), ("chain_replaced", "2")],
        ),
        (
            "DELETE FROM integrity_blocks WHERE number = 3",
            [("block_removed", "tail"), ("tail_cut", "3")],
        ),
        (
            "DELETE FROM integrity_blocks WHERE number = 3; DELETE FROM integrity_ledger"
            " WHERE seal_seq = 3; DELETE FROM orders WHERE number = 'DD000002'",
            [("tail_cut", "3")],
        ),
        (
            "DELETE FROM integrity_blocks; DELETE FROM integrity_ledger; DELETE FROM orders",
            [("tail_cut", "1")],
        ),
    ],
)
@pytest.mark.requirement("S1-218")
async def test_a_chain_changed_by_somebody_with_all_rights_is_found(
    runtime: Runtime,
    book: Book,
    seal: Seal,
    hand: Hand,
    check: Check,
    statement: str,
    found: list[tuple[str, str]],
) -> None:
    for number in range(3):
        async with runtime.unit_of_work() as uow:
            uow.session.add(book.order(number))
        await seal()
    await hand(statement)
    assert await check() == found


async def test_a_tail_cut_off_and_grown_again_is_found_by_the_sealer_itself(
    runtime: Runtime, book: Book, seal: Seal, hand: Hand, check: Check
) -> None:
    await book.write(2)
    await seal()
    await hand("DELETE FROM integrity_blocks")
    await hand("DELETE FROM integrity_ledger")
    await hand("DELETE FROM orders")
    async with runtime.unit_of_work() as uow:
        uow.session.add(book.order(9))
    await seal()
    assert ("chain_replaced", "1") in await check()


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ([], "anchor_removed"),
        ([0, 1], "anchor_removed"),
        ([0, 2], "anchor_removed"),
        ([0, 1, 1, 2], "anchor_removed"),
        ([0, "{}", 2], "anchor_changed"),
        ([0, "changed", 2], "anchor_changed"),
    ],
)
async def test_an_anchor_deleted_or_changed_is_found(
    runtime: Runtime, book: Book, seal: Seal, check: Check, lines: list[int | str], found: str
) -> None:
    for number in range(3):
        async with runtime.unit_of_work() as uow:
            uow.session.add(book.order(number))
        await seal()
    path = runtime.config.data_dir / "anchors" / "chain.jsonl"
    kept = path.read_text(encoding="utf-8").splitlines()
    made = []
    for line in lines:
        if isinstance(line, int):
            made.append(kept[line])
        elif line == "changed":
            made.append(kept[1].replace('"last_seq": 2', '"last_seq": 3'))
        else:
            made.append(line)
    path.write_text("".join(f"{line}\n" for line in made), encoding="utf-8")
    assert [kind for kind, _ in await check()] == [found]
    path.unlink()
    assert [kind for kind, _ in await check()][-1] == "anchor_removed"


async def test_after_a_lawful_restoration_the_anchors_begin_anew(
    runtime: Runtime, book: Book, seal: Seal, hand: Hand, check: Check
) -> None:
    for number in range(2):
        async with runtime.unit_of_work() as uow:
            uow.session.add(book.order(number))
        await seal()
    await hand("DELETE FROM integrity_blocks WHERE number = 2")
    await hand("DELETE FROM integrity_ledger WHERE seal_seq = 2")
    await hand("DELETE FROM orders WHERE number = 'DD000001'")
    await anchoring.restart(runtime, "磁盘故障，恢复到昨夜的备份")
    assert await check() == []
    async with runtime.unit_of_work() as uow:
        uow.session.add(book.order(5))
    await seal()
    assert await check() == []


def entry(number: int) -> AnchorEntry:
    return AnchorEntry(number=number, block=number, block_mac="m", last_seq=number, at="t")


async def test_a_file_anchor_survives_a_line_cut_in_the_middle(runtime: Runtime) -> None:
    path = runtime.config.data_dir / "anchors" / "torn.jsonl"
    anchor = FileAnchor(path)
    assert await anchor.append(entry(1))
    with path.open("ab") as file:
        file.write(b'{"number": 2, "blo')
    assert (await anchor.last()) == entry(1)
    assert await anchor.append(entry(2))
    assert not await anchor.append(entry(2))
    assert [each.number async for each in anchor.entries()] == [1, 2]


async def test_an_anchor_may_lie_in_the_object_storage(
    runtime: Runtime, book: Book, seal: Seal, check: Check
) -> None:
    anchor = StorageAnchor(Storage.open("memory:///"))
    runtime.provide(Anchors, Anchors((anchor,)))
    async with runtime.unit_of_work() as uow:
        uow.session.add(book.order())
    await seal()
    newest = await anchor.last()
    assert newest is not None
    assert newest.block == 1
    assert not await anchor.append(newest)
    assert await check() == []
    async with runtime.unit_of_work() as uow:
        assert (await uow.session.get_one(AnchorMark, "storage")).block == 1
