"""Joining: what somebody is told who comes into a room, read for many of them at once.

After a restart thousands come back within seconds, each with a cursor. What they ask is gathered
like messages are: while one reading is under way the next askers wait for the next one, which
takes a handful of statements however many they are. Members whose cursor is near are served that
way; whoever needs more (an observer, a gap of more than a page) is read alone.
"""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from pydantic import BaseModel

from core.errors import NotFound
from core.runtime import Runtime
from core.uow import UnitOfWork
from realtime import access, rules
from realtime.access import RoomAccess
from realtime.schemas import JoinRoom, MessagePage, RoomView
from realtime.table import MessageContext, join_extras, join_extras_of_many

log = structlog.get_logger(__name__)

Answer = dict[str, Any]
#: Those who are read at once.
MAX_AT_ONCE = 100


@dataclass(eq=False, slots=True)
class _Asked:
    ctx: MessageContext
    body: JoinRoom
    answer: asyncio.Future[Answer | None]


class Joins:
    """Answers `room:join` for the sockets of a process."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._waiting: deque[_Asked] = deque()
        self._reading: asyncio.Task[None] | None = None

    async def read(self, ctx: MessageContext, body: JoinRoom) -> Answer:
        """The answer to a join. Raises `not_found` and whatever stands against it."""
        asked = _Asked(ctx, body, asyncio.get_running_loop().create_future())
        self._waiting.append(asked)
        if self._reading is None:
            self._reading = asyncio.create_task(self._read_all())
        return await asked.answer or await _read_one(ctx, body)

    async def _read_all(self) -> None:
        try:
            while self._waiting:
                count = min(len(self._waiting), MAX_AT_ONCE)
                await self._read_some([self._waiting.popleft() for _ in range(count)])
        finally:
            self._reading = None

    async def _read_some(self, asked: Sequence[_Asked]) -> None:
        answers: Sequence[Answer | None] = [None] * len(asked)
        try:
            # A single one is read alone, which is the same work.
            if len(asked) > 1:
                async with self._runtime.unit_of_work() as uow:
                    answers = await _read_many(uow, asked)
        # Each is read alone then and told by name what is wrong; the others must go on.
        except Exception as error:
            log.error("joins_not_read", error=repr(error), joins=len(asked), exc_info=True)
        for each, answer in zip(asked, answers, strict=True):
            if not each.answer.done():
                each.answer.set_result(answer)


async def _read_many(uow: UnitOfWork, asked: Sequence[_Asked]) -> list[Answer | None]:
    """The answers of those who can be answered together; None for the others."""
    found = await access.rooms_joined(uow, [(each.ctx.caller, each.body.room) for each in asked])
    ranges = [_range(each.body, room) for each, room in zip(asked, found, strict=True)]
    served = {
        index: room
        for index, room in enumerate(found)
        if room is not None and ranges[index] is not None
    }
    views = await access.room_views_of(uow, list(served.values()))
    pages = await access.messages_between(
        uow, [(room, *(ranges[index] or (0, 0))) for index, room in served.items()]
    )
    extras = await join_extras_of_many(
        asked[0].ctx.within(uow), [room.row.id for room in served.values()]
    )
    answers: list[Answer | None] = [None] * len(asked)
    for place, index in enumerate(served):
        answers[index] = _answer(views[place], pages[place], extras[place], resync=False)
    return answers


def _range(body: JoinRoom, room: RoomAccess | None) -> tuple[int, int] | None:
    """Which entries to read: above the first number, up to the second; None for too many."""
    if room is None:
        return None
    head = room.row.seq
    if body.after is None:
        return max(0, head - rules.PAGE_DEFAULT), head
    return (body.after, head) if head - body.after <= rules.PAGE_MAX else None


async def _read_one(ctx: MessageContext, body: JoinRoom) -> Answer:
    async with ctx.runtime.unit_of_work() as uow:
        found = await access.room_for(uow, ctx.caller, body.room)
        if found.emergency:
            # It ends by itself: a socket would go on listening.
            raise NotFound
        view = await access.room_view(uow, found)
        if body.after is None:
            page = await access.messages_before(uow, body.room, None, rules.PAGE_DEFAULT)
        else:
            page = await access.messages_after(uow, body.room, body.after, rules.PAGE_MAX)
        extras = await join_extras(ctx.within(uow), body.room)
    return _answer(view, page, extras, resync=body.after is not None and page.has_more)


def _answer(
    view: RoomView, page: MessagePage, extras: Mapping[str, Any], *, resync: bool
) -> Answer:
    return {
        "room": view.model_dump(mode="json"),
        "messages": [message.model_dump(mode="json") for message in page.messages],
        "resync": resync,
        "call": None,
        **{field: _plain(value) for field, value in extras.items()},
    }


def _plain(value: BaseModel | Mapping[str, Any] | None) -> Any:
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else value
