"""Counting. Runs in the caller's unit of work and never commits."""

from datetime import date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.dialects.postgresql import insert

from core.alarms import Trouble
from core.identity.models import Hospital
from core.uow import UnitOfWork
from media.calls import access as calls
from media.metering import access
from media.metering.models import MediaUsageRow
from media.metering.rules import GIGABYTE
from media.recording import access as recordings

#: How far back is counted when nothing was counted for long.
MOST_DAYS = 400


async def count(uow: UnitOfWork, hospital: Hospital) -> None:
    """Count every day from the last counted one up to today; counting again changes nothing.

    What recordings occupy is known only now: days that were missed get today's figure.
    """
    zone = ZoneInfo(hospital.time_zone)
    today = uow.now.astimezone(zone).date()
    known = await access.last_counted(uow, hospital.id)
    first = await calls.first_day(uow, hospital.id, zone) if known is None else known[0]
    day = max(first or today, today - timedelta(days=MOST_DAYS))
    stored = await recordings.stored(uow, hospital.id)
    while day <= today:
        # The day before may have been counted before it was over.
        await _count_day(uow, hospital.id, day, zone, stored)
        day += timedelta(days=1)


async def _count_day(
    uow: UnitOfWork,
    hospital_id: UUID,
    day: date,
    zone: ZoneInfo,
    stored: recordings.StoredRecordings,
) -> None:
    since = datetime.combine(day, time(), zone)
    until = datetime.combine(day + timedelta(days=1), time(), zone)
    talk = await calls.talk_time(uow, hospital_id, since, until)
    counted = {
        "calls": talk.calls,
        "minutes": talk.minutes,
        "participant_minutes": talk.participant_minutes,
        "recordings": await recordings.begun(uow, hospital_id, since, until),
        "stored_bytes": stored.bytes,
        "counted_at": uow.now,
    }
    is_over = until <= uow.now
    statement = insert(MediaUsageRow).values(hospital_id=hospital_id, day=day, **counted)
    if is_over:
        # What a past day's recordings occupied then is not known better now.
        counted.pop("stored_bytes")
    await uow.session.execute(
        statement.on_conflict_do_update(
            index_elements=[MediaUsageRow.hospital_id, MediaUsageRow.day], set_=counted
        )
    )


async def troubles(uow: UnitOfWork, hospital: Hospital) -> list[Trouble]:
    """What the officers should hear of: quotas that are nearly or wholly used."""
    minutes, storage, _ = await access.quotas(uow, hospital.id)
    told = (
        ("minutes", minutes, "音视频分钟数", f"{minutes.used} / {minutes.limit} 分钟"),
        (
            "storage",
            storage,
            "录像存储",
            f"{storage.used / GIGABYTE:.1f} / {storage.limit / GIGABYTE:.0f} GB",
        ),
    )
    return [
        Trouble(
            ref=f"{name}_{quota.level}",
            title=f"{title}{'已超出额度' if quota.level == 'over' else '接近额度'}",
            text=f"已使用 {figures}，通话和录制不受影响",
            hospital_id=hospital.id,
        )
        for name, quota, title, figures in told
        if quota.level in ("near", "over")
    ]
