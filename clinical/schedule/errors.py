"""Named refusals of the schedule."""

from core.errors import ProblemError


class ShiftUnavailable(ProblemError):
    code, status, title = "shift_unavailable", 409, "该时段暂不可预约，请选择其他时段"


class ShiftFull(ProblemError):
    code, status, title = "shift_full", 409, "该时段已约满，请选择其他时段"


class ShiftOverlaps(ProblemError):
    code, status, title = "shift_overlaps", 409, "与其已有的排班时间重叠"


class ShiftTimes(ProblemError):
    code, status, title = "shift_times", 422, "结束时间须晚于开始时间，且时段不超过24小时"


class ShiftPast(ProblemError):
    code, status, title = "shift_past", 409, "该时段已结束"


class ShiftSuspendedAlready(ProblemError):
    code, status, title = "shift_suspended", 409, "该时段已停诊"


class ShiftBooked(ProblemError):
    code, status, title = "shift_booked", 409, "该时段已有患者预约，请使用停诊"


class ShiftChanged(ProblemError):
    code, status, title = "shift_changed", 409, "排班已被他人修改，请刷新后重试"


class TooFewPlaces(ProblemError):
    code, status, title = "too_few_places", 409, "号源数不能少于已预约人数"


class NotYetTime(ProblemError):
    code, status, title = "not_yet_time", 409, "未到预约时间，请在预约时间进入诊间"


class NobodyWaits(ProblemError):
    code, status, title = "nobody_waits", 409, "没有候诊的患者"


class CallPending(ProblemError):
    code, status, title = "call_pending", 409, "已叫号的患者尚未接诊，请先接诊或过号"


class NotCalled(ProblemError):
    code, status, title = "booking_not_called", 409, "该患者不在已叫号状态"


class NotPassed(ProblemError):
    code, status, title = "booking_not_passed", 409, "该患者不在过号状态"


class NotMovable(ProblemError):
    code, status, title = "booking_not_movable", 409, "当前不能改约"
