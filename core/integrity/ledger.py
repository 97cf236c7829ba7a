"""Writing MAC and ledger row with every change of a protected row, in the same transaction.

Objects are caught at flush. Statements that go around the session are refused when they would
change covered columns; `insert_once`, `insert_many` and `remove` are the ways for those.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete, event, insert, inspect, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import ORMExecuteState, Session, UOWTransaction

from core.crypto.keyring import Keyring, installed_keyring
from core.crypto.row_mac import row_mac
from core.crypto.scope import for_hospitals
from core.ids import new_id
from core.integrity.models import Entry, LedgerRow
from core.integrity.protection import (
    VERSION,
    Protected,
    Protection,
    WrittenOnce,
    changed,
    missing,
    normal,
    protection_of,
    values_of,
)

_WRITTEN = "integrity_written"


class UnprotectedWrite(RuntimeError):
    """A statement would change covered columns of a protected table behind the ledger's back."""


def entry_mac(keyring: Keyring, kind: Entry, table: str, row_id: str, version: int) -> str:
    """The MAC of a ledger row that has no row MAC to repeat: a removal, an adoption."""
    values = {"kind": kind, "table": table, "row": row_id, "version": version}
    return row_mac(keyring, LedgerRow.__tablename__, values)


def ledger_row(
    at: datetime, table: str, row_id: str, version: int, mac: str, kind: Entry = Entry.WRITTEN
) -> dict[str, Any]:
    """The values of a ledger row that is not sealed yet."""
    return {
        "id": new_id(),
        "at": at,
        "table_name": table,
        "row_id": row_id,
        "version": version,
        "kind": kind,
        "mac": mac,
    }


@event.listens_for(Session, "before_flush")
def _protect(session: Session, context: UOWTransaction, instances: Sequence[Any] | None) -> None:
    keyring: Keyring | None = None
    entries: list[LedgerRow] = []
    for state, rows in ((True, session.new), (False, session.dirty)):
        for row in rows:
            if not isinstance(row, Protected | WrittenOnce):
                continue
            protection = protection_of(type(row))
            if not state and not changed(protection, row):
                continue
            if not state and protection.once:
                raise UnprotectedWrite(f"A row of {protection.table} is written once.")
            keyring = keyring or installed_keyring()
            entries.append(_write(session, keyring, protection, row, new=state))
    for row in session.deleted:
        if isinstance(row, Protected | WrittenOnce):
            entries.append(_tombstone(session, protection_of(type(row)), row))
    session.add_all(entries)


def _write(
    session: Session, keyring: Keyring, protection: Protection, row: Any, *, new: bool
) -> LedgerRow:
    if new:
        for name, value in missing(protection, inspect(row).dict).items():
            setattr(row, name, value)
    values = values_of(protection, row)
    version = 1 if protection.once or new else row.integrity_version + 1
    mac = protection.mac(keyring, values, version)
    if not protection.once:
        row.integrity_version = version
    setattr(row, protection.mac_column, mac)
    at = session.info.get("now") or datetime.now(UTC)
    return LedgerRow(**ledger_row(at, protection.table, protection.row_id(values), version, mac))


def _tombstone(session: Session, protection: Protection, row: Any) -> LedgerRow:
    row_id = protection.row_id({name: getattr(row, name) for name in protection.key})
    version = (1 if protection.once else row.integrity_version) + 1
    mac = entry_mac(installed_keyring(), Entry.REMOVED, protection.table, row_id, version)
    at = session.info.get("now") or datetime.now(UTC)
    return LedgerRow(**ledger_row(at, protection.table, row_id, version, mac, Entry.REMOVED))


@event.listens_for(Session, "do_orm_execute")
def _refuse(state: ORMExecuteState) -> None:
    """Statements on protected tables may only touch what is not covered."""
    if not (state.is_insert or state.is_update or state.is_delete):
        return
    if state.execution_options.get(_WRITTEN):
        return
    mapper = state.bind_mapper
    if mapper is None or not issubclass(mapper.class_, Protected | WrittenOnce):
        return
    protection = protection_of(mapper.class_)
    guarded = {*protection.covered, VERSION, protection.mac_column}
    if state.is_update:
        statement: Any = state.statement
        names = {getattr(key, "key", key) for key in (statement._values or {})}
        if state.parameters:
            rows = state.parameters if isinstance(state.parameters, list) else [state.parameters]
            names |= {str(name) for row in rows for name in row}
        if not names & guarded:
            return
    raise UnprotectedWrite(
        f"{protection.table} is protected: change its rows as objects, or by core.integrity."
    )


async def insert_many(
    session: AsyncSession, model: type[Any], rows: Sequence[dict[str, Any]]
) -> None:
    """Insert rows of a protected table with one statement, and their ledger rows with another.

    All rows name the same columns.
    """
    if not rows:
        return
    protection, keyring = protection_of(model), installed_keyring()
    at = session.info.get("now") or datetime.now(UTC)
    filled, entries = [], []
    for row in rows:
        values, entry = _sealed(protection, keyring, dict(row), at)
        filled.append(values)
        entries.append(entry)
    keyed = for_hospitals(model, filled)
    await session.execute(insert(model), keyed, execution_options={_WRITTEN: True})
    await session.execute(insert(LedgerRow), entries)


async def insert_once(session: AsyncSession, model: type[Any], values: dict[str, Any]) -> bool:
    """Insert a row unless a unique constraint says that it is there; returns whether it was new."""
    protection, keyring = protection_of(model), installed_keyring()
    at = session.info.get("now") or datetime.now(UTC)
    filled, entry = _sealed(protection, keyring, dict(values), at)
    made = await session.execute(
        upsert(model)
        .values(**for_hospitals(model, [filled])[0])
        .on_conflict_do_nothing()
        .returning(protection.column(protection.key[0])),
        execution_options={_WRITTEN: True},
    )
    if made.first() is None:
        return False
    await session.execute(insert(LedgerRow), [entry])
    return True


async def remove(session: AsyncSession, model: type[Any], *where: Any) -> int:
    """Remove rows lawfully: locks them, writes their tombstones, deletes; returns how many."""
    protection, keyring = protection_of(model), installed_keyring()
    at = session.info.get("now") or datetime.now(UTC)
    version = model.__table__.c[VERSION] if not protection.once else None
    key = [protection.column(name) for name in protection.key]
    shown = [*key, version] if version is not None else key
    found = (await session.execute(select(*shown).where(*where).with_for_update())).all()
    if not found:
        return 0
    entries = []
    for row in found:
        row_id = "/".join(str(part) for part in row[: len(key)])
        after = (row[-1] if version is not None else 1) + 1
        mac = entry_mac(keyring, Entry.REMOVED, protection.table, row_id, after)
        entries.append(ledger_row(at, protection.table, row_id, after, mac, Entry.REMOVED))
    await session.execute(
        delete(model).where(*where),
        execution_options={_WRITTEN: True, "synchronize_session": False},
    )
    await session.execute(insert(LedgerRow), entries)
    return len(entries)


def _sealed(
    protection: Protection, keyring: Keyring, values: dict[str, Any], at: datetime
) -> tuple[dict[str, Any], dict[str, Any]]:
    values |= missing(protection, values)
    covered = {
        name: normal(protection.column(name), values.get(name)) for name in protection.covered
    }
    mac = protection.mac(keyring, covered, 1)
    values[protection.mac_column] = mac
    if not protection.once:
        values[VERSION] = 1
    return values, ledger_row(at, protection.table, protection.row_id(covered), 1, mac)
