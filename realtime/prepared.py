"""A statement that runs prepared, on a connection that it keeps for itself.

Without a session and a transaction around it: a single statement is its own transaction, and that
saves the round trips and the bookkeeping that cost more than the statement.
"""

from typing import Any

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection

from core.runtime import Runtime

#: SQLSTATE classes that say something of the server and nothing of what was asked: out of
#: resources, shut down, broken, in an impossible state.
_OF_THE_SERVER = frozenset({"08", "53", "57", "58", "25", "XX"})


class Prepared:
    """One statement of one process. One call at a time."""

    def __init__(self, runtime: Runtime, sql: str) -> None:
        self._runtime = runtime
        self._sql = sql
        self._connection: AsyncConnection | None = None
        self._statement: Any = None

    @property
    def is_open(self) -> bool:
        return self._statement is not None

    async def fetch(self, *arguments: Any) -> list[Any]:
        """Its rows. Raises asyncpg's and SQLAlchemy's errors and OSError."""
        statement = self._statement or await self._open()
        try:
            rows: list[Any] = await statement.fetch(*arguments)
        except asyncpg.PostgresError as error:
            if is_of_the_server(error):
                await self.close()
            raise
        except BaseException:
            await self.close()
            raise
        return rows

    async def _open(self) -> Any:
        connection = await self._runtime.engine.connect()
        try:
            raw = await connection.get_raw_connection()
            driver: Any = raw.driver_connection
            self._statement = await driver.prepare(self._sql)
        except BaseException:
            await connection.invalidate()
            await connection.close()
            raise
        self._connection = connection
        return self._statement

    async def close(self) -> None:
        """Let the connection go: whatever it was in the middle of, nobody else gets it."""
        connection, self._connection, self._statement = self._connection, None, None
        if connection is not None:
            await connection.invalidate()
            await connection.close()


def sqlstate(error: BaseException) -> str:
    """The SQLSTATE of a database error, empty for others."""
    original = getattr(error, "orig", error)
    return getattr(original, "sqlstate", None) or ""


def is_of_the_server(error: BaseException) -> bool:
    """Whether anything else that is asked would fail just the same."""
    return getattr(error, "connection_invalidated", False) or sqlstate(error)[:2] in _OF_THE_SERVER
