"""The table of socket messages, and the sending side that every module may use.

A module registers what it accepts in its `api.py` and exports it as `room_messages`:

    messages = Messages()

    @messages.on("call:start", roles=[Role.DOCTOR], transaction=False)
    async def start(ctx: MessageContext, body: StartCall) -> CallStarted: ...

    room_messages = messages.handlers

The acknowledgement is `{"ok": true, ...}` with the fields of what the handler returns (a pydantic
model, a mapping or None), or the named error it raised. With `transaction=True` the handler runs in
one unit of work, `ctx.uow`, and the acknowledgement is sent after its commit.
"""

import inspect
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol, get_type_hints
from uuid import UUID

from pydantic import BaseModel

from core.errors import ProblemError
from core.identity.caller import Caller
from core.identity.roles import Role
from core.runtime import Runtime
from core.uow import UnitOfWork

#: Everybody who is logged in, whatever the role.
ANY_ROLE: frozenset[Role] = frozenset(Role)

Payload = BaseModel | Mapping[str, Any]


class Sender(Protocol):
    """The sending side: `runtime.realtime`. Works in every process, whoever holds the sockets.

    These reach living sockets only and are not stored: what must not get lost is a message of a
    room (`realtime.service`) or an item of an inbox (`realtime.inbox`). Call them after the commit
    (`uow.after_commit`), never before.
    """

    async def to_user(
        self,
        user_id: UUID,
        event: str,
        payload: Payload,
        device: str | None = None,
        hospital_id: UUID | None = None,
    ) -> None:
        """Send to every socket of a user, or to those of one device, or at one hospital."""
        ...

    async def to_room(
        self, room_id: UUID, event: str, payload: Payload, except_user: UUID | None = None
    ) -> None:
        """Send to every socket that has joined the room."""
        ...

    async def to_inbox(self, user_id: UUID, hospital_id: UUID, item: BaseModel) -> None:
        """Push an inbox item to the sockets that a user has at this hospital."""
        ...

    async def rooms_changed(self, heads: Mapping[UUID, int]) -> None:
        """Hint that these rooms have come to these `seq`; sockets are brought up to date."""
        ...

    async def set_busy(self, user_id: UUID, until: datetime | None) -> None:
        """Show a user as busy until `until` (renew while it lasts), or no longer (None)."""
        ...


# Not frozen: one is made for every message, and a frozen one takes twice as long to make.
@dataclass(kw_only=True, slots=True)
class MessageContext:
    """What a handler knows about the message it answers."""

    caller: Caller
    runtime: Runtime
    now: datetime
    connection_id: str
    device: str
    _uow: UnitOfWork | None = None

    @property
    def uow(self) -> UnitOfWork:
        """The transaction of a handler registered with `transaction=True`."""
        if self._uow is None:
            raise RuntimeError("This message is registered with transaction=False.")
        return self._uow

    def within(self, uow: UnitOfWork) -> "MessageContext":
        """The same message inside a transaction that its handler has opened."""
        return replace(self, _uow=uow)


Handler = Callable[[MessageContext, Any], Awaitable[Payload | None]]
#: Gets the fields of the acknowledgement or the refusal, once.
Finished = Callable[[Mapping[str, Any] | ProblemError], None]
#: Does what the handler does without a task and calls `Finished` later; False when it cannot just
#: now, and the handler is called instead.
AtOnce = Callable[[MessageContext, Any, Finished], bool]


@dataclass(frozen=True, kw_only=True)
class RoomMessage:
    """One socket event that clients may send: who may, what it carries, what answers it.

    `at_once` is for events that come by the thousand. Those of one client must keep their order by
    themselves; whatever else he sends waits until they are answered.
    """

    name: str
    roles: frozenset[Role]
    payload: type[BaseModel]
    handler: Handler
    transaction: bool = True
    at_once: AtOnce | None = None


class Messages:
    """The socket events of one module."""

    def __init__(self) -> None:
        self.handlers: dict[str, RoomMessage] = {}

    def on(
        self,
        name: str,
        *,
        roles: Iterable[Role],
        transaction: bool = True,
        at_once: AtOnce | None = None,
    ) -> Callable[[Handler], Handler]:
        """Register the decorated handler; its payload type is read from the `body` annotation."""

        def register(handler: Handler) -> Handler:
            if name in self.handlers:
                raise RuntimeError(f"{name!r} is registered twice.")
            self.handlers[name] = RoomMessage(
                name=name,
                roles=frozenset(roles),
                payload=_payload_type(handler),
                handler=handler,
                transaction=transaction,
                at_once=at_once,
            )
            return handler

        return register


def _payload_type(handler: Handler) -> type[BaseModel]:
    parameters = list(inspect.signature(handler).parameters)
    payload = get_type_hints(handler)[parameters[1]]
    if not (isinstance(payload, type) and issubclass(payload, BaseModel)):
        raise TypeError(f"{handler!r} must take a pydantic model as its second parameter.")
    return payload


JoinExtra = Callable[[MessageContext, UUID], Awaitable[Payload | None]]
#: The rooms of which the reader has something to say at all.
Concerned = Callable[[UnitOfWork, Sequence[UUID]], Awaitable[Collection[UUID]]]
_join_extras: dict[str, tuple[JoinExtra, Concerned | None]] = {}


def register_join_extra(field: str, reader: JoinExtra, concerned: Concerned | None = None) -> None:
    """Add a field to the answer to `room:join`; called at import by the module that owns it.

    `reader(ctx, room_id)` runs inside the join's transaction (`ctx.uow`) after the caller was let
    in; what it says is the same for everybody in the room. Media registers `"call"` here, so that a
    client which joins learns of the call under way. `concerned(uow, room_ids)` spares it the rooms
    of which it would say None, when many join at once.
    """
    _join_extras[field] = reader, concerned


async def join_extras(ctx: MessageContext, room_id: UUID) -> dict[str, Payload | None]:
    """What the other modules have to say about a room to somebody who joins it."""
    return {field: await reader(ctx, room_id) for field, (reader, _) in _join_extras.items()}


async def join_extras_of_many(
    ctx: MessageContext, room_ids: Sequence[UUID]
) -> list[dict[str, Payload | None]]:
    """The same for many rooms, in the order given."""
    found: list[dict[str, Payload | None]] = [{} for _ in room_ids]
    for field, (reader, concerned) in _join_extras.items():
        chosen = set(room_ids if concerned is None else await concerned(ctx.uow, room_ids))
        known = {room_id: await reader(ctx, room_id) for room_id in chosen}
        for room_id, extras in zip(room_ids, found, strict=True):
            extras[field] = known.get(room_id)
    return found
