"""Routes of announcements: one's own, and those of whoever keeps them."""

from datetime import datetime
from uuid import UUID

from clinical.cursors import bad_cursor, cut, read_moment
from clinical.notifications.announcements import access, service, views
from clinical.notifications.announcements.schemas import (
    AnnouncementChange,
    AnnouncementInput,
    AnnouncementItem,
    AnnouncementView,
    BlockView,
    KeptAnnouncement,
    KeptItem,
    OpenCount,
    PreviewInput,
    PublishInput,
    ReaderView,
    VersionView,
    WithdrawInput,
)
from clinical.notifications.announcements.states import Kind, Phase, Reading
from core.access import require
from core.http import ANY_ROLE, Context, Page, Routes, decode_cursor

routes = Routes(tag="announcements", title="公告与工作安排")
KEEPERS = list(access.KEEPERS)
LIMIT = 100


# --- for those whom they are for -----------------------------------------------------------------


@routes.get("/me/announcements", roles=ANY_ROLE, summary="What the caller is shown, pinned first")
async def list_mine(
    ctx: Context,
    kind: str | None = None,
    q: str = "",
    unread: bool = False,
    cursor: str | None = None,
    limit: int = 20,
) -> Page[AnnouncementItem]:
    """`kind` names one or several, with commas between them."""
    size = max(1, min(limit, LIMIT))
    rows = await access.shown(
        ctx.uow,
        ctx.caller,
        kinds=[Kind(each) for each in (kind or "").split(",") if each in set(Kind)],
        words=q[:100],
        unread=unread,
        before=_place(cursor),
        limit=size + 1,
    )
    page, following = cut(
        rows, size, lambda each: (each[0].pinned, each[0].published_at, each[0].id)
    )
    return Page(items=await views.items(ctx.uow, page), next=following)


def _place(cursor: str | None) -> tuple[bool, datetime, UUID] | None:
    values = decode_cursor(cursor, 3)
    if values is None:
        return None
    try:
        place = bool(values[0]), datetime.fromisoformat(values[1]), UUID(values[2])
    except (TypeError, ValueError, AttributeError) as error:
        raise bad_cursor() from error
    if place[1].tzinfo is None:
        raise bad_cursor()
    return place


@routes.get("/me/announcements/count", roles=ANY_ROLE, summary="How many wait to be read")
async def count_mine(ctx: Context) -> OpenCount:
    return OpenCount(unread=await access.count_open(ctx.uow, ctx.caller))


@routes.get("/me/announcements/{announcement_id}", roles=ANY_ROLE, summary="One in full")
async def show_mine(ctx: Context, announcement_id: UUID) -> AnnouncementView:
    return await views.view(ctx.uow, ctx.caller, announcement_id)


@routes.post(
    "/me/announcements/{announcement_id}/read", roles=ANY_ROLE, summary="Say that one has read it"
)
async def read(ctx: Context, announcement_id: UUID) -> AnnouncementView:
    await service.mark_read(ctx.uow, ctx.caller, announcement_id)
    return await views.view(ctx.uow, ctx.caller, announcement_id)


@routes.post(
    "/me/announcements/{announcement_id}/confirm", roles=ANY_ROLE, summary="Confirm that one knows"
)
async def confirm(ctx: Context, announcement_id: UUID) -> AnnouncementView:
    await service.confirm(ctx.uow, ctx.caller, announcement_id)
    return await views.view(ctx.uow, ctx.caller, announcement_id)


# --- for those who keep them ---------------------------------------------------------------------


@routes.get("/announcements", roles=KEEPERS, summary="All of the hospital, the last changed first")
async def list_all(
    ctx: Context,
    kind: Kind | None = None,
    phase: Phase | None = None,
    q: str = "",
    cursor: str | None = None,
    limit: int = 20,
) -> Page[KeptItem]:
    size = max(1, min(limit, LIMIT))
    rows = await access.kept(
        ctx.uow,
        ctx.caller,
        kind=kind,
        phase=phase,
        words=q[:100],
        before=read_moment(cursor),
        limit=size + 1,
    )
    page, following = cut(rows, size, lambda row: (row.changed_at, row.id))
    return Page(items=await views.kept_items(ctx.uow, page), next=following)


@routes.post(
    "/announcements", roles=KEEPERS, status=201, idempotent=True, summary="Begin an announcement"
)
async def draft(ctx: Context, body: AnnouncementInput) -> KeptAnnouncement:
    return await views.kept_view(ctx.uow, await service.draft(ctx.uow, ctx.caller, body))


@routes.post("/announcements/preview", roles=KEEPERS, summary="A text as it will be drawn")
async def preview(ctx: Context, body: PreviewInput) -> list[BlockView]:
    await require(ctx.uow, ctx.caller, access.ANNOUNCEMENT, "manage")
    return views.block_views(body.text)


@routes.get("/announcements/{announcement_id}", roles=KEEPERS, summary="One with all its settings")
async def show(ctx: Context, announcement_id: UUID) -> KeptAnnouncement:
    row = await access.announcement_for(ctx.uow, ctx.caller, announcement_id)
    return await views.kept_view(ctx.uow, row)


@routes.put("/announcements/{announcement_id}", roles=KEEPERS, summary="Put in a new wording")
async def edit(ctx: Context, announcement_id: UUID, body: AnnouncementChange) -> KeptAnnouncement:
    row = await service.edit(ctx.uow, ctx.caller, announcement_id, body)
    return await views.kept_view(ctx.uow, row)


@routes.delete(
    "/announcements/{announcement_id}", roles=KEEPERS, status=204, summary="Throw a draft away"
)
async def discard(ctx: Context, announcement_id: UUID) -> None:
    await service.discard(ctx.uow, ctx.caller, announcement_id)


@routes.post(
    "/announcements/{announcement_id}/publish",
    roles=KEEPERS,
    summary="Let it appear, now or at a set time",
)
async def publish(ctx: Context, announcement_id: UUID, body: PublishInput) -> KeptAnnouncement:
    row = await service.publish(ctx.uow, ctx.caller, announcement_id, body.base_version, body.at)
    return await views.kept_view(ctx.uow, row)


@routes.post(
    "/announcements/{announcement_id}/withdraw", roles=KEEPERS, summary="Show it no longer"
)
async def withdraw(ctx: Context, announcement_id: UUID, body: WithdrawInput) -> KeptAnnouncement:
    row = await service.withdraw(ctx.uow, ctx.caller, announcement_id, body.reason)
    return await views.kept_view(ctx.uow, row)


@routes.get(
    "/announcements/{announcement_id}/versions",
    roles=KEEPERS,
    summary="Every wording, newest first",
)
async def versions(ctx: Context, announcement_id: UUID) -> list[VersionView]:
    rows = await access.versions(ctx.uow, ctx.caller, announcement_id)
    return await views.version_views(ctx.uow, rows)


@routes.get(
    "/announcements/{announcement_id}/readers",
    roles=KEEPERS,
    summary="The staff whom it is for, with who has read and confirmed",
)
async def readers(
    ctx: Context,
    announcement_id: UUID,
    reading: Reading = Reading.ALL,
    q: str = "",
    cursor: str | None = None,
    limit: int = 50,
) -> Page[ReaderView]:
    row = await access.announcement_for(ctx.uow, ctx.caller, announcement_id)
    size = max(1, min(limit, LIMIT))
    found = await views.readers(
        ctx.uow, row, reading=reading, words=q[:50], before=_name(cursor), limit=size + 1
    )
    page, following = cut(found, size, lambda each: (each.name, each.user_id))
    return Page(items=list(page), next=following)


def _name(cursor: str | None) -> tuple[str, UUID] | None:
    values = decode_cursor(cursor, 2)
    if values is None:
        return None
    try:
        return str(values[0]), UUID(values[1])
    except (TypeError, ValueError, AttributeError) as error:
        raise bad_cursor() from error
