"""New words in rooms: who has not read them and is not there is told, once for a burst.

Messages write no outbox row, so rooms are looked through instead: from where the last look ended,
those in which something was said since. A word is old enough to tell of when its reader had some
seconds to come. The job runs in one process at a time, and what was told is noted with the push.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import Row, Select, and_, func, select, tuple_
from sqlalchemy.dialects.postgresql import insert

from clinical.notifications import pushing, rules
from clinical.notifications.models import RoomNote, RoomSweep
from clinical.notifications.notices import ROOM_MESSAGE
from clinical.notifications.settings import BURST_MINUTES, CHAT_AFTER_SECONDS
from core import settings
from core.identity.models import Hospital
from core.uow import UnitOfWork
from realtime import notices, presence
from realtime.models import MessageRow, ParticipantRow, RoomRow
from realtime.rules import MessageKind

if TYPE_CHECKING:
    from core.runtime import Runtime

#: Rooms looked through in one transaction.
BATCH = 500
#: A server that was off does not tell of yesterday's words.
LONGEST_LOOK_BACK = timedelta(hours=1)
#: A look goes back so far behind the last one: who seemed connected then may have held a socket
#: that was dead, which shows within this time. What he was told of is noted, so nothing doubles.
OVERLAP = timedelta(minutes=3)

_Member = Row[RoomRow, ParticipantRow, int, RoomNote]


async def sweep(runtime: "Runtime") -> int:
    """Look through the rooms of every hospital; returns how many people are told."""
    async with runtime.unit_of_work() as uow:
        hospitals = list(await uow.session.scalars(select(Hospital.id).where(Hospital.enabled)))
    return sum([await _sweep_hospital(runtime, hospital_id) for hospital_id in hospitals])


async def _sweep_hospital(runtime: "Runtime", hospital_id: UUID) -> int:
    told = 0
    async with runtime.unit_of_work() as uow:
        seconds = await settings.get(uow, CHAT_AFTER_SECONDS, hospital_id=hospital_id)
        until = uow.now - timedelta(seconds=seconds)
        known = await uow.session.get(RoomSweep, hospital_id)
        since = max(known.up_to if known else until, uow.now - LONGEST_LOOK_BACK) - OVERLAP
    position: tuple[datetime, UUID] | None = None
    while True:
        async with runtime.unit_of_work() as uow:
            rooms = await _rooms(uow, hospital_id, since, position)
            told += await _tell(uow, hospital_id, [row.id for row in rooms], until)
            if len(rooms) < BATCH:
                await _note_sweep(uow, hospital_id, until)
                return told
            position = rooms[-1].last_at, rooms[-1].id


async def _rooms(
    uow: UnitOfWork, hospital_id: UUID, since: datetime, after: tuple[datetime, UUID] | None
) -> list[RoomRow]:
    query = select(RoomRow).where(RoomRow.hospital_id == hospital_id, RoomRow.last_at > since)
    if after is not None:
        query = query.where(tuple_(RoomRow.last_at, RoomRow.id) > tuple_(*after))
    query = query.order_by(RoomRow.last_at, RoomRow.id).limit(BATCH)
    return list(await uow.session.scalars(query))


async def _tell(uow: UnitOfWork, hospital_id: UUID, room_ids: list[UUID], until: datetime) -> int:
    """Plan a push for each member of these rooms who is to be told; returns how many."""
    if not room_ids:
        return 0
    members = (await uow.session.execute(_behind(room_ids, until))).all()
    away = await _away(uow, members)
    minutes = await settings.get(uow, BURST_MINUTES, hospital_id=hospital_id)
    told, notice = 0, notices.notice_of(ROOM_MESSAGE)
    for room, member, newest, note in members:
        unread = rules.Unread(
            newest=newest,
            read_seq=member.read_seq,
            noted_seq=note.noted_seq if note else 0,
            noted_at=note.noted_at if note else None,
        )
        if member.user_id not in away:
            continue
        if not rules.tells(unread, uow.now, timedelta(minutes=minutes)):
            continue
        await _note(uow, room.id, member.user_id, newest)
        cause = pushing.Cause(
            user_id=member.user_id,
            source=f"room:{room.id.hex}:{newest}",
            room_id=room.id,
            room_seq=newest,
        )
        about = ("room", str(room.id))
        if room.ref_type == "consultation":
            about = ("consultation_room", str(room.ref_id))
        await pushing.plan(uow, hospital_id, notice, [cause], {}, about)
        told += 1
    return told


def _behind(
    room_ids: list[UUID], until: datetime
) -> Select[RoomRow, ParticipantRow, int, RoomNote]:
    """Members of these rooms with the newest word of another that they have not read."""
    newest = (
        select(func.max(MessageRow.seq))
        .where(
            MessageRow.room_id == ParticipantRow.room_id,
            MessageRow.seq > ParticipantRow.read_seq,
            MessageRow.at <= until,
            MessageRow.kind != MessageKind.SYSTEM.value,
            MessageRow.sender_id != ParticipantRow.user_id,
            MessageRow.recalled_at.is_(None),
        )
        .scalar_subquery()
    )
    return (
        select(RoomRow, ParticipantRow, newest.label("newest"), RoomNote)
        .join(ParticipantRow, ParticipantRow.room_id == RoomRow.id)
        .outerjoin(
            RoomNote,
            and_(
                RoomNote.room_id == ParticipantRow.room_id,
                RoomNote.user_id == ParticipantRow.user_id,
            ),
        )
        .where(
            RoomRow.id.in_(room_ids),
            ParticipantRow.left_at.is_(None),
            ParticipantRow.read_seq < RoomRow.seq,
            newest.is_not(None),
        )
    )


async def _away(uow: UnitOfWork, members: Sequence[_Member]) -> set[UUID]:
    """Which of these people have no socket anywhere."""
    people = {member.user_id for _, member, _, _ in members}
    return people - set(await presence.sockets_of(uow, list(people))) if people else set()


async def _note(uow: UnitOfWork, room_id: UUID, user_id: UUID, seq: int) -> None:
    values = {"noted_seq": seq, "noted_at": uow.now}
    await uow.session.execute(
        insert(RoomNote)
        .values(room_id=room_id, user_id=user_id, **values)
        .on_conflict_do_update(index_elements=[RoomNote.room_id, RoomNote.user_id], set_=values)
    )


async def _note_sweep(uow: UnitOfWork, hospital_id: UUID, until: datetime) -> None:
    await uow.session.execute(
        insert(RoomSweep)
        .values(hospital_id=hospital_id, up_to=until)
        .on_conflict_do_update(index_elements=[RoomSweep.hospital_id], set_={"up_to": until})
    )
