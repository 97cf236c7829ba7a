"""Named errors of alarms."""

from core.errors import Conflict


class AlarmResolved(Conflict):
    code, status, title = "alarm_resolved", 409, "该告警已经处理完毕"
