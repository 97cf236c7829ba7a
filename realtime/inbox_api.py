"""HTTP routes of the message centre."""

from core.errors import FieldProblem, InvalidRequest
from core.http import ANY_ROLE, Context, Page, Routes, decode_cursor, encode_cursor
from realtime import message_centre
from realtime.notices import Category
from realtime.schemas import InboxCounts, InboxItem, ReadCategory

routes = Routes(tag="rooms", title="诊间")


@routes.get("/inbox/items", roles=ANY_ROLE, summary="The caller's message centre, newest first")
async def message_centre_page(
    ctx: Context,
    category: Category | None = None,
    unread: bool = False,
    q: str = "",
    cursor: str | None = None,
    limit: int = 20,
) -> Page[InboxItem]:
    """A search looks through a bounded number of items and then gives a cursor to go on from."""
    found, following = await message_centre.items(
        ctx.uow,
        ctx.caller,
        category=category,
        unread=unread,
        text=q[:100],
        before=_item_position(cursor),
        limit=min(max(limit, 1), 100),
    )
    return Page(items=found, next=None if following is None else encode_cursor(following))


@routes.get("/inbox/counts", roles=ANY_ROLE, summary="Unread items by category")
async def message_centre_counts(ctx: Context) -> InboxCounts:
    return await message_centre.counts(ctx.uow, ctx.caller)


@routes.put("/inbox/items/{number}/read", roles=ANY_ROLE, status=204, summary="Read one item")
async def read_item(ctx: Context, number: int) -> None:
    await message_centre.read_one(ctx.uow, ctx.caller, number)


@routes.put("/inbox/all-read", roles=ANY_ROLE, status=204, summary="Read all, or a category")
async def read_all_items(ctx: Context, body: ReadCategory) -> None:
    await message_centre.read_all(ctx.uow, ctx.caller, body.category)


def _item_position(cursor: str | None) -> int | None:
    values = decode_cursor(cursor, 1)
    if values is None:
        return None
    if not isinstance(values[0], int):
        raise InvalidRequest(fields=[FieldProblem("cursor", "翻页参数无效，请从第一页重新开始")])
    return values[0]
