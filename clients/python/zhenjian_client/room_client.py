"""A client that stays in its rooms: reconnects, resumes, keeps order, sends nothing twice.

- Messages are delivered once and in order (`RoomLog`); a gap is fetched.
- What is sent gets a `client_id` and waits in an outbox until it is acknowledged. It goes out one
by
  one, so that nothing overtakes, and again with the same id after a loss: the server knows it.
- After a loss it comes back with growing pauses; an expired token is refreshed first.
"""

import asyncio
import contextlib
import random
import uuid
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from zhenjian_client.errors import ClientError, ConnectionLost, Refused, RequestFailed
from zhenjian_client.log import Message, RoomLog
from zhenjian_client.socket import Socket

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 10.0
PAGE = 200
#: Seconds between two words of a room about what has arrived.
DELIVERED_PAUSE = 0.5

Refresh = Callable[[], Awaitable[str]]
OnEvent = Callable[[str, Any], None]


@dataclass(frozen=True)
class Sent:
    """Where a message of ours stands in its room. `duplicate`: an earlier try had arrived."""

    seq: int
    at: str
    duplicate: bool
    client_id: str


@dataclass
class _Pending:
    room: str
    payload: dict[str, Any]
    done: asyncio.Future[Sent]


@dataclass
class JoinedRoom:
    """A room that the client is in. `log` is complete up to `log.last`; `view` is the last one
    read.
    """

    client: "RoomClient"
    id: str
    log: RoomLog = field(default_factory=RoomLog)
    view: dict[str, Any] = field(default_factory=dict)
    call: dict[str, Any] | None = None
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    #: How far the server has been told that messages arrived here.
    acknowledged: int = 0

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
        return await self.client.enqueue(self.id, kind, body, reply_to, client_id)

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
        async with self.changed:
            await asyncio.wait_for(
                self.changed.wait_for(lambda: condition(self.log)), timeout=timeout
            )

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


class RoomClient:
    """See the module. `refresh` gives a new access token; without it an expired one ends the
    client. `acknowledge`: tell the server what has arrived, so that senders see "delivered".
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        device: str = "python",
        refresh: Refresh | None = None,
        on_event: OnEvent | None = None,
        acknowledge: bool = True,
    ) -> None:
        self.url, self.token, self.device = url, token, device
        self.rooms: dict[str, JoinedRoom] = {}
        self.events: list[tuple[str, Any]] = []
        self.connects = 0
        self.failure: ClientError | None = None
        self._refresh = refresh
        self._on_event = on_event
        self._acknowledge = acknowledge
        self._acknowledging: dict[str, asyncio.Task[None]] = {}
        self._socket: Socket | None = None
        self._online = asyncio.Event()
        self._outbox: deque[_Pending] = deque()
        self._outbox_filled = asyncio.Event()
        self._arrived: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        self._heard = asyncio.Condition()
        self._tasks: list[asyncio.Task[None]] = []
        self._closing = False

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def connect(self) -> None:
        """Connect for the first time; raises `Refused` or `ConnectionLost`. Later losses heal."""
        await self._open()
        self._tasks = [
            asyncio.create_task(self._keep_connected()),
            asyncio.create_task(self._send_outbox()),
            asyncio.create_task(self._hear()),
        ]

    async def close(self) -> None:
        """Leave; what waits in the outbox is told `ConnectionLost`."""
        self._closing = True
        tasks = [*self._tasks, *self._acknowledging.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._socket is not None:
            await self._socket.close()
        self._fail_outbox(ConnectionLost("The client was closed."))

    async def drop(self) -> None:
        """Lose the line without a word, as in a dead spot; the client comes back by itself."""
        if self._socket is not None:
            self._online.clear()
            await self._socket.abort()

    async def join(self, room_id: str, after: int = 0) -> JoinedRoom:
        """Join a room and hold everything above `after`; interruptions resume by themselves."""
        room = self.rooms.setdefault(str(room_id), JoinedRoom(self, str(room_id)))
        room.log.begin_at(after)
        try:
            await self._join(room)
        except RequestFailed:
            self.rooms.pop(room.id, None)
            raise
        return room

    async def leave(self, room_id: str) -> None:
        self.rooms.pop(str(room_id), None)
        await self.call("room:leave", {"room": str(room_id)})

    async def call(self, event: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Send an event once and return its answer; raises `RequestFailed` or `ConnectionLost`."""
        await self._wait_online()
        assert self._socket is not None
        return await self._socket.call(event, payload)

    async def renew(self, token: str) -> dict[str, Any]:
        """Give the living connection a newer token."""
        self.token = token
        return await self.call("session:renew", {"token": token})

    async def enqueue(
        self,
        room_id: str,
        kind: str,
        body: dict[str, Any],
        reply_to: int | None = None,
        client_id: str | None = None,
    ) -> Sent:
        """Put a message into the outbox and wait until it is stored or refused."""
        pending = _Pending(
            room_id,
            {
                "room": room_id,
                "client_id": client_id or str(uuid.uuid4()),
                "kind": kind,
                "body": body,
                "reply_to": reply_to,
            },
            asyncio.get_running_loop().create_future(),
        )
        if self.failure is not None:
            raise self.failure
        self._outbox.append(pending)
        self._outbox_filled.set()
        return await pending.done

    async def wait_event(
        self, name: str, check: Callable[[Any], bool] = lambda _: True, timeout: float = 10.0
    ) -> Any:
        """The payload of the first event of this name, heard already or yet to come, that fits."""

        def find() -> list[Any]:
            return [data for event, data in self.events if event == name and check(data)]

        async with self._heard:
            await asyncio.wait_for(self._heard.wait_for(lambda: bool(find())), timeout)
            return find()[0]

    def received(self, room: JoinedRoom) -> None:
        """Tell the server soon how far a room has arrived here; one word for many messages."""
        if not self._acknowledge or self._closing or room.id in self._acknowledging:
            return
        task = asyncio.create_task(self._tell_received(room))
        self._acknowledging[room.id] = task

    async def _tell_received(self, room: JoinedRoom) -> None:
        try:
            # A mark that got lost goes out with the next message: it is a watermark.
            with contextlib.suppress(ConnectionLost, Refused, RequestFailed):
                await room.acknowledge()
        finally:
            self._acknowledging.pop(room.id, None)

    # ---- the connection ----------------------------------------------------------------------

    async def _open(self) -> None:
        auth = {"token": self.token, "device": self.device}
        socket = Socket(self.url, auth, lambda *heard: self._arrived.put_nowait(heard))
        await socket.connect()
        self._socket = socket
        self.connects += 1
        self._online.set()

    async def _keep_connected(self) -> None:
        while True:
            assert self._socket is not None
            await self._socket.closed.wait()
            self._online.clear()
            try:
                await self._after_loss(self._socket.reason or "lost")
                await self._reopen()
            except ClientError as error:
                self._give_up(error)
                return

    async def _after_loss(self, reason: str) -> None:
        if reason == "token_expired":
            await self._renew_token()
        elif reason in ("session_revoked", "unauthenticated"):
            raise Refused(reason)

    async def _reopen(self) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                await self._open()
                for room in tuple(self.rooms.values()):
                    await self._join(room)
                return
            except Refused as refusal:
                if refusal.code == "token_expired":
                    await self._renew_token()
                elif refusal.code != "overloaded":
                    raise
                pause = max(pause, float(refusal.data.get("retry_after", 0)))
            except RequestFailed as failed:
                if failed.retry_after is None:
                    raise
                pause = max(pause, failed.retry_after)
            except ConnectionLost:
                self._online.clear()
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _renew_token(self) -> None:
        if self._refresh is None:
            raise Refused("token_expired")
        self.token = await self._refresh()

    def _give_up(self, error: ClientError) -> None:
        self.failure = error
        self._online.set()
        self._fail_outbox(error)

    def _fail_outbox(self, error: ClientError) -> None:
        while self._outbox:
            pending = self._outbox.popleft()
            if not pending.done.done():
                pending.done.set_exception(error)

    async def _wait_online(self) -> None:
        await self._online.wait()
        if self.failure is not None:
            raise self.failure

    # ---- rooms -------------------------------------------------------------------------------

    async def _join(self, room: JoinedRoom) -> None:
        assert self._socket is not None
        asked = {"room": room.id, "after": room.log.last}
        answer = await self._socket.call("room:join", asked)
        room.view, room.call = answer["room"], answer.get("call")
        if room.log.state is None:
            room.log.view(room.view)
        await room.take(answer["messages"])
        if answer["resync"]:
            await self._fill(room)

    async def _fill(self, room: JoinedRoom) -> None:
        """Fetch what lies above the log until nothing more does."""
        assert self._socket is not None
        while True:
            asked = {"room": room.id, "after": room.log.last, "limit": PAGE}
            page = await self._socket.call("message:fetch", asked)
            await room.take(page["messages"])
            if not page["has_more"]:
                return

    async def _hear(self) -> None:
        while True:
            name, payload = await self._arrived.get()
            room = self.rooms.get(payload.get("room", "")) if isinstance(payload, dict) else None
            # A loss while filling is healed by the join that follows it.
            with contextlib.suppress(ConnectionLost, RequestFailed):
                if room is not None and name == "message":
                    await room.take([payload])
                    if room.log.has_gap:
                        await self._fill(room)
                elif room is not None and name == "unread":
                    room.view["me"]["read_seq"] = payload["read_seq"]
                elif room is not None and name == "resync":
                    await self._fill(room)
            async with self._heard:
                self.events.append((name, payload))
                self._heard.notify_all()
            if self._on_event is not None:
                self._on_event(name, payload)

    # ---- the outbox --------------------------------------------------------------------------

    async def _send_outbox(self) -> None:
        while True:
            await self._outbox_filled.wait()
            self._outbox_filled.clear()
            while self._outbox:
                await self._send_first()

    async def _send_first(self) -> None:
        """Send the oldest message until it is stored or refused; nothing overtakes it."""
        pending = self._outbox[0]
        try:
            answer = await self.call("message:send", pending.payload)
        except ConnectionLost:
            # It may have arrived: the same id goes out again when the line is back.
            await asyncio.sleep(FIRST_PAUSE)
            return
        except RequestFailed as failed:
            if failed.retry_after is not None:
                await asyncio.sleep(failed.retry_after)
                return
            self._outbox.popleft()
            if not pending.done.done():
                pending.done.set_exception(failed)
            return
        except Refused:
            return
        self._outbox.popleft()
        sent = Sent(answer["seq"], answer["at"], answer["duplicate"], pending.payload["client_id"])
        if not pending.done.done():
            pending.done.set_result(sent)
