"""Pages: ``{"items": [...], "next": cursor or null}``. A cursor is opaque to clients."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

import orjson
from pydantic import BaseModel

from core.errors import FieldProblem, InvalidRequest

T = TypeVar("T")


class Page(BaseModel, Generic[T]):
    """One page of a longer list; ``next`` is the following page's cursor or None."""

    items: list[T]
    next: str | None = None


def encode_cursor(*values: Any) -> str:
    """A cursor from the sort key of the last row shown."""
    return base64.urlsafe_b64encode(orjson.dumps(values, default=str)).decode().rstrip("=")


def decode_cursor(cursor: str | None, length: int) -> list[Any] | None:
    """The sort key inside a cursor, or None without one. Raises InvalidRequest."""
    if not cursor:
        return None
    try:
        values = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError) as error:
        raise _bad_cursor() from error
    if not isinstance(values, list) or len(values) != length:
        raise _bad_cursor()
    return values


def decode_moment(cursor: str | None) -> tuple[datetime, UUID] | None:
    """A cursor of a list sorted by a moment and an id. Raises InvalidRequest."""
    values = decode_ranked(cursor, 0)
    return None if values is None else (values[0], values[1])


def decode_ranked(cursor: str | None, ranks: int) -> tuple[Any, ...] | None:
    """A cursor of a list sorted by so many numbers, then a moment and an id.

    Raises InvalidRequest.
    """
    values = decode_cursor(cursor, ranks + 2)
    if values is None:
        return None
    *numbers, at, last = values
    try:
        moment, key = datetime.fromisoformat(at), UUID(last)
    except (TypeError, ValueError, AttributeError) as error:
        raise _bad_cursor() from error
    if moment.tzinfo is None or not all(type(each) in (int, float) for each in numbers):
        raise _bad_cursor()
    return *numbers, moment, key


def _bad_cursor() -> InvalidRequest:
    return InvalidRequest(fields=[FieldProblem("cursor", "翻页参数无效，请从第一页重新开始")])
