"""Typed events: small frozen dataclasses in the past tense, and the tables of their handlers.

A module announces events from its ``events.py`` and reacts in its ``handlers.py`` with two tables:
``WITH_COMMIT`` reactions run in the same transaction and must succeed with the change;
``AFTER_COMMIT`` reactions are stored with the change in the outbox and retried until they are
done.
"""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from pydantic import TypeAdapter

if TYPE_CHECKING:
    from core.runtime import Runtime
    from core.uow import UnitOfWork


@dataclasses.dataclass(frozen=True, kw_only=True)
class Event:
    """What happened: in which hospital, to which aggregate, when (UTC)."""

    name: ClassVar[str] = ""

    hospital_id: uuid.UUID
    aggregate_id: uuid.UUID
    occurred_at: datetime


E = TypeVar("E", bound=type[Event])
_registry: dict[str, type[Event]] = {}


def event(name: str) -> Callable[[E], E]:
    """Register an event class under its stable wire name, ``"room.closed"``."""

    def register(cls: E) -> E:
        if name in _registry and _registry[name].__qualname__ != cls.__qualname__:
            raise RuntimeError(f"Two event classes are named {name!r}.")
        cls.name = name
        _registry[name] = cls
        return cls

    return register


def event_class(name: str) -> type[Event]:
    """The class registered under a name. Raises KeyError for a name that nobody registered."""
    return _registry[name]


def dump(item: Event) -> dict[str, Any]:
    """An event as JSON-ready data."""
    data: dict[str, Any] = TypeAdapter(type(item)).dump_python(item, mode="json")
    return data


def load(name: str, data: Mapping[str, Any]) -> Event:
    """The event that :func:`dump` wrote."""
    return TypeAdapter(event_class(name)).validate_python(dict(data))


# A reaction is written for the class it is registered under, which the type system cannot say of a
# heterogeneous table: hence Any.
WithCommit = Callable[["UnitOfWork", Any], Awaitable[None]]
AfterCommit = Callable[["Runtime", Any], Awaitable[None]]
WithCommitTable = Mapping[type[Event], Sequence[WithCommit]]
AfterCommitTable = Mapping[type[Event], Sequence[AfterCommit]]


def handler_name(handler: Callable[..., Any]) -> str:
    """The stable name under which a reaction's progress is stored."""
    return f"{handler.__module__}.{handler.__qualname__}"


@dataclasses.dataclass(frozen=True)
class Handlers:
    """All handler tables of all modules, merged in module order."""

    with_commit: Mapping[type[Event], tuple[WithCommit, ...]]
    after_commit: Mapping[type[Event], tuple[AfterCommit, ...]]

    @classmethod
    def merge(
        cls,
        with_commit: Iterable[WithCommitTable],
        after_commit: Iterable[AfterCommitTable],
    ) -> Handlers:
        return cls(_merge(with_commit), _merge(after_commit))

    def after_commit_named(self, event_type: type[Event]) -> dict[str, AfterCommit]:
        return {handler_name(h): h for h in self.after_commit.get(event_type, ())}


H = TypeVar("H")


def _merge(
    tables: Iterable[Mapping[type[Event], Sequence[H]]],
) -> dict[type[Event], tuple[H, ...]]:
    merged: dict[type[Event], tuple[H, ...]] = {}
    for table in tables:
        for event_type, handlers in table.items():
            merged[event_type] = (*merged.get(event_type, ()), *handlers)
    return merged
