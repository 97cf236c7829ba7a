"""Named refusals of calls."""

from core.errors import ProblemError


class CallIsOver(ProblemError):
    code, status, title = "call_ended", 409, "通话已结束"


class CallTaken(ProblemError):
    code, status, title = "call_taken", 409, "已在其他设备上接听"


class CallInProgress(ProblemError):
    """`details.call` is the one under way."""

    code, status, title = "call_in_progress", 409, "诊间内已有通话"


class NotInCall(ProblemError):
    code, status, title = "not_in_call", 409, "您不在此通话中"


class CallIsFull(ProblemError):
    code, status, title = "call_full", 409, "通话人数已满，请稍后再加入"


class RemovedFromCall(ProblemError):
    code, status, title = "removed_from_call", 403, "您已被主持人移出通话"


class ScreenIsTaken(ProblemError):
    """`details.user` is who shares."""

    code, status, title = "screen_taken", 409, "有人正在共享屏幕，请等对方结束后再共享"


class NotOnStage(ProblemError):
    code, status, title = "not_on_stage", 409, "请先举手，由主讲人邀请后再发言"


class NoLecture(ProblemError):
    code, status, title = "no_lecture", 409, "此通话不是讲座，无需举手"


class NothingToObserve(ProblemError):
    code, status, title = "no_call", 409, "诊间内没有正在进行的通话"


class NobodyToCall(ProblemError):
    code, status, title = "nobody_to_call", 409, "诊间内没有可以呼叫的人"


class RecordingRefused(ProblemError):
    code, status, title = (
        "recording_refused",
        409,
        "患者未同意录制，不能发起通话；可继续图文沟通或建议到院就诊",
    )


class RecordingUndecided(ProblemError):
    code, status, title = "recording_undecided", 409, "患者同意录音录像后才能接通"


class MediaUnavailable(ProblemError):
    code, status, title = "media_unavailable", 503, "音视频服务暂时不可用，请稍后再试"


class MediaIsBusy(ProblemError):
    code, status, title = "media_busy", 503, "当前通话人数较多，请稍后再试"


class AnswerIsStale(ProblemError):
    code, status, title = "stale_answer", 409, "通话连接已更新"


class AnswerIsBad(ProblemError):
    code, status, title = "bad_answer", 422, "通话协商数据无效"
