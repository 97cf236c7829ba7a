"""The sockets of this process: whose they are, which rooms they hear, what waits for them."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import structlog

from core.bus import Bus
from core.identity.caller import Caller
from realtime.errors import Overloaded
from realtime.hub import room_topic, user_topic
from realtime.metrics import RESYNCS
from realtime.outgoing import Frame, event_frame
from realtime.transport import RoomSocket
from realtime.veil import Veil

log = structlog.get_logger(__name__)

#: Commands of one socket that may wait in one lane.
MAX_WAITING = 64

Work = Callable[[], Awaitable[None]]


class Lane:
    """Runs commands one after the other, in the order they came.

    A command that is done without a task of its own (`begin`, `done`) does not hold up others of
    its kind, which keep their order by themselves; whatever else comes waits for it.
    """

    __slots__ = ("_begun", "_settled", "_task", "_waiting")

    def __init__(self) -> None:
        self._waiting: deque[Work] | None = None
        self._task: asyncio.Task[None] | None = None
        self._begun = 0
        self._settled: asyncio.Event | None = None

    @property
    def idle(self) -> bool:
        """Whether no command runs or waits in a task."""
        return self._task is None

    def add(self, work: Work) -> None:
        """Raises `overloaded` when too many wait already."""
        if self._waiting is None:
            self._waiting = deque()
        if len(self._waiting) + self._begun >= MAX_WAITING:
            raise Overloaded(retry_after=1)
        self._waiting.append(work)
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    def begin(self) -> None:
        """Count a command in that runs without a task. Raises `overloaded` for too many."""
        if self._begun >= MAX_WAITING:
            raise Overloaded(retry_after=1)
        self._begun += 1

    def done(self) -> None:
        """One of those is done."""
        self._begun -= 1
        if not self._begun and self._settled is not None:
            self._settled.set()

    def stop(self) -> None:
        """Drop what waits. What runs is finished: it may be committing."""
        if self._waiting is not None:
            self._waiting.clear()

    async def _run(self) -> None:
        assert self._waiting is not None
        try:
            while self._waiting:
                if self._begun:
                    self._settled = asyncio.Event()
                    await self._settled.wait()
                    self._settled = None
                    continue
                await self._waiting.popleft()()
        finally:
            self._task = self._waiting = None


@dataclass(eq=False, slots=True)
class Connection:
    """One living socket of somebody who is logged in.

    Commands run in lanes, so that a slow call does not hold up the chat of the same client, while
    within the chat nothing overtakes. `behind` names the rooms whose entries were left out because
    the client was slow; it is told to fetch them once it has taken what waited.
    """

    id: str
    caller: Caller
    device: str
    token: str
    expires_at: datetime
    socket: RoomSocket
    address: str = ""
    rooms: set[UUID] = field(default_factory=set)
    watching: set[UUID] = field(default_factory=set)
    behind: set[UUID] = field(default_factory=set)
    lanes: dict[str, Lane] = field(default_factory=dict)
    veil: Veil | None = None

    def __post_init__(self) -> None:
        self.socket.outgoing.drained = self._catch_up

    def lane(self, name: str) -> Lane:
        lane = self.lanes.get(name)
        if lane is None:
            lane = self.lanes[name] = Lane()
        return lane

    def send(self, frame: Frame) -> None:
        """Queue something that is not fetched again; a client too slow even for it is let go."""
        if self.veil is not None:
            frame = self.veil.over_frame(frame)
        if not self.socket.outgoing.put(frame) and not self.socket.outgoing.ended:
            log.info("slow_client_dropped", waiting=self.socket.outgoing.size)
            self.drop("overloaded")

    def send_entry(self, room_id: UUID, frame: Frame) -> None:
        """Queue an entry of a room, or note that the client must fetch it."""
        if self.behind and room_id in self.behind:
            return
        if self.veil is not None:
            frame = self.veil.over_frame(frame)
        if not self.socket.outgoing.put(frame):
            self.behind.add(room_id)
            RESYNCS.inc()

    def drop(self, code: str) -> None:
        """Say why and end the connection."""
        self.socket.outgoing.force(event_frame("session:revoked", {"code": code}))
        self.socket.end()

    def stop(self) -> None:
        """Forget everything that was planned for this socket."""
        for lane in self.lanes.values():
            lane.stop()

    def _catch_up(self) -> None:
        behind, self.behind = self.behind, set()
        for room_id in behind:
            self.send(event_frame("resync", {"room": str(room_id)}))


class Connections:
    """All sockets of this process, found by id, user, session, room and watched user.

    Follows on the bus what concerns them, and nothing else.
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self.by_id: dict[str, Connection] = {}
        self._by_user: dict[UUID, set[Connection]] = {}
        self._by_session: dict[UUID, set[Connection]] = {}
        self._by_room: dict[UUID, set[Connection]] = {}
        self._by_watched: dict[UUID, set[Connection]] = {}

    def __len__(self) -> int:
        return len(self.by_id)

    def add(self, connection: Connection) -> None:
        self.by_id[connection.id] = connection
        user_id = connection.caller.user_id
        self._include(self._by_user, user_id, connection, user_topic(user_id))
        self._by_session.setdefault(connection.caller.session_id, set()).add(connection)

    def remove(self, connection: Connection) -> None:
        self.by_id.pop(connection.id, None)
        user_id = connection.caller.user_id
        self._exclude(self._by_user, user_id, connection, user_topic(user_id))
        _discard(self._by_session, connection.caller.session_id, connection)
        for room_id in tuple(connection.rooms):
            self.leave(connection, room_id)
        for user_id in connection.watching:
            self._exclude(self._by_watched, user_id, connection, user_topic(user_id))

    def join(self, connection: Connection, room_id: UUID) -> None:
        connection.rooms.add(room_id)
        self._include(self._by_room, room_id, connection, room_topic(room_id))

    def leave(self, connection: Connection, room_id: UUID) -> None:
        connection.rooms.discard(room_id)
        connection.behind.discard(room_id)
        self._exclude(self._by_room, room_id, connection, room_topic(room_id))

    def watch(self, connection: Connection, user_ids: Iterable[UUID]) -> None:
        """Add users whose presence this socket hears about."""
        for user_id in user_ids:
            connection.watching.add(user_id)
            self._include(self._by_watched, user_id, connection, user_topic(user_id))

    def of_user(self, user_id: UUID) -> tuple[Connection, ...]:
        return tuple(self._by_user.get(user_id, ()))

    def of_session(self, session_id: UUID) -> tuple[Connection, ...]:
        return tuple(self._by_session.get(session_id, ()))

    def in_room(self, room_id: UUID) -> tuple[Connection, ...]:
        return tuple(self._by_room.get(room_id, ()))

    def watchers(self, user_id: UUID) -> tuple[Connection, ...]:
        return tuple(self._by_watched.get(user_id, ()))

    def watched_users(self) -> list[UUID]:
        return list(self._by_watched)

    def _include(
        self, index: dict[UUID, set[Connection]], key: UUID, connection: Connection, topic: str
    ) -> None:
        if key not in index:
            index[key] = set()
            self._bus.follow(topic)
        index[key].add(connection)

    def _exclude(
        self, index: dict[UUID, set[Connection]], key: UUID, connection: Connection, topic: str
    ) -> None:
        if key in index and _discard(index, key, connection):
            self._bus.unfollow(topic)


def _discard(index: dict[UUID, set[Connection]], key: UUID, connection: Connection) -> bool:
    """Take a connection out; True when the key has none any more."""
    group = index.get(key)
    if group is None:
        return True
    group.discard(connection)
    if not group:
        del index[key]
    return not group
