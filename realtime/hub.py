"""The sending side of rooms in any process: what it sends travels over the bus to whoever has
sockets.

The bus is a hint. An event that is sent to a user or a room reaches the sockets alive at that
moment. Of entries of rooms a hint names the room and its newest `seq`, and each process fetches
what its own sockets lack; a bus that carries data brings messages along, sealed, and spares the
fetch where nothing is missing before them.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from core.bus import shard_of, shard_topic
from core.runtime import Runtime
from realtime import presence
from realtime.carried import packed, sealed_payload
from realtime.groups import Entry
from realtime.table import Payload

ROOMS_CHANNEL = "realtime.rooms"
ENTRIES_CHANNEL = "realtime.entries"
SEND_CHANNEL = "realtime.send"
PRESENCE_CHANNEL = "realtime.presence"
NODES_CHANNEL = "realtime.nodes"
#: Rooms or users named in one hint; it must stay a small frame on every bus.
NAMED_PER_HINT = 100


def room_topic(room_id: UUID) -> str:
    """What a process follows that has sockets in a room."""
    return f"room:{room_id}"


def user_topic(user_id: UUID) -> str:
    """What a process follows that has sockets of a user, or watchers of his presence."""
    return f"user:{user_id}"


class Hub:
    """Implements `realtime.table.Sender` on the bus of this process."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def to_user(
        self,
        user_id: UUID,
        event: str,
        payload: Payload,
        device: str | None = None,
        hospital_id: UUID | None = None,
    ) -> None:
        hospital = None if hospital_id is None else str(hospital_id)
        target = {"user": str(user_id), "device": device, "hospital": hospital}
        await self._send(user_topic(user_id), target, event, payload)

    async def to_room(
        self, room_id: UUID, event: str, payload: Payload, except_user: UUID | None = None
    ) -> None:
        left_out = None if except_user is None else str(except_user)
        target = {"room": str(room_id), "except": left_out}
        await self._send(room_topic(room_id), target, event, payload)

    async def to_inbox(self, user_id: UUID, hospital_id: UUID, item: BaseModel) -> None:
        await self.to_user(user_id, "inbox", item, hospital_id=hospital_id)

    async def rooms_changed(self, heads: Mapping[UUID, int]) -> None:
        """Hint that rooms have come to these `seq`."""
        for topic, rooms in self._parts(heads, room_topic):
            named = {str(room_id): heads[room_id] for room_id in rooms}
            await self._runtime.bus.publish(ROOMS_CHANNEL, {"rooms": named}, topic)

    def carry(self, news: Iterable[Entry]) -> None:
        """Bring committed entries to the other processes, where the bus carries data."""
        shards: dict[str, list[Entry]] = {}
        for entry in news:
            shards.setdefault(shard_topic(shard_of(room_topic(entry.room))), []).append(entry)
        for topic, group in shards.items():
            for frame in packed(group):
                self._runtime.bus.carry(ENTRIES_CHANNEL, frame, topic)

    async def set_busy(self, user_id: UUID, until: datetime | None) -> None:
        async with self._runtime.unit_of_work() as uow:
            await presence.set_busy(uow, user_id, until)
        await self.presence_changed(user_id)

    async def presence_changed(self, user_id: UUID) -> None:
        await self.presences_changed([user_id])

    async def presences_changed(self, user_ids: Iterable[UUID]) -> None:
        """Hint that users' presence may have changed; whoever has watchers looks it up."""
        for topic, users in self._parts(user_ids, user_topic):
            named = [str(user_id) for user_id in users]
            await self._runtime.bus.publish(PRESENCE_CHANNEL, {"users": named}, topic)

    async def node_came(self, node_id: UUID) -> None:
        """Tell the others that they are not alone."""
        await self._runtime.bus.publish(NODES_CHANNEL, {"node": str(node_id)})

    def _parts(
        self, ids: Iterable[UUID], topic_of: Callable[[UUID], str]
    ) -> list[tuple[str | None, list[UUID]]]:
        """What is named in each hint, and whom the hint concerns: few frames for many ids."""
        groups: dict[str | None, list[UUID]] = {}
        for each in ids:
            shard = shard_topic(shard_of(topic_of(each))) if self._runtime.bus.sharded else None
            groups.setdefault(shard, []).append(each)
        return [
            (topic, group[start : start + NAMED_PER_HINT])
            for topic, group in groups.items()
            for start in range(0, len(group), NAMED_PER_HINT)
        ]

    async def _send(self, topic: str, target: dict[str, Any], event: str, payload: Payload) -> None:
        data = payload.model_dump(mode="json") if isinstance(payload, BaseModel) else dict(payload)
        sealed = sealed_payload(topic, event, data)
        await self._runtime.bus.publish(
            SEND_CHANNEL, {**target, "event": event, "sealed": sealed}, topic
        )
