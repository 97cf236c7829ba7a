"""Column types that the clinical tables share."""

from enum import StrEnum
from typing import Any

from sqlalchemy import Enum


def word(kind: type[StrEnum]) -> Any:
    """A word of an enumeration, stored as its value, so that a new one needs no migration."""
    return Enum(
        kind,
        native_enum=False,
        create_constraint=False,
        length=32,
        values_callable=lambda members: [member.value for member in members],
    )
