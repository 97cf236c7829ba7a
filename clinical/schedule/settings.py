"""What a hospital can set about its schedule."""

from core.settings import Scope, declare

_NEAR = (Scope.GROUP, Scope.HOSPITAL, Scope.DEPARTMENT, Scope.PERSON)

RELEASE_DAYS = declare(
    "schedule.release_days",
    int,
    7,
    "放号天数",
    "患者最多可以预约今天起多少天内的时段，0 表示仅当天",
    "天",
    minimum=0,
    maximum=90,
    scopes=_NEAR,
)
RELEASE_HOUR = declare(
    "schedule.release_hour",
    int,
    0,
    "放号时间",
    "最远一天的号源在当天几点放出",
    "点",
    minimum=0,
    maximum=23,
    scopes=_NEAR,
)
REMIND_MINUTES = declare(
    "schedule.remind_minutes",
    int,
    30,
    "就诊前提醒",
    "预约时段开始前此时间提醒患者和接诊人员，0 表示不提醒",
    "分钟",
    minimum=0,
    maximum=1440,
)
