"""The values in force, held in memory by every process; changes reach it through the bus."""

import time
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from core.settings.models import SettingValue
from core.settings.registry import Scope

if TYPE_CHECKING:
    from core.runtime import Runtime

CHANNEL = "settings.changed"
#: A lost hint is healed after this time.
RELOAD_SECONDS = 30.0

Place = tuple[str, Scope, UUID, UUID]
Values = dict[Place, Any]

#: Marks a session that has written values which are not committed yet.
_CHANGED = "settings_changed"


class SettingsCache:
    """All rows of `setting_values` (there are few): loaded whole, dropped whole."""

    def __init__(self) -> None:
        self._values: Values | None = None
        self._loaded_at = 0.0
        self._generation = 0

    @classmethod
    def of(cls, runtime: "Runtime") -> Self:
        """The cache of this process, made and subscribed on first use."""
        cache = runtime.ports.get(cls)
        if cache is None:
            cache = runtime.ports[cls] = cls()
            runtime.bus.subscribe(CHANNEL, cache.on_change)
        return cache

    async def on_change(self, payload: dict[str, Any]) -> None:
        """Bus listener: forget everything, whatever changed."""
        self.drop()

    def drop(self) -> None:
        """Forget everything; a load under way is not kept either."""
        self._generation += 1
        self._values = None

    def held(self) -> Values | None:
        """The values when they are loaded and fresh."""
        if time.monotonic() - self._loaded_at > RELOAD_SECONDS:
            return None
        return self._values

    async def load(self, session: AsyncSession) -> Values:
        """Read the values; kept for later unless the session has uncommitted changes."""
        held = self.held()
        if held is not None and not session.info.get(_CHANGED):
            return held
        generation, started = self._generation, time.monotonic()
        rows = await session.execute(
            select(
                SettingValue.key,
                SettingValue.scope,
                SettingValue.hospital_id,
                SettingValue.scope_id,
                SettingValue.value,
            )
        )
        values: Values = {(row[0], row[1], row[2], row[3]): row[4] for row in rows}
        if generation == self._generation and not session.info.get(_CHANGED):
            self._values, self._loaded_at = values, started
        return values


def mark_changed(session: AsyncSession) -> None:
    """Say that this session's transaction has changed values."""
    session.info[_CHANGED] = True
