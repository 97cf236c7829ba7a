"""What time does to notifications."""

from datetime import timedelta

from sqlalchemy import delete, select

from clinical.notifications.models import Push, RoomNote
from clinical.notifications.pushing import deliver_due
from clinical.notifications.sending import remind_unacknowledged
from clinical.notifications.settings import LOG_DAYS
from clinical.notifications.states import PushState
from clinical.notifications.sweeping import sweep
from core import settings
from core.identity.models import Hospital
from core.jobs import Job
from core.runtime import Runtime


async def deliver(runtime: Runtime) -> None:
    """Send what is due, until nothing is."""
    while await deliver_due(runtime):
        pass


async def look_through_rooms(runtime: Runtime) -> None:
    """Plan pushes for words that nobody has read."""
    await sweep(runtime)


async def remind(runtime: Runtime) -> None:
    """Tell again of what nobody has acknowledged."""
    async with runtime.unit_of_work() as uow:
        await remind_unacknowledged(uow)


async def forget(runtime: Runtime) -> None:
    """Old lines of the log go; what still waits for somebody stays."""
    async with runtime.unit_of_work() as uow:
        for hospital_id in list(await uow.session.scalars(select(Hospital.id))):
            days = await settings.get(uow, LOG_DAYS, hospital_id=hospital_id)
            await uow.session.execute(
                delete(Push).where(
                    Push.hospital_id == hospital_id,
                    Push.created_at < uow.now - timedelta(days=days),
                    Push.state.not_in([PushState.DUE, PushState.PARKED]),
                )
            )
        await uow.session.execute(
            delete(RoomNote).where(RoomNote.noted_at < uow.now - timedelta(days=90))
        )


JOBS = [
    Job("notifications.deliver", timedelta(seconds=3), deliver),
    Job("notifications.rooms", timedelta(seconds=10), look_through_rooms),
    Job("notifications.acknowledgements", timedelta(seconds=15), remind),
    Job("notifications.log", timedelta(hours=6), forget),
]
