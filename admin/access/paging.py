"""The cursors of the lists of access: all are sorted by a moment and an id."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, TypeVar

from pydantic import BaseModel, Field

from clinical.cursors import Moment, cut, read_moment
from core.http import Page

R = TypeVar("R")
V = TypeVar("V", bound=BaseModel)
Limit = Annotated[int, Field(ge=1, le=100)]


async def page_of(
    cursor: str | None,
    limit: int,
    read: Callable[[Moment | None, int], Awaitable[Sequence[R]]],
    key: Callable[[R], Moment],
    show: Callable[[Sequence[R]], Awaitable[list[V]]],
) -> Page[V]:
    """One page: one row more is read than is shown, to know whether there is another page."""
    found = await read(read_moment(cursor), limit + 1)
    page, following = cut(found, limit, key)
    return Page(items=await show(page), next=following)
