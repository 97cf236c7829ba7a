"""What a hospital can set about ratings."""

from core.settings import declare

REMIND_HOURS = declare(
    "rating.remind_hours",
    int,
    24,
    "未评价提醒",
    "问诊结束后多久仍未评价时提醒一次；0 表示不提醒",
    "小时",
    minimum=0,
    maximum=168,
)
