"""How sensitive each column is, declared where the column is.

A column says its class in `info`: `phone = mapped_column(EncryptedText(), info=PERSONAL)`.
Keys, UUIDs (they name nobody by themselves), references and times are `INTERNAL` without a word;
every other column must say. `zhenjian check data` lists those that do not.

Source: the national data classification policy as MLPS level 3 and GB/T 39725 (health data) use it,
folded into the four grades of the requirements (S1-219).
"""

from collections.abc import Iterator
from enum import IntEnum
from typing import Any, Final

from sqlalchemy import Column, DateTime, MetaData, Uuid

from core.masking import HIDDEN, mask_personal

_KEY = "data_class"


class DataClass(IntEnum):
    """A grade, in rising order of care."""

    PUBLIC = 1
    INTERNAL = 2
    PERSONAL = 3
    SENSITIVE = 4

    @property
    def label(self) -> str:
        """The Chinese label for screens."""
        return ("公开", "内部", "个人", "敏感")[self - 1]


#: Shown to anybody: names of hospitals, departments, doctors' public pages.
PUBLIC: Final[dict[Any, Any]] = {_KEY: DataClass.PUBLIC}
#: The hospital's own affairs: states, settings, amounts, technical marks.
INTERNAL: Final[dict[Any, Any]] = {_KEY: DataClass.INTERNAL}
#: Says who somebody is: names, telephone and identity numbers, addresses, devices.
PERSONAL: Final[dict[Any, Any]] = {_KEY: DataClass.PERSONAL}
#: Health data, credentials, keys, children's data, biometrics, location tracks.
SENSITIVE: Final[dict[Any, Any]] = {_KEY: DataClass.SENSITIVE}


def class_of(column: Column[Any]) -> DataClass | None:
    """The declared class, or INTERNAL for keys, UUIDs and times; None when nobody said."""
    declared = column.info.get(_KEY)
    if declared is not None:
        return DataClass(declared)
    if column.primary_key or column.foreign_keys or _is(column, DateTime, Uuid):
        return DataClass.INTERNAL
    return None


def unclassified(metadata: MetaData) -> Iterator[Column[Any]]:
    """Columns without a class, in the order of their tables."""
    for table in metadata.sorted_tables:
        for column in table.columns:
            if class_of(column) is None:
                yield column


def _is(column: Column[Any], *kinds: type[Any]) -> bool:
    return isinstance(getattr(column.type, "impl_instance", column.type), kinds)


def mask_cell(column: Column[Any], value: Any) -> Any:
    """A cell as others may read it: personal values masked, sensitive ones hidden, by class.

    The answer is JSON-ready: words and numbers stay, other values become text.
    """
    if value is None or isinstance(value, bool):
        return value
    grade = class_of(column)
    if grade is None or grade is DataClass.SENSITIVE or isinstance(value, bytes):
        return HIDDEN
    value = getattr(value, "value", value)
    if grade is DataClass.PERSONAL:
        return mask_personal(column.name, value)
    return value if isinstance(value, int | float | str) else str(value)
