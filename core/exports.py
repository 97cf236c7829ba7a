"""Tables for spreadsheets: masked by data class, guarded against formulas, audited.

A personal value leaves masked and a sensitive one not at all, unless the caller has the right to
it. The file is UTF-8 with a byte order mark, so that spreadsheets read Chinese.
"""

import csv
import io
from collections.abc import AsyncIterator, Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from sqlalchemy import Column
from sqlalchemy.orm import InstrumentedAttribute

from core import audit
from core.data_classes import DataClass, class_of
from core.masking import HIDDEN, mask_personal

if TYPE_CHECKING:
    from core.identity.caller import Caller
    from core.uow import UnitOfWork

R = TypeVar("R")

#: Rows of one file at most.
MOST = 100_000
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Field(Generic[R]):
    """One column of a file: its heading, its value of a row, and the database column it shows.

    `source` may be a data class for what is no column. `path` is the name under which a right to
    the whole value, or a ban on it, is known.
    """

    heading: str
    value: Callable[[R], Any]
    source: "InstrumentedAttribute[Any] | DataClass" = DataClass.INTERNAL
    path: str = ""

    def cell(self, row: R, whole: Container[str], hidden: Container[str]) -> str:
        """The text of one cell, as the caller may have it."""
        value = self.value(row)
        if value is None or self.path in hidden:
            return ""
        if self.path and self.path in whole:
            return str(value)
        grade, name = self._grade()
        if grade is DataClass.SENSITIVE:
            return HIDDEN
        return mask_personal(name, value) if grade is DataClass.PERSONAL else str(value)

    def _grade(self) -> tuple[DataClass, str]:
        if isinstance(self.source, DataClass):
            return self.source, self.path.rpartition(".")[2]
        column = self.source.property.columns[0]
        assert isinstance(column, Column)
        return class_of(column) or DataClass.SENSITIVE, column.name


async def as_csv(
    fields: Sequence[Field[R]],
    pages: AsyncIterator[Sequence[R]],
    *,
    whole: Container[str] = (),
    hidden: Container[str] = (),
) -> tuple[bytes, int]:
    """The file and how many rows are in it, at most `MOST`.

    `whole` holds the paths that the caller may have unmasked, `hidden` those that he may not have.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([field.heading for field in fields])
    written = 0
    async for page in pages:
        for row in page[: MOST - written]:
            writer.writerow([guarded(field.cell(row, whole, hidden)) for field in fields])
        written = min(MOST, written + len(page))
        if written == MOST:
            break
    return ("\ufeff" + out.getvalue()).encode(), written


async def note(
    uow: "UnitOfWork",
    caller: "Caller",
    object_type: str,
    rows: int,
    filters: Mapping[str, Any],
    *,
    unmasked: bool = False,
) -> None:
    """Record an export: what was asked for, how many rows left, whether unmasked."""
    detail: dict[str, Any] = {
        "rows": rows,
        "filters": {key: value for key, value in filters.items() if value not in (None, "", ())},
    }
    if unmasked:
        detail["unmasked"] = True
    await audit.record(uow, caller, f"{object_type}.export", object_type, "list", detail=detail)


def guarded(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return "'" + cell if cell.startswith(_FORMULA) else cell
