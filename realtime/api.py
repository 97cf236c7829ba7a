"""HTTP routes of rooms and the inbox, and the socket events of rooms."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, Field
from sqlalchemy import tuple_
from starlette.responses import Response

from core.defence.kinds import Kind, Limit
from core.defence.rates import Rate
from core.errors import FieldProblem, InvalidRequest
from core.http import ANY_ROLE, PUBLIC, Context, Page, Routes, decode_cursor, encode_cursor
from core.http.content import stored_object_response
from core.identity.roles import Role
from realtime import (
    access,
    commands,
    inbox,
    inbox_api,
    monitor_api,
    participants_api,
    recalled,
    rules,
    search,
)
from realtime.access import MEMBERS
from realtime.commands import IN_ROOMS
from realtime.models import RoomRow
from realtime.rules import MessageKind
from realtime.schemas import (
    InboxPage,
    MessagePage,
    MyRoom,
    ReadInbox,
    ReadRecalled,
    RecalledView,
    RoomView,
    SearchPage,
)
from realtime.transcript import api as transcripts
from realtime.veil import shown as veiled

routes = Routes(tag="rooms", title="诊间")
room_messages = {**commands.messages.handlers, **monitor_api.messages.handlers}
routes.routes.extend(monitor_api.routes.routes)
routes.routes.extend(participants_api.routes.routes)


@routes.get("/rooms/mine", roles=sorted(IN_ROOMS), summary="Rooms of the caller, latest first")
async def mine(
    ctx: Context, cursor: str | None = None, limit: int = 20, kind: str | None = None
) -> Page[MyRoom]:
    """`kind`: only rooms of these kinds, `colleague,group`."""
    limit = min(max(limit, 1), 100)
    query = access.my_rooms(ctx.caller).order_by(RoomRow.last_at.desc(), RoomRow.id.desc())
    position = _position(cursor)
    if kind is not None:
        query = query.where(RoomRow.kind.in_(kind.split(",")))
    if position is not None:
        query = query.where(tuple_(RoomRow.last_at, RoomRow.id) < tuple_(*position))
    await access.require_rooms(ctx.uow, ctx.caller)
    rows = (await ctx.uow.session.scalars(query.limit(limit + 1))).all()
    shown = rows[:limit]
    ids = [row.id for row in shown]
    views = await access.room_views(ctx.uow, ctx.caller, shown)
    last = await access.last_messages(ctx.uow, ids)
    unread = await access.unread_counts(ctx.uow, ctx.caller.user_id, ids)
    veil = await access.veil_for(ctx.uow, ctx.caller)
    items = [
        veiled(veil, MyRoom(room=view, last_message=last.get(view.id), unread=unread[view.id]))
        for view in views
    ]
    more = len(rows) > limit
    return Page(items=items, next=encode_cursor(shown[-1].last_at, shown[-1].id) if more else None)


@routes.get(
    "/rooms/search",
    roles=sorted(MEMBERS),
    summary="Messages in the caller's own rooms",
    limit=Limit(Kind.READ, person=Rate(per_minute=120, burst=30)),
)
async def find(
    ctx: Context,
    q: str = "",
    room: UUID | None = None,
    kind: MessageKind | None = None,
    sender: UUID | None = None,
    since: AwareDatetime | None = None,
    until: AwareDatetime | None = None,
    cursor: str | None = None,
) -> SearchPage:
    """Looks through a bounded part and says how far it has come; `next` goes on, also after a
    page without a hit.
    """
    asked = search.wanted(q, kind, room=room, sender=sender, since=since, until=until)
    return await search.search(ctx.uow, ctx.caller, asked, _place(cursor))


@routes.get("/rooms/{room_id}", roles=sorted(IN_ROOMS), summary="A room that the caller may see")
async def show(ctx: Context, room_id: UUID) -> RoomView:
    found = await access.room_for(ctx.uow, ctx.caller, room_id)
    return await access.room_view(ctx.uow, found)


@routes.get("/rooms/{room_id}/messages", roles=sorted(IN_ROOMS), summary="A page of a room's log")
async def history(
    ctx: Context,
    room_id: UUID,
    after: int | None = None,
    before: int | None = None,
    limit: int = rules.PAGE_DEFAULT,
) -> MessagePage:
    """`after`: the oldest entries above it; else the newest below `before`, or of all."""
    found = await access.room_for(ctx.uow, ctx.caller, room_id)
    limit = min(max(limit, 1), rules.PAGE_MAX)
    if after is not None:
        page = await access.messages_after(ctx.uow, room_id, after, limit)
    else:
        page = await access.messages_before(ctx.uow, room_id, before, limit)
    return veiled(found.veil, page)


@routes.post(
    "/rooms/{room_id}/messages/{seq}/original",
    roles=[Role.SUPERVISOR],
    transaction=False,
    summary="A recalled message as it was, for auditors with a reason",
)
async def recalled_message(
    ctx: Context, room_id: UUID, seq: int, body: ReadRecalled
) -> RecalledView:
    return await recalled.original(ctx.runtime, ctx.caller, room_id, seq, body.reason, ctx.now)


@routes.get(
    "/rooms/{room_id}/messages/{seq}/original/content",
    roles=PUBLIC,
    transaction=False,
    summary="The file of a recalled message, for the auditor whom the ticket names",
)
async def recalled_file(
    ctx: Context, room_id: UUID, seq: int, ticket: Annotated[str, Field(max_length=1024)]
) -> Response:
    """Ranges are supported."""
    file = await recalled.file_behind(ctx.runtime, room_id, seq, ticket, ctx.now)
    return stored_object_response(
        ctx.request,
        ctx.runtime.storage,
        file.storage_key,
        size=file.size,
        content_type=file.content_type,
        name=file.name,
        digest=file.sha256,
    )


@routes.get("/inbox", roles=ANY_ROLE, summary="What concerns the caller, above a cursor")
async def inbox_page(ctx: Context, after: int | None = None, limit: int = 50) -> InboxPage:
    """Oldest first above `after`; without it the newest items, with the cursor at the end."""
    limit = min(max(limit, 1), rules.PAGE_MAX)
    if after is None:
        return await inbox.newest(ctx.uow, ctx.caller, limit)
    return await inbox.page(ctx.uow, ctx.caller, max(after, 0), limit)


@routes.put("/inbox/read", roles=ANY_ROLE, status=204, summary="Mark items as read up to one")
async def inbox_read(ctx: Context, body: ReadInbox) -> None:
    await inbox.mark_read(ctx.uow, ctx.caller, body.up_to)


routes.routes.extend(transcripts.routes.routes)
routes.routes.extend(inbox_api.routes.routes)


def _place(cursor: str | None) -> search.Position | None:
    values = decode_cursor(cursor, 2)
    if values is None:
        return None
    try:
        return search.Position(UUID(values[0]), int(values[1]))
    except (TypeError, ValueError, AttributeError) as error:
        raise _bad_cursor() from error


def _position(cursor: str | None) -> tuple[datetime, UUID] | None:
    values = decode_cursor(cursor, 2)
    if values is None:
        return None
    try:
        return datetime.fromisoformat(values[0]), UUID(values[1])
    except (TypeError, ValueError) as error:
        raise _bad_cursor() from error


def _bad_cursor() -> InvalidRequest:
    return InvalidRequest(fields=[FieldProblem("cursor", "翻页参数无效，请从第一页重新开始")])
