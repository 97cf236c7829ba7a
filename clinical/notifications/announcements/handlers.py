"""What announcements do about their own news: open pages show it at once."""

from sqlalchemy import ColumnElement, exists, or_, select

from clinical.notifications.announcements import notices  # noqa: F401 - declares the notices
from clinical.notifications.announcements.access import staff_of
from clinical.notifications.announcements.events import AnnouncementsChanged
from clinical.notifications.announcements.models import Announcement
from core.identity.models import RoleAssignment
from core.identity.roles import Role
from core.runtime import Runtime
from realtime.models import ConnectionRow


async def hint_to_the_connected(runtime: Runtime, event: AnnouncementsChanged) -> None:
    """Everybody who is connected and whom it is for may look again; a hint stores nothing."""
    async with runtime.unit_of_work() as uow:
        row = await uow.session.get(Announcement, event.aggregate_id)
        if row is None:
            return
        reached: ColumnElement[bool] = ConnectionRow.user_id.in_(staff_of(row))
        if Role.PATIENT in row.roles:
            patient = exists().where(
                RoleAssignment.user_id == ConnectionRow.user_id,
                RoleAssignment.hospital_id == row.hospital_id,
                RoleAssignment.role == Role.PATIENT,
            )
            reached = or_(reached, patient)
        people = list(
            await uow.session.scalars(select(ConnectionRow.user_id).where(reached).distinct())
        )
    payload = {
        "code": "announcements_changed",
        "text": event.title,
        "ref": {"type": "announcement", "id": str(event.aggregate_id)},
        "fresh": event.fresh,
    }
    for user_id in people:
        await runtime.realtime.to_user(user_id, "notice", payload, hospital_id=event.hospital_id)


AFTER_COMMIT = {AnnouncementsChanged: [hint_to_the_connected]}
