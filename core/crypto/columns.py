"""Encrypted columns: the application sees text, JSON or bytes, the database only ciphertext.

`phone: Mapped[str] = mapped_column(EncryptedText())`. The context that binds the ciphertext to its
column is `table.column`, taken when the column joins its table; give it explicitly
(`EncryptedText("users.phone")`) to keep reading old cells after a table or column is renamed.
Whose key seals a cell is decided in `core.crypto.scope`.
Encrypted columns cannot be compared or sorted in SQL: search through a blind index column.
"""

from collections.abc import Sequence
from typing import Any

import orjson
from sqlalchemy import Column, ColumnElement, Dialect, LargeBinary, Table, event, type_coerce
from sqlalchemy.types import TypeDecorator

from core.crypto.keyring import installed_keyring
from core.crypto.scope import ForHospital, hospital_for
from core.crypto.sealing import seal, unseal


class _Encrypted(TypeDecorator[Any]):
    """Seals on the way in, unseals on the way out; NULL stays NULL."""

    impl = LargeBinary
    cache_ok = True

    def __init__(self, context: str | None = None, table: str | None = None) -> None:
        super().__init__()
        self.context = context
        self.table = table

    def encode(self, value: Any) -> bytes:
        """The plaintext bytes of a Python value."""
        raise NotImplementedError

    def decode(self, data: bytes) -> Any:
        """The Python value of plaintext bytes."""
        raise NotImplementedError

    def process_bind_param(self, value: Any, dialect: Dialect) -> bytes | None:
        if isinstance(value, ForHospital):
            hospital_id, value = value.hospital_id, value.value
        else:
            hospital_id = hospital_for(self.table)
        if value is None:
            return None
        return seal(installed_keyring(), self._place(), self.encode(value), hospital_id)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else self.opened(bytes(value))

    def opened(self, cell: bytes) -> Any:
        """The Python value of a cell's ciphertext."""
        return self.decode(unseal(installed_keyring(), self._place(), cell))

    def _place(self) -> str:
        if self.context is None:
            raise RuntimeError("An encrypted type is used outside a table column.")
        return self.context


class EncryptedText(_Encrypted):
    """A string at rest as SM4-GCM ciphertext."""

    cache_ok = True

    def encode(self, value: Any) -> bytes:
        if not isinstance(value, str):
            raise TypeError("EncryptedText takes a string.")
        return value.encode()

    def decode(self, data: bytes) -> str:
        return data.decode()


class EncryptedJSON(_Encrypted):
    """A JSON value (objects with string keys) at rest as SM4-GCM ciphertext."""

    cache_ok = True

    def encode(self, value: Any) -> bytes:
        return orjson.dumps(value)

    def decode(self, data: bytes) -> Any:
        return orjson.loads(data)


class EncryptedBytes(_Encrypted):
    """Raw bytes at rest as SM4-GCM ciphertext."""

    cache_ok = True

    def encode(self, value: Any) -> bytes:
        if not isinstance(value, bytes | bytearray | memoryview):
            raise TypeError("EncryptedBytes takes bytes.")
        return bytes(value)

    def decode(self, data: bytes) -> bytes:
        return data


def is_encrypted(column: Column[Any]) -> bool:
    """Whether the cells of this column are ciphertext."""
    return isinstance(column.type, _Encrypted)


def context_of(column: Column[Any]) -> str:
    """What the cells of an encrypted column are bound to."""
    assert isinstance(column.type, _Encrypted)
    return column.type._place()


def sealed(attribute: Any) -> ColumnElement[bytes]:
    """The ciphertext of an encrypted column, for a query whose cells are opened elsewhere."""
    return type_coerce(attribute, LargeBinary)


def open_cells(attribute: Any, cells: Sequence[bytes]) -> list[Any]:
    """The values of cells that `sealed` brought. CPU-bound: many of them belong into a thread."""
    [column] = attribute.property.columns
    assert isinstance(column.type, _Encrypted)
    return [column.type.opened(cell) for cell in cells]


@event.listens_for(Column, "after_parent_attach")
def _bind_context(column: Column[Any], table: Table) -> None:
    """Give the column its own type object that knows which cell it fills."""
    if isinstance(column.type, _Encrypted) and column.type.table is None:
        context = column.type.context or f"{table.name}.{column.name}"
        column.type = type(column.type)(context, table.name)
