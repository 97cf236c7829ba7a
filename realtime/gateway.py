"""Socket.IO in front of the rooms: sockets to commands, entries and events to sockets. No
decisions.

One gateway lives in each web process. It knows the sockets of its process only; what concerns
others travels over the bus. Nothing that must survive is kept here.
"""

import asyncio
import functools
import time
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
import structlog
from pydantic import BaseModel, ValidationError
from socketio.exceptions import ConnectionRefusedError as Refused
from sqlalchemy.exc import SQLAlchemyError
from starlette.types import ASGIApp

from core.access.book import CHANNEL as ACCESS_CHANNEL
from core.access.book import BookCache
from core.defence.limits import RequestLimits
from core.errors import (
    Forbidden,
    InvalidRequest,
    MalformedRequest,
    NotFound,
    ProblemError,
    ServiceUnavailable,
    Unauthenticated,
)
from core.http.messages import field_problems
from core.identity.caller import Caller
from core.identity.errors import TokenExpired
from core.identity.session_cache import REVOKED_CHANNEL, USER_CHANNEL
from core.identity.sessions import authenticate
from core.ids import new_id
from core.origin import set_origin
from core.runtime import Runtime
from realtime import access
from realtime.connections import Connection, Connections, Lane
from realtime.delivery import Delivery
from realtime.errors import Overloaded, PayloadTooLarge, UnknownEvent
from realtime.floods import Door, DoorRules, GuardedSockets
from realtime.hub import NODES_CHANNEL, PRESENCE_CHANNEL, ROOMS_CHANNEL, SEND_CHANNEL, Hub
from realtime.joining import Joins
from realtime.limits import LIMITS, Limit, RateLimits
from realtime.messages import MessageWriter
from realtime.metrics import COMMANDS, CONNECTIONS
from realtime.monitor_feed import MonitorFeed
from realtime.outgoing import ack_frame, event_frame
from realtime.stalls import StallWatch
from realtime.table import MessageContext, RoomMessage
from realtime.tokens import token_expiry
from realtime.transport import Listener, RoomServer
from realtime.upkeep import Upkeep
from realtime.veil import Veil
from realtime.watch import PresenceWatch

log = structlog.get_logger(__name__)

#: Sockets that one process takes; more are sent elsewhere.
MAX_CONNECTIONS = 20_000
#: Codes with which a connection is refused or ended; others are told as `unauthenticated`.
REFUSALS = frozenset(
    {
        "token_expired",
        "session_revoked",
        "session_idle",
        "session_over",
        "second_factor_required",
        "password_change_required",
        "unauthenticated",
        "overloaded",
    }
)

#: What sockets of a session that has ended by itself are told.
ENDINGS = {"idle": "session_idle", "over": "session_over"}


class Gateway:
    """The Socket.IO server of one web process.

    `room_messages` is the table of all modules. `start` before serving, `stop` after; `wrap` puts
    the sockets in front of the HTTP application.
    """

    def __init__(
        self,
        runtime: Runtime,
        room_messages: Mapping[str, RoomMessage],
        *,
        offline_delay: float | None = None,
        max_connections: int = MAX_CONNECTIONS,
        limits: Mapping[str, Limit] | None = None,
        door_rules: DoorRules | None = None,
    ) -> None:
        guarded = runtime.config.rate_limits
        self.runtime = runtime
        self.node_id = new_id()
        self.connections = Connections(runtime.bus)
        self.hub = Hub(runtime)
        self.delivery = Delivery(
            runtime, self.connections, self.hub, alone=lambda: self.watch.alone
        )
        self.writer = MessageWriter(runtime, self.delivery.delivered)
        self.watch = PresenceWatch(
            runtime,
            self.hub,
            self.node_id,
            self.connections,
            offline_delay=offline_delay,
            most_sockets=(door_rules or DoorRules()).sockets_per_user if guarded else None,
        )
        self.upkeep = Upkeep(runtime, self.connections, self.delivery, self.watch)
        self.joins = Joins(runtime)
        self.monitor = MonitorFeed(runtime, self.connections)
        self._stalls = StallWatch()
        self._table = room_messages
        self._max_connections = max_connections
        if limits is None:
            limits = LIMITS if guarded else {}
        self._limits = RateLimits(time.monotonic, limits, self.watch.nodes_of)
        self._arriving: dict[str, Connection] = {}
        self._arriving_of: Counter[UUID] = Counter()
        self._counters: dict[tuple[str, str], Any] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._unsubscribe: list[Any] = []
        listener = Listener(
            on_connect=self._on_connect,
            on_ready=self._on_ready,
            on_event=self._on_event,
            on_bad=self._on_bad,
            on_gone=self._on_gone,
        )
        # Who connects is proved by the token in the handshake and never by a cookie, so a foreign
        # page gains nothing; mini-programs send origins of their own.
        self.server = RoomServer(listener, cors_allowed_origins="*")
        self.door = Door(
            strangers=lambda: len(self.server.eio.sockets) - len(self.connections),
            sockets_of=self._sockets_of,
            rules=door_rules,
            guarded=guarded,
            shared=RequestLimits.of(runtime).counters,
        )
        runtime.provide(Gateway, self)

    def wrap(self, application: ASGIApp) -> ASGIApp:
        """Sockets below `/socket.io`, everything else to `application`."""
        return GuardedSockets(self.server.wrap(application), self.door)

    def _sockets_of(self, user_id: UUID) -> int:
        """The sockets of a user here, with those that are just being let in."""
        return len(self.connections.of_user(user_id)) + self._arriving_of[user_id]

    def _arrived(self, sid: str) -> Connection | None:
        """A socket that was let in, or gave up on the way, and counts as arriving no longer."""
        connection = self._arriving.pop(sid, None)
        if connection is not None:
            user_id = connection.caller.user_id
            self._arriving_of[user_id] -= 1
            if not self._arriving_of[user_id]:
                del self._arriving_of[user_id]
        return connection

    async def start(self) -> None:
        bus = self.runtime.bus
        self._unsubscribe = [
            bus.subscribe(ROOMS_CHANNEL, self.delivery.on_rooms),
            bus.subscribe(SEND_CHANNEL, self.delivery.on_send),
            bus.subscribe(PRESENCE_CHANNEL, self.watch.on_hint),
            bus.subscribe(NODES_CHANNEL, self.watch.on_node),
            bus.subscribe(REVOKED_CHANNEL, self._on_revoked),
            bus.subscribe(USER_CHANNEL, self._on_user_changed),
            bus.subscribe(ACCESS_CHANNEL, self._on_access_changed),
        ]
        await self.watch.start()
        self.writer.start()
        self.delivery.start()
        self.upkeep.start()
        self._stalls.start()

    async def stop(self) -> None:
        """End all sockets; clients reconnect, elsewhere or here, and resume by their cursors."""
        for unsubscribe in self._unsubscribe:
            unsubscribe()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(
            *(each.socket.close(wait=False) for each in tuple(self.connections.by_id.values())),
            return_exceptions=True,
        )
        self._stalls.stop()
        await self.monitor.stop()
        await self.upkeep.stop()
        await self.writer.stop()
        await self.delivery.stop()
        await self.watch.stop()
        await self.server.shutdown()

    # ---- connecting --------------------------------------------------------------------------

    async def _on_connect(self, sid: str, auth: dict[str, Any] | None, address: str) -> None:
        socket = self.server.socket_of(sid)
        given = auth or {}
        token, device = given.get("token"), given.get("device")
        try:
            if len(self.connections) >= self._max_connections:
                raise Overloaded(retry_after=5)
            if socket is None or not isinstance(token, str):
                raise Unauthenticated
            caller = await authenticate(self.runtime, token)
            veil = await self._veil_for(caller)
            await self.door.enter(caller.user_id)
        except ProblemError as problem:
            raise Refused(problem.title, refusal(problem)) from problem
        except (SQLAlchemyError, OSError) as error:
            log.error("connect_failed", error=repr(error))
            raise Refused(Overloaded.title, refusal(Overloaded(retry_after=2))) from error
        self._arriving_of[caller.user_id] += 1
        self._arriving[sid] = Connection(
            id=sid,
            caller=caller,
            device=_device(device) or caller.device_id,
            token=token,
            expires_at=token_expiry(token),
            socket=socket,
            address=address,
            veil=veil,
        )

    def _on_ready(self, sid: str) -> None:
        connection = self._arrived(sid)
        if connection is None:
            return
        self.connections.add(connection)
        CONNECTIONS.set(len(self.connections))
        self.watch.connected(connection)

    def _on_gone(self, sid: str) -> None:
        self._arrived(sid)
        connection = self.connections.by_id.get(sid)
        if connection is None:
            return
        self.delivery.unlisten_all(connection)
        self.connections.remove(connection)
        CONNECTIONS.set(len(self.connections))
        connection.stop()
        self.watch.disconnected(connection)

    # ---- commands ----------------------------------------------------------------------------

    def _on_event(self, sid: str, ack_id: int | None, raw: bytes) -> None:
        connection = self.connections.by_id.get(sid)
        if connection is None:
            return
        try:
            event, payload = parse_event(raw)
        except MalformedRequest as problem:
            _answer(connection, ack_id, problem.ack())
            self.server.count_bad(sid)
            return
        try:
            self._limits.check(connection.caller.user_id, event)
            lane = connection.lane(lane_of(event))
            if lane.idle and self._at_once(connection, lane, ack_id, event, payload):
                return
            lane.add(functools.partial(self._run, connection, ack_id, event, payload))
        except ProblemError as problem:
            self._finish(connection, ack_id, event, problem.ack())

    def _at_once(
        self, connection: Connection, lane: Lane, ack_id: int | None, event: str, payload: Any
    ) -> bool:
        """Run a command that needs no task of its own; False when it must take the long way.

        Raises its refusal.
        """
        message = self._table.get(event)
        if message is None or message.at_once is None:
            return False
        now = self._let(connection, message)
        body = _validated(message, payload)

        def finished(outcome: Mapping[str, Any] | ProblemError) -> None:
            lane.done()
            if isinstance(outcome, ProblemError):
                self._finish(connection, ack_id, event, outcome.ack())
            else:
                self._finish(connection, ack_id, event, {"ok": True, **outcome})

        lane.begin()
        taken = False
        try:
            taken = message.at_once(self._context(connection, now), body, finished)
        finally:
            if not taken:
                lane.done()
        return taken

    def _finish(
        self, connection: Connection, ack_id: int | None, event: str, answer: dict[str, Any]
    ) -> None:
        outcome = _outcome(answer)
        counter = self._counters.get((event, outcome))
        if counter is None:
            name = event if event in self._table else "unknown"
            counter = COMMANDS.labels(name, outcome)
            if name == event:
                self._counters[event, outcome] = counter
        counter.inc()
        _answer(connection, ack_id, answer)

    def _on_bad(self, sid: str, ack_id: int | None, code: str) -> None:
        connection = self.connections.by_id.get(sid)
        if connection is not None:
            problem = PayloadTooLarge() if code == "too_large" else MalformedRequest()
            _answer(connection, ack_id, problem.ack())

    async def _run(
        self, connection: Connection, ack_id: int | None, event: str, payload: Any
    ) -> None:
        """Run one command to its end and acknowledge it, whatever happens in it."""
        request_id = new_id().hex
        set_origin(request_id, connection.address)
        room = payload.get("room") if isinstance(payload, dict) else None
        with structlog.contextvars.bound_contextvars(
            request=request_id, message=event, room=str(room)[:40] if room else None
        ):
            answer = await self._outcome_of(connection, event, payload)
        self._finish(connection, ack_id, event, answer)

    async def _outcome_of(self, connection: Connection, event: str, payload: Any) -> dict[str, Any]:
        try:
            return {"ok": True, **await self._command(connection, event, payload)}
        except ProblemError as problem:
            return problem.ack()
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            log.error("command_failed", error=repr(error))
            return ServiceUnavailable(retry_after=1).ack()
        # A handler may fail in any way; its client hears so and its lane goes on.
        except Exception as error:
            log.error("command_crashed", error=repr(error), exc_info=True)
            return ProblemError().ack()

    async def _command(self, connection: Connection, event: str, payload: Any) -> Mapping[str, Any]:
        message = self._table.get(event)
        if message is None:
            raise UnknownEvent
        now = self._let(connection, message)
        body = _validated(message, payload)
        if message.transaction:
            async with self.runtime.unit_of_work() as uow:
                result = await message.handler(self._context(connection, uow.now, uow), body)
        else:
            result = await message.handler(self._context(connection, now), body)
        if isinstance(result, BaseModel):
            return result.model_dump(mode="json")
        return result or {}

    def _let(self, connection: Connection, message: RoomMessage) -> datetime:
        """The present moment, at which this socket may send that. Raises its refusal."""
        if connection.caller.role not in message.roles:
            raise Forbidden
        now = self.runtime.clock.now()
        if connection.expires_at <= now and message.name != "session:renew":
            raise TokenExpired
        return now

    def _context(self, connection: Connection, now: datetime, uow: Any = None) -> MessageContext:
        return MessageContext(
            caller=connection.caller,
            runtime=self.runtime,
            now=now,
            connection_id=connection.id,
            device=connection.device,
            _uow=uow,
        )

    def connection_of(self, ctx: MessageContext) -> Connection:
        """The living socket that sent a message. Raises `not_found` when it has gone meanwhile."""
        connection = self.connections.by_id.get(ctx.connection_id)
        if connection is None:
            raise NotFound
        return connection

    # ---- sessions ----------------------------------------------------------------------------

    async def _on_revoked(self, payload: dict[str, Any]) -> None:
        code = ENDINGS.get(str(payload.get("reason")), "session_revoked")
        for connection in self.connections.of_session(UUID(payload["session_id"])):
            connection.drop(code)

    async def _on_user_changed(self, payload: dict[str, Any]) -> None:
        """Somebody's roles, name or standing changed: ask again who his sockets are."""
        BookCache.of(self.runtime).drop()
        for connection in tuple(self.connections.of_user(UUID(payload["user_id"]))):
            try:
                connection.caller = await authenticate(self.runtime, connection.token)
            except ProblemError as problem:
                connection.drop(refusal(problem)["code"])
            else:
                await self._look_again(connection)

    async def _on_access_changed(self, payload: dict[str, Any]) -> None:
        """Policies changed: what sockets are shown, and which rooms they may still hear."""
        # Whoever hears first: what is asked now must not be answered from before.
        BookCache.of(self.runtime).drop()
        for connection in tuple(self.connections.by_id.values()):
            if connection.caller.is_staff:
                await self._look_again(connection)

    async def _veil_for(self, caller: Caller) -> Veil | None:
        async with self.runtime.unit_of_work() as uow:
            return await access.veil_for(uow, caller)

    async def _look_again(self, connection: Connection) -> None:
        """What the policies withhold from a socket now. It hears nothing when that is unknown."""
        if not connection.caller.is_staff:
            return
        try:
            async with self.runtime.unit_of_work() as uow:
                connection.veil = await access.veil_for(uow, connection.caller)
                rooms = tuple(connection.rooms)
                heard = await access.still_heard(uow, connection.caller, rooms) if rooms else set()
        except (SQLAlchemyError, OSError) as error:
            log.warning("access_not_read", error=repr(error))
            connection.drop("unauthenticated")
            return
        for room_id in rooms:
            if room_id not in heard:
                self.delivery.unlisten(connection, room_id)

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def parse_event(raw: bytes) -> tuple[str, Any]:
    """The name and payload in a Socket.IO event, `["name", {...}]`. Raises `malformed`."""
    try:
        data = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise MalformedRequest from error
    if not isinstance(data, list) or not 1 <= len(data) <= 2 or not isinstance(data[0], str):
        raise MalformedRequest
    return data[0], data[1] if len(data) == 2 else {}


def _outcome(answer: dict[str, Any]) -> str:
    return "ok" if answer["ok"] else str(answer["error"]["code"])


def lane_of(event: str) -> str:
    """Calls run beside the chat: negotiating one takes its time at the media worker."""
    return "call" if event.startswith("call:") else "room"


def refusal(problem: ProblemError) -> dict[str, Any]:
    """What a refused or ended client is told, so that it knows what to do next."""
    code = problem.code if problem.code in REFUSALS else "unauthenticated"
    data: dict[str, Any] = {"code": code}
    if problem.retry_after is not None:
        data["retry_after"] = problem.retry_after
    return data


def _answer(connection: Connection, ack_id: int | None, answer: dict[str, Any]) -> None:
    """Acknowledge; a refusal that nobody waits for is told as a notice."""
    if ack_id is not None:
        connection.send(ack_frame(ack_id, answer))
    elif not answer["ok"]:
        error = answer["error"]
        notice = {"code": error["code"], "text": error["message"]}
        connection.send(event_frame("notice", notice))


def _validated(message: RoomMessage, payload: Any) -> BaseModel:
    try:
        return message.payload.model_validate(payload)
    except ValidationError as error:
        raise InvalidRequest(fields=field_problems(error)) from error


def _device(value: object) -> str | None:
    """The device that a client names, if that can be a name."""
    if isinstance(value, str) and len(value) <= 100 and value.isprintable():
        return value
    return None
