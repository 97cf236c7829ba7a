"""Whose key seals a cell: the hospital's to which its row belongs.

A column type does not know its row. So while a session flushes, every row with encrypted cells is
noted with its hospital, table by table, before the table's statement is built: when all rows of a
table in this flush belong to one hospital, that hospital's key seals them, else the group's. A
hospital's key never seals a row of another hospital or of none. Which key *opens* a cell is written
in the cell, so none of this matters for reading.

A row belongs to its `hospital_id`, or, without such a column, to the hospital of the row that it
hangs on (a message on its room) when the session has that row at hand.

Statements that go around the session's objects (`insert(...)`, `update(...)`) take the group's key
unless they say otherwise: `ForHospital(hospital_id, value)` for one value,
`with sealing_for(hospital_id):` for all.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Column, Connection, Table, event, inspect
from sqlalchemy.orm import Mapper, Session
from sqlalchemy.orm.util import identity_key

from core.db import Base

HOSPITAL = "hospital_id"
_REMEMBERED = "hospitals_of_rows"

#: The hospitals (None: the group) of the rows of each table in the flush under way.
_flushed: ContextVar[dict[str, set[UUID | None]] | None] = ContextVar("flushed", default=None)
_chosen: ContextVar[UUID | None] = ContextVar("chosen", default=None)


@dataclass(frozen=True, slots=True)
class ForHospital:
    """A value for an encrypted column with the hospital whose key shall seal it."""

    hospital_id: UUID | None
    value: Any


@contextmanager
def sealing_for(hospital_id: UUID | None) -> Iterator[None]:
    """Within this, statements and stored files without a hospital of their own take its key."""
    token = _chosen.set(hospital_id)
    try:
        yield
    finally:
        _chosen.reset(token)


def chosen_hospital() -> UUID | None:
    """The hospital that `sealing_for` names."""
    return _chosen.get()


def hospital_for(table: str | None) -> UUID | None:
    """The hospital whose key seals the next cell of `table`; None: the group's."""
    flushed = _flushed.get()
    if flushed is None or table is None or table not in flushed:
        return _chosen.get()
    owners = flushed[table]
    return next(iter(owners)) if len(owners) == 1 else None


class KeyedSession(Session):
    """A session that seals the rows which it flushes with the keys of their hospitals."""

    def flush(self, objects: Any = None) -> None:
        token = _flushed.set({})
        try:
            super().flush(objects)
        finally:
            _flushed.reset(token)


def for_hospitals(model: type[Any], rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows for an `insert(model)`, the encrypted values of each with the hospital that it names."""
    from core.crypto.columns import is_encrypted

    columns = {
        mapped.key
        for mapped in inspect(model).column_attrs
        if any(isinstance(each, Column) and is_encrypted(each) for each in mapped.columns)
    }
    return [
        {
            name: ForHospital(_hospital_in(row), value) if name in columns else value
            for name, value in row.items()
        }
        if HOSPITAL in row
        else dict(row)
        for row in rows
    ]


@dataclass(frozen=True, slots=True)
class _Owner:
    """How the hospital of a row is found: in a column of it, or through the rows it hangs on."""

    column: bool
    parents: tuple[tuple[str, Mapper[Any]], ...]


@cache
def _owner_of(mapper: Mapper[Any]) -> _Owner | None:
    """None for a class without encrypted columns."""
    from core.crypto.columns import is_encrypted

    table = mapper.local_table
    assert isinstance(table, Table)
    if not any(is_encrypted(column) for column in table.columns):
        return None
    if HOSPITAL in table.columns:
        return _Owner(True, ())
    return _Owner(False, tuple(_parents(mapper)))


def _parents(mapper: Mapper[Any]) -> Iterator[tuple[str, Mapper[Any]]]:
    by_table = {each.local_table: each for each in Base.registry.mappers}
    assert isinstance(mapper.local_table, Table)
    for column, referred in hospital_parents(mapper.local_table):
        parent = by_table.get(referred.table)
        if parent is not None:
            yield mapper.get_property_by_column(column).key, parent


def hospital_parents(table: Table) -> Iterator[tuple[Column[Any], Column[Any]]]:
    """The columns of `table` that name a row with a hospital, each with the key that it names."""
    for column in table.columns:
        for key in column.foreign_keys:
            referred = key.column
            keys = [each.name for each in referred.table.primary_key]
            if HOSPITAL in referred.table.columns and keys == [referred.name]:
                yield column, referred


def _note(mapper: Mapper[Any], connection: Connection, target: Any) -> None:
    flushed = _flushed.get()
    if flushed is None:
        return
    table = mapper.local_table
    assert isinstance(table, Table)
    if HOSPITAL in table.columns and len(mapper.primary_key) == 1:
        _remember(table, mapper, target)
    owner = _owner_of(mapper)
    if owner is not None:
        flushed.setdefault(table.name, set()).add(_hospital_of(owner, target))


def _remember(table: Table, mapper: Mapper[Any], target: Any) -> None:
    """The session forgets a flushed row that nobody holds; rows that hang on it come later."""
    session: Session | None = target._sa_instance_state.session
    if session is not None:
        key = vars(target).get(mapper.get_property_by_column(mapper.primary_key[0]).key)
        session.info.setdefault(_REMEMBERED, {})[table.name, key] = _hospital_in(vars(target))


def _hospital_of(owner: _Owner, target: Any) -> UUID | None:
    # What is not loaded must not be loaded now: a flush is under way.
    values: Mapping[str, Any] = vars(target)
    if owner.column:
        return _hospital_in(values)
    session: Session | None = target._sa_instance_state.session
    if session is not None:
        for name, parent in owner.parents:
            found, hospital_id = _of_parent(session, parent, values.get(name))
            if found:
                return hospital_id
    return _chosen.get()


def _of_parent(session: Session, parent: Mapper[Any], key: Any) -> tuple[bool, UUID | None]:
    row = session.identity_map.get(identity_key(parent.class_, key)) if key is not None else None
    if row is not None:
        return True, _hospital_in(vars(row))
    table = parent.local_table
    assert isinstance(table, Table)
    remembered: dict[tuple[str, Any], UUID | None] = session.info.get(_REMEMBERED, {})
    place = (table.name, key)
    return place in remembered, remembered.get(place)


def _hospital_in(values: Mapping[str, Any]) -> UUID | None:
    found = values.get(HOSPITAL)
    return found if isinstance(found, UUID) else None


for _moment in ("before_insert", "before_update"):
    event.listen(Base, _moment, _note, propagate=True)
