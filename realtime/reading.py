"""Reading the log of rooms into which somebody has been let (`realtime.access`)."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import (
    Select,
    and_,
    func,
    select,
    text,
)

from core.identity.roles import Role
from core.uow import UnitOfWork
from realtime.models import MessageRow, ParticipantRow, RoomRow
from realtime.rules import MessageKind
from realtime.schemas import MessagePage, MessageView, SenderView

if TYPE_CHECKING:
    from realtime.access import RoomAccess


def message_view(row: MessageRow, sender_name: str | None) -> MessageView:
    """An entry as everybody sees it: what was recalled has no body any more."""
    sender = None
    if row.sender_id is not None and row.sender_role is not None:
        sender = SenderView(
            user_id=row.sender_id, name=sender_name or "", role=Role(row.sender_role)
        )
    recalled = row.recalled_at is not None
    return MessageView(
        room=row.room_id,
        seq=row.seq,
        id=row.id,
        kind=MessageKind(row.kind),
        sender=sender,
        client_id=row.client_id,
        body={} if recalled else row.body,
        reply_to=row.reply_to,
        at=row.at,
        recalled=recalled,
    )


def _entries() -> Select[MessageRow, str]:
    return select(MessageRow, ParticipantRow.name).outerjoin(
        ParticipantRow,
        and_(
            ParticipantRow.room_id == MessageRow.room_id,
            ParticipantRow.user_id == MessageRow.sender_id,
        ),
    )


async def messages_after(uow: UnitOfWork, room_id: UUID, after: int, limit: int) -> MessagePage:
    """The oldest `limit` entries above `after`; the caller has been let into the room before."""
    query = (
        _entries()
        .where(MessageRow.room_id == room_id, MessageRow.seq > after)
        .order_by(MessageRow.seq)
        .limit(limit + 1)
    )
    found = (await uow.session.execute(query)).all()
    views = [message_view(row, name) for row, name in found[:limit]]
    return MessagePage(messages=views, has_more=len(found) > limit)


async def messages_before(
    uow: UnitOfWork, room_id: UUID, before: int | None, limit: int
) -> MessagePage:
    """The newest `limit` entries below `before` (None: from the end), in the order of `seq`."""
    query = _entries().where(MessageRow.room_id == room_id)
    if before is not None:
        query = query.where(MessageRow.seq < before)
    query = query.order_by(MessageRow.seq.desc()).limit(limit + 1)
    found = (await uow.session.execute(query)).all()
    views = [message_view(row, name) for row, name in reversed(found[:limit])]
    return MessagePage(messages=views, has_more=len(found) > limit)


async def messages_during(
    uow: UnitOfWork, room_id: UUID, since: datetime, until: datetime, after: int, limit: int
) -> MessagePage:
    """The oldest `limit` entries above `after` of a stretch of time, both ends included."""
    query = (
        _entries()
        .where(
            MessageRow.room_id == room_id,
            MessageRow.seq > after,
            MessageRow.at >= since,
            MessageRow.at <= until,
        )
        .order_by(MessageRow.seq)
        .limit(limit + 1)
    )
    found = (await uow.session.execute(query)).all()
    views = [message_view(row, name) for row, name in found[:limit]]
    return MessagePage(messages=views, has_more=len(found) > limit)


_BETWEEN = text(
    "SELECT m.* FROM unnest(CAST(:rooms AS uuid[]), CAST(:lows AS bigint[]), "
    "CAST(:highs AS bigint[])) AS asked (room_id, low, high) "
    "JOIN room_messages m ON m.room_id = asked.room_id AND m.seq > asked.low "
    "AND m.seq <= asked.high ORDER BY m.room_id, m.seq"
)


async def messages_between(
    uow: UnitOfWork, asked: Sequence[tuple["RoomAccess", int, int]]
) -> list[MessagePage]:
    """For each room the entries above the first number, up to the second."""
    wanted: dict[UUID, tuple[int, int]] = {}
    for each, low, high in asked:
        known = wanted.get(each.row.id, (low, high))
        wanted[each.row.id] = min(low, known[0]), max(high, known[1])
    found: dict[UUID, list[MessageView]] = {room_id: [] for room_id in wanted}
    names = {
        (each.room_id, each.user_id): each.name
        for room, _, _ in asked
        for each in room.participants
    }
    arrays = {
        "rooms": list(wanted),
        "lows": [low for low, _ in wanted.values()],
        "highs": [high for _, high in wanted.values()],
    }
    if any(low < high for low, high in wanted.values()):
        rows = await uow.session.scalars(
            select(MessageRow).from_statement(_BETWEEN).execution_options(populate_existing=True),
            arrays,
        )
        for row in rows:
            name = names.get((row.room_id, row.sender_id)) if row.sender_id else None
            found[row.room_id].append(message_view(row, name))
    return [
        MessagePage(
            messages=[view for view in found[each.row.id] if low < view.seq <= high],
            has_more=False,
        )
        for each, low, high in asked
    ]


async def last_messages(uow: UnitOfWork, room_ids: Sequence[UUID]) -> dict[UUID, MessageView]:
    """The newest entry of each room."""
    newest = select(RoomRow.id, RoomRow.seq).where(RoomRow.id.in_(room_ids)).subquery()
    query = _entries().join(
        newest, and_(newest.c.id == MessageRow.room_id, newest.c.seq == MessageRow.seq)
    )
    found = (await uow.session.execute(query)).all()
    return {row.room_id: message_view(row, name) for row, name in found}


async def unread_counts(
    uow: UnitOfWork, user_id: UUID, room_ids: Sequence[UUID]
) -> dict[UUID, int]:
    """How many messages of others, house entries not counted, lie above the user's read mark."""
    query = (
        select(MessageRow.room_id, func.count())
        .join(
            ParticipantRow,
            and_(ParticipantRow.room_id == MessageRow.room_id, ParticipantRow.user_id == user_id),
        )
        .where(
            MessageRow.room_id.in_(room_ids),
            MessageRow.seq > ParticipantRow.read_seq,
            MessageRow.kind != MessageKind.SYSTEM.value,
            MessageRow.sender_id != user_id,
            MessageRow.recalled_at.is_(None),
        )
        .group_by(MessageRow.room_id)
    )
    found = {room_id: count for room_id, count in await uow.session.execute(query)}
    return {room_id: found.get(room_id, 0) for room_id in room_ids}
