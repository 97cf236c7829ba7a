"""Who is online: leases of nodes and their sockets, a delay before "offline", "busy" in a call.

A user is online while he has a socket on a node whose lease is alive, so the death of a process
takes its people offline without anybody's help. Presence is shown, nothing more: it never decides
whether something is stored or sent.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from core.db import UtcDateTime
from core.uow import UnitOfWork
from realtime.models import BusyRow, ConnectionRow, NodeRow
from realtime.schemas import Presence

LEASE = timedelta(seconds=30)
HEARTBEAT_SECONDS = 10.0


async def states(uow: UnitOfWork, user_ids: Sequence[UUID]) -> dict[UUID, Presence]:
    """The state of every user asked for: online, busy or offline."""
    if not user_ids:
        return {}
    now = await _database_now(uow)
    online = set(
        await uow.session.scalars(
            select(ConnectionRow.user_id)
            .join(NodeRow, NodeRow.id == ConnectionRow.node_id)
            .where(ConnectionRow.user_id.in_(user_ids), NodeRow.expires_at > now)
            .distinct()
        )
    )
    busy = set(
        await uow.session.scalars(
            select(BusyRow.user_id).where(BusyRow.user_id.in_(user_ids), BusyRow.until > uow.now)
        )
    )
    found: dict[UUID, Presence] = {}
    for user_id in user_ids:
        connected: Presence = "busy" if user_id in busy else "online"
        found[user_id] = connected if user_id in online else "offline"
    return found


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


async def clear_dead_nodes(uow: UnitOfWork) -> list[UUID]:
    """Remove nodes without a lease, with their sockets; returns the users who were on them."""
    now = await _database_now(uow)
    dead = select(NodeRow.id).where(NodeRow.expires_at < now).with_for_update(skip_locked=True)
    node_ids = list(await uow.session.scalars(dead))
    if not node_ids:
        return []
    users = await uow.session.scalars(
        select(ConnectionRow.user_id).where(ConnectionRow.node_id.in_(node_ids)).distinct()
    )
    found = list(users)
    await uow.session.execute(delete(NodeRow).where(NodeRow.id.in_(node_ids)))
    return found


async def end_lease(uow: UnitOfWork, node_id: UUID) -> None:
    """Take a node out when it stops in order, with all its sockets."""
    await uow.session.execute(delete(NodeRow).where(NodeRow.id == node_id))


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


async def set_busy(uow: UnitOfWork, user_id: UUID, until: datetime | None) -> None:
    """Mark a user as busy until a moment, or as free (None)."""
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
