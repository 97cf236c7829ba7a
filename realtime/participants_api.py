"""HTTP routes of members, and of the rooms that people open themselves."""

from uuid import UUID

from core.http import Context, Routes
from core.identity.roles import CLINICAL_ROLES, Role
from realtime import access, colleagues, participants, rules
from realtime.access import IN_ROOMS
from realtime.schemas import (
    ColleagueView,
    GiveWords,
    HandOverRoom,
    InvitePeople,
    NewGroup,
    RoomPerson,
    RoomView,
)
from realtime.service import NewMember

routes = Routes(tag="participants", title="诊间成员与会话")
STAFF = sorted(rules.COLLEAGUES)


def _member(person: RoomPerson) -> NewMember:
    return NewMember(person.user_id, person.role)


async def _view(ctx: Context, room_id: UUID) -> RoomView:
    found = await participants.opened(ctx.uow, ctx.caller, room_id)
    return await access.room_view(ctx.uow, found)


@routes.get(
    "/colleagues",
    roles=sorted(rules.COLLEAGUES | {Role.SUPERVISOR}),
    summary="Colleagues by name, pinyin, department",
)
async def search(
    ctx: Context, q: str = "", department_id: UUID | None = None, role: Role | None = None
) -> list[ColleagueView]:
    return await colleagues.search(
        ctx.uow, ctx.caller, text=q[:50], department_id=department_id, role=role
    )


@routes.post("/rooms/{room_id}/members", roles=STAFF, summary="Ask colleagues in")
async def invite(ctx: Context, room_id: UUID, body: InvitePeople) -> RoomView:
    people = [_member(person) for person in body.people]
    await participants.invite(ctx.uow, ctx.caller, room_id, people, body.reason)
    return await _view(ctx, room_id)


@routes.post(
    "/rooms/{room_id}/members/{user_id}/removal", roles=STAFF, summary="Take a colleague out"
)
async def remove(ctx: Context, room_id: UUID, user_id: UUID, body: GiveWords) -> RoomView:
    await participants.remove(ctx.uow, ctx.caller, room_id, user_id, body.reason)
    return await _view(ctx, room_id)


@routes.post("/rooms/{room_id}/leave", roles=STAFF, status=204, summary="Go out of a room")
async def leave(ctx: Context, room_id: UUID) -> None:
    await participants.leave(ctx.uow, ctx.caller, room_id)


@routes.post(
    "/rooms/{room_id}/hand-over",
    roles=sorted(rules.COLLEAGUES | {Role.SUPERVISOR}),
    status=204,
    summary="Let a colleague lead the room",
)
async def hand_over(ctx: Context, room_id: UUID, body: HandOverRoom) -> None:
    await participants.hand_over(ctx.uow, ctx.caller, room_id, _member(body.to), body.reason)


@routes.post("/rooms/{room_id}/end", roles=sorted(IN_ROOMS), status=204, summary="End a room")
async def end(ctx: Context, room_id: UUID, body: GiveWords) -> None:
    await participants.end(ctx.uow, ctx.caller, room_id, body.reason)


@routes.post("/rooms/colleague", roles=STAFF, summary="The room of two colleagues")
async def talk_to(ctx: Context, body: RoomPerson) -> RoomView:
    return await _view(ctx, await participants.talk_to(ctx.uow, ctx.caller, _member(body)))


@routes.post(
    "/rooms/group", roles=STAFF, status=201, idempotent=True, summary="Make a group of colleagues"
)
async def open_group(ctx: Context, body: NewGroup) -> RoomView:
    people = [_member(person) for person in body.people]
    return await _view(ctx, await participants.open_group(ctx.uow, ctx.caller, body.title, people))


@routes.post(
    "/rooms/service",
    roles=sorted({Role.PATIENT, *CLINICAL_ROLES}),
    summary="Ask customer service",
)
async def ask_service(ctx: Context) -> RoomView:
    return await _view(ctx, await participants.ask_service(ctx.uow, ctx.caller))


@routes.get(
    "/rooms/service/waiting",
    roles=[Role.CUSTOMER_SERVICE],
    summary="Talks that wait for an agent, longest first",
)
async def waiting(ctx: Context) -> list[RoomView]:
    rows = await participants.waiting_for_service(ctx.uow, ctx.caller)
    return await access.room_views(ctx.uow, ctx.caller, rows)


@routes.post(
    "/rooms/{room_id}/take", roles=[Role.CUSTOMER_SERVICE], summary="Take a talk that waits"
)
async def take(ctx: Context, room_id: UUID) -> RoomView:
    await participants.take(ctx.uow, ctx.caller, room_id)
    return await _view(ctx, room_id)


@routes.post(
    "/rooms/{room_id}/word",
    roles=[Role.SUPERVISOR],
    summary="The supervisor's private room with the doctor",
)
async def word(ctx: Context, room_id: UUID) -> RoomView:
    return await _view(ctx, await participants.word_to_the_doctor(ctx.uow, ctx.caller, room_id))
