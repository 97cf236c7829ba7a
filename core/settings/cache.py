"""The values in force, held in memory by every process; changes reach it through the bus."""

from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import select

from core.remembered import Remembered
from core.settings.models import SettingValue
from core.settings.registry import Scope

if TYPE_CHECKING:
    from core.uow import UnitOfWork

CHANNEL = "settings.changed"

Place = tuple[str, Scope, UUID, UUID]
Values = dict[Place, Any]


class SettingsCache(Remembered[Values]):
    """All rows of `setting_values`: there are few."""

    channels = (CHANNEL,)

    async def _load(self, uow: "UnitOfWork") -> Values:
        rows = await uow.session.execute(
            select(
                SettingValue.key,
                SettingValue.scope,
                SettingValue.hospital_id,
                SettingValue.scope_id,
                SettingValue.value,
            )
        )
        return {(row[0], row[1], row[2], row[3]): row[4] for row in rows}
