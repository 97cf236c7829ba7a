"""What a hospital can set about announcements."""

from core.settings import declare

WORK_REMIND_MINUTES = declare(
    "notifications.work_remind_minutes",
    int,
    60,
    "工作安排提前提醒",
    "会议、培训、学术活动开始前多久提醒；单条安排可以另设",
    "分钟",
    minimum=5,
    maximum=10_080,
)
