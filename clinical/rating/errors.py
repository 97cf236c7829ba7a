"""Named refusals of the rating module."""

from core.errors import ProblemError


class NotRateable(ProblemError):
    code, status, title = "consultation_not_rateable", 409, "问诊结束后才能评价"


class AlreadyRated(ProblemError):
    code, status, title = "already_rated", 409, "您已评价过本次问诊"
