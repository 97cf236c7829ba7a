"""Named refusals of notifications."""

from core.errors import ProblemError


class TemplateUnfit(ProblemError):
    code, status, title = "template_unfit", 422, "模板内容不符合要求"


class TemplateOutdated(ProblemError):
    code, status, title = "template_outdated", 409, "模板已被他人修改，请刷新后再试"


class PushNotParked(ProblemError):
    code, status, title = "push_not_parked", 409, "该推送不在待处理状态"


class CategoryStatutory(ProblemError):
    code, status, title = "category_statutory", 422, "该类提醒不能关闭"


class NoticeNotAllowed(ProblemError):
    code, status, title = "notice_not_allowed", 403, "该业务系统不能发送此类消息"


class RecipientNotFound(ProblemError):
    code, status, title = "recipient_not_found", 422, "没有找到接收人"


class RequestIdTaken(ProblemError):
    code, status, title = "request_id_taken", 409, "请求编号已用于另一条消息"


class ParametersWrong(ProblemError):
    code, status, title = "parameters_wrong", 422, "消息参数不符合要求"
