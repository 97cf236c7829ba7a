"""Sealing the cells of one table anew, in the background, beside everybody who works with it.

Rows are read in the order of their keys. A cell is replaced only while it still holds the very
ciphertext that was read, so a concurrent change is never overwritten; what somebody writes
meanwhile is sealed with the new key anyway. Row MACs are made over what cells say, not over the
ciphertext, and stay good. Rows that somebody has locked are taken afterwards one by one, each in a
transaction of its own: nothing here holds one row while it waits for another.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Connection, bindparam, func, select, text, tuple_, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from core.crypto.cells import EncryptedTable, reseal
from core.crypto.keyring import Keyring
from core.crypto.sm import DecryptionError

log = structlog.get_logger(__name__)

BATCH = 200
#: Lets the triggers of append-only tables pass an update that changes encrypted cells alone.
RESEALING = text("SET LOCAL zhenjian.resealing = 'on'")
#: How long to wait for a row that somebody else works on.
PATIENCE = text("SET LOCAL lock_timeout = '5s'")


@dataclass
class Outcome:
    """What became of a batch. `cursor` is the key of its last row; None: there was no row left."""

    cursor: list[Any] | None = None
    seen: int = 0
    changed: int = 0
    failed: int = 0


@dataclass
class _Change:
    key: tuple[Any, ...]
    cells: dict[str, tuple[bytes, bytes]] = field(default_factory=dict)


async def reseal_batch(
    engine: AsyncEngine,
    keyring: Keyring,
    place: EncryptedTable,
    after: list[Any] | None,
    hospital_id: UUID | None,
) -> Outcome:
    """Seal the next rows anew, of one hospital or (None) of all.

    Raises `DBAPIError` when the database refuses, e.g. by a trigger.
    """
    async with engine.connect() as connection:
        rows = (await connection.execute(place.page(after, BATCH))).all()
    outcome = Outcome(seen=len(rows))
    if not rows:
        return outcome
    outcome.cursor = [plain(value) for value in rows[-1][: len(place.key)]]
    changes = []
    for row in rows:
        if hospital_id is None or row.owning_hospital == hospital_id:
            change = _change(keyring, place, row, outcome)
            if change is not None:
                changes.append(change)
    outcome.changed = await _write(engine, place, changes)
    return outcome


def plain(value: Any) -> Any:
    """A key value as it is kept in JSON."""
    return str(value) if isinstance(value, UUID) else value


def _change(keyring: Keyring, place: EncryptedTable, row: Any, outcome: Outcome) -> _Change | None:
    change = _Change(tuple(row[: len(place.key)]))
    for column in place.columns:
        cell = getattr(row, f"cell_{column.name}")
        if cell is None:
            continue
        try:
            fresh = reseal(keyring, column, bytes(cell), row.owning_hospital)
        except DecryptionError as error:
            # It stays as it is, and its key stays with it: the checker of rows reports it.
            log.error("cell_does_not_open", table=place.name, column=column.name, error=str(error))
            outcome.failed += 1
            continue
        if fresh is not None:
            change.cells[column.name] = (bytes(cell), fresh)
    return change if change.cells else None


async def _write(engine: AsyncEngine, place: EncryptedTable, changes: list[_Change]) -> int:
    if not changes:
        return 0
    async with engine.begin() as connection:
        await connection.execute(RESEALING)
        free = await _lock_free(connection, place, changes)
        await connection.run_sync(_update, place, [each for each in changes if each.key in free])
    for late in (each for each in changes if each.key not in free):
        await _write_late(engine, place, late)
    return len(changes)


async def _write_late(engine: AsyncEngine, place: EncryptedTable, change: _Change) -> None:
    """A row that somebody had locked."""
    async with engine.begin() as connection:
        await connection.execute(RESEALING)
        await connection.execute(PATIENCE)
        await connection.run_sync(_update, place, [change])


async def _lock_free(
    connection: AsyncConnection, place: EncryptedTable, changes: Sequence[_Change]
) -> set[tuple[Any, ...]]:
    """Lock the rows that nobody else has locked; returns their keys."""
    found = await connection.execute(
        select(*place.key)
        .where(tuple_(*place.key).in_([each.key for each in changes]))
        .order_by(*place.key)
        .with_for_update(key_share=True, skip_locked=True)
    )
    return {tuple(row) for row in found}


def _update(connection: Connection, place: EncryptedTable, changes: Sequence[_Change]) -> None:
    bare = place.bare
    for column in place.columns:
        values = [
            {
                **{f"key_{n}": value for n, value in enumerate(change.key)},
                "before": change.cells[column.name][0],
                "after": change.cells[column.name][1],
            }
            for change in changes
            if column.name in change.cells
        ]
        if not values:
            continue
        cell = bare.c[column.name]
        mine = [
            bare.c[each.name] == bindparam(f"key_{n}", type_=each.type)
            for n, each in enumerate(place.key)
        ]
        connection.execute(
            update(bare)
            .where(*mine, cell == bindparam("before", type_=cell.type))
            .values({cell: bindparam("after", type_=cell.type)}),
            values,
        )


async def count(engine: AsyncEngine, place: EncryptedTable) -> int:
    """How many rows a table has."""
    async with engine.connect() as connection:
        return int(await connection.scalar(select(func.count()).select_from(place.table)) or 0)


async def keys_in_use(engine: AsyncEngine, place: EncryptedTable) -> dict[str, int]:
    """How many cells each data key seals in a table."""
    found: dict[str, int] = {}
    async with engine.connect() as connection:
        for column in place.columns:
            cell = place.bare.c[column.name]
            # The layout of a cell: format, length of the key id, key id.
            key_id = func.convert_from(
                func.substring(cell, 3, func.get_byte(cell, 1)), "LATIN1"
            ).label("key_id")
            rows = await connection.execute(
                select(key_id, func.count())
                .where(func.length(cell) > 2, func.get_byte(cell, 0) == 1)
                .group_by(key_id)
            )
            for name, number in rows:
                found[name] = found.get(name, 0) + number
    return found


def refused(error: DBAPIError) -> bool:
    """Whether the database refused for good (a trigger), rather than for now."""
    return getattr(error.orig, "sqlstate", None) == "42501"
