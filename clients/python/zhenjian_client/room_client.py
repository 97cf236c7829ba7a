"""A client that stays in its rooms: reconnects, resumes, keeps order, sends nothing twice.

- Messages are delivered once and in order (`RoomLog`); a gap is fetched.
- What is sent gets a `client_id` and waits in an outbox until it is acknowledged. It goes out one
  by one, so that nothing overtakes, and again with the same id after a loss: the server knows it.
- The connection heals by itself (`Connection`); each room then says how far it has come.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from zhenjian_client.connection import ACK_TIMEOUT, FIRST_PAUSE, Connection, Refresh
from zhenjian_client.errors import ClientError, ConnectionLost, Refused, RequestFailed
from zhenjian_client.outbox import Outbox, Outgoing, Sent, Storage
from zhenjian_client.room import JoinedRoom

PAGE = 200
#: Seconds after its acknowledgement in which a message of ours has to come as an event.
ECHO_PAUSE = 0.5
#: Seconds after which a room is asked for again for which the server had no answer but a fault.
FAULT_PAUSE = 2.0
#: Among what arrived: words of our own to fetch what a room lacks, and to join it again.
FETCH, JOIN = "own:fetch", "own:join"

OnEvent = Callable[[str, Any], None]
OnState = Callable[[str, str | None], None]


class RoomClient:
    """See the module. `refresh` gives a new access token (it raises `Refused` when the session is
    over); without it an expired one ends the client. `acknowledge`: tell the server what has
    arrived, so that senders see "delivered". `storage` keeps posted messages over a restart.
    `on_event(name, payload)` hears the server's events, after the rooms have taken them in, and
    `outgoing` with `{room}` when what is on its way out has changed.

    `state` is `idle`, `connecting`, `online`, `reconnecting` or `refused` (`failure` says why).
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        device: str = "python",
        refresh: Refresh | None = None,
        on_event: OnEvent | None = None,
        on_state: OnState | None = None,
        acknowledge: bool = True,
        storage: Storage | None = None,
        ack_timeout: float = ACK_TIMEOUT,
    ) -> None:
        self.rooms: dict[str, JoinedRoom] = {}
        self.events: list[tuple[str, Any]] = []
        self.outbox = Outbox(storage, self._outgoing_changed)
        self.connection = Connection(
            url,
            token,
            device,
            refresh=refresh,
            ack_timeout=ack_timeout,
            heard=lambda *heard: self._arrived.put_nowait(heard),
            resume=self._resume,
            changed=self._state_changed,
            ended=self.outbox.abandon,
        )
        self._on_event = on_event
        self._on_state = on_state
        self._acknowledge = acknowledge
        self._acknowledging: dict[str, asyncio.Task[None]] = {}
        self._arrived: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        self._news = asyncio.Condition()
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

    @property
    def url(self) -> str:
        return self.connection.url

    @property
    def state(self) -> str:
        return self.connection.state

    @property
    def failure(self) -> ClientError | None:
        return self.connection.failure

    @property
    def connects(self) -> int:
        """How often there was a connection."""
        return self.connection.connects

    async def connect(self) -> None:
        """Connect for the first time; raises `Refused` or `ConnectionLost`. Later losses heal."""
        await self.connection.connect()
        self._begin()

    def start(self) -> None:
        """Connect in the background, as often as it takes; `state` says how it goes."""
        self.connection.start()
        self._begin()

    async def close(self) -> None:
        """Leave. Whoever waits for a message is told `ConnectionLost`; what was posted is kept by
        the storage.
        """
        self._closing = True
        tasks = [*self._tasks, *self._acknowledging.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.outbox.abandon(ConnectionLost("The client was closed."))
        await self.connection.close()

    async def drop(self) -> None:
        """Lose the line without a word, as in a dead spot; the client comes back by itself."""
        await self.connection.drop()

    def wake(self) -> None:
        """Try to connect now: the network came back."""
        self.connection.wake()

    async def join(self, room_id: str, after: int = 0) -> JoinedRoom:
        """Join a room and hold everything above `after`; interruptions resume by themselves.

        Waits while the line is down. Raises `RequestFailed` when one may not be in it.
        """
        room = self.rooms.setdefault(str(room_id), JoinedRoom(self, str(room_id)))
        room.log.begin_at(after)
        try:
            await self.connection.wait_online()
            await self._join(room)
        except RequestFailed:
            self.rooms.pop(room.id, None)
            raise
        return room

    async def leave(self, room_id: str) -> None:
        self.rooms.pop(str(room_id), None)
        await self.call("room:leave", {"room": str(room_id)})

    async def call(self, event: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Send an event once and return its answer; raises `RequestFailed` or `ConnectionLost`.

        A token that turns out to be expired is renewed first.
        """
        return await self.connection.call(event, payload)

    async def renew(self, token: str) -> dict[str, Any]:
        """Give the living connection a newer token."""
        return await self.connection.renew(token)

    async def enqueue(
        self,
        room_id: str,
        kind: str,
        body: dict[str, Any],
        reply_to: int | None = None,
        client_id: str | None = None,
    ) -> Sent:
        """Put a message into the outbox and wait until it is stored or refused."""
        if self.failure is not None:
            raise self.failure
        waiter: asyncio.Future[Sent] = asyncio.get_running_loop().create_future()
        entry = Outgoing(room_id, kind, body, reply_to, waiter=waiter)
        entry.client_id = client_id or entry.client_id
        self.outbox.add(entry)
        return await waiter

    async def wait_event(
        self, name: str, check: Callable[[Any], bool] = lambda _: True, timeout: float = 10.0
    ) -> Any:
        """The payload of the first event of this name, heard already or yet to come, that fits."""

        def find() -> list[Any]:
            return [data for event, data in self.events if event == name and check(data)]

        async with asyncio.timeout(timeout), self._news:
            await self._news.wait_for(lambda: bool(find()))
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

    def _begin(self) -> None:
        self._tasks = [asyncio.create_task(each) for each in (self._send_outbox(), self._hear())]

    def _outgoing_changed(self, room_id: str) -> None:
        if self._on_event is not None:
            self._on_event("outgoing", {"room": room_id})

    def _state_changed(self, state: str) -> None:
        if self._on_state is not None:
            code = self.failure.code if isinstance(self.failure, Refused) else None
            self._on_state(state, code)

    # ---- rooms -------------------------------------------------------------------------------

    async def _resume(self) -> None:
        for room in tuple(self.rooms.values()):
            await self._rejoin(room)

    async def _rejoin(self, room: JoinedRoom) -> None:
        """One that no longer lets us in is given up, one that cannot tell is asked again later;
        the others live.
        """
        try:
            await self._join(room)
        except RequestFailed as failed:
            if failed.code == "token_expired":
                raise
            if failed.retry_after is not None or failed.is_fault:
                self._remind(room, JOIN, failed)
            else:
                self.rooms.pop(room.id, None)
                room.problem = failed.code

    async def _join(self, room: JoinedRoom) -> None:
        asked = {"room": room.id, "after": room.log.last}
        answer = await self.connection.ask("room:join", asked)
        room.view, room.call = answer["room"], answer.get("call")
        if room.log.state is None:
            room.log.view(room.view)
        await room.take(answer["messages"])
        if answer["resync"]:
            await self._fill(room)

    async def _fill(self, room: JoinedRoom) -> None:
        """Fetch what lies above the log until nothing more does."""
        while True:
            asked = {"room": room.id, "after": room.log.last, "limit": PAGE}
            try:
                page = await self.call("message:fetch", asked)
            except RequestFailed as failed:
                if failed.retry_after is None:
                    raise
                await asyncio.sleep(failed.retry_after * random.uniform(1, 1.25))
                continue
            await room.take(page["messages"])
            if not page["has_more"]:
                return

    async def _hear(self) -> None:
        while True:
            name, payload = await self._arrived.get()
            room = self.rooms.get(payload.get("room", "")) if isinstance(payload, dict) else None
            # A loss while filling is healed by the join that follows it.
            with contextlib.suppress(ClientError):
                if room is not None:
                    await self._heed(room, name, payload)
            if name in (FETCH, JOIN):
                continue
            async with self._news:
                self.events.append((name, payload))
                self._news.notify_all()
            if self._on_event is not None:
                self._on_event(name, payload)

    async def _heed(self, room: JoinedRoom, name: str, payload: Any) -> None:
        if name == "message":
            await room.take([payload])
        elif name == "unread":
            room.view["me"]["read_seq"] = payload["read_seq"]
        elif name == JOIN or (name == "membership" and payload["state"] == "joined"):
            # Asked in again: the server had stopped telling of this room.
            await self._rejoin(room)
        if name in ("resync", FETCH) or (name == "message" and room.log.has_gap):
            try:
                await self._fill(room)
            except RequestFailed as failed:
                if failed.is_fault:
                    self._remind(room, FETCH, failed)

    def _remind(self, room: JoinedRoom, word: str, failed: RequestFailed) -> None:
        """Ask again for a room when the server may have an answer."""
        pause = FAULT_PAUSE if failed.retry_after is None else failed.retry_after
        self._say_later(room, word, pause * random.uniform(1, 1.25))

    def _say_later(
        self, room: JoinedRoom, word: str, pause: float, above: int | None = None
    ) -> None:
        """Hear a word of our own after a pause, in turn with what arrives; with `above` only when
        the log has not come that far by then.
        """

        def say() -> None:
            lacks = above is None or room.log.last < above
            if lacks and self.rooms.get(room.id) is room and not self._closing:
                self._arrived.put_nowait((word, {"room": room.id}))

        asyncio.get_running_loop().call_later(pause, say)

    # ---- the outbox --------------------------------------------------------------------------

    async def _send_outbox(self) -> None:
        while True:
            await self.outbox.filled.wait()
            self.outbox.filled.clear()
            while (entry := self.outbox.next()) is not None and self.failure is None:
                await self._send(entry)

    async def _send(self, entry: Outgoing) -> None:
        """Send the oldest message until it is stored or refused; nothing overtakes it."""
        try:
            await self.connection.wait_online()
            self.outbox.mark(entry, "sending")
            answer = await self.call("message:send", entry.payload)
        except ConnectionLost:
            # It may have arrived: the same id goes out again when the line is back.
            self.outbox.mark(entry, "queued")
            await asyncio.sleep(FIRST_PAUSE)
            return
        except RequestFailed as failed:
            if failed.retry_after is None:
                self.outbox.refuse(entry, failed)
                return
            self.outbox.mark(entry, "queued")
            await asyncio.sleep(failed.retry_after)
            return
        except Refused:
            self.outbox.mark(entry, "queued")
            return
        sent = Sent(answer["seq"], answer["at"], answer["duplicate"], entry.client_id)
        room = self.rooms.get(entry.room)
        shown = room is None or room.log.last >= sent.seq
        self.outbox.acknowledge(entry, sent, shown=shown)
        if room is not None and not shown:
            # The message itself comes as an event; should that be lost, it is fetched.
            self._say_later(room, FETCH, ECHO_PAUSE, above=sent.seq)
