"""The words of announcements."""

from enum import StrEnum


class Kind(StrEnum):
    """What an announcement is."""

    NEWS = "news"
    INTERNAL = "internal"
    PUBLIC = "public"
    MEETING = "meeting"
    COURSE = "course"
    ACADEMIC = "academic"

    @property
    def label(self) -> str:
        """The Chinese label for screens."""
        return _KIND_TEXT[self]

    @property
    def is_work(self) -> bool:
        """Whether it is an appointment of work, with a beginning and a place."""
        return self in WORK


WORK = frozenset({Kind.MEETING, Kind.COURSE, Kind.ACADEMIC})
_KIND_TEXT: dict[Kind, str] = {
    Kind.NEWS: "医院新闻",
    Kind.INTERNAL: "院内通知",
    Kind.PUBLIC: "公共信息",
    Kind.MEETING: "会议",
    Kind.COURSE: "培训",
    Kind.ACADEMIC: "学术活动",
}


class State(StrEnum):
    """What somebody decided about an announcement."""

    DRAFT = "draft"
    PUBLISHED = "published"
    WITHDRAWN = "withdrawn"


class Phase(StrEnum):
    """How an announcement stands at a moment."""

    DRAFT = "draft"
    SCHEDULED = "scheduled"
    SHOWN = "shown"
    OVER = "over"
    WITHDRAWN = "withdrawn"

    @property
    def label(self) -> str:
        """The Chinese label for screens."""
        return _PHASE_TEXT[self]


_PHASE_TEXT: dict[Phase, str] = {
    Phase.DRAFT: "草稿",
    Phase.SCHEDULED: "待发布",
    Phase.SHOWN: "发布中",
    Phase.OVER: "已到期",
    Phase.WITHDRAWN: "已撤下",
}


class BlockKind(StrEnum):
    """What a line of a text is."""

    HEADING = "heading"
    PARAGRAPH = "paragraph"
    ITEM = "item"


class Reading(StrEnum):
    """Which of the people whom it is for."""

    ALL = "all"
    READ = "read"
    UNREAD = "unread"
    UNCONFIRMED = "unconfirmed"
