"""What was bought from the CA and how much of it is used: certificates and signatures a year."""

from collections import Counter
from datetime import date, datetime, time, timedelta
from uuid import UUID

from sqlalchemy import func, select

from clinical.days import business_day, zone_of
from clinical.signature import rules
from clinical.signature.applications import access
from clinical.signature.applications.admin_schemas import DayCount, LicenceUse
from clinical.signature.applications.models import SignatureCount
from clinical.signature.applications.settings import SERVICE_ENABLED
from clinical.signature.models import DocumentSignature, Signer, SigningKey
from clinical.signature.settings import CERTIFICATES_INCLUDED, SIGNATURES_PER_YEAR
from clinical.signature.states import KeyState
from core import settings
from core.alarms import raise_alarm
from core.runtime import Runtime
from core.uow import UnitOfWork


async def use(uow: UnitOfWork, hospital_id: UUID, days: int) -> LicenceUse:
    """This year's use at a hospital, with the last `days` days one by one."""
    today = await business_day(uow, hospital_id)
    first = today.replace(month=1, day=1)
    begin = min(first, today - timedelta(days=days - 1))
    applications = dict(await access.counts_by_day(uow.session, hospital_id, begin))
    people = await _by_people(uow, hospital_id, begin)
    total = sum(n for day, n in applications.items() if day >= first)
    total += sum(n for day, n in people.items() if day >= first)
    limit = await settings.get(uow, SIGNATURES_PER_YEAR, hospital_id=hospital_id)
    included = await settings.get(uow, CERTIFICATES_INCLUDED, hospital_id=hospital_id)
    certificates = await _certificates(uow, hospital_id)
    shown = [today - timedelta(days=back) for back in reversed(range(days))]
    return LicenceUse(
        year=today.year,
        signatures=total,
        signatures_limit=limit,
        signatures_level=rules.Usage(total, limit).level(),
        certificates=certificates,
        certificates_limit=included,
        certificates_level=rules.Usage(certificates, included).level(),
        days=[
            DayCount(day=day, applications=applications.get(day, 0), people=people.get(day, 0))
            for day in shown
        ],
        service_enabled=await settings.get(uow, SERVICE_ENABLED, hospital_id=hospital_id),
    )


async def _by_people(uow: UnitOfWork, hospital_id: UUID, begin: date) -> Counter[date]:
    """Signatures of people and of the seal on each day."""
    zone = await zone_of(uow, hospital_id)
    local = func.date(func.timezone(zone.key, DocumentSignature.signed_at))
    rows = await uow.session.execute(
        select(local, func.count())
        .where(
            DocumentSignature.hospital_id == hospital_id,
            DocumentSignature.signed_at >= datetime.combine(begin, time(), zone),
        )
        .group_by(local)
    )
    return Counter({day: number for day, number in rows})


async def _certificates(uow: UnitOfWork, hospital_id: UUID) -> int:
    """Certificates of people that are in force."""
    query = (
        select(func.count())
        .select_from(SigningKey)
        .join(Signer, Signer.id == SigningKey.signer_id)
        .where(
            SigningKey.hospital_id == hospital_id,
            SigningKey.state == KeyState.ACTIVE,
            Signer.user_id.is_not(None),
        )
    )
    return await uow.session.scalar(query) or 0


async def warn(runtime: Runtime) -> None:
    """The job: officers hear when four fifths are used, and when everything is."""
    async with runtime.unit_of_work() as uow:
        used = select(DocumentSignature.hospital_id).union(select(SignatureCount.hospital_id))
        hospitals = list(await uow.session.scalars(used))
    for hospital_id in hospitals:
        async with runtime.unit_of_work() as uow:
            found = await use(uow, hospital_id, 1)
            if found.signatures_level != "ok":
                await _alarm(uow, hospital_id, found)


async def _alarm(uow: UnitOfWork, hospital_id: UUID, found: LicenceUse) -> None:
    over = found.signatures_level == "over"
    await raise_alarm(
        uow,
        hospital_id,
        "signature_licence",
        "签名次数已用完" if over else "签名次数即将用完",
        f"{found.year} 年已签名 {found.signatures} 次，约定 {found.signatures_limit} 次，"
        "超出部分按次另计，请与CA机构联系。",
        ("signature_licence", f"{found.year}-{found.signatures_level}"),
    )
