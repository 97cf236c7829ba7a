"""Taking in the rows that a table held before it was protected.

Done once for a table, and written into the ledger: from then on a row without a ledger row is a
forgery. The entry that says so is sealed with everything else, so a table cannot be opened for
another taking-in.
"""

from typing import Any

import structlog
from sqlalchemy import insert, select, tuple_, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from core.integrity.ledger import entry_mac, ledger_row
from core.integrity.models import Entry, LedgerRow
from core.integrity.protection import MAC, VERSION, Protection, protections
from core.integrity.reading import Unreadable, decode, key_of, key_text, raw_columns
from core.runtime import Runtime

log = structlog.get_logger(__name__)

BATCH = 500
#: The table name of the ledger rows that say which tables were taken in.
ADOPTIONS = "integrity_tables"


async def adopt(runtime: Runtime) -> list[str]:
    """Take in every protected table that was not yet; returns their names. Safe to repeat."""
    async with runtime.unit_of_work() as uow:
        done = set(
            await uow.session.scalars(
                select(LedgerRow.row_id).where(LedgerRow.table_name == ADOPTIONS)
            )
        )
    adopted = []
    for protection in protections():
        if protection.table in done:
            continue
        rows, last = 0, None
        while True:
            last, taken = await _batch(runtime, protection, last)
            rows += taken
            if last is None:
                break
        if await _close(runtime, protection.table):
            adopted.append(protection.table)
            log.info("integrity_table_adopted", table=protection.table, rows=rows)
    return adopted


async def _batch(
    runtime: Runtime, protection: Protection, after: tuple[Any, ...] | None
) -> tuple[tuple[Any, ...] | None, int]:
    """Take in some rows with larger keys that the ledger does not know.

    Returns the last key, None at the end, and how many were taken in.
    """
    async with runtime.unit_of_work() as uow:
        table = protection.model.__table__
        key = [table.c[name] for name in protection.key]
        known = select(LedgerRow.id).where(
            LedgerRow.table_name == protection.table,
            LedgerRow.row_id == key_text(protection),
        )
        query = (
            select(*raw_columns(protection))
            .where(~known.exists())
            .order_by(*key)
            .limit(BATCH)
            .with_for_update(of=table)
        )
        if after is not None:
            query = query.where(tuple_(*key) > after)
        if not protection.once:
            query = query.where(table.c[VERSION] == 0)
        rows = (await uow.session.execute(query)).mappings().all()
        entries = [
            entry
            for row in rows
            if (entry := await _adopted(uow.session, runtime, protection, row)) is not None
        ]
        if entries:
            await uow.session.execute(insert(LedgerRow), entries)
        last = tuple(key_of(protection, dict(rows[-1])).values()) if len(rows) == BATCH else None
        return last, len(entries)


async def _adopted(
    session: AsyncSession, runtime: Runtime, protection: Protection, row: Any
) -> dict[str, Any] | None:
    try:
        values = decode(protection, row)
    except Unreadable:
        # It stays outside, and the checker names it.
        return None
    row_id, at = protection.row_id(values), runtime.clock.now()
    if protection.once:
        mac = row[protection.mac_column]
        if not protection.matches(runtime.keyring, values, 1, mac):
            return None
    else:
        mac = protection.mac(runtime.keyring, values, 1)
        table = protection.model.__table__
        await session.execute(
            update(table)
            .where(*(table.c[name] == value for name, value in key_of(protection, row).items()))
            .values({VERSION: 1, MAC: mac})
        )
    return ledger_row(at, protection.table, row_id, 1, mac)


async def _close(runtime: Runtime, table: str) -> bool:
    mac = entry_mac(runtime.keyring, Entry.ADOPTED, ADOPTIONS, table, 1)
    row = ledger_row(runtime.clock.now(), ADOPTIONS, table, 1, mac, Entry.ADOPTED)
    try:
        async with runtime.unit_of_work() as uow:
            await uow.session.execute(insert(LedgerRow), [row])
    except IntegrityError:
        # Another process closed it at the same moment.
        return False
    return True
