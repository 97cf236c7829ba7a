"""What was used, for administrators and operators."""

from core.http import Context, Routes
from media.metering import access
from media.metering.schemas import UsageView

routes = Routes(tag="metering", title="音视频用量")


@routes.get(
    "/media-usage",
    roles=sorted(access.READERS),
    summary="Minutes of calls and bytes of recordings of the caller's hospital, day by day",
)
async def usage(ctx: Context, days: int = 90) -> UsageView:
    return await access.usage_for(ctx.uow, ctx.caller, min(max(days, 1), 400))
