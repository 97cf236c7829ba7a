"""Finding messages in one's own rooms.

Bodies are encrypted, so no index knows their words: a search looks through them, newest rooms
first, a bounded number at a time. Each answer brings what was found, how far it has come and the
cursor to go on with, so that whoever searches sees progress and may stop. Bodies are opened and
compared in a thread, in chunks: the event loop does not wait for them.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from anyio import to_thread
from sqlalchemy import ColumnElement, func, select, tuple_

from core.crypto.columns import open_cells, sealed
from core.errors import FieldProblem, InvalidRequest
from core.http import encode_cursor
from core.identity.caller import Caller
from core.identity.roles import Role
from core.uow import UnitOfWork
from realtime import access
from realtime.matching import Part, match, words_in, words_of
from realtime.models import MessageRow, ParticipantRow, RoomRow
from realtime.rules import MessageKind
from realtime.schemas import Fragment, Hit, MessageView, SearchPage, SenderView, Subject
from realtime.veil import shown

#: Takes ids of voice messages; gives what those say whose words are known.
SpokenLookup = Callable[[UnitOfWork, Sequence[UUID]], Awaitable[dict[UUID, str]]]
_spoken: list[SpokenLookup] = []

#: Hits in one answer, messages opened for one answer, and opened at once.
HITS = 20
MOST = 2_000
CHUNK = 250
ROOMS = 50
LONGEST_QUERY = 100


def tells_spoken(lookup: SpokenLookup) -> None:
    """Have the words of voice messages searched too; their owner registers it once, at import."""
    if lookup not in _spoken:
        _spoken.append(lookup)


@dataclass(frozen=True)
class Wanted:
    """What is looked for. `words` are normalised; all of them must occur."""

    words: tuple[str, ...] = ()
    room: UUID | None = None
    kind: MessageKind | None = None
    sender: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class Position:
    """Everything from here on has been looked through; what comes next lies below."""

    room: UUID
    seq: int


def wanted(query: str, kind: MessageKind | None, **others: Any) -> Wanted:
    """What somebody asked for. Raises `invalid` when that is nothing, or too long."""
    words = words_of(query[: LONGEST_QUERY + 1])
    if len(query) > LONGEST_QUERY:
        raise InvalidRequest(fields=[FieldProblem("q", f"最多{LONGEST_QUERY}个字")])
    if not words and kind is None:
        raise InvalidRequest(fields=[FieldProblem("q", "请输入要查找的内容")])
    if kind is MessageKind.SYSTEM:
        raise InvalidRequest(fields=[FieldProblem("kind", "不能查找系统消息")])
    return Wanted(words=words, kind=kind, **others)


async def search(
    uow: UnitOfWork, caller: Caller, asked: Wanted, start: Position | None
) -> SearchPage:
    """What the next part of the caller's rooms holds. Raises NotPermitted."""
    await access.require_rooms(uow, caller)
    position, found, opened = start, list[_Found](), 0
    while len(found) < HITS and opened < MOST:
        rooms = await _rooms(uow, caller, asked, position)
        if not rooms:
            position = None
            break
        rows = await _sealed_messages(uow, asked, rooms, position)
        spoken = await _words_spoken(uow, rows) if asked.words else {}
        hits = await to_thread.run_sync(_look, rows, asked.words, spoken)
        opened += len(rows)
        found += hits[: HITS - len(found)]
        if len(found) == HITS:
            position = Position(found[-1].row.room_id, found[-1].row.seq)
        elif len(rows) == CHUNK:
            position = Position(rows[-1].room_id, rows[-1].seq)
        else:
            position = Position(rooms[-1], 0)
    looked, total = await _progress(uow, caller, asked, position)
    if looked == total:
        position = None
    page = SearchPage(
        items=await _hits(uow, found), next=_cursor(position), looked=looked, total=total
    )
    return shown(await access.veil_for(uow, caller), page)


def _cursor(position: Position | None) -> str | None:
    return None if position is None else encode_cursor(position.room, position.seq)


def _own(caller: Caller, asked: Wanted) -> list[ColumnElement[bool]]:
    """Conditions on the caller's rooms: those in which there may be something."""
    conditions: list[ColumnElement[bool]] = [RoomRow.cleared_at.is_(None)]
    if asked.room is not None:
        conditions.append(RoomRow.id == asked.room)
    if asked.since is not None:
        conditions.append(RoomRow.last_at >= asked.since)
    if asked.until is not None:
        conditions.append(RoomRow.opened_at < asked.until)
    return conditions


async def _rooms(
    uow: UnitOfWork, caller: Caller, asked: Wanted, position: Position | None
) -> list[UUID]:
    """The next of the caller's rooms. Ids grow with time and never change, unlike `last_at`."""
    query = access.my_rooms(caller).where(*_own(caller, asked))
    if position is not None:
        below = RoomRow.id <= position.room if position.seq > 1 else RoomRow.id < position.room
        query = query.where(below)
    query = query.order_by(RoomRow.id.desc()).limit(ROOMS)
    return list(await uow.session.scalars(query.with_only_columns(RoomRow.id)))


async def _sealed_messages(
    uow: UnitOfWork, asked: Wanted, rooms: Sequence[UUID], position: Position | None
) -> Sequence[Any]:
    query = select(
        MessageRow.room_id,
        MessageRow.seq,
        MessageRow.id,
        MessageRow.sender_id,
        MessageRow.sender_role,
        MessageRow.client_id,
        MessageRow.kind,
        MessageRow.reply_to,
        MessageRow.at,
        sealed(MessageRow.body).label("cell"),
    ).where(
        MessageRow.room_id.in_(rooms),
        # What was taken back is found by nobody.
        MessageRow.recalled_at.is_(None),
    )
    if position is not None:
        here = tuple_(MessageRow.room_id, MessageRow.seq)
        query = query.where(here < tuple_(position.room, position.seq))
    if asked.kind is not None:
        query = query.where(MessageRow.kind == asked.kind.value)
    else:
        query = query.where(MessageRow.kind != MessageKind.SYSTEM.value)
    if asked.sender is not None:
        query = query.where(MessageRow.sender_id == asked.sender)
    if asked.since is not None:
        query = query.where(MessageRow.at >= asked.since)
    if asked.until is not None:
        query = query.where(MessageRow.at < asked.until)
    query = query.order_by(MessageRow.room_id.desc(), MessageRow.seq.desc()).limit(CHUNK)
    return (await uow.session.execute(query)).all()


async def _words_spoken(uow: UnitOfWork, rows: Sequence[Any]) -> dict[UUID, str]:
    voices = [row.id for row in rows if row.kind == MessageKind.VOICE.value]
    found: dict[UUID, str] = {}
    for lookup in _spoken if voices else ():
        found |= await lookup(uow, voices)
    return found


@dataclass(frozen=True)
class _Found:
    row: Any
    body: dict[str, Any]
    parts: list[Part]


def _look(rows: Sequence[Any], words: Sequence[str], spoken: Mapping[UUID, str]) -> list[_Found]:
    """Open the bodies and keep those that hold all words. CPU-bound: run it in a thread."""
    bodies = open_cells(MessageRow.body, [row.cell for row in rows])
    found = []
    for row, body in zip(rows, bodies, strict=True):
        parts = match(" ".join(filter(None, (words_in(body), spoken.get(row.id)))), words)
        if parts is not None:
            found.append(_Found(row, body, parts))
    return found


async def _progress(
    uow: UnitOfWork, caller: Caller, asked: Wanted, position: Position | None
) -> tuple[int, int]:
    """How many entries have been passed, of how many."""
    query = access.my_rooms(caller).where(*_own(caller, asked))
    whole = await uow.session.scalar(query.with_only_columns(func.sum(RoomRow.seq)))
    total = int(whole or 0)
    if position is None:
        return total, total
    below = await uow.session.scalar(
        query.where(RoomRow.id < position.room).with_only_columns(func.sum(RoomRow.seq))
    )
    return total - int(below or 0) - max(0, position.seq - 1), total


async def _hits(uow: UnitOfWork, found: Sequence[_Found]) -> list[Hit]:
    rooms = {
        row.id: row
        for row in await uow.session.scalars(
            select(RoomRow).where(RoomRow.id.in_({each.row.room_id for each in found}))
        )
    }
    participants = await uow.session.scalars(
        select(ParticipantRow).where(ParticipantRow.room_id.in_(rooms))
    )
    names = {(each.room_id, each.user_id): each.name for each in participants}
    return [_hit(each, rooms[each.row.room_id], names) for each in found]


def _hit(each: _Found, room: RoomRow, names: dict[tuple[UUID, UUID], str]) -> Hit:
    row = each.row
    sender = None
    if row.sender_id is not None and row.sender_role is not None:
        name = names.get((row.room_id, row.sender_id), "")
        sender = SenderView(user_id=row.sender_id, name=name, role=Role(row.sender_role))
    consultation = room.ref_id if room.ref_type == "consultation" else None
    return Hit(
        subject=Subject(title=room.title, consultation_id=consultation),
        state=room.state,
        message=MessageView(
            room=row.room_id,
            seq=row.seq,
            id=row.id,
            kind=MessageKind(row.kind),
            sender=sender,
            client_id=row.client_id,
            body=each.body,
            reply_to=row.reply_to,
            at=row.at,
            recalled=False,
        ),
        fragments=[Fragment(text=part.text, hit=part.hit) for part in each.parts],
    )
