"""Which rows are protected and how their MACs are made.

A MAC is HMAC-SM3 over the canonical form of the protected columns, bound to table, row and version.
Encrypted columns go in as plaintext, so that a cell sealed anew under another key keeps its MAC.
A column that is NULL is left out: a nullable column may join the list later without making the
MACs of older rows false.
"""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

import orjson
from sqlalchemy import ARRAY, JSON, Column, Float, String, Text, Uuid, inspect
from sqlalchemy.orm import Mapped, declared_attr, mapped_column

from core.crypto.columns import EncryptedJSON
from core.crypto.keyring import Keyring
from core.crypto.row_mac import row_mac, row_mac_matches
from core.data_classes import INTERNAL
from core.db import Base

VERSION = "integrity_version"
MAC = "integrity_mac"


class Protected:
    """A row whose changes are counted, sealed with a MAC and entered in the ledger.

    `class Order(Protected, Base): __protected__ = ("number", "state", …)`. The primary key is
    always covered. A change made on older knowledge of the row fails (`StaleDataError`) instead of
    overwriting the newer one.
    """

    __protected__: ClassVar[tuple[str, ...]] = ()

    integrity_version: Mapped[int] = mapped_column(default=0, server_default="0", info=INTERNAL)
    integrity_mac: Mapped[str] = mapped_column(Text, default="", server_default="", info=INTERNAL)

    @declared_attr.directive
    @classmethod
    def __mapper_args__(cls) -> dict[str, Any]:
        return {"version_id_col": cls.integrity_version, "version_id_generator": False}


class WrittenOnce:
    """A row that is never changed after it was written; its MAC stands in `mac`.

    `__protected__` names all columns under the MAC, `__protected_later__` those that joined after
    the first release and are left out while NULL.
    """

    __protected__: ClassVar[tuple[str, ...]] = ()
    __protected_later__: ClassVar[tuple[str, ...]] = ()

    mac: Mapped[str] = mapped_column(Text, info=INTERNAL)


@dataclass(frozen=True)
class Protection:
    """How the rows of one table are protected."""

    model: type[Any]
    table: str
    key: tuple[str, ...]
    columns: tuple[str, ...]
    later: tuple[str, ...]
    once: bool

    @property
    def covered(self) -> tuple[str, ...]:
        """Attributes under the MAC."""
        return (*self.columns, *self.later)

    @property
    def mac_column(self) -> str:
        return "mac" if self.once else MAC

    def row_id(self, values: Mapping[str, Any]) -> str:
        """The key of a row as the ledger writes it."""
        return "/".join(str(values[name]) for name in self.key)

    def parse_key(self, row_id: str) -> dict[str, Any]:
        """The key columns of a ledger's row id."""
        parts = row_id.split("/") if len(self.key) > 1 else [row_id]
        return {
            name: UUID(part) if isinstance(self.column(name).type, Uuid) else part
            for name, part in zip(self.key, parts, strict=True)
        }

    def column(self, name: str) -> Column[Any]:
        column: Column[Any] = self.model.__table__.c[name]
        return column

    def mac(self, keyring: Keyring, values: Mapping[str, Any], version: int) -> str:
        """The MAC of a row with these values (normal form) and version."""
        return row_mac(
            keyring, self.table, self._sealed(values, version), values.get("hospital_id")
        )

    def matches(self, keyring: Keyring, values: Mapping[str, Any], version: int, mac: str) -> bool:
        """Whether `mac` was made for exactly these values and this version."""
        return row_mac_matches(keyring, self.table, self._sealed(values, version), mac)

    def _sealed(self, values: Mapping[str, Any], version: int) -> dict[str, Any]:
        if self.once:
            later = {name: values[name] for name in self.later if values[name] is not None}
            return {name: values[name] for name in self.columns} | later
        filled = {name: values[name] for name in self.covered if values[name] is not None}
        return {"row": self.row_id(values), "version": version, "columns": filled}


_known: dict[type[Any], Protection] = {}


def protection_of(model: type[Any]) -> Protection:
    """The protection of a protected class; raises `TypeError` for a list that makes no sense."""
    found = _known.get(model)
    if found is None:
        found = _known[model] = _read(model)
    return found


def _read(model: type[Any]) -> Protection:
    table = model.__table__
    columns = table.c
    names: Sequence[str] = model.__protected__
    later: Sequence[str] = getattr(model, "__protected_later__", ())
    unknown = [name for name in (*names, *later) if name not in columns]
    if unknown or not names:
        raise TypeError(f"{model.__name__} protects no column or unknown ones: {unknown}.")
    key = tuple(column.name for column in table.primary_key)
    covered = (*key, *(name for name in names if name not in key))
    return Protection(model, table.name, key, covered, tuple(later), issubclass(model, WrittenOnce))


def protections() -> list[Protection]:
    """Every protected table, in the order of their names."""
    models = [mapper.class_ for mapper in Base.registry.mappers]
    found = [protection_of(m) for m in models if issubclass(m, (Protected, WrittenOnce))]
    return sorted(found, key=lambda each: each.table)


def normal(column: Column[Any], value: Any) -> Any:
    """A value as it will be read back from its column."""
    if value is None:
        return None
    kind = column.type
    if isinstance(kind, EncryptedJSON | JSON):
        return orjson.loads(orjson.dumps(value))
    if isinstance(kind, ARRAY):
        return list(value)
    if isinstance(kind, Float):
        return float(value)
    if isinstance(kind, String):
        return getattr(value, "value", value)
    return value


def values_of(protection: Protection, row: Any) -> dict[str, Any]:
    """The covered values of a mapped object, in normal form."""
    return {
        name: normal(protection.column(name), getattr(row, name)) for name in protection.covered
    }


def changed(protection: Protection, row: Any) -> bool:
    """Whether a loaded object differs from the database in a covered column."""
    attributes = inspect(row).attrs
    return any(attributes[name].history.has_changes() for name in protection.covered)


def missing(protection: Protection, given: Container[str]) -> dict[str, Any]:
    """What an INSERT would fill in by itself for covered columns that were not given."""
    found: dict[str, Any] = {}
    for name in protection.covered:
        default = protection.column(name).default
        if name not in given and default is not None:
            argument: Any = default.arg  # type: ignore[attr-defined]
            found[name] = argument(None) if default.is_callable else argument
    return found
