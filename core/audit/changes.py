"""What a change was, before and after, without saying more than its data class allows."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import event, inspect
from sqlalchemy.orm import Session, UOWTransaction
from sqlalchemy.orm.base import PASSIVE_NO_INITIALIZE

from core.data_classes import DataClass, class_of, mask_cell

#: Stands for a value of which the audit only says that it changed.
NAMED_ONLY = None
Changes = dict[str, list[Any] | None]
_NOTES = "audit_notes"
#: Columns that say nothing to a reader.
_SILENT = frozenset({"integrity_version", "integrity_mac", "changed_at", "updated_at"})


def state_of(row: Any) -> dict[str, Any]:
    """The column values of a loaded object, to be compared later; leaves unloaded ones out."""
    state = inspect(row)
    return {name: state.dict[name] for name in _names(state) if name in state.dict}


def changes_of(row: Any, before: Mapping[str, Any] | None = None) -> Changes:
    """What changed at an object: `{column: [before, after]}`, `{column: None}` for sensitive ones.

    Compares with `before` (from `state_of`), or without it with what stood in the database when
    this transaction began, whether the change is flushed already or not; a new object has no
    before. Personal values are masked.
    """
    state = inspect(row)
    if before is None:
        before = {**_pending(state), **_noted(state)}
    found: Changes = {}
    for name in _names(state):
        if name in _SILENT or name not in state.dict or name not in before:
            continue
        old, new = before[name], state.dict[name]
        if old == new:
            continue
        column = state.mapper.columns[name]
        if class_of(column) in (None, DataClass.SENSITIVE):
            found[name] = NAMED_ONLY
        else:
            found[name] = [mask_cell(column, old), mask_cell(column, new)]
    return found


@event.listens_for(Session, "before_flush")
def _note(session: Session, context: UOWTransaction, instances: Sequence[Any] | None) -> None:
    """Remember what stood there before, because a flush forgets it."""
    noted: dict[Any, dict[str, Any]] = session.info.setdefault(_NOTES, {})
    for row in session.dirty:
        state = inspect(row)
        for name, value in _pending(state).items():
            noted.setdefault(state, {}).setdefault(name, value)
    for row in session.new:
        noted[inspect(row)] = _pending(inspect(row))


def _noted(state: Any) -> dict[str, Any]:
    session = state.session
    notes: dict[Any, dict[str, Any]] = session.info.get(_NOTES, {}) if session else {}
    return notes.get(state, {})


def _pending(state: Any) -> dict[str, Any]:
    """What stands in the database of the columns that were changed since the last flush."""
    if state.key is None:
        return dict.fromkeys(_names(state))
    found: dict[str, Any] = {}
    for name in _names(state):
        if name in state.committed_state:
            history = state.get_history(name, PASSIVE_NO_INITIALIZE)
            if history.has_changes():
                found[name] = history.deleted[0] if history.deleted else None
    return found


def _names(state: Any) -> list[str]:
    return [attribute.key for attribute in state.mapper.column_attrs]
