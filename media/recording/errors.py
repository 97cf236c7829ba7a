"""Named refusals of recordings."""

from core.errors import ProblemError


class RecordingNotShared(ProblemError):
    code, status, title = "recording_not_shared", 403, "医院未开放患者回看录像"


class RecordedInTheFuture(ProblemError):
    code, status, title = "recorded_in_the_future", 422, "录制时间不能晚于现在，请检查记录仪的时钟"


class LinkInvalid(ProblemError):
    code, status, title = "ticket_invalid", 403, "链接已失效，请重新打开"


class RecordingNotReady(ProblemError):
    code, status, title = "recording_not_ready", 409, "录像还没有合成完成，请稍后再试"
