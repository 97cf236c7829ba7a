"""Settings of access."""

from core.settings import declare

EMERGENCY_MINUTES = declare(
    "access.emergency_minutes",
    int,
    60,
    title="紧急调阅时长",
    description="一次紧急调阅从打开到自动结束的时间",
    unit="分钟",
    minimum=5,
    maximum=480,
)
CHANGE_HOURS = declare(
    "access.change_hours",
    int,
    72,
    title="权限变更申请有效期",
    description="第二人未在此时间内确认，申请自动失效",
    unit="小时",
    minimum=1,
    maximum=720,
)
DELEGATION_DAYS = declare(
    "access.delegation_days",
    int,
    90,
    title="权限委托最长期限",
    unit="天",
    minimum=1,
    maximum=366,
)
PERMIT_DAYS = declare(
    "access.permit_days",
    int,
    180,
    title="申请的权限最长有效期",
    description="如退款权限，到期后需重新申请",
    unit="天",
    minimum=1,
    maximum=730,
)
