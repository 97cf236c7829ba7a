"""One memory of compiled statements for all engines of a test process.

Each test has an engine of its own, and SQLAlchemy keeps compiled statements by engine and dialect:
without this every test would compile anew what the one before has compiled.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.util import LRUCache

#: Far more than the statements of the whole house.
STATEMENTS: LRUCache[Any, Any] = LRUCache(20_000)


class EqualDialect(PGDialect_asyncpg):
    """The dialect of production, equal to its like on another engine with the same settings."""

    supports_statement_cache = True

    @classmethod
    def engine_created(cls, engine: Engine) -> None:
        engine.update_execution_options(compiled_cache=STATEMENTS)

    def _settings(self) -> tuple[object, ...]:
        # Compiled statements keep the processors of values, which these make.
        return (self._json_serializer, self._json_deserializer, self.paramstyle)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EqualDialect) and self._settings() == other._settings()

    def __hash__(self) -> int:
        return hash(self._settings())


def share_compiled_statements() -> None:
    """From now on engines of this process share what they compile."""
    registry.register("postgresql.asyncpg", __name__, EqualDialect.__name__)
