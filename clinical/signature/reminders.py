"""Reminding people of what waits for their signature, and officers of limits that come near."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import func, or_, select

from clinical.signature import own
from clinical.signature.models import Signer, SigningTask
from clinical.signature.settings import REMIND_HOURS
from clinical.signature.states import TaskState
from core import settings
from core.alarms.models import Alarm
from core.alarms.service import raise_alarm
from core.identity.models import Hospital, User
from core.uow import UnitOfWork
from realtime import inbox

BATCH = 500
LIMIT_ALARM, _USAGE = "signing_limit", "signing_usage"


async def remind(uow: UnitOfWork) -> int:
    """Remind everybody whose oldest task has waited long, once in the set time; how many."""
    oldest = (
        select(
            SigningTask.hospital_id,
            SigningTask.user_id,
            func.min(SigningTask.created_at).label("since"),
            func.count().label("waiting"),
        )
        .where(SigningTask.state == TaskState.OPEN, SigningTask.user_id.is_not(None))
        .group_by(SigningTask.hospital_id, SigningTask.user_id)
        .subquery()
    )
    shortest = uow.now - timedelta(hours=REMIND_HOURS.minimum or 1)
    rows = await uow.session.execute(
        select(oldest, Signer)
        .join(User, User.id == oldest.c.user_id)
        .outerjoin(
            Signer,
            (Signer.hospital_id == oldest.c.hospital_id) & (Signer.user_id == oldest.c.user_id),
        )
        .where(
            User.enabled,
            oldest.c.since <= shortest,
            or_(Signer.reminded_at.is_(None), Signer.reminded_at <= shortest),
        )
        .limit(BATCH)
    )
    reminded = 0
    for hospital_id, user_id, since, waiting, signer in rows.all():
        hours = await settings.get(uow, REMIND_HOURS, hospital_id=hospital_id)
        last = signer.reminded_at if signer else None
        if uow.now - since < timedelta(hours=hours):
            continue
        if last is not None and uow.now - last < timedelta(hours=hours):
            continue
        await _tell(uow, signer or Signer(hospital_id=hospital_id, user_id=user_id), waiting)
        reminded += 1
    return reminded


async def _tell(uow: UnitOfWork, signer: Signer, waiting: int) -> None:
    if signer.id is None:
        signer.pin_failures, signer.created_at = 0, uow.now
        uow.session.add(signer)
    signer.reminded_at = uow.now
    await uow.session.flush()
    assert signer.user_id is not None
    await inbox.notify(
        uow,
        [signer.user_id],
        hospital_id=signer.hospital_id,
        type="signing_waiting",
        title="文书待签名",
        text=f"您有 {waiting} 份文书待签名，请及时签署。",
        ref=("signing", signer.id),
    )


async def watch_usage(uow: UnitOfWork) -> None:
    """Raise an alarm for every limit of a hospital that is used to 80 % and again when it is over.

    The reference names limit, level and year, and an officer who closed it is not told twice.
    """
    for hospital_id in list(await uow.session.scalars(select(Hospital.id).where(Hospital.enabled))):
        seen = await own.usage(uow, hospital_id)
        for name, label, line in (
            ("certificates", "数字证书", seen.certificates),
            ("signatures", "年签名次数", seen.signatures),
        ):
            if line.level == "ok":
                continue
            ref = f"{name}:{line.level}:{seen.year}"
            if await _raised(uow, hospital_id, ref):
                continue
            state = "已用完" if line.level == "over" else "即将用完"
            await raise_alarm(
                uow,
                hospital_id,
                LIMIT_ALARM,
                f"{label}{state}",
                f"{label}已使用 {line.used}，上限 {line.limit}（{line.percent}%）。",
                (_USAGE, ref),
            )


async def _raised(uow: UnitOfWork, hospital_id: UUID, ref: str) -> bool:
    found = select(Alarm.id).where(
        Alarm.hospital_id == hospital_id,
        Alarm.kind == LIMIT_ALARM,
        Alarm.ref_type == _USAGE,
        Alarm.ref_id == ref,
    )
    return await uow.session.scalar(found.limit(1)) is not None
