"""The sending side of rooms in any process: what it sends travels over the bus to whoever has
sockets.

The bus is a hint. An event that is sent to a user or a room reaches the sockets alive at that
moment; entries of rooms are not sent at all: the hint names a room and its newest `seq`, and each
process fetches what its own sockets lack.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from core.runtime import Runtime
from realtime import presence
from realtime.table import Payload

ROOMS_CHANNEL = "realtime.rooms"
SEND_CHANNEL = "realtime.send"
PRESENCE_CHANNEL = "realtime.presence"
#: Rooms named in one hint; it must stay a small frame on every bus.
ROOMS_PER_HINT = 100


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
        await self._send(target, event, payload)

    async def to_room(
        self, room_id: UUID, event: str, payload: Payload, except_user: UUID | None = None
    ) -> None:
        left_out = None if except_user is None else str(except_user)
        await self._send({"room": str(room_id), "except": left_out}, event, payload)

    async def to_inbox(self, user_id: UUID, hospital_id: UUID, item: BaseModel) -> None:
        await self.to_user(user_id, "inbox", item, hospital_id=hospital_id)

    async def rooms_changed(self, heads: Mapping[UUID, int]) -> None:
        named = [(str(room_id), seq) for room_id, seq in heads.items()]
        for start in range(0, len(named), ROOMS_PER_HINT):
            part = dict(named[start : start + ROOMS_PER_HINT])
            await self._runtime.bus.publish(ROOMS_CHANNEL, {"rooms": part})

    async def set_busy(self, user_id: UUID, until: datetime | None) -> None:
        async with self._runtime.unit_of_work() as uow:
            await presence.set_busy(uow, user_id, until)
        await self.presence_changed(user_id)

    async def presence_changed(self, user_id: UUID) -> None:
        """Hint that a user's presence may have changed; whoever has watchers looks it up."""
        await self._runtime.bus.publish(PRESENCE_CHANNEL, {"user": str(user_id)})

    async def _send(self, target: dict[str, Any], event: str, payload: Payload) -> None:
        data = payload.model_dump(mode="json") if isinstance(payload, BaseModel) else dict(payload)
        await self._runtime.bus.publish(SEND_CHANNEL, {**target, "event": event, "payload": data})
