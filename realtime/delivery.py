"""From the log and the bus to the sockets of this process: entries of rooms, and what is sent."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError

from core.runtime import Runtime
from realtime import access, entries
from realtime.connections import Connection, Connections
from realtime.feeds import Feeds
from realtime.groups import Entry
from realtime.hub import Hub
from realtime.outgoing import event_frame, raw_event_frame

log = structlog.get_logger(__name__)

#: Seconds in which hints gather behind one that has gone out.
GATHER_SECONDS = 0.005
#: Rooms asked about in one statement: what comes in between waits a millisecond, not fifty.
ROOMS_PER_LOOK = 1_000


class Delivery:
    """Knows which socket listens to which room, and brings each what it should hear."""

    def __init__(
        self,
        runtime: Runtime,
        connections: Connections,
        hub: Hub,
        alone: Callable[[], bool] = lambda: False,
    ) -> None:
        """`alone` says that no other process has sockets to be told of messages."""
        self.feeds = Feeds(self._fetch, self._deliver)
        self.runtime = runtime
        self.connections = connections
        self.hub = hub
        self._alone = alone
        self._heads: dict[UUID, int] = {}
        self._heads_changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        self._spawn(self._tell_heads())

    async def stop(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def listen(self, connection: Connection, room_id: UUID) -> None:
        """Let a socket hear a room from now on: before it reads where the room stands."""
        if room_id not in connection.rooms:
            self.feeds.subscribe(room_id)
            self.connections.join(connection, room_id)

    def unlisten(self, connection: Connection, room_id: UUID) -> None:
        if room_id in connection.rooms:
            self.feeds.unsubscribe(room_id)
            self.connections.leave(connection, room_id)

    def unlisten_all(self, connection: Connection) -> None:
        for room_id in tuple(connection.rooms):
            self.unlisten(connection, room_id)

    async def _fetch(self, cursors: dict[UUID, int], limit: int) -> list[Entry]:
        async with self.runtime.unit_of_work() as uow:
            return [Entry.of(view) for view in await access.entries_above(uow, cursors, limit)]

    def delivered(self, messages: Sequence[Entry]) -> None:
        """Messages of this process are committed: own sockets get them, other processes a hint."""
        self.feeds.offer(messages)
        if not self._alone():
            self._heads.update({message.room: message.seq for message in messages})
            self._heads_changed.set()

    async def _tell_heads(self) -> None:
        """Hint what was committed here: the first at once, what follows closely together."""
        while True:
            await self._heads_changed.wait()
            self._heads_changed.clear()
            heads, self._heads = self._heads, {}
            await self.hub.rooms_changed(heads)
            await asyncio.sleep(GATHER_SECONDS)

    def _deliver(self, message: Entry) -> None:
        listeners = self.connections.in_room(message.room)
        frame = raw_event_frame("message", message.json)
        for connection in listeners:
            connection.send_entry(message.room, frame)
        if message.body is not None:
            self._tell_change(message, message.body, listeners)

    def _tell_change(
        self, message: Entry, body: dict[str, Any], listeners: Sequence[Connection]
    ) -> None:
        """Some entries change the room itself: say so in the form that screens follow."""
        match body.get("event"):
            case entries.ACCEPTED:
                self._tell_state(message, listeners, "active", None)
            case entries.CLOSED:
                self._tell_state(message, listeners, "closed", body["reason"])
            case entries.MEMBER_JOINED:
                self._spawn(self._tell_member(message.room, UUID(body["member"]["user_id"])))
            case entries.MEMBER_LEFT:
                user_id = UUID(body["user_id"])
                for connection in listeners:
                    if connection.caller.user_id == user_id:
                        self.unlisten(connection, message.room)
                self._spawn(self._tell_member(message.room, user_id))

    def _tell_state(
        self,
        message: Entry,
        listeners: Sequence[Connection],
        state: str,
        close_reason: str | None,
    ) -> None:
        payload = {
            "room": message.room,
            "state": state,
            "close_reason": close_reason,
            "seq": message.seq,
        }
        frame = event_frame("room:state", payload)
        for connection in listeners:
            connection.send(frame)

    async def _tell_member(self, room_id: UUID, user_id: UUID) -> None:
        try:
            async with self.runtime.unit_of_work() as uow:
                view = await access.member_now(uow, room_id, user_id)
        except (SQLAlchemyError, OSError) as error:
            log.warning("member_view_failed", error=repr(error))
            return
        if view is None:
            return
        payload = {"room": str(room_id), "member": view.model_dump(mode="json")}
        frame = event_frame("room:member", payload)
        for connection in self.connections.in_room(room_id):
            connection.send(frame)

    async def on_rooms(self, payload: dict[str, Any]) -> None:
        self.feeds.hint({UUID(room_id): seq for room_id, seq in payload["rooms"].items()})

    async def on_send(self, payload: dict[str, Any]) -> None:
        targets = self._targets(payload)
        if targets:
            frame = event_frame(payload["event"], payload["payload"])
            for connection in targets:
                connection.send(frame)

    def _targets(self, payload: dict[str, Any]) -> list[Connection]:
        room_id, user_id = payload.get("room"), payload.get("user")
        if room_id is not None:
            left_out = payload.get("except")
            return [
                each
                for each in self.connections.in_room(UUID(room_id))
                if str(each.caller.user_id) != left_out
            ]
        device, hospital = payload.get("device"), payload.get("hospital")
        return [
            each
            for each in self.connections.of_user(UUID(user_id))
            if device in (None, each.device) and hospital in (None, str(each.caller.hospital_id))
        ]

    async def look_for_lost_hints(self) -> None:
        """Compare what was delivered with where the rooms stand."""
        known = list(self.feeds.known().items())
        for start in range(0, len(known), ROOMS_PER_LOOK):
            part = dict(known[start : start + ROOMS_PER_LOOK])
            try:
                async with self.runtime.unit_of_work() as uow:
                    heads = await access.heads_above(uow, part)
            except (SQLAlchemyError, OSError) as error:
                log.warning("sweep_failed", error=repr(error))
                return
            self.feeds.hint(heads)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
