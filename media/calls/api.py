"""The socket messages of calls, and the call under way over HTTP."""

from datetime import date
from typing import Annotated
from uuid import UUID

from pydantic import Field
from starlette.responses import Response

from core.defence.kinds import Kind
from core.http import Context, Page, Routes
from core.identity.roles import Role
from media.calls import access, check, moderation, observers, report, service
from media.calls.controller import Controller
from media.calls.rules import (
    MODERATORS,
    OBSERVERS,
    STARTERS,
    TALKERS,
    CallMedia,
    CallState,
    Moderation,
)
from media.calls.schemas import (
    AcceptCall,
    AnswerOffer,
    BeginCheck,
    CallAnswer,
    CallFigures,
    CallOnly,
    CallReport,
    CallTotals,
    CallView,
    CheckAnswer,
    CheckOffer,
    ModerateCall,
    ObserveCall,
    QualityView,
    StartCall,
    UpdateCall,
)
from media.turn import ice_servers
from realtime.commands import IN_ROOMS
from realtime.monitor import register_calls
from realtime.table import MessageContext, Messages, register_join_extra

routes = Routes(tag="calls", title="音视频通话")
messages = Messages()


@messages.on("call:start", roles=STARTERS, transaction=False)
async def start(ctx: MessageContext, body: StartCall) -> CallAnswer:
    """Ring everybody else in the room, or begin a lecture; the starter's offer follows."""
    controller = await Controller.of(ctx.runtime)
    worker = await controller.choose()
    async with ctx.runtime.unit_of_work() as uow:
        await access.require_talk(uow, ctx.caller)
        call = await service.start(
            uow, ctx.caller, body.room, body.media, ctx.device, worker, lecture=body.lecture
        )
    controller.connect(call.id, ctx.caller.user_id)
    return _with_servers(ctx, call)


@messages.on("call:accept", roles=TALKERS, transaction=False)
async def accept(ctx: MessageContext, body: AcceptCall) -> CallAnswer:
    """The first device wins; its offer follows."""
    controller = await Controller.of(ctx.runtime)
    async with ctx.runtime.unit_of_work() as uow:
        await access.require_talk(uow, ctx.caller)
        call = await service.accept(uow, ctx.caller, body.call, ctx.device)
    controller.connect(call.id, ctx.caller.user_id)
    return _with_servers(ctx, call)


@messages.on("call:decline", roles=TALKERS)
async def decline(ctx: MessageContext, body: CallOnly) -> CallAnswer:
    return CallAnswer(call=await service.decline(ctx.uow, ctx.caller, body.call))


@messages.on("call:observe", roles=OBSERVERS, transaction=False)
async def observe(ctx: MessageContext, body: ObserveCall) -> CallAnswer:
    """Listen to a call unseen; the audit keeps the reason. The offer follows."""
    controller = await Controller.of(ctx.runtime)
    async with ctx.runtime.unit_of_work() as uow:
        call = await observers.begin(uow, ctx.caller, body.room, ctx.device, body.reason)
    controller.observe(call.id, ctx.caller.user_id)
    return _with_servers(ctx, call)


@messages.on("call:leave", roles=TALKERS | OBSERVERS, transaction=False)
async def leave(ctx: MessageContext, body: CallOnly) -> CallAnswer:
    """Hang up on one's own side, or observe no longer."""
    if ctx.caller.role in OBSERVERS:
        async with ctx.runtime.unit_of_work() as uow:
            peers = await observers.end(uow, ctx.caller, body.call)
            call = await observers.seen(uow, ctx.caller, body.call)
        await (await Controller.of(ctx.runtime)).let_go(body.call, peers)
        return CallAnswer(call=call)
    async with ctx.runtime.unit_of_work() as uow:
        call = await service.leave(uow, ctx.caller, body.call)
    if call.state is not CallState.ENDED:
        controller = await Controller.of(ctx.runtime)
        await controller.remove(call.id, ctx.caller.user_id)
    return CallAnswer(call=call)


@messages.on("call:end", roles=MODERATORS)
async def end(ctx: MessageContext, body: CallOnly) -> CallAnswer:
    return CallAnswer(call=await moderation.end(ctx.uow, ctx.caller, body.call))


@messages.on("call:moderate", roles=MODERATORS | OBSERVERS, transaction=False)
async def moderate(ctx: MessageContext, body: ModerateCall) -> CallAnswer:
    """Silence a participant, end the sharing of his screen, put him out of this call; in a lecture
    also let him onto the stage, send him back, take down his hand. By who moderates the call; a
    supervisor intervenes.
    """
    act = moderation.intervene if ctx.caller.role in OBSERVERS else moderation.moderate
    async with ctx.runtime.unit_of_work() as uow:
        call = await act(uow, ctx.caller, body.call, body.user, body.action)
    controller = await Controller.of(ctx.runtime)
    if body.action is Moderation.MUTE:
        await controller.show_media(call.id, body.user)
    elif body.action is Moderation.STOP_SCREEN:
        await controller.show_screen(call.id, body.user)
    elif body.action in (Moderation.INVITE, Moderation.DISMISS):
        controller.connect(call.id, body.user)
    elif body.action is Moderation.REMOVE and call.state is not CallState.ENDED:
        await controller.remove(call.id, body.user)
    return CallAnswer(call=call)


@messages.on("call:answer", roles=TALKERS | OBSERVERS, transaction=False)
async def answer(ctx: MessageContext, body: AnswerOffer) -> None:
    async with ctx.runtime.unit_of_work() as uow:
        if ctx.caller.role in OBSERVERS:
            await observers.seen(uow, ctx.caller, body.call)
        else:
            await access.room_of(uow, ctx.caller, body.call)
    controller = await Controller.of(ctx.runtime)
    await controller.answer(body.call, ctx.caller.user_id, body.session, body.version, body.sdp)


@messages.on("call:update", roles=TALKERS, transaction=False)
async def update(ctx: MessageContext, body: UpdateCall) -> CallAnswer:
    """A fresh session (`join`), a fresh path for it (`restart`), who is muted (`media`), who shares
    his screen (`screen`), who asks for the stage (`hand`) and who leaves it (`step_down`), what is
    shown (`view`), what stood still (`freezes`).
    """
    if body.action == "freezes":
        async with ctx.runtime.unit_of_work() as uow:
            call = await service.note_freezes(
                uow, ctx.caller, body.call, body.freezes, body.frozen_ms
            )
        return CallAnswer(call=call)
    controller = await Controller.of(ctx.runtime)
    if body.action == "restart":
        async with ctx.runtime.unit_of_work() as uow:
            call = await service.seen(uow, ctx.caller, body.call)
        if await controller.restart(body.call, ctx.caller.user_id, ctx.device):
            return _with_servers(ctx, call)
    if body.action == "view":
        async with ctx.runtime.unit_of_work() as uow:
            call = await service.seen(uow, ctx.caller, body.call)
        await controller.show_view(body.call, ctx.caller.user_id, body.lines, body.screen)
        return CallAnswer(call=call)
    async with ctx.runtime.unit_of_work() as uow:
        if body.action == "media":
            call = await service.set_media(
                uow, ctx.caller, body.call, audio=body.audio, video=body.video
            )
        elif body.action == "screen":
            call = await service.share_screen(uow, ctx.caller, body.call, on=body.on)
        elif body.action == "hand":
            return CallAnswer(call=await service.raise_hand(uow, ctx.caller, body.call, up=body.on))
        elif body.action == "step_down":
            call = await service.step_down(uow, ctx.caller, body.call)
        else:
            call = await service.join(uow, ctx.caller, body.call, ctx.device)
    if body.action == "media":
        await controller.show_media(call.id, ctx.caller.user_id)
        return CallAnswer(call=call)
    if body.action == "screen":
        await controller.show_screen(call.id, ctx.caller.user_id)
        return CallAnswer(call=call)
    controller.connect(call.id, ctx.caller.user_id)
    return _with_servers(ctx, call)


def _with_servers(ctx: MessageContext, call: CallView) -> CallAnswer:
    servers = ice_servers(ctx.runtime.config, ctx.caller.user_id, ctx.runtime.clock.now())
    return CallAnswer(call=call, ice_servers=servers)


async def _call_of_room(ctx: MessageContext, room_id: UUID) -> CallView | None:
    return await access.current_call(ctx.uow, room_id, ctx.caller.user_id)


register_join_extra("call", _call_of_room, access.rooms_in_call)
register_calls(access.rooms_with_calls(), access.call_figures, access.talked_since)
room_messages = messages.handlers


@routes.get(
    "/rooms/{room_id}/call/quality",
    roles=sorted(IN_ROOMS),
    summary="The connections of the room's latest call, by the minute",
)
async def connections(ctx: Context, room_id: UUID) -> list[QualityView]:
    return await access.call_quality(ctx.uow, ctx.caller, room_id)


@routes.get("/rooms/{room_id}/call", roles=sorted(IN_ROOMS), summary="The call under way, or null")
async def current(ctx: Context, room_id: UUID) -> CallView | None:
    return await access.call_in_room(ctx.uow, ctx.caller, room_id)


@routes.post(
    "/calls/check",
    roles=sorted(TALKERS),
    transaction=False,
    summary="Try the connection to the media server before a call; the offer is to be answered",
)
async def begin_check(ctx: Context, body: BeginCheck) -> CheckOffer:
    async with ctx.runtime.unit_of_work() as uow:
        await access.require_talk(uow, ctx.caller)
    return await check.begin(ctx.runtime, ctx.caller, body.media)


@routes.post(
    "/calls/check/answer",
    roles=sorted(TALKERS),
    status=204,
    transaction=False,
    summary="Answer the offer of one's own trial",
)
async def answer_check(ctx: Context, body: CheckAnswer) -> None:
    await check.answer(ctx.runtime, ctx.caller, body.session, body.version, body.sdp)


WATCHERS = [Role.SUPERVISOR, Role.ADMINISTRATOR]
From = Annotated[date | None, Field(alias="from")]


@routes.get(
    "/calls",
    roles=WATCHERS,
    summary="The answered calls of a period with the quality of their connections, worst first",
)
async def list_calls(
    ctx: Context,
    from_: From = None,
    to: date | None = None,
    level: Annotated[int, Field(ge=1, le=4)] | None = None,
    media: CallMedia | None = None,
    room: UUID | None = None,
    order: report.Order = "worst",
    cursor: str | None = None,
    limit: Annotated[int, Field(ge=1, le=200)] = 50,
) -> Page[CallFigures]:
    """`level`: calls in which somebody's connection was this bad (1) or worse."""
    wanted = await report.period(
        ctx.uow, ctx.caller, from_, to, at_most=level, media=media, order=order, room=room
    )
    return await report.page(ctx.uow, ctx.caller, wanted, cursor, limit)


@routes.get("/calls/totals", roles=WATCHERS, summary="How good a period's calls were, by the day")
async def call_totals(ctx: Context, from_: From = None, to: date | None = None) -> CallTotals:
    wanted = await report.period(
        ctx.uow, ctx.caller, from_, to, at_most=None, media=None, order="newest"
    )
    return await report.totals(ctx.uow, ctx.caller, wanted)


@routes.get(
    "/calls/export.csv",
    limit=Kind.EXPORT,
    roles=WATCHERS,
    summary="The calls of a period as a table",
)
async def export_calls(
    ctx: Context,
    from_: From = None,
    to: date | None = None,
    level: Annotated[int, Field(ge=1, le=4)] | None = None,
    media: CallMedia | None = None,
) -> Response:
    wanted = await report.period(
        ctx.uow, ctx.caller, from_, to, at_most=level, media=media, order="newest"
    )
    data = await report.as_csv(ctx.uow, ctx.caller, wanted)
    headers = {
        "Content-Disposition": 'attachment; filename="calls.csv"',
        "Cache-Control": "no-store",
    }
    return Response(data, media_type="text/csv; charset=utf-8", headers=headers)


@routes.get(
    "/calls/{call_id}/quality",
    roles=WATCHERS,
    summary="One call: everybody's connection, minute by minute",
)
async def call_report(ctx: Context, call_id: UUID) -> CallReport:
    return await report.course(ctx.uow, ctx.caller, call_id)
