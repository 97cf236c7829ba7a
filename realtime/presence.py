"""Who is online: leases of nodes and their sockets, a delay before "offline", "busy" in a room.

A user is online while he has a socket on a node whose lease is alive, so the death of a process
takes its people offline without anybody's help. Presence is shown, nothing more: it never decides
whether something is stored or sent. Everything here takes many users at once, and costs the same
few statements for one as for a thousand.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy import Select, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from core.db import UtcDateTime
from core.uow import UnitOfWork
from realtime.models import (
    BusyRow,
    ConnectionRow,
    LastSeenRow,
    NodeRow,
    ParticipantRow,
    RoomRow,
)
from realtime.rules import BUSY_AFTER_WORD, RoomKind, RoomState
from realtime.schemas import Presence

LEASE = timedelta(seconds=30)
HEARTBEAT_SECONDS = 10.0

BusyIn = Literal["call", "consultation"]


@dataclass(frozen=True, slots=True)
class Sight:
    """How somebody is seen. `busy_in` says why he is busy, `seen_at` when he was last online.

    `sockets` and `nodes`: how many living sockets he has, on how many processes.
    """

    state: Presence = "offline"
    busy_in: BusyIn | None = None
    seen_at: datetime | None = None
    sockets: int = 0
    nodes: int = 0


async def states(uow: UnitOfWork, user_ids: Sequence[UUID]) -> dict[UUID, Presence]:
    """The state of every user asked for: online, busy or offline."""
    return {user_id: sight.state for user_id, sight in (await look(uow, user_ids)).items()}


async def look(uow: UnitOfWork, user_ids: Sequence[UUID]) -> dict[UUID, Sight]:
    """How every user asked for is seen now."""
    if not user_ids:
        return {}
    sockets = await sockets_of(uow, user_ids)
    busy = await _busy(uow, list(sockets))
    away = [user_id for user_id in user_ids if user_id not in sockets]
    seen = await _last_seen(uow, away)
    found: dict[UUID, Sight] = {}
    for user_id in user_ids:
        if user_id not in sockets:
            found[user_id] = Sight(seen_at=seen.get(user_id))
            continue
        count, nodes = sockets[user_id]
        reason = busy.get(user_id)
        found[user_id] = Sight("busy" if reason else "online", reason, None, count, nodes)
    return found


async def sockets_of(uow: UnitOfWork, user_ids: Sequence[UUID]) -> dict[UUID, tuple[int, int]]:
    """The living sockets of those who have any, and on how many nodes they are."""
    now = await _database_now(uow)
    found = await uow.session.execute(
        select(
            ConnectionRow.user_id,
            func.count(),
            func.count(ConnectionRow.node_id.distinct()),
        )
        .join(NodeRow, NodeRow.id == ConnectionRow.node_id)
        .where(ConnectionRow.user_id.in_(user_ids), NodeRow.expires_at > now)
        .group_by(ConnectionRow.user_id)
    )
    return {user_id: (count, nodes) for user_id, count, nodes in found}


async def connected_among(uow: UnitOfWork, users: Select[UUID]) -> dict[UUID, Presence]:
    """Those of the selected users who are connected anywhere, with their state; for thousands."""
    now = await _database_now(uow)
    found = await uow.session.execute(
        select(ConnectionRow.user_id, func.bool_or(BusyRow.until > uow.now))
        .join(NodeRow, NodeRow.id == ConnectionRow.node_id)
        .outerjoin(BusyRow, BusyRow.user_id == ConnectionRow.user_id)
        .where(ConnectionRow.user_id.in_(users), NodeRow.expires_at > now)
        .group_by(ConnectionRow.user_id)
    )
    return {user_id: "busy" if calling else "online" for user_id, calling in found}


async def surplus(uow: UnitOfWork, user_ids: Sequence[UUID], most: int) -> list[str]:
    """The newest sockets of these users, beyond the `most` that each may have everywhere."""
    age = func.row_number().over(
        partition_by=ConnectionRow.user_id,
        order_by=(ConnectionRow.connected_at, ConnectionRow.id),
    )
    ranked = (
        select(ConnectionRow.id, age.label("age"))
        .where(ConnectionRow.user_id.in_(user_ids))
        .subquery()
    )
    return list(await uow.session.scalars(select(ranked.c.id).where(ranked.c.age > most)))


async def _busy(uow: UnitOfWork, user_ids: Sequence[UUID]) -> dict[UUID, BusyIn]:
    """Who is in a call, or in a consultation that the room's state says is going on."""
    if not user_ids:
        return {}
    talking = await uow.session.scalars(
        select(ParticipantRow.user_id)
        .join(RoomRow, RoomRow.id == ParticipantRow.room_id)
        .where(
            ParticipantRow.user_id.in_(user_ids),
            ParticipantRow.left_at.is_(None),
            RoomRow.kind == RoomKind.CONSULTATION.value,
            RoomRow.state == RoomState.ACTIVE.value,
            RoomRow.last_at > uow.now - BUSY_AFTER_WORD,
        )
        .distinct()
    )
    found: dict[UUID, BusyIn] = dict.fromkeys(talking, "consultation")
    calling = await uow.session.scalars(
        select(BusyRow.user_id).where(BusyRow.user_id.in_(user_ids), BusyRow.until > uow.now)
    )
    return found | dict.fromkeys(calling, "call")


async def _last_seen(uow: UnitOfWork, user_ids: Sequence[UUID]) -> dict[UUID, datetime]:
    if not user_ids:
        return {}
    found = await uow.session.execute(
        select(LastSeenRow.user_id, LastSeenRow.seen_at).where(LastSeenRow.user_id.in_(user_ids))
    )
    return {user_id: seen_at for user_id, seen_at in found}


# ---- nodes and their sockets ---------------------------------------------------------------------


async def renew_lease(uow: UnitOfWork, node_id: UUID) -> bool:
    """Keep a node alive for another lease; True when it had none, so its sockets must be noted
    anew.
    """
    # Leases compare the clocks of several machines, so the database's clock is the one that counts.
    now = await _database_now(uow)
    renewed = await uow.session.scalar(
        update(NodeRow)
        .where(NodeRow.id == node_id)
        .values(expires_at=now + LEASE)
        .returning(NodeRow.id)
        .execution_options(synchronize_session=False)
    )
    if renewed is not None:
        return False
    await uow.session.execute(
        insert(NodeRow).values(id=node_id, expires_at=now + LEASE).on_conflict_do_nothing()
    )
    return True


async def living_nodes(uow: UnitOfWork) -> int:
    """How many processes hold sockets now."""
    now = await _database_now(uow)
    living = select(func.count()).select_from(NodeRow).where(NodeRow.expires_at >= now)
    return await uow.session.scalar(living) or 0


async def clear_dead_nodes(uow: UnitOfWork) -> list[UUID]:
    """Remove nodes without a lease, with their sockets; returns the users who were on them."""
    now = await _database_now(uow)
    dead = select(NodeRow.id).where(NodeRow.expires_at < now).with_for_update(skip_locked=True)
    node_ids = list(await uow.session.scalars(dead))
    return await _remove(uow, node_ids) if node_ids else []


async def end_lease(uow: UnitOfWork, node_id: UUID) -> list[UUID]:
    """Take a node out when it stops in order, with all its sockets; returns their users."""
    return await _remove(uow, [node_id])


async def _remove(uow: UnitOfWork, node_ids: Sequence[UUID]) -> list[UUID]:
    users = await uow.session.scalars(
        select(ConnectionRow.user_id).where(ConnectionRow.node_id.in_(node_ids)).distinct()
    )
    found = sorted(users)
    await seen(uow, dict.fromkeys(found, uow.now))
    await uow.session.execute(delete(NodeRow).where(NodeRow.id.in_(node_ids)))
    return found


@dataclass(frozen=True, slots=True)
class Socket:
    """A socket as others see it: its id, whose it is, on which device."""

    id: str
    user_id: UUID
    device: str


async def connected(uow: UnitOfWork, node_id: UUID, sockets: Sequence[Socket]) -> None:
    """Note sockets of a node."""
    if not sockets:
        return
    rows = [
        {
            "id": socket.id,
            "node_id": node_id,
            "user_id": socket.user_id,
            "device": socket.device,
            "connected_at": uow.now,
        }
        for socket in sockets
    ]
    await uow.session.execute(insert(ConnectionRow).on_conflict_do_nothing(), rows)


async def disconnected(uow: UnitOfWork, connection_ids: Iterable[str]) -> None:
    """Forget sockets that have closed."""
    await uow.session.execute(
        delete(ConnectionRow).where(ConnectionRow.id.in_(list(connection_ids)))
    )


async def seen(uow: UnitOfWork, moments: Mapping[UUID, datetime]) -> None:
    """Note when somebody was last connected; a moment never goes back."""
    if not moments:
        return
    # In one order, so that two nodes which note the same people do not wait for each other.
    rows = [{"user_id": user_id, "seen_at": moments[user_id]} for user_id in sorted(moments)]
    statement = insert(LastSeenRow)
    await uow.session.execute(
        statement.on_conflict_do_update(
            index_elements=[LastSeenRow.user_id],
            set_={"seen_at": func.greatest(LastSeenRow.seen_at, statement.excluded.seen_at)},
        ),
        rows,
    )


async def set_busy(uow: UnitOfWork, user_id: UUID, until: datetime | None) -> None:
    """Mark a user as in a call until a moment, or as free (None)."""
    if until is None:
        await uow.session.execute(delete(BusyRow).where(BusyRow.user_id == user_id))
        return
    await uow.session.execute(
        insert(BusyRow)
        .values(user_id=user_id, until=until)
        .on_conflict_do_update(index_elements=[BusyRow.user_id], set_={"until": until})
    )


async def _database_now(uow: UnitOfWork) -> datetime:
    return (await uow.session.scalars(select(func.clock_timestamp(type_=UtcDateTime())))).one()
