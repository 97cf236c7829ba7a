"""Routes for other systems: they have no login and prove themselves with every request."""

from clinical.notifications import sending, views
from clinical.notifications.schemas import MessageStatus, SendMessage
from core.defence.kinds import Kind
from core.http import PUBLIC, Context, Routes

routes = Routes(tag="notification-service", title="消息推送（业务系统）")


@routes.post(
    "/notification-service/messages",
    roles=PUBLIC,
    limit=Kind.SERVICE,
    summary="Send a message by its code; the same request id is sent once",
)
async def send(ctx: Context, body: SendMessage, raw_body: bytes) -> MessageStatus:
    proved = await sending.admit(ctx, raw_body)
    return await views.status(ctx.uow, await sending.send(ctx.uow, proved, body))


@routes.get(
    "/notification-service/messages/{request_id}",
    roles=PUBLIC,
    limit=Kind.SERVICE,
    summary="Where a message stands, and who acknowledged it",
)
async def status(ctx: Context, request_id: str) -> MessageStatus:
    proved = await sending.admit(ctx, b"")
    row = await sending.message_of(ctx.uow, proved.application, request_id)
    return await views.status(ctx.uow, row)
