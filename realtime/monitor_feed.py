"""What changed in the open rooms, to the supervisors who watch them in this process.

Twice a second, while somebody watches, the tables are compared with what was told: so the figures
are those of all nodes, and nothing hangs on a hint. Changes of a room within that time become one;
what does not fit into a frame comes with the next one. A watcher who is too slow is told to read
the list again (`resync` with the id of the hospital).
"""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError

from core.access import permitted
from core.runtime import Runtime
from core.uow import UnitOfWork
from realtime import monitor
from realtime.access import ROOM
from realtime.connections import Connection, Connections
from realtime.outgoing import Frame, event_frame
from realtime.schemas import Presence

log = structlog.get_logger(__name__)

TICK_SECONDS = 0.5
#: Rooms in one frame, which must stay well below what may wait for a client.
ROOMS_PER_FRAME = 100
#: How far back a look for changes reaches: commits take time and the clocks of nodes differ.
OVERLAP = timedelta(seconds=30)
#: Every so many ticks all open rooms are compared, and who is connected.
WHOLE_EVERY = 20
PRESENCE_EVERY = 6


@dataclass
class Channel:
    """The watchers of one hospital in this process, and what they were told of each room."""

    hospital_id: UUID
    watchers: set[Connection] = field(default_factory=set)
    told: dict[UUID, int] = field(default_factory=dict)
    present: dict[UUID, Presence] = field(default_factory=dict)
    running: bool = False
    ticks: int = 0


class MonitorFeed:
    """The channels of this process. Lives in the gateway."""

    def __init__(self, runtime: Runtime, connections: Connections) -> None:
        self._runtime = runtime
        self._connections = connections
        self._channels: dict[UUID, Channel] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def watch(self, connection: Connection) -> None:
        """Tell a socket of changes from now on. Raises NotPermitted, and what the database does."""
        async with self._runtime.unit_of_work() as uow:
            await monitor.require(uow, connection.caller)
            hospital_id = connection.caller.hospital_id
            channel = self._channels.get(hospital_id)
            if channel is None:
                channel = Channel(hospital_id)
                # From where the first look goes on; what comes later is in it or in the list.
                found = await monitor.heads(uow, hospital_id)
                channel.told = {room_id: seq for room_id, seq, _ in found}
                channel.present = await monitor.present(uow, hospital_id)
        channel = self._channels.setdefault(hospital_id, channel)
        channel.watchers.add(connection)
        connection.behind.discard(hospital_id)
        if not channel.running:
            channel.running = True
            task = asyncio.create_task(self._run(channel))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def unwatch(self, connection: Connection) -> None:
        channel = self._channels.get(connection.caller.hospital_id)
        if channel is not None:
            channel.watchers.discard(connection)

    async def stop(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, channel: Channel) -> None:
        try:
            while await self._still_watched(channel):
                try:
                    async with self._runtime.unit_of_work() as uow:
                        frames = await self._look(uow, channel)
                except (SQLAlchemyError, OSError) as error:
                    # The next look finds the same, and what came since.
                    log.warning("monitor_delayed", error=repr(error))
                else:
                    for frame in frames:
                        self._tell(channel, frame)
                await asyncio.sleep(TICK_SECONDS)
        finally:
            channel.running = False
            self._channels.pop(channel.hospital_id, None)

    async def _still_watched(self, channel: Channel) -> bool:
        """Drop watchers who have gone or may no longer; whether any is left."""
        for connection in tuple(channel.watchers):
            living = connection.id in self._connections.by_id
            if not living or not await permitted(self._runtime, connection.caller, ROOM, "monitor"):
                channel.watchers.discard(connection)
        return bool(channel.watchers)

    def _tell(self, channel: Channel, frame: Frame) -> None:
        for connection in channel.watchers:
            connection.send_entry(channel.hospital_id, frame)

    async def _look(self, uow: UnitOfWork, channel: Channel) -> list[Frame]:
        channel.ticks += 1
        whole = channel.ticks % WHOLE_EVERY == 0
        since = None if whole else uow.now - OVERLAP
        found = await monitor.heads(uow, channel.hospital_id, since)
        frames = await self._changes(uow, channel, found, whole=whole)
        if channel.ticks % PRESENCE_EVERY == 0:
            frames += await self._comings_and_goings(uow, channel)
        return frames

    async def _changes(
        self,
        uow: UnitOfWork,
        channel: Channel,
        found: list[tuple[UUID, int, bool]],
        *,
        whole: bool,
    ) -> list[Frame]:
        still = {room_id for room_id, _, is_open in found if is_open}
        gone = [room_id for room_id, _, is_open in found if not is_open]
        if whole:
            gone += [room_id for room_id in channel.told if room_id not in still]
        gone = [room_id for room_id in gone if channel.told.pop(room_id, None) is not None]
        changed = [
            room_id
            for room_id, seq, is_open in found
            if is_open and channel.told.get(room_id) != seq
        ][:ROOMS_PER_FRAME]
        if not changed and not gone:
            return []
        rooms = await monitor.rooms_of(uow, changed)
        channel.told.update({room.id: room.seq for room in rooms})
        payload = {
            "rooms": [room.model_dump(mode="json") for room in rooms],
            "gone": [str(room_id) for room_id in gone],
        }
        return [event_frame("monitor:rooms", payload)]

    async def _comings_and_goings(self, uow: UnitOfWork, channel: Channel) -> list[Frame]:
        before, channel.present = channel.present, await monitor.present(uow, channel.hospital_id)
        now = channel.present
        changed = {str(user): state for user, state in now.items() if before.get(user) != state}
        changed |= {str(user): "offline" for user in before if user not in now}
        return [event_frame("monitor:presence", {"users": changed})] if changed else []
