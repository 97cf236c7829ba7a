"""What time does to announcements: some appear, appointments of work come near."""

from datetime import timedelta

from sqlalchemy import or_, select

from clinical.notifications.announcements import notices, rules
from clinical.notifications.announcements.models import Announcement
from clinical.notifications.announcements.service import appear
from clinical.notifications.announcements.settings import WORK_REMIND_MINUTES
from clinical.notifications.announcements.states import State
from core import settings
from core.jobs import Job
from core.runtime import Runtime

BATCH = 100


async def let_appear(runtime: Runtime) -> None:
    """Announcements whose set time has come are shown from then on; people are told."""
    async with runtime.unit_of_work() as uow:
        rows = await uow.session.scalars(
            select(Announcement)
            .where(
                Announcement.state == State.PUBLISHED,
                Announcement.announced_at.is_(None),
                Announcement.published_at <= uow.now,
                or_(Announcement.until.is_(None), Announcement.until > uow.now),
            )
            .order_by(Announcement.published_at)
            .limit(BATCH)
            .with_for_update(skip_locked=True)
        )
        for row in rows.all():
            await appear(uow, row)


async def remind_of_work(runtime: Runtime) -> None:
    """People are reminded once of an appointment, some time before it begins."""
    async with runtime.unit_of_work() as uow:
        longest = uow.now + timedelta(minutes=WORK_REMIND_MINUTES.maximum or 1)
        rows = await uow.session.scalars(
            select(Announcement)
            .where(
                Announcement.state == State.PUBLISHED,
                Announcement.announced_at.is_not(None),
                Announcement.reminded_at.is_(None),
                Announcement.starts_at > uow.now,
                Announcement.starts_at <= longest,
            )
            .order_by(Announcement.starts_at)
            .limit(BATCH)
            .with_for_update(skip_locked=True)
        )
        for row in rows.all():
            assert row.starts_at is not None
            minutes = row.remind_minutes or await settings.get(
                uow, WORK_REMIND_MINUTES, hospital_id=row.hospital_id
            )
            if uow.now >= rules.remind_at(row.starts_at, minutes):
                row.reminded_at = uow.now
                await notices.tell_due(uow, row)


JOBS = [
    Job("announcements.appear", timedelta(seconds=10), let_appear),
    Job("announcements.remind", timedelta(seconds=30), remind_of_work),
]
