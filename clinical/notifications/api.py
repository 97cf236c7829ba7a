"""Routes of notifications: one's own preferences and messages, and what administrators keep."""

from datetime import datetime, timedelta
from uuid import UUID

from clinical.cursors import cut, read_moment
from clinical.notifications import access, sending, service, templates, views
from clinical.notifications.schemas import (
    ApplicationPolicy,
    ApplicationView,
    ApplicationWithSecret,
    MessageContent,
    NewSecret,
    NoticeView,
    Preferences,
    PreferencesInput,
    Preview,
    PushCounts,
    PushDetail,
    PushView,
    TemplateInput,
    TemplateVersion,
)
from clinical.notifications.service_api import routes as service_routes
from clinical.notifications.states import PushState
from core.http import ANY_ROLE, Context, Page, Routes
from realtime import notices
from realtime.notices import Channel

routes = Routes(tag="notifications", title="消息推送")
KEEPERS = list(access.KEEPERS)
LIMIT = 100
COUNTED = timedelta(days=7)


@routes.get("/me/notifications", roles=ANY_ROLE, summary="What the caller hears of, and when")
async def preferences(ctx: Context) -> Preferences:
    return await views.preferences(ctx.uow, ctx.caller)


@routes.put("/me/notifications", roles=ANY_ROLE, summary="Choose what to hear of, and when")
async def choose(ctx: Context, body: PreferencesInput) -> Preferences:
    await service.choose(ctx.uow, ctx.caller, body)
    return await views.preferences(ctx.uow, ctx.caller)


@routes.get(
    "/me/notifications/messages/{message_id}",
    roles=ANY_ROLE,
    summary="What another system has sent to the caller",
)
async def message(ctx: Context, message_id: UUID) -> MessageContent:
    row = await access.message_for(ctx.uow, ctx.caller, message_id)
    return await views.content(ctx.uow, row)


@routes.post(
    "/me/notifications/messages/{message_id}/acknowledge",
    roles=ANY_ROLE,
    summary="Say that one has seen a message",
)
async def acknowledge(ctx: Context, message_id: UUID) -> MessageContent:
    return await views.content(ctx.uow, await sending.acknowledge(ctx.uow, ctx.caller, message_id))


# --- templates -----------------------------------------------------------------------------------


@routes.get("/notification-templates", roles=KEEPERS, summary="Every notice with its templates")
async def list_notices(ctx: Context) -> list[NoticeView]:
    await access.require_reader(ctx.uow, ctx.caller)
    known = notices.declared()
    rows = await templates.newest(ctx.uow, ctx.caller.hospital_id, [each.code for each in known])
    return [views.notice_view(each, rows) for each in known]


@routes.get(
    "/notification-templates/{code}/{channel}/versions",
    roles=KEEPERS,
    summary="Every version of a template, newest first",
)
async def versions(ctx: Context, code: str, channel: Channel) -> list[TemplateVersion]:
    service.notice_with(code, channel)
    rows = await access.versions(ctx.uow, ctx.caller, code, channel)
    return [await views.version_view(ctx.uow, row) for row in rows]


@routes.post(
    "/notification-templates/{code}/{channel}/preview",
    roles=KEEPERS,
    summary="A template filled with sample values",
)
async def preview(ctx: Context, code: str, channel: Channel, body: TemplateInput) -> Preview:
    await access.require_reader(ctx.uow, ctx.caller)
    notice = service.notice_with(code, channel)
    return await views.preview(ctx.uow, ctx.caller, notice, channel, body)


@routes.put(
    "/notification-templates/{code}/{channel}",
    roles=KEEPERS,
    summary="Put a new version of a template into force",
)
async def reword(ctx: Context, code: str, channel: Channel, body: TemplateInput) -> TemplateVersion:
    row = await service.reword(ctx.uow, ctx.caller, code, channel, body)
    return await views.version_view(ctx.uow, row)


# --- the log -------------------------------------------------------------------------------------


@routes.get("/notification-pushes", roles=KEEPERS, summary="Pushes of the hospital, newest first")
async def list_pushes(
    ctx: Context,
    state: PushState | None = None,
    code: str | None = None,
    channel: Channel | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[PushView]:
    size = max(1, min(limit, LIMIT))
    rows = await access.pushes(
        ctx.uow,
        ctx.caller,
        state=state,
        code=code,
        channel=channel,
        since=since,
        until=until,
        before=read_moment(cursor),
        limit=size + 1,
    )
    page, following = cut(rows, size, lambda row: (row[0].created_at, row[0].id))
    return Page(items=[views.push_view(push, user) for push, user in page], next=following)


@routes.get("/notification-pushes/counts", roles=KEEPERS, summary="Pushes of the week by state")
async def count_pushes(ctx: Context) -> PushCounts:
    return PushCounts(states=await access.state_counts(ctx.uow, ctx.caller, ctx.now - COUNTED))


@routes.get("/notification-pushes/{push_id}", roles=KEEPERS, summary="A push with all its attempts")
async def show_push(ctx: Context, push_id: UUID) -> PushDetail:
    push, user = await access.push_for(ctx.uow, ctx.caller, push_id)
    return await views.push_detail(ctx.uow, push, user)


@routes.post(
    "/notification-pushes/{push_id}/retry", roles=KEEPERS, summary="Let a parked push begin anew"
)
async def retry(ctx: Context, push_id: UUID) -> PushDetail:
    await service.retry(ctx.uow, ctx.caller, push_id)
    push, user = await access.push_for(ctx.uow, ctx.caller, push_id)
    return await views.push_detail(ctx.uow, push, user)


# --- applications --------------------------------------------------------------------------------


@routes.get("/notification-applications", roles=KEEPERS, summary="Systems that may send messages")
async def list_applications(ctx: Context) -> list[ApplicationView]:
    rows = await access.applications(ctx.uow, ctx.caller)
    return [views.application_view(row) for row in rows]


@routes.post(
    "/notification-applications",
    roles=KEEPERS,
    status=201,
    idempotent=True,
    summary="Register a system; its secret is shown this once",
)
async def make_application(ctx: Context, body: ApplicationPolicy) -> ApplicationWithSecret:
    row = await sending.make_application(ctx.uow, ctx.caller, body)
    return ApplicationWithSecret(**views.application_view(row).model_dump(), secret=row.secret)


@routes.put(
    "/notification-applications/{application_id}",
    roles=KEEPERS,
    summary="Change what a system may send",
)
async def change_application(
    ctx: Context, application_id: UUID, body: ApplicationPolicy
) -> ApplicationView:
    row = await sending.change_application(ctx.uow, ctx.caller, application_id, body)
    return views.application_view(row)


@routes.post(
    "/notification-applications/{application_id}/secret",
    roles=KEEPERS,
    summary="A new secret; the old one ends at once",
)
async def new_secret(ctx: Context, application_id: UUID) -> NewSecret:
    return NewSecret(secret=await sending.new_secret(ctx.uow, ctx.caller, application_id))


routes.routes += service_routes.routes
