"""Named refusals of announcements."""

from core.errors import ProblemError


class AnnouncementOutdated(ProblemError):
    code, status, title = "announcement_outdated", 409, "公告已被他人修改，请刷新后再试"


class AnnouncementNotDraft(ProblemError):
    code, status, title = "announcement_not_draft", 409, "公告已发布过，只能撤下，不能删除"


class AnnouncementNotPublished(ProblemError):
    code, status, title = "announcement_not_published", 409, "公告没有在发布中"


class AnnouncementPublished(ProblemError):
    code, status, title = "announcement_published", 409, "公告已经发布"


class NothingToConfirm(ProblemError):
    code, status, title = "nothing_to_confirm", 409, "这条公告不需要确认"
