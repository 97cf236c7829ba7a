"""Routes of the items: what patients choose from, and how administrators keep it."""

from datetime import date, datetime
from uuid import UUID

from starlette.responses import Response

from clinical.consent import access as consents
from clinical.consent.states import Kind as ConsentKind
from clinical.outpatient import access, export, items, settings, views
from clinical.outpatient.access import SELF_ORDER_ITEM, Place
from clinical.outpatient.schemas import (
    CategoryView,
    ChangeItem,
    ClinicView,
    Imported,
    ItemForm,
    ItemTable,
    ItemView,
    KeptItem,
    TimeView,
)
from clinical.outpatient.states import ItemKind
from core import settings as core_settings
from core.access import grant
from core.defence.kinds import Kind
from core.errors import FieldProblem, InvalidRequest
from core.http import Context, Page, Routes, decode_cursor, encode_cursor
from core.identity.roles import Role

routes = Routes(tag="outpatient", title="便民门诊")
PATIENT = [Role.PATIENT]
KEEPERS = [Role.ADMINISTRATOR]
LIMIT = 100
MOST_BYTES = 2 * 1024 * 1024


def _place(cursor: str | None) -> Place | None:
    values = decode_cursor(cursor, 4)
    if values is None:
        return None
    try:
        category, subcategory, code, last = (str(value) for value in values)
        return category, subcategory, code, UUID(last)
    except ValueError as error:
        raise InvalidRequest(fields=[FieldProblem("cursor", "翻页参数无效")]) from error


# --- what patients choose from -------------------------------------------------------------------


@routes.get("/self-orders/clinic", roles=PATIENT, summary="Whether it is open, and the notice")
async def clinic(ctx: Context) -> ClinicView:
    here = ctx.caller.hospital_id
    notice = await consents.current_text(ctx.uow, here, ConsentKind.SELF_ORDER)
    standing = await access.notice_standing(ctx.uow, ctx.caller)
    calendar = await access.calendar(ctx.uow, here)
    return ClinicView(
        open=await core_settings.get(ctx.uow, settings.OPEN, hospital_id=here),
        asks_time=calendar.asked,
        days=calendar.days,
        notice_version=notice.version,
        notice_title=notice.title,
        notice_text=notice.body,
        signature_required=notice.signature_required,
        agreed=standing.given,
    )


@routes.get("/self-orders/categories", roles=PATIENT, summary="The two levels of categories")
async def categories(ctx: Context, kind: ItemKind) -> list[CategoryView]:
    rows = await access.items(
        ctx.uow.session, access.orderable(ctx.caller), kind=kind, limit=items.MOST_ROWS
    )
    return views.categories(rows)


@routes.get("/self-orders/items", roles=PATIENT, summary="Items that can be ordered")
async def choose(
    ctx: Context,
    kind: ItemKind | None = None,
    q: str = "",
    category: str | None = None,
    subcategory: str | None = None,
    cursor: str | None = None,
    limit: int = 20,
) -> Page[ItemView]:
    size = max(1, min(limit, LIMIT))
    rows = await access.items(
        ctx.uow.session,
        access.orderable(ctx.caller),
        words=q,
        kind=kind,
        category=category,
        subcategory=subcategory,
        after=_place(cursor),
        limit=size + 1,
    )
    following = encode_cursor(*access.place_of(rows[size - 1])) if len(rows) > size else None
    return Page(items=[views.item_view(row) for row in rows[:size]], next=following)


@routes.get(
    "/self-orders/items/{item_id}/times", roles=PATIENT, summary="Times of an item with places left"
)
async def times(ctx: Context, item_id: UUID, day: date | None = None) -> list[TimeView]:
    row = await access.item_to_order(ctx.uow.session, ctx.caller, item_id)
    calendar = await access.calendar(ctx.uow, ctx.caller.hospital_id)
    moments: list[datetime] = []
    if row.needs_time and calendar.asked:
        offered = calendar.offered(row.times, ctx.uow.now)
        moments = [each for each in offered if day is None or each.date() == day]
    taken = await access.taken(ctx.uow.session, row.id, moments)
    return [
        TimeView(starts_at=each, left=max(0, row.capacity - taken.get(each, 0))) for each in moments
    ]


# --- keeping them --------------------------------------------------------------------------------


@routes.get("/self-order-items", roles=KEEPERS, summary="Every item, switched off ones too")
async def kept(
    ctx: Context,
    q: str = "",
    kind: ItemKind | None = None,
    active: bool | None = None,
    cursor: str | None = None,
    limit: int = 20,
) -> Page[KeptItem]:
    size = max(1, min(limit, LIMIT))
    allowed = await grant(ctx.uow, ctx.caller, SELF_ORDER_ITEM)
    rows = await access.items(
        ctx.uow.session,
        allowed.condition,
        words=q,
        kind=kind,
        active=active,
        after=_place(cursor),
        limit=size + 1,
    )
    following = encode_cursor(*access.place_of(rows[size - 1])) if len(rows) > size else None
    return Page(items=[views.kept_item(row) for row in rows[:size]], next=following)


@routes.get(
    "/self-order-items/export.csv", limit=Kind.EXPORT, roles=KEEPERS, summary="Items as a table"
)
async def exported(ctx: Context, q: str = "", kind: ItemKind | None = None) -> Response:
    return Response(
        await export.items_csv(ctx.uow, ctx.caller, q, kind),
        media_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": 'attachment; filename="self-order-items.csv"',
            "Cache-Control": "no-store",
        },
    )


@routes.post(
    "/self-order-items/import",
    roles=KEEPERS,
    max_body=MOST_BYTES,
    summary="Take items over from a table with the headings of the export",
)
async def take_over(ctx: Context, body: ItemTable) -> Imported:
    return await items.take_over(ctx.uow, ctx.caller, body.table)


@routes.post("/self-order-items", roles=KEEPERS, status=201, idempotent=True, summary="Add an item")
async def add(ctx: Context, body: ItemForm) -> KeptItem:
    return views.kept_item(await items.add(ctx.uow, ctx.caller, body))


@routes.put("/self-order-items/{item_id}", roles=KEEPERS, summary="Change an item")
async def change(ctx: Context, item_id: UUID, body: ChangeItem) -> KeptItem:
    return views.kept_item(await items.change(ctx.uow, ctx.caller, item_id, body))
