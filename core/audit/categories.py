"""Under which heading an action is listed; told by its name, `<object>.<verb>`."""

from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

from sqlalchemy import ColumnElement, and_, not_, or_

from core.audit.models import AuditEntry


class Category(StrEnum):
    """The headings of the audit page."""

    LOGIN = "login"
    LOOK = "look"
    CHANGE = "change"
    EXPORT = "export"
    MAINTENANCE = "maintenance"
    SECURITY = "security"

    @property
    def label(self) -> str:
        """The Chinese label for screens."""
        return _LABELS[self]


_LABELS = {
    Category.LOGIN: "登录",
    Category.LOOK: "查看",
    Category.CHANGE: "修改",
    Category.EXPORT: "导出",
    Category.MAINTENANCE: "维护",
    Category.SECURITY: "安全",
}

#: The first rule that fits decides; what fits none is a change.
RULES: tuple[tuple[Category, tuple[str, ...]], ...] = (
    (Category.EXPORT, ("*.export", "*.download", "data_copy.*")),
    (Category.LOOK, ("*.look", "call.observe", "call.observe_end")),
    (Category.LOGIN, ("login.accept", "login.refuse", "session.*")),
    (
        Category.SECURITY,
        (
            "access.*", "access_*", "alarm.*", "break_glass.*", "delegation.*", "device.*",
            "emergency.*", "integrity.find", "integrity.explain", "login.*", "permit.*", "policy.*",
            "role.*", "second_factor.*", "server_key.*", "signature.pin_*", "signature.suspend",
            "signature.resume", "signature.revoke", "signature_application.*",
            "stored_certificate.*", "upload.*", "user.change_password", "user.disable",
            "user.enable", "user.reset_password",
        ),
    ),
    (
        Category.MAINTENANCE,
        ("integrity.*", "job.*", "key.*", "keys.*", "outbox.*", "setting.*", "system.*"),
    ),
)  # fmt: skip


def category_of(action: str) -> Category:
    """The heading of an action."""
    for category, patterns in RULES:
        if any(fnmatchcase(action, pattern) for pattern in patterns):
            return category
    return Category.CHANGE


def within(category: Category) -> ColumnElement[bool]:
    """The same in SQL: entries under this heading."""
    earlier: list[ColumnElement[bool]] = []
    for each, patterns in RULES:
        fits = or_(*(_like(pattern) for pattern in patterns))
        if each is category:
            return and_(fits, *(not_(before) for before in earlier))
        earlier.append(fits)
    return and_(*(not_(before) for before in earlier))


def _like(pattern: str) -> ColumnElement[bool]:
    escaped = pattern.replace("\\", "\\\\").replace("_", r"\_").replace("%", r"\%")
    column: Any = AuditEntry.action
    found: ColumnElement[bool] = column.like(escaped.replace("*", "%"), escape="\\")
    return found
