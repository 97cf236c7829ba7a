"""Whoever changes, removes, swaps, restores or forges a protected row is found."""

from __future__ import annotations

import pytest
from sqlalchemy import delete, insert, select, update

from clinical.payments.models import Order
from clinical.payments.rules import OrderState
from core import integrity
from core.alarms.models import Alarm
from core.audit.models import AuditEntry
from core.errors import ChangedMeanwhile
from core.integrity.models import Entry, LedgerRow
from core.runtime import Runtime
from tests.core.integrity.conftest import Book, Check, Hand


async def ledger_of(runtime: Runtime, order_id: object) -> list[tuple[int, Entry]]:
    async with runtime.unit_of_work() as uow:
        rows = await uow.session.scalars(
            select(LedgerRow)
            .where(LedgerRow.table_name == "orders", LedgerRow.row_id == str(order_id))
            .order_by(LedgerRow.version)
        )
        return [(row.version, row.kind) for row in rows]


@pytest.mark.requirement("S1-218")
async def test_every_write_gets_a_version_a_mac_and_a_ledger_row(
    runtime: Runtime, book: Book, check: Check
) -> None:
    (order_id,) = await book.write(1)
    await book.pay(order_id)
    async with runtime.unit_of_work() as uow:
        order = await uow.session.get_one(Order, order_id)
        assert order.integrity_version == 2
        assert order.integrity_mac
        order.queries += 1
    assert await ledger_of(runtime, order_id) == [(1, Entry.WRITTEN), (2, Entry.WRITTEN)]
    assert await check() == []


async def test_a_change_that_rolls_back_leaves_no_ledger_row(runtime: Runtime, book: Book) -> None:
    async def fail() -> None:
        async with runtime.unit_of_work() as uow:
            uow.session.add(book.order())
            await uow.session.flush()
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    async with runtime.unit_of_work() as uow:
        assert (await uow.session.scalars(select(LedgerRow))).all() == []


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("UPDATE orders SET amount_fen = 1 WHERE id = :one", "row_changed"),
        ("UPDATE orders SET state = 'nonsense' WHERE id = :one", "row_changed"),
        ("UPDATE orders SET integrity_mac = 'r1:00' WHERE id = :one", "row_changed"),
        ("UPDATE orders SET integrity_version = 7 WHERE id = :one", "row_changed"),
        ("DELETE FROM orders WHERE id = :one", "row_removed"),
        (
            "UPDATE orders SET (number, subject_id, amount_fen, created_at, expires_at,"
            " integrity_mac) = (SELECT o.number || '#', gen_random_uuid(), o.amount_fen,"
            " o.created_at, o.expires_at, o.integrity_mac FROM orders o WHERE o.id = :two)"
            " WHERE id = :one",
            "row_swapped",
        ),
    ],
)
@pytest.mark.requirement("S1-218")
async def test_a_row_changed_by_somebody_with_all_rights_is_found(
    book: Book, hand: Hand, check: Check, statement: str, kind: str
) -> None:
    one, two, _ = await book.write(3)
    values = {name: id_ for name, id_ in (("one", one), ("two", two)) if f":{name}" in statement}
    await hand(statement, **values)
    assert await check() == [(kind, str(one))]


async def test_an_encrypted_cell_changed_or_moved_is_found(
    runtime: Runtime, book: Book, hand: Hand, check: Check
) -> None:
    async with runtime.unit_of_work() as uow:
        first, second = book.patient("张小三"), book.patient("李小四")
        uow.session.add_all([first, second])
    assert await check() == []
    await hand("UPDATE patients SET name = o.name FROM patients o WHERE o.id <> patients.id")
    await hand("UPDATE patients SET name = '\\x00' WHERE id = :id", id=second.id)
    assert await check() == sorted(
        [("row_changed", str(first.id)), ("row_changed", str(second.id))]
    )


async def test_a_row_put_back_to_an_older_version_is_found(
    runtime: Runtime, book: Book, hand: Hand, check: Check
) -> None:
    (order_id,) = await book.write(1)
    await hand("CREATE TABLE keepsake AS SELECT * FROM orders")
    await book.pay(order_id)
    await hand("DELETE FROM orders")
    await hand("INSERT INTO orders SELECT * FROM keepsake")
    assert await check() == [("row_rolled_back", str(order_id))]


async def test_a_forged_row_is_found(
    runtime: Runtime, book: Book, hand: Hand, check: Check
) -> None:
    await book.write(1)
    forged = "00000000-0000-7000-8000-000000000001"
    await hand(
        "CREATE TABLE copy AS SELECT * FROM orders; UPDATE copy SET number = 'X',"
        f" subject_id = gen_random_uuid(), id = '{forged}'; INSERT INTO orders SELECT * FROM copy"
    )
    assert await check() == [("row_forged", forged)]


async def test_a_lawful_removal_is_not_a_finding_but_bringing_the_row_back_is(
    runtime: Runtime, book: Book, hand: Hand, check: Check
) -> None:
    one, two = await book.write(2)
    await hand("CREATE TABLE keepsake AS SELECT * FROM orders")
    async with runtime.unit_of_work() as uow:
        assert await integrity.remove(uow.session, Order, Order.id == one) == 1
    async with runtime.unit_of_work() as uow:
        await uow.session.delete(await uow.session.get_one(Order, two))
    assert await ledger_of(runtime, one) == [(1, Entry.WRITTEN), (2, Entry.REMOVED)]
    assert await check() == []
    await hand("INSERT INTO orders SELECT * FROM keepsake WHERE id = :id", id=two)
    assert await check() == [("row_forged", str(two))]


async def test_a_removal_cannot_be_forged_without_the_key(
    book: Book, hand: Hand, check: Check
) -> None:
    (order_id,) = await book.write(1)
    await hand("DELETE FROM orders")
    await hand(
        "INSERT INTO integrity_ledger (id, at, table_name, row_id, version, kind, mac) SELECT"
        " gen_random_uuid(), at, table_name, row_id, 2, 'removed', mac FROM integrity_ledger"
        " WHERE table_name = 'orders'"
    )
    assert await check() == [("ledger_changed", str(order_id))]


@pytest.mark.parametrize(
    "statement",
    [
        update(Order).values(amount_fen=1),
        update(Order).values({"state": OrderState.PAID, "queries": 1}),
        update(Order).values(integrity_mac="r1:00"),
        delete(Order),
        insert(Order).values(number="1"),
    ],
)
async def test_statements_behind_the_ledgers_back_are_refused(
    runtime: Runtime, book: Book, statement: object
) -> None:
    await book.write(1)
    async with runtime.unit_of_work() as uow:
        with pytest.raises(integrity.UnprotectedWrite):
            await uow.session.execute(statement)  # type: ignore[call-overload]
        await uow.session.execute(update(Order).values(queries=5))


async def test_a_change_on_older_knowledge_of_a_row_fails(runtime: Runtime, book: Book) -> None:
    (order_id,) = await book.write(1)

    async def close() -> None:
        async with runtime.unit_of_work() as uow:
            order = await uow.session.get_one(Order, order_id)
            await book.pay(order_id)
            order.close_reason = "cancelled"

    with pytest.raises(ChangedMeanwhile):
        await close()


async def test_findings_raise_one_alarm_and_are_themselves_audited(
    runtime: Runtime, book: Book, hand: Hand, check: Check
) -> None:
    await book.write(3)
    await hand("UPDATE orders SET amount_fen = 1")
    assert len(await check()) == 3
    assert len(await check()) == 3
    async with runtime.unit_of_work() as uow:
        alarms = list(await uow.session.scalars(select(Alarm).where(Alarm.kind == "integrity")))
        entries = list(
            await uow.session.scalars(
                select(AuditEntry).where(AuditEntry.action == "integrity.find")
            )
        )
    # The slices of this test hold two rows, so the alarm was raised twice and counted once.
    assert [(alarm.hospital_id, alarm.times) for alarm in alarms] == [
        (book.cast.patient.caller.hospital_id, 2)
    ]
    assert sum(entry.detail["count"] for entry in entries) == 3


async def test_rows_from_before_the_protection_are_taken_in_once(
    runtime: Runtime, book: Book, hand: Hand, check: Check
) -> None:
    one, two = await book.write(2)
    await hand("DELETE FROM integrity_ledger WHERE table_name = 'orders'")
    await hand("UPDATE orders SET integrity_version = 0, integrity_mac = ''")
    assert await check() == []
    assert await ledger_of(runtime, one) == [(1, Entry.WRITTEN)]
    await hand("DELETE FROM integrity_ledger WHERE row_id = :id", id=str(two))
    await hand("UPDATE orders SET integrity_version = 0, integrity_mac = '' WHERE id = :id", id=two)
    assert await check() == [("row_forged", str(two))]
