"""Rows for many tables, written with few statements."""

from collections import defaultdict
from typing import Any

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from core.crypto.scope import for_hospitals
from core.db import Base
from core.integrity import Protected, WrittenOnce, insert_many


class Batch:
    """Collects rows by table and writes them in the order in which the tables depend."""

    def __init__(self) -> None:
        self._rows: dict[type[Base], list[dict[str, Any]]] = defaultdict(list)

    def add(self, model: type[Base], **values: Any) -> None:
        """Remember one row; all rows of a table must name the same columns."""
        self._rows[model].append(values)

    def count(self, model: type[Base]) -> int:
        return len(self._rows[model])

    def rows(self, model: type[Base]) -> list[dict[str, Any]]:
        """What was collected for a table and not written yet."""
        return list(self._rows[model])

    async def write(self, session: AsyncSession, *models: type[Base]) -> None:
        """Write everything that was collected (or only these tables) and forget it."""
        order = {table: place for place, table in enumerate(Base.metadata.sorted_tables)}
        chosen = [model for model in self._rows if not models or model in models]
        for model in sorted(chosen, key=lambda each: order[each.__table__]):  # type: ignore[index]
            if issubclass(model, Protected | WrittenOnce):
                await insert_many(session, model, self._rows[model])
            else:
                await session.execute(insert(model), for_hospitals(model, self._rows[model]))
            del self._rows[model]
