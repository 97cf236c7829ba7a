"""Reading protected rows cell by cell, so that a damaged cell is a finding and not an error."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Enum, LargeBinary, String, cast, func, literal, type_coerce
from sqlalchemy.dialects.postgresql import dialect

from core.crypto.columns import EncryptedBytes, EncryptedJSON, EncryptedText
from core.crypto.sm import DecryptionError
from core.integrity.protection import VERSION, Protection, normal

_ENCRYPTED = (EncryptedText, EncryptedJSON, EncryptedBytes)
_DIALECT = dialect()  # type: ignore[no-untyped-call]


class Unreadable(Exception):
    """A cell does not decrypt to what its column holds; `column` names it."""

    def __init__(self, column: str) -> None:
        super().__init__(column)
        self.column = column


def raw_columns(protection: Protection) -> list[ColumnElement[Any]]:
    """The covered columns, ciphertexts as bytes and words as they stand, and version and MAC."""
    table = protection.model.__table__
    names = [*protection.covered, protection.mac_column]
    if not protection.once:
        names.append(VERSION)
    return [_raw(table.c[name]) for name in names]


def _raw(column: Any) -> ColumnElement[Any]:
    if isinstance(column.type, _ENCRYPTED):
        return type_coerce(column, LargeBinary).label(column.name)
    if isinstance(column.type, Enum):
        return type_coerce(column, String).label(column.name)
    raw: ColumnElement[Any] = column
    return raw


def decode(protection: Protection, row: Mapping[str, Any]) -> dict[str, Any]:
    """The covered values of a raw row, in normal form; raises `Unreadable`."""
    values = {}
    for name in protection.covered:
        column, value = protection.column(name), row[name]
        if value is not None and isinstance(column.type, _ENCRYPTED):
            try:
                value = column.type.process_result_value(value, _DIALECT)
            except (DecryptionError, ValueError) as error:
                raise Unreadable(name) from error
        values[name] = normal(column, value)
    return values


def key_of(protection: Protection, row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in protection.key}


def key_text(protection: Protection) -> ColumnElement[str]:
    """The key of a row in SQL, as the ledger writes it."""
    parts = [cast(protection.column(name), String) for name in protection.key]
    if len(parts) == 1:
        return parts[0]
    return func.concat_ws(literal("/"), *parts)
