"""What notifications do about the news of others."""

from clinical.notifications import notices as own  # noqa: F401 - declares this module's notices
from clinical.notifications import pushing, templates  # noqa: F401 - puts notices into words
from core.runtime import Runtime
from realtime import notices
from realtime.events import NoticeStored


async def plan_pushes(runtime: Runtime, event: NoticeStored) -> None:
    """Everybody who got an item is to hear of it outside, unless a rule says otherwise then."""
    notice = notices.find(event.code)
    if notice is None or not notice.channels:
        return
    ref = (event.ref_type, event.ref_id) if event.ref_type and event.ref_id else None
    causes = [
        pushing.Cause(user_id=user_id, source=f"inbox:{cursor}", inbox_cursor=cursor)
        for user_id, cursor in event.items
    ]
    async with runtime.unit_of_work() as uow:
        await pushing.plan(uow, event.hospital_id, notice, causes, event.parameters, ref)


AFTER_COMMIT = {NoticeStored: [plan_pushes]}
