"""A room that a client is in: its log, what is on its way out, and the verbs."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from zhenjian_client.log import Message, RoomLog
from zhenjian_client.outbox import Outgoing, Sent

if TYPE_CHECKING:
    from zhenjian_client.room_client import RoomClient

#: Seconds between two words of a room about what has arrived.
DELIVERED_PAUSE = 0.5


@dataclass
class JoinedRoom:
    """`log` is complete up to `log.last`; `view` is the last one read. `problem`: the code with
    which the server no longer lets us in; the client has given the room up then.
    """

    client: "RoomClient"
    id: str
    log: RoomLog = field(default_factory=RoomLog)
    view: dict[str, Any] = field(default_factory=dict)
    call: dict[str, Any] | None = None
    problem: str | None = None
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    #: How far the server has been told that messages arrived here.
    acknowledged: int = 0

    @property
    def outgoing(self) -> list[Outgoing]:
        """What was said here and is not confirmed yet, oldest first; shown below the log."""
        here = {message.get("client_id") for message in self.log.messages[-200:]}
        return [each for each in self.client.outbox.of(self.id) if each.client_id not in here]

    async def send_text(self, text: str, reply_to: int | None = None) -> Sent:
        """Say something; returns once it is stored. Waits while the line is down."""
        return await self.send("text", {"text": text}, reply_to)

    async def send(
        self,
        kind: str,
        body: dict[str, Any],
        reply_to: int | None = None,
        client_id: str | None = None,
    ) -> Sent:
        """Send and wait until it is stored; raises `RequestFailed` when it is refused."""
        return await self.client.enqueue(self.id, kind, body, reply_to, client_id)

    def post_text(self, text: str, reply_to: int | None = None) -> str:
        return self.post("text", {"text": text}, reply_to)

    def post(self, kind: str, body: dict[str, Any], reply_to: int | None = None) -> str:
        """Say something without waiting: it is in `outgoing` at once and goes out when it can.

        Returns its client id, for `retry` and `discard` should it fail.
        """
        entry = Outgoing(self.id, kind, body, reply_to)
        self.client.outbox.add(entry)
        return entry.client_id

    def retry(self, client_id: str) -> None:
        """Send a failed message again, under the same id."""
        self.client.outbox.retry(client_id)

    def discard(self, client_id: str) -> None:
        """Give up a message that is not being sent right now."""
        self.client.outbox.discard(client_id)

    async def recall(self, seq: int) -> int:
        answer = await self.client.call("message:recall", {"room": self.id, "seq": seq})
        return int(answer["seq"])

    async def read(self, seq: int) -> dict[str, Any]:
        return await self.client.call("receipt:read", {"room": self.id, "seq": seq})

    async def delivered(self, seq: int) -> dict[str, Any]:
        return await self.client.call("receipt:delivered", {"room": self.id, "seq": seq})

    async def typing(self) -> None:
        await self.client.call("typing", {"room": self.id})

    async def around(self, seq: int, limit: int = 50) -> list[Message]:
        """The messages around one of them, for a look at what was found; the log stays as it is."""
        half = max(1, limit // 2)
        before = {"room": self.id, "before": seq, "limit": half}
        after = {"room": self.id, "after": max(0, seq - 1), "limit": half}
        earlier = await self.client.call("message:fetch", before)
        later = await self.client.call("message:fetch", after)
        return [*earlier["messages"], *later["messages"]]

    async def wait_for(self, condition: Callable[[RoomLog], bool], timeout: float = 10.0) -> None:
        """Wait until the log fulfils a condition."""
        async with asyncio.timeout(timeout), self.changed:
            await self.changed.wait_for(lambda: condition(self.log))

    async def stream(self, after: int = 0) -> AsyncIterator[Message]:
        """Every message above `after` that the log holds or will hold, once and in order."""
        position = 0
        while True:
            async with self.changed:
                while len(self.log.messages) <= position:
                    await self.changed.wait()
            while position < len(self.log.messages):
                message = self.log.messages[position]
                position += 1
                if message["seq"] > after:
                    yield message

    async def take(self, messages: list[Message]) -> None:
        """Take messages in and wake whoever waits for them."""
        async with self.changed:
            fresh = [each for message in messages for each in self.log.add(message)]
            self.client.outbox.confirm(each["client_id"] for each in fresh if each["client_id"])
            self.changed.notify_all()
        if any(_is_of_others(each, self.view) for each in fresh):
            self.client.received(self)

    async def acknowledge(self) -> None:
        """Say how far this device has received; what arrives meanwhile goes along next time."""
        while self.acknowledged < self.log.last:
            seq = self.log.last
            await self.delivered(seq)
            self.acknowledged = seq
            await asyncio.sleep(DELIVERED_PAUSE)


def _is_of_others(message: Message, view: dict[str, Any]) -> bool:
    sender = message["sender"]
    return sender is not None and sender["user_id"] != view.get("me", {}).get("user_id")
