"""Every encrypted cell of the database: which tables have some, whose they are, what seals them."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Column,
    LargeBinary,
    Select,
    Table,
    Uuid,
    column,
    literal,
    select,
    table,
    tuple_,
    type_coerce,
)
from sqlalchemy.orm import Mapper

from core.crypto.columns import context_of, is_encrypted
from core.crypto.keyring import Keyring
from core.crypto.keys import Key, Purpose
from core.crypto.scope import HOSPITAL, hospital_parents
from core.crypto.sealing import seal, sealed_with, unseal
from core.db import Base


@dataclass(frozen=True)
class EncryptedTable:
    """A table with encrypted columns."""

    mapper: Mapper[Any]

    @property
    def name(self) -> str:
        return self.table.name

    @property
    def table(self) -> Table:
        found = self.mapper.local_table
        assert isinstance(found, Table)
        return found

    @cached_property
    def columns(self) -> tuple[Column[Any], ...]:
        """The encrypted ones."""
        return tuple(each for each in self.table.columns if is_encrypted(each))

    @cached_property
    def key(self) -> tuple[Column[Any], ...]:
        return tuple(self.table.primary_key.columns)

    @cached_property
    def bare(self) -> Any:
        """The same table with its cells as bytes, for updates that must not seal anew."""
        keys = [column(each.name, each.type) for each in self.key]
        return table(self.name, *keys, *(column(each.name, LargeBinary) for each in self.columns))

    def page(self, after: list[Any] | None, limit: int) -> Select[Any]:
        """Rows in the order of their keys: the key, the hospital (or NULL), the cells as bytes."""
        hospital, joined = self._hospital()
        cells = [type_coerce(each, LargeBinary).label(f"cell_{each.name}") for each in self.columns]
        query = select(*self.key, hospital.label("owning_hospital"), *cells).select_from(joined)
        if after is not None:
            query = query.where(tuple_(*self.key) > tuple_(*self._bound(after)))
        return query.order_by(*self.key).limit(limit)

    def _bound(self, values: list[Any]) -> Iterator[Any]:
        """Key values out of JSON as literals of their columns' types."""
        for each, value in zip(self.key, values, strict=True):
            kind = each.type.python_type
            yield literal(kind(value) if kind is UUID else value, each.type)

    def _hospital(self) -> tuple[Any, Any]:
        if HOSPITAL in self.table.columns:
            return self.table.c[HOSPITAL], self.table
        for own, parent in hospital_parents(self.table):
            joined = self.table.outerjoin(parent.table, own == parent)
            return parent.table.c[HOSPITAL], joined
        # Nothing says whose it is: it is the group's.
        return literal(None, Uuid), self.table


def encrypted_tables() -> list[EncryptedTable]:
    """All of them, by name."""
    found = [
        EncryptedTable(mapper)
        for mapper in Base.registry.mappers
        if isinstance(mapper.local_table, Table)
        and any(is_encrypted(each) for each in mapper.local_table.columns)
    ]
    return sorted(found, key=lambda each: each.name)


def encrypted_table(name: str) -> EncryptedTable | None:
    """The table of this name; None for one that is gone since."""
    return next((each for each in encrypted_tables() if each.name == name), None)


def key_for(keyring: Keyring, owner: UUID | None) -> Key:
    """The key that should seal the cells of this owner now."""
    return keyring.current(Purpose.DATA, owner)


def reseal(keyring: Keyring, place: Column[Any], cell: bytes, owner: UUID | None) -> bytes | None:
    """The same cell under the current key of its owner; None when it is that already.

    Raises `DecryptionError` for a cell that does not open.
    """
    if sealed_with(cell) == key_for(keyring, owner).id:
        return None
    context = context_of(place)
    return seal(keyring, context, unseal(keyring, context, cell), owner)
