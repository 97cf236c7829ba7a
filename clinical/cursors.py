"""Cursors of lists that are sorted by a moment and an id."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from core.errors import FieldProblem, InvalidRequest
from core.http import decode_cursor, encode_cursor

Moment = tuple[datetime, UUID]
R = TypeVar("R")


def read_moment(cursor: str | None) -> Moment | None:
    """The last row shown, or None on the first page. Raises InvalidRequest for a foreign string."""
    values = decode_cursor(cursor, 2)
    if values is None:
        return None
    try:
        at = datetime.fromisoformat(values[0])
        last = UUID(values[1])
    except (TypeError, ValueError, AttributeError) as error:
        raise bad_cursor() from error
    if at.tzinfo is None:
        raise bad_cursor()
    return at, last


def cut(
    rows: Sequence[R], limit: int, key: Callable[[R], tuple[object, ...]]
) -> tuple[Sequence[R], str | None]:
    """The page out of `limit + 1` rows, and the cursor of the next one."""
    page = rows[:limit]
    if len(rows) <= limit:
        return page, None
    return page, encode_cursor(*key(page[-1]))


def bad_cursor() -> InvalidRequest:
    """A cursor that this list did not make."""
    return InvalidRequest(fields=[FieldProblem("cursor", "翻页参数无效，请从第一页重新开始")])
