"""The presence of this process's sockets towards the database, and of everybody towards its
watchers.
"""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError

from core.errors import InvalidRequest
from core.runtime import Runtime
from realtime import presence, rules
from realtime.connections import Connection, Connections
from realtime.hub import Hub
from realtime.outgoing import event_frame
from realtime.presence import Socket
from realtime.schemas import Presence

log = structlog.get_logger(__name__)

#: Users whose presence one socket may watch.
MAX_WATCHED = 2_000


class PresenceWatch:
    """Notes who comes and goes here, and tells watchers about anybody's change.

    Somebody who goes is taken out only after `offline_delay` seconds, so that a reload or a change
    of network shows nothing.
    """

    def __init__(
        self,
        runtime: Runtime,
        hub: Hub,
        node_id: UUID,
        connections: Connections,
        *,
        offline_delay: float | None = None,
    ) -> None:
        self._runtime = runtime
        self._hub = hub
        self._node_id = node_id
        self._connections = connections
        self._offline_delay = rules.OFFLINE_DELAY if offline_delay is None else offline_delay
        self._shown: dict[UUID, Presence] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        async with self._runtime.unit_of_work() as uow:
            await presence.renew_lease(uow, self._node_id)
        self._spawn(self._keep_lease())

    async def stop(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            async with self._runtime.unit_of_work() as uow:
                await presence.end_lease(uow, self._node_id)
        except (SQLAlchemyError, OSError) as error:
            # The lease runs out by itself.
            log.warning("lease_not_ended", error=repr(error))

    async def connected(self, connection: Connection) -> None:
        """Note a new socket and tell whoever watches its user."""
        try:
            async with self._runtime.unit_of_work() as uow:
                await presence.connected(uow, self._node_id, [_socket(connection)])
        except (SQLAlchemyError, OSError) as error:
            log.warning("presence_not_noted", error=repr(error))
            return
        await self._hub.presence_changed(connection.caller.user_id)

    def disconnected(self, connection: Connection) -> None:
        """Take a socket out after the delay, and tell whoever watches its user."""
        self._spawn(self._take_out(connection))

    def add(self, connection: Connection, states: dict[UUID, Presence]) -> None:
        """Let a socket hear about these users too; it has just been told these states.

        Raises `invalid` when it would watch too many.
        """
        if len(connection.watching | states.keys()) > MAX_WATCHED:
            raise InvalidRequest("关注的用户过多")
        self._connections.watch(connection, states)
        self._shown.update(states)

    async def on_hint(self, payload: dict[str, Any]) -> None:
        """Bus listener: this user's presence may have changed."""
        await self._show([UUID(payload["user"])])

    async def _show(self, user_ids: Sequence[UUID]) -> None:
        watched = [user_id for user_id in user_ids if self._connections.watchers(user_id)]
        for user_id in user_ids:
            if user_id not in watched:
                self._shown.pop(user_id, None)
        if not watched:
            return
        try:
            async with self._runtime.unit_of_work() as uow:
                states = await presence.states(uow, watched)
        except (SQLAlchemyError, OSError) as error:
            log.warning("presence_not_read", error=repr(error))
            return
        for user_id, state in states.items():
            if self._shown.get(user_id) != state:
                self._shown[user_id] = state
                data = {"user": str(user_id), "state": state}
                frame = event_frame("presence", data)
                for connection in self._connections.watchers(user_id):
                    connection.send(frame)

    async def _take_out(self, connection: Connection) -> None:
        await asyncio.sleep(self._offline_delay)
        try:
            async with self._runtime.unit_of_work() as uow:
                await presence.disconnected(uow, [connection.id])
        except (SQLAlchemyError, OSError) as error:
            log.warning("presence_not_noted", error=repr(error))
            return
        await self._hub.presence_changed(connection.caller.user_id)

    async def _keep_lease(self) -> None:
        while True:
            await asyncio.sleep(presence.HEARTBEAT_SECONDS)
            try:
                await self._beat()
            except (SQLAlchemyError, OSError) as error:
                log.warning("heartbeat_failed", error=repr(error))

    async def _beat(self) -> None:
        async with self._runtime.unit_of_work() as uow:
            if await presence.renew_lease(uow, self._node_id):
                mine = [_socket(each) for each in self._connections.by_id.values()]
                await presence.connected(uow, self._node_id, mine)
            gone = await presence.clear_dead_nodes(uow)
        for user_id in gone:
            await self._hub.presence_changed(user_id)

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _socket(connection: Connection) -> Socket:
    return Socket(connection.id, connection.caller.user_id, connection.device)
