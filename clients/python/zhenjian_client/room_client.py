"""A client that stays in its rooms: reconnects, resumes, keeps order, sends nothing twice.

- Messages are delivered once and in order (`RoomLog`); a gap is fetched.
- What is sent gets a `client_id` and waits in an outbox until it is acknowledged. It goes out one
  by one, so that nothing overtakes, and again with the same id after a loss: the server knows it.
- After a loss it comes back with growing pauses, and never before the time that the server names.
  The token is renewed before it ends; an expired one is refreshed first.
"""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self

import aiohttp

from zhenjian_client.errors import ApiError, ClientError, ConnectionLost, Refused, RequestFailed
from zhenjian_client.outbox import Outbox, Outgoing, Sent, Storage
from zhenjian_client.renewal import pause_before_renewal
from zhenjian_client.room import JoinedRoom
from zhenjian_client.socket import Socket

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 10.0
PAGE = 200
#: Seconds after its acknowledgement in which a message of ours has to come as an event.
ECHO_PAUSE = 0.5
#: Seconds in which an acknowledgement has to come.
ACK_TIMEOUT = 10.0
#: Seconds after which a room is asked for again for which the server had no answer but a fault.
FAULT_PAUSE = 2.0
#: Among what arrived: words of our own to fetch what a room lacks, and to join it again.
FETCH, JOIN = "own:fetch", "own:join"
#: After these only a new login helps.
FINAL = frozenset(
    {
        "session_revoked",
        "session_idle",
        "session_over",
        "unauthenticated",
        "second_factor_required",
        "password_change_required",
    }
)

Refresh = Callable[[], Awaitable[str]]
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
        self.url, self.token, self.device = url, token, device
        self.rooms: dict[str, JoinedRoom] = {}
        self.events: list[tuple[str, Any]] = []
        self.connects = 0
        self.state = "idle"
        self.failure: ClientError | None = None
        self.outbox = Outbox(storage, self._outgoing_changed)
        self._refresh = refresh
        self._on_event = on_event
        self._on_state = on_state
        self._acknowledge = acknowledge
        self._ack_timeout = ack_timeout
        self._acknowledging: dict[str, asyncio.Task[None]] = {}
        self._renewing: asyncio.Task[None] | None = None
        self._socket: Socket | None = None
        self._online = asyncio.Event()
        self._awake = asyncio.Event()
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
        self._set_state("connecting")
        try:
            await self._open()
        except Refused as refusal:
            if refusal.code != "token_expired":
                raise
            await self._refresh_token()
            await self._open()
        self._begin(self._keep_connected())

    def start(self) -> None:
        """Connect in the background, as often as it takes; `state` says how it goes."""
        self._set_state("connecting")
        self._begin(self._connect_and_keep())

    async def close(self) -> None:
        """Leave. Whoever waits for a message is told `ConnectionLost`; what was posted is kept by
        the storage.
        """
        self._closing = True
        tasks = [*self._tasks, *self._acknowledging.values()]
        if self._renewing is not None:
            tasks.append(self._renewing)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._socket is not None:
            await self._socket.close()
        self.outbox.abandon(ConnectionLost("The client was closed."))
        self._set_state("idle")

    async def drop(self) -> None:
        """Lose the line without a word, as in a dead spot; the client comes back by itself."""
        if self._socket is not None:
            self._online.clear()
            await self._socket.abort()

    def wake(self) -> None:
        """Try to connect now: the network came back."""
        self._awake.set()

    async def join(self, room_id: str, after: int = 0) -> JoinedRoom:
        """Join a room and hold everything above `after`; interruptions resume by themselves.

        Waits while the line is down. Raises `RequestFailed` when one may not be in it.
        """
        room = self.rooms.setdefault(str(room_id), JoinedRoom(self, str(room_id)))
        room.log.begin_at(after)
        try:
            await self._wait_online()
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
        await self._wait_online()
        try:
            return await self._ask(event, payload)
        except RequestFailed as failed:
            if failed.code != "token_expired" or self._refresh is None:
                raise
        await self._refresh_token()
        await self._ask("session:renew", {"token": self.token})
        return await self._ask(event, payload)

    async def renew(self, token: str) -> dict[str, Any]:
        """Give the living connection a newer token."""
        self.token = token
        answer = await self.call("session:renew", {"token": token})
        self._plan_renewal()
        return answer

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

    def _begin(self, *more: Any) -> None:
        work = (*more, self._send_outbox(), self._hear())
        self._tasks = [asyncio.create_task(each) for each in work]

    def _outgoing_changed(self, room_id: str) -> None:
        if self._on_event is not None:
            self._on_event("outgoing", {"room": room_id})

    def _set_state(self, state: str) -> None:
        if state != self.state:
            self.state = state
            if self._on_state is not None:
                code = self.failure.code if isinstance(self.failure, Refused) else None
                self._on_state(state, code)

    async def _open(self) -> None:
        auth = {"token": self.token, "device": self.device}
        socket = Socket(self.url, auth, lambda *heard: self._arrived.put_nowait(heard))
        await socket.connect()
        self._socket = socket
        self.connects += 1
        self._online.set()
        self._set_state("online")
        self._plan_renewal()

    async def _connect_and_keep(self) -> None:
        try:
            await self._reopen()
        except ClientError as error:
            self._give_up(error)
            return
        await self._keep_connected()

    async def _keep_connected(self) -> None:
        while True:
            assert self._socket is not None
            await self._socket.closed.wait()
            self._online.clear()
            self._set_state("reconnecting")
            try:
                await self._after_loss(self._socket.reason or "lost")
                await self._reopen()
            except ClientError as error:
                self._give_up(error)
                return

    async def _after_loss(self, reason: str) -> None:
        if reason == "token_expired":
            await self._try_to_refresh()
        elif reason in FINAL:
            raise Refused(reason)

    async def _reopen(self) -> None:
        pause = FIRST_PAUSE
        while True:
            least = 0.0
            try:
                await self._open()
                await self._resume()
                return
            except Refused as refusal:
                if refusal.code in FINAL:
                    raise
                if refusal.code == "token_expired":
                    await self._try_to_refresh()
                least = float(refusal.data.get("retry_after", 0))
            except RequestFailed as failed:
                least = failed.retry_after or 0.0
            except ConnectionLost:
                pass
            await self._let_go()
            # Those who were told the same time do not come back in the same moment.
            await self._sleep(max(pause * random.uniform(0.5, 1), least * random.uniform(1, 1.25)))
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _let_go(self) -> None:
        """No connection stays behind when the next one is made."""
        self._online.clear()
        if self._socket is not None:
            await self._socket.close()
        if self.state == "online":
            self._set_state("reconnecting")

    async def _sleep(self, seconds: float) -> None:
        self._awake.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._awake.wait(), seconds)

    async def _refresh_token(self) -> None:
        """Raises `Refused` when the session is over, `ConnectionLost` when nobody could say."""
        if self._refresh is None:
            raise Refused("token_expired")
        try:
            self.token = await self._refresh()
        except ApiError as error:
            if error.status in (401, 403):
                raise Refused(error.code or "unauthenticated", error.problem) from error
            raise ConnectionLost(str(error)) from error
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise ConnectionLost(f"The token was not refreshed: {error!r}") from error

    async def _try_to_refresh(self) -> bool:
        with contextlib.suppress(ConnectionLost):
            await self._refresh_token()
            return True
        return False

    def _plan_renewal(self) -> None:
        if self._renewing is not None and self._renewing is not asyncio.current_task():
            self._renewing.cancel()
        self._renewing = None
        pause = pause_before_renewal(self.token) if self._refresh is not None else None
        if pause is not None:
            self._renewing = asyncio.create_task(self._renew_later(pause))

    async def _renew_later(self, pause: float) -> None:
        await asyncio.sleep(pause)
        # A courtesy: without it the server ends the connection, and the token is refreshed then.
        with contextlib.suppress(ClientError):
            await self._refresh_token()
            await self.renew(self.token)

    def _give_up(self, error: ClientError) -> None:
        self.failure = error
        self._online.set()
        self.outbox.abandon(error)
        self._set_state("refused")

    async def _wait_online(self) -> None:
        await self._online.wait()
        if self.failure is not None:
            raise self.failure

    async def _ask(self, event: str, payload: dict[str, Any]) -> dict[str, Any]:
        if self._socket is None:
            raise ConnectionLost("Not connected.")
        return await self._socket.call(event, payload, self._ack_timeout)

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
        answer = await self._ask("room:join", asked)
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
            async with self._heard:
                self.events.append((name, payload))
                self._heard.notify_all()
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
            await self._wait_online()
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
