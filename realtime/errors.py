"""Named refusals of rooms. What a client does about each stands in docs/subsystems/rooms.md."""

from core.errors import ProblemError


class RoomIsClosed(ProblemError):
    code, status, title = "room_closed", 409, "诊间已结束，不能再操作"


class RoomNotActive(ProblemError):
    code, status, title = "room_not_active", 409, "接诊后才能发送消息"


class MessageKindNotAllowed(ProblemError):
    code, status, title = "message_kind_not_allowed", 403, "当前不能发送这种消息"


class RecallTooLate(ProblemError):
    code, status, title = "recall_too_late", 409, "消息发出超过两分钟，不能撤回"


class AlreadyRecalled(ProblemError):
    code, status, title = "already_recalled", 409, "消息已经撤回"


class RoomFull(ProblemError):
    code, status, title = "room_full", 409, "诊间人数已满"


class NotForThisRoom(ProblemError):
    code, status, title = "not_for_this_room", 409, "这个诊间不能这样做"


class LeadMayNotLeave(ProblemError):
    code, status, title = "lead_may_not_leave", 409, "请先转交给同事，再离开"


class NoSuchColleague(ProblemError):
    code, status, title = "no_such_colleague", 409, "本院没有这位同事，或其已停用"


class AlreadyTaken(ProblemError):
    code, status, title = "already_taken", 409, "已由其他客服接入"


class Overloaded(ProblemError):
    code, status, title = "overloaded", 503, "服务器繁忙，请稍后重试"


class PayloadTooLarge(ProblemError):
    code, status, title = "too_large", 413, "消息内容过大，附件请先上传"


class UnknownEvent(ProblemError):
    code, status, title = "unknown_event", 404, "不支持的操作"
