"""What a hospital can set about notifications."""

from core.settings import declare

QUIET_FROM = declare(
    "notifications.quiet_from_hour",
    int,
    22,
    "免打扰开始",
    "此时起除紧急事项外不向外推送；与结束时间相同表示不设免打扰",
    "点",
    minimum=0,
    maximum=23,
)
QUIET_UNTIL = declare(
    "notifications.quiet_until_hour",
    int,
    7,
    "免打扰结束",
    "免打扰期间的提醒在此时发出，届时已读的不再发",
    "点",
    minimum=0,
    maximum=23,
)
BURST_MINUTES = declare(
    "notifications.burst_minutes",
    int,
    10,
    "同一诊间提醒间隔",
    "未读期间，同一诊间在此时间内只提醒一次",
    "分钟",
    minimum=1,
    maximum=1440,
)
CHAT_AFTER_SECONDS = declare(
    "notifications.chat_after_seconds",
    int,
    20,
    "诊间消息推送延迟",
    "消息发出后，对方在此时间内没有上线阅读才推送",
    "秒",
    minimum=5,
    maximum=600,
)
REPEAT_MINUTES = declare(
    "notifications.acknowledge_minutes",
    int,
    5,
    "危急值重复提醒间隔",
    "需要确认的消息在确认前按此间隔重复提醒",
    "分钟",
    minimum=1,
    maximum=120,
)
REPEATS = declare(
    "notifications.acknowledge_repeats",
    int,
    6,
    "危急值重复提醒次数",
    "仍未确认时通知管理员和监督员",
    "次",
    minimum=0,
    maximum=50,
)
LOG_DAYS = declare(
    "notifications.log_days",
    int,
    180,
    "推送记录保存天数",
    "超过此天数的推送记录自动清除",
    "天",
    minimum=30,
    maximum=3650,
)
