"""The presence of this process's sockets towards the database, and of everybody towards its
watchers.

Both ways in batches: whoever comes and goes within a moment is noted in one transaction and told in
a few hints, and whoever is hinted at within a moment is looked up in one reading. So a thousand
people who reconnect cost a few statements, not thousands.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError

from core.defence.metrics import SOCKETS_SHED
from core.errors import InvalidRequest
from core.runtime import Runtime
from core.uow import UnitOfWork
from realtime import presence, rules
from realtime.connections import Connection, Connections
from realtime.hub import Hub
from realtime.metrics import PRESENCE_BATCHES
from realtime.outgoing import event_frame
from realtime.presence import Sight, Socket

T = TypeVar("T")
log = structlog.get_logger(__name__)

#: Users whose presence one socket may watch.
MAX_WATCHED = 2_000
#: Seconds in which changes gather before they are written, and hints before they are looked up.
GATHER_SECONDS = 0.05
#: Users in one statement.
MAX_BATCH = 1_000
#: Seconds after which what could not be written or read is tried again.
RETRY_SECONDS = 1.0


class Batch:
    """Runs `work` some moments after it is wanted, however often it was wanted meanwhile."""

    def __init__(self, work: Callable[[], Awaitable[None]]) -> None:
        self._work = work
        self._wanted = asyncio.Event()

    def want(self) -> None:
        self._wanted.set()

    async def run(self) -> None:
        """`work` keeps what it could not do; a failing database is asked again."""
        while True:
            await self._wanted.wait()
            await asyncio.sleep(GATHER_SECONDS)
            self._wanted.clear()
            try:
                await self._work()
            except (SQLAlchemyError, OSError) as error:
                log.warning("presence_delayed", error=repr(error))
                await asyncio.sleep(RETRY_SECONDS)
                self._wanted.set()


class PresenceWatch:
    """Notes who comes and goes here, and tells watchers about anybody's change.

    Somebody who goes is taken out only after `offline_delay` seconds, so that a reload or a change
    of network shows nothing. `most_sockets`: what one user may have on all nodes together.
    """

    def __init__(
        self,
        runtime: Runtime,
        hub: Hub,
        node_id: UUID,
        connections: Connections,
        *,
        offline_delay: float | None = None,
        most_sockets: int | None = None,
    ) -> None:
        self._runtime = runtime
        self._hub = hub
        self._node_id = node_id
        self._connections = connections
        self._offline_delay = rules.OFFLINE_DELAY if offline_delay is None else offline_delay
        self._most_sockets = most_sockets
        self._shown: dict[UUID, Sight] = {}
        self._come: dict[str, Socket] = {}
        self._gone: dict[str, tuple[UUID, datetime]] = {}
        self._asked: set[UUID] = set()
        self._spread: dict[UUID, int] = {}
        #: No other process holds sockets, as far as is known. Who comes says so, and where that is
        #: not heard the heartbeat finds him; until then the sweep for lost hints serves him.
        self.alone = False
        self._notes = Batch(self._note)
        self._looks = Batch(self._look)
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        async with self._runtime.unit_of_work() as uow:
            await presence.renew_lease(uow, self._node_id)
            self.alone = await presence.living_nodes(uow) == 1
        await self._hub.node_came(self._node_id)
        for work in (self._keep_lease(), self._notes.run(), self._looks.run()):
            self._spawn(work)

    async def stop(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            async with self._runtime.unit_of_work() as uow:
                left = await presence.end_lease(uow, self._node_id)
        except (SQLAlchemyError, OSError) as error:
            # The lease runs out by itself.
            log.warning("lease_not_ended", error=repr(error))
            return
        await self._hub.presences_changed(left)

    def connected(self, connection: Connection) -> None:
        """Note a new socket and tell whoever watches its user."""
        self._come[connection.id] = _socket(connection)
        self._notes.want()

    def disconnected(self, connection: Connection) -> None:
        """Take a socket out after the delay, and tell whoever watches its user."""
        user_id, now = connection.caller.user_id, self._runtime.clock.now()
        if not self._connections.of_user(user_id):
            self._spread.pop(user_id, None)

        def take_out() -> None:
            self._come.pop(connection.id, None)
            self._gone[connection.id] = user_id, now
            self._notes.want()

        asyncio.get_running_loop().call_later(self._offline_delay, take_out)

    def add(self, connection: Connection, sights: Mapping[UUID, Sight]) -> None:
        """Let a socket hear about these users too; it has just been told how they are.

        Raises `invalid` when it would watch too many.
        """
        if len(connection.watching | sights.keys()) > MAX_WATCHED:
            raise InvalidRequest("关注的用户过多")
        self._connections.watch(connection, sights)
        self._shown.update(sights)
        # Somebody may have come or gone between that look and this moment.
        self._ask(list(sights))

    def nodes_of(self, user_id: UUID) -> int:
        """On how many processes this user, who is connected here, has sockets."""
        return self._spread.get(user_id, 1)

    async def on_hint(self, payload: dict[str, Any]) -> None:
        """Bus listener: the presence of these users may have changed."""
        asked = [UUID(user_id) for user_id in payload["users"]]
        self._ask(asked)

    async def on_node(self, payload: dict[str, Any]) -> None:
        """Bus listener: a process that holds sockets has come."""
        if payload["node"] != str(self._node_id):
            self.alone = False

    def look_again(self) -> None:
        """Hints may have been lost: look up everybody who is watched here."""
        self._ask(self._connections.watched_users())

    def _ask(self, user_ids: Sequence[UUID]) -> None:
        for user_id in user_ids:
            if self._connections.watchers(user_id) or self._connections.of_user(user_id):
                self._asked.add(user_id)
            else:
                self._shown.pop(user_id, None)
        if self._asked:
            self._looks.want()

    # ---- writing -----------------------------------------------------------------------------

    async def _note(self) -> None:
        """Write who came and went since the last time, in one transaction."""
        come, self._come = self._come, {}
        gone, self._gone = self._gone, {}
        try:
            async with self._runtime.unit_of_work() as uow:
                if await presence.renew_lease(uow, self._node_id):
                    come |= {each.id: _socket(each) for each in self._connections.by_id.values()}
                for part in _parts(list(come.values())):
                    await presence.connected(uow, self._node_id, part)
                await presence.disconnected(uow, gone)
                await presence.seen(uow, _latest(gone))
        except (SQLAlchemyError, OSError):
            self._come, self._gone = come | self._come, gone | self._gone
            raise
        PRESENCE_BATCHES.labels("write").inc()
        users = {socket.user_id for socket in come.values()}
        users |= {user_id for user_id, _ in gone.values()}
        await self._hub.presences_changed(users)

    # ---- showing -----------------------------------------------------------------------------

    async def _look(self) -> None:
        """Look up whoever was hinted at since the last time, and tell what has changed."""
        asked, self._asked = self._asked, set()
        try:
            async with self._runtime.unit_of_work() as uow:
                sights: dict[UUID, Sight] = {}
                for part in _parts(list(asked)):
                    sights |= await presence.look(uow, part)
                surplus = await self._surplus(uow, sights)
        except (SQLAlchemyError, OSError):
            self._asked |= asked
            raise
        PRESENCE_BATCHES.labels("read").inc()
        for user_id, sight in sights.items():
            self._mind(user_id, sight)
            self._show(user_id, sight)
        for connection_id in surplus:
            if (connection := self._connections.by_id.get(connection_id)) is not None:
                SOCKETS_SHED.labels("sockets").inc()
                connection.drop("overloaded")

    async def _surplus(self, uow: UnitOfWork, sights: Mapping[UUID, Sight]) -> list[str]:
        """The sockets of those who have too many, counting all nodes."""
        most = self._most_sockets
        if most is None:
            return []
        crowded = [user_id for user_id, sight in sights.items() if sight.sockets > most]
        return await presence.surplus(uow, crowded, most) if crowded else []

    def _mind(self, user_id: UUID, sight: Sight) -> None:
        """What concerns the limits of somebody who is connected here."""
        if sight.nodes > 1 and self._connections.of_user(user_id):
            self._spread[user_id] = sight.nodes
        else:
            self._spread.pop(user_id, None)

    def _show(self, user_id: UUID, sight: Sight) -> None:
        watchers = self._connections.watchers(user_id)
        if not watchers:
            self._shown.pop(user_id, None)
            return
        before = self._shown.get(user_id)
        self._shown[user_id] = sight
        if before is not None and (before.state, before.busy_in) == (sight.state, sight.busy_in):
            return
        frame = event_frame("presence", {"user": str(user_id), **shown(sight)})
        for connection in watchers:
            connection.send(frame)

    # ---- the lease ---------------------------------------------------------------------------

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
            self.alone = await presence.living_nodes(uow) == 1
        await self._hub.presences_changed(gone)
        # "Busy" begins and ends without a word to us, and hints get lost.
        self.look_again()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def shown(sight: Sight) -> dict[str, Any]:
    """A sight as watchers are told it."""
    return {"state": sight.state, "busy_in": sight.busy_in, "last_seen": sight.seen_at}


def _latest(gone: Mapping[str, tuple[UUID, datetime]]) -> dict[UUID, datetime]:
    found: dict[UUID, datetime] = {}
    for user_id, at in gone.values():
        found[user_id] = max(at, found.get(user_id, at))
    return found


def _parts(items: Sequence[T]) -> list[Sequence[T]]:
    return [items[start : start + MAX_BATCH] for start in range(0, len(items), MAX_BATCH)]


def _socket(connection: Connection) -> Socket:
    return Socket(connection.id, connection.caller.user_id, connection.device)
