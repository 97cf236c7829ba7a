"""What a change was, before and after, without saying more than its data class allows."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import inspect

from core.data_classes import DataClass, class_of, mask_cell

#: Stands for a value of which the audit only says that it changed.
NAMED_ONLY = None
Changes = dict[str, list[Any] | None]
#: Columns that say nothing to a reader.
_SILENT = frozenset({"integrity_version", "integrity_mac", "changed_at", "updated_at"})


def state_of(row: Any) -> dict[str, Any]:
    """The column values of a loaded object, to be compared later; leaves unloaded ones out."""
    state = inspect(row)
    return {name: state.dict[name] for name in _names(state) if name in state.dict}


def changes_of(row: Any, before: Mapping[str, Any] | None = None) -> Changes:
    """What changed at an object: `{column: [before, after]}`, `{column: None}` for sensitive ones.

    Compares with `before` (from `state_of`), or without it with what was loaded, as long as the
    change is not flushed; a new object has no before. Personal values are masked.
    """
    state = inspect(row)
    found: Changes = {}
    for name in _names(state):
        if name in _SILENT or name not in state.dict:
            continue
        old, new = _pair(state, name, before)
        if old == new:
            continue
        column = state.mapper.columns[name]
        if class_of(column) is DataClass.SENSITIVE or class_of(column) is None:
            found[name] = NAMED_ONLY
        else:
            found[name] = [mask_cell(column, old), mask_cell(column, new)]
    return found


def _names(state: Any) -> list[str]:
    return [attribute.key for attribute in state.mapper.column_attrs]


def _pair(state: Any, name: str, before: Mapping[str, Any] | None) -> tuple[Any, Any]:
    new = state.dict[name]
    if before is not None:
        return before.get(name), new
    history = state.attrs[name].history
    if not history.has_changes():
        return new, new
    return (history.deleted[0] if history.deleted else None), new
