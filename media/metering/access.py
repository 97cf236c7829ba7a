"""Who may see what was used: the hospital's administrators and the operators of the house."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select

from core import settings
from core.access import READ, Action, Scope, allow, declare, require
from core.identity.caller import Caller
from core.identity.roles import Role
from core.uow import UnitOfWork
from media.metering.models import MediaUsageRow
from media.metering.rules import GIGABYTE, Quota, term_start
from media.metering.schemas import DayView, QuotaView, UsageView
from media.metering.settings import GIGABYTES, MINUTES, TERM_START, WARN_PERCENT

READERS: frozenset[Role] = frozenset({Role.ADMINISTRATOR, Role.OPERATOR})

METERING = declare(
    "media_usage",
    "音视频用量",
    area="管理",
    here=MediaUsageRow.hospital_id,
    actions={READ: Action("查看", tuple(sorted(READERS)))},
    scopes={Scope.HOSPITAL: None},
    defaults=[allow(role, Scope.HOSPITAL, READ) for role in sorted(READERS)],
)


async def usage_for(uow: UnitOfWork, caller: Caller, days: int) -> UsageView:
    """What the caller's hospital used; the latest `days` one by one. Raises NotPermitted."""
    await require(uow, caller, METERING, READ)
    minutes, storage, since = await quotas(uow, caller.hospital_id)
    rows = await latest(uow, caller.hospital_id, uow.now.date() - timedelta(days=days))
    return UsageView(
        since=since,
        counted_at=max((row.counted_at for row in rows), default=None),
        minutes=_quota(minutes),
        storage=_quota(storage),
        days=[
            DayView(
                day=row.day,
                calls=row.calls,
                minutes=row.minutes,
                participant_minutes=row.participant_minutes,
                recordings=row.recordings,
                stored_bytes=row.stored_bytes,
            )
            for row in rows
        ],
    )


async def quotas(uow: UnitOfWork, hospital_id: UUID) -> tuple[Quota, Quota, date | None]:
    """Minutes and bytes of a hospital against its quotas, and the day from which they count."""
    here = {"hospital_id": hospital_id}
    since = term_start(await settings.get(uow, TERM_START, **here))
    query = select(func.coalesce(func.sum(MediaUsageRow.participant_minutes), 0)).where(
        MediaUsageRow.hospital_id == hospital_id
    )
    if since is not None:
        query = query.where(MediaUsageRow.day >= since)
    newest = await uow.session.scalar(
        select(MediaUsageRow.stored_bytes)
        .where(MediaUsageRow.hospital_id == hospital_id)
        .order_by(MediaUsageRow.day.desc())
        .limit(1)
    )
    warn = await settings.get(uow, WARN_PERCENT, **here)
    minutes = Quota(
        int(await uow.session.scalar(query) or 0), await settings.get(uow, MINUTES, **here), warn
    )
    limit = GIGABYTE * await settings.get(uow, GIGABYTES, **here)
    return minutes, Quota(int(newest or 0), limit, warn), since


async def latest(uow: UnitOfWork, hospital_id: UUID, after: date) -> Sequence[MediaUsageRow]:
    """The days after one, oldest first."""
    rows = await uow.session.scalars(
        select(MediaUsageRow)
        .where(MediaUsageRow.hospital_id == hospital_id, MediaUsageRow.day > after)
        .order_by(MediaUsageRow.day)
    )
    return rows.all()


async def last_counted(uow: UnitOfWork, hospital_id: UUID) -> tuple[date, datetime] | None:
    """The newest day that was counted, and when."""
    row = (
        await uow.session.execute(
            select(MediaUsageRow.day, MediaUsageRow.counted_at)
            .where(MediaUsageRow.hospital_id == hospital_id)
            .order_by(MediaUsageRow.day.desc())
            .limit(1)
        )
    ).one_or_none()
    return None if row is None else (row[0], row[1])


def _quota(quota: Quota) -> QuotaView:
    return QuotaView.model_validate(
        {
            "used": quota.used,
            "limit": quota.limit,
            "percent": None if quota.percent is None else round(quota.percent, 1),
            "level": quota.level,
        }
    )
