"""The socket events of rooms: what each takes, who may send it, what it answers."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from core.errors import NotFound, ProblemError
from core.identity.errors import SessionIsRevoked
from core.identity.sessions import authenticate
from realtime import access, presence, service
from realtime.access import IN_ROOMS as IN_ROOMS
from realtime.access import MEMBERS
from realtime.gateway import Gateway
from realtime.schemas import (
    FetchMessages,
    JoinRoom,
    MessagePage,
    PointAt,
    RenewSession,
    RoomOnly,
    SendMessage,
    WatchPresence,
)
from realtime.sending import Outcome, Send, Sent, check_body
from realtime.table import ANY_ROLE, Finished, MessageContext, Messages
from realtime.tokens import token_expiry
from realtime.watch import shown

messages = Messages()


def _gateway(ctx: MessageContext) -> Gateway:
    return ctx.runtime.port(Gateway)


@messages.on("room:join", roles=IN_ROOMS, transaction=False)
async def join(ctx: MessageContext, body: JoinRoom) -> Mapping[str, Any]:
    """Listen first, then read: what is said in between arrives as events, nothing is missed."""
    gateway = _gateway(ctx)
    connection = gateway.connection_of(ctx)
    was_listening = body.room in connection.rooms
    gateway.delivery.listen(connection, body.room)
    answer = None
    try:
        answer = await gateway.joins.read(ctx, body)
    finally:
        if answer is None and not was_listening:
            gateway.delivery.unlisten(connection, body.room)
    connection.behind.discard(body.room)
    gateway.delivery.feeds.start(body.room, answer["room"]["seq"])
    return answer


@messages.on("room:leave", roles=IN_ROOMS, transaction=False)
async def leave(ctx: MessageContext, body: RoomOnly) -> None:
    gateway = _gateway(ctx)
    gateway.delivery.unlisten(gateway.connection_of(ctx), body.room)


def _send_of(ctx: MessageContext, body: SendMessage) -> Send:
    return Send(
        caller=ctx.caller,
        room_id=body.room,
        client_id=body.client_id,
        kind=body.kind,
        body=check_body(body.kind, body.body),
        reply_to=body.reply_to,
    )


def _place(sent: Sent) -> dict[str, Any]:
    return {"seq": sent.seq, "at": sent.at, "duplicate": sent.duplicate}


def send_at_once(ctx: MessageContext, body: SendMessage, finished: Finished) -> bool:
    """Hand a message to the writer, which keeps the order and answers after its commit."""
    if access.may_speak(ctx.runtime, ctx.caller) is not True:
        return False

    def answer(outcome: Outcome) -> None:
        finished(outcome if isinstance(outcome, ProblemError) else _place(outcome))

    _gateway(ctx).writer.put(_send_of(ctx, body), answer)
    return True


@messages.on("message:send", roles=IN_ROOMS, transaction=False, at_once=send_at_once)
async def send(ctx: MessageContext, body: SendMessage) -> Mapping[str, Any]:
    await access.require_speech(ctx.runtime, ctx.caller)
    return _place(await _gateway(ctx).writer.send(_send_of(ctx, body)))


@messages.on("message:fetch", roles=IN_ROOMS)
async def fetch(ctx: MessageContext, body: FetchMessages) -> MessagePage:
    await access.room_for(ctx.uow, ctx.caller, body.room)
    if body.after is not None:
        return await access.messages_after(ctx.uow, body.room, body.after, body.limit)
    return await access.messages_before(ctx.uow, body.room, body.before, body.limit)


@messages.on("message:recall", roles=IN_ROOMS)
async def recall(ctx: MessageContext, body: PointAt) -> Mapping[str, Any]:
    """Answers the `seq` of the recall; everybody hears it as a system message."""
    return {"seq": await service.recall(ctx.uow, ctx.caller, body.room, body.seq)}


@messages.on("receipt:read", roles=IN_ROOMS)
async def read(ctx: MessageContext, body: PointAt) -> Mapping[str, Any]:
    """Answers the marks; the user's other devices hear `unread` with what is left."""
    marks = await service.mark_read(ctx.uow, ctx.caller, body.room, body.seq)
    if marks.moved:
        caller = ctx.caller
        left = await access.unread_counts(ctx.uow, caller.user_id, [body.room])
        payload = {
            "room": str(body.room),
            "read_seq": marks.read_seq,
            "unread": left[body.room],
        }

        async def tell() -> None:
            await ctx.runtime.realtime.to_user(
                caller.user_id, "unread", payload, hospital_id=caller.hospital_id
            )

        ctx.uow.after_commit(tell)
    return _marks(ctx, body.room, marks)


@messages.on("receipt:delivered", roles=IN_ROOMS)
async def delivered(ctx: MessageContext, body: PointAt) -> Mapping[str, Any]:
    marks = await service.mark_delivered(ctx.uow, ctx.caller, body.room, body.seq)
    return _marks(ctx, body.room, marks)


def _marks(ctx: MessageContext, room_id: UUID, marks: service.Marks) -> Mapping[str, Any]:
    place = {"read_seq": marks.read_seq, "delivered_seq": marks.delivered_seq}
    if marks.moved:
        receipt = {"room": str(room_id), "user": str(ctx.caller.user_id), **place}

        async def tell() -> None:
            await ctx.runtime.realtime.to_room(room_id, "receipt", receipt)

        ctx.uow.after_commit(tell)
    return place


@messages.on("typing", roles=MEMBERS, transaction=False)
async def typing(ctx: MessageContext, body: RoomOnly) -> None:
    """Only from a socket that has joined: the membership was checked there. Never from a
    supervisor, who may have joined unseen.
    """
    if body.room not in _gateway(ctx).connection_of(ctx).rooms:
        raise NotFound
    who = {"room": str(body.room), "user": str(ctx.caller.user_id)}
    await ctx.runtime.realtime.to_room(body.room, "typing", who, except_user=ctx.caller.user_id)


@messages.on("presence:watch", roles=ANY_ROLE)
async def watch(ctx: MessageContext, body: WatchPresence) -> Mapping[str, Any]:
    """Answers the states now and tells changes from now on; whom one may not watch is left out."""
    allowed = await access.watchable(ctx.uow, ctx.caller, body.users)
    sights = await presence.look(ctx.uow, sorted(allowed))
    gateway = _gateway(ctx)
    gateway.watch.add(gateway.connection_of(ctx), sights)
    return {
        "states": {str(user_id): sight.state for user_id, sight in sights.items()},
        "details": {str(user_id): shown(sight) for user_id, sight in sights.items()},
    }


@messages.on("session:renew", roles=ANY_ROLE, transaction=False)
async def renew(ctx: MessageContext, body: RenewSession) -> Mapping[str, Any]:
    """Replace the token of this socket by a newer one of the same session, role and hospital."""
    caller = await authenticate(ctx.runtime, body.token)
    connection = _gateway(ctx).connection_of(ctx)
    same = ("user_id", "session_id", "role", "hospital_id")
    if any(getattr(caller, name) != getattr(connection.caller, name) for name in same):
        raise SessionIsRevoked("登录身份已改变，请重新连接")
    expires_at = token_expiry(body.token)
    connection.caller, connection.token, connection.expires_at = caller, body.token, expires_at
    return {"expires_at": expires_at}
