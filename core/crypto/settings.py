"""Settings of the keys; they hold for the whole installation."""

from typing import Final

from core.crypto.periods import Period
from core.settings import Scope, declare

PERIOD: Final = declare(
    "keys.period",
    str,
    Period.QUARTER.value,
    "数据密钥周期",
    "每家医院每个周期使用一组新的数据密钥。",
    choices={"month": "按月", "quarter": "按季度", "year": "按年"},
    scopes=[Scope.GROUP],
)
KEK_DAYS: Final = declare(
    "keys.kek_days",
    int,
    365,
    "主密钥更换期限",
    "主密钥使用超过此天数时提醒更换。",
    "天",
    minimum=1,
    maximum=3650,
    scopes=[Scope.GROUP],
)
BACKUP_DAYS: Final = declare(
    "keys.backup_days",
    int,
    90,
    "密钥备份期限",
    "距上次密钥备份超过此天数时提醒。",
    "天",
    minimum=1,
    maximum=3650,
    scopes=[Scope.GROUP],
)
DRILL_DAYS: Final = declare(
    "keys.drill_days",
    int,
    180,
    "恢复演练期限",
    "距上次成功的恢复演练超过此天数时提醒。",
    "天",
    minimum=1,
    maximum=3650,
    scopes=[Scope.GROUP],
)
