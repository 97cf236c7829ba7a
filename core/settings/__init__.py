"""Business settings: typed, declared by the module that reads them, changed while the house runs.

Purpose: one value per key for the group, a hospital, a department or a person; the nearest wins.
Announces: `SettingChanged`.
Hears: nothing (caches drop through the bus channel `settings.changed`).

    ACCEPT_MINUTES = declare("consultation.accept_minutes", int, 30, title="接诊时限", unit="分钟")
    minutes = await settings.get(uow, ACCEPT_MINUTES, hospital_id=caller.hospital_id)
"""

from core.settings.registry import Scope, Setting, declare, declared, find
from core.settings.service import current, get

__all__ = ["Scope", "Setting", "current", "declare", "declared", "find", "get"]
