"""From the log and the bus to the sockets of this process: entries of rooms, and what is sent."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError

from core.crypto.sm import DecryptionError
from core.runtime import Runtime
from realtime import access, entries
from realtime.carried import opened, opened_payload, unpacked
from realtime.connections import Connection, Connections
from realtime.feeds import Feeds
from realtime.fetching import LogReader
from realtime.groups import Entry
from realtime.hub import ENTRIES_CHANNEL, Hub, room_topic, user_topic
from realtime.outgoing import event_frame, raw_event_frame

log = structlog.get_logger(__name__)

#: Seconds in which news gather behind what has gone out to other processes.
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
        self._reader = LogReader(runtime)
        self.feeds = Feeds(self._reader.above, self._deliver)
        self.runtime = runtime
        self.connections = connections
        self.hub = hub
        self._alone = alone
        self._deafen: Callable[[], None] = lambda: None
        self._untold: list[Entry] = []
        self._telling: asyncio.TimerHandle | None = None
        self._told_at = 0.0
        self._hinting: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        self._deafen = self.runtime.bus.on_data(ENTRIES_CHANNEL, self.on_entries)

    async def stop(self) -> None:
        self._deafen()
        if self._telling is not None:
            self._telling.cancel()
            if self.runtime.bus.carries:
                self._tell_others()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.feeds.stop()
        await self._reader.close()

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

    def delivered(self, messages: Sequence[Entry]) -> None:
        """Messages of this process are committed: own sockets get them, and other processes."""
        self.feeds.offer(messages)
        if self._alone():
            return
        self._untold += messages
        if self._telling is None:
            self._tell_soon()

    def _tell_soon(self) -> None:
        """The first at once, but after the acknowledgements; what follows closely together."""
        loop = asyncio.get_running_loop()
        self._telling = loop.call_at(self._told_at + GATHER_SECONDS, self._tell_others)

    def _tell_others(self) -> None:
        self._told_at = asyncio.get_running_loop().time()
        if self._hinting is not None and not self._hinting.done():
            # A slow bus hears what gathers meanwhile in one hint.
            self._tell_soon()
            return
        news, self._untold, self._telling = self._untold, [], None
        if self.runtime.bus.carries:
            self.hub.carry(news)
        else:
            heads = {entry.room: entry.seq for entry in news}
            self._hinting = self._spawn(self.hub.rooms_changed(heads))

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

    def on_entries(self, frame: bytes) -> None:
        """Bus listener: entries that another process has committed. Opens what is wanted here."""
        found = []
        for room_id, seq, sealed in unpacked(frame):
            if not self.feeds.wants(room_id, seq):
                continue
            try:
                found.append(opened(room_id, seq, sealed))
            except DecryptionError as error:
                # The log has it; what is no entry of ours is not there either.
                log.warning("entry_not_opened", room=str(room_id), seq=seq, error=repr(error))
                self.feeds.hint({room_id: seq})
        self.feeds.offer(found)

    async def on_send(self, payload: dict[str, Any]) -> None:
        """Bus listener: an event for the sockets of a user or room. Opens it if there are any."""
        targets = self._targets(payload)
        if not targets:
            return
        room_id, event = payload.get("room"), payload["event"]
        topic = user_topic(UUID(payload["user"])) if room_id is None else room_topic(UUID(room_id))
        try:
            words = opened_payload(topic, event, payload["sealed"])
        except DecryptionError as error:
            log.warning("event_not_opened", topic=topic, event_name=event, error=repr(error))
            return
        frame = event_frame(event, words)
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

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
