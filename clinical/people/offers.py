"""What clinicians offer: terms by title, and what is set for one clinician alone."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from clinical.consultation.states import COUNTED, MODES, OFFERABLE, PRACTITIONER, Kind, Mode
from clinical.people import access
from clinical.people.access import Practitioner
from clinical.people.models import Clinician, ClinicianService, ServiceTerms
from clinical.people.policies import SERVICE_TERMS
from core import audit
from core.access import condition, require
from core.alarms.access import officers_of
from core.errors import FieldProblem, InvalidRequest, NotFound
from core.identity.caller import Caller
from core.uow import UnitOfWork


@dataclass(frozen=True, kw_only=True)
class Terms:
    """One service on its terms: price in fen, length in minutes, patients a day where counted."""

    kind: str
    mode: str
    price_fen: int
    minutes: int
    enabled: bool
    per_day: int | None = None

    @property
    def values(self) -> dict[str, Any]:
        return {"price_fen": self.price_fen, "minutes": self.minutes, "enabled": self.enabled}


async def all_terms(uow: UnitOfWork, caller: Caller) -> list[ServiceTerms]:
    """The terms of every title of the hospital. Raises NotPermitted."""
    await require(uow, caller, SERVICE_TERMS)
    rows = await uow.session.scalars(
        select(ServiceTerms)
        .where(ServiceTerms.hospital_id == caller.hospital_id)
        .order_by(ServiceTerms.title, ServiceTerms.kind, ServiceTerms.mode)
    )
    return list(rows)


async def doctors(uow: UnitOfWork, caller: Caller, words: str) -> list[Practitioner]:
    """The clinicians whose services are kept here, by part of the name. Raises NotPermitted."""
    await require(uow, caller, SERVICE_TERMS)
    query = select(Clinician.user_id).where(Clinician.hospital_id == caller.hospital_id)
    if words.strip():
        query = query.where(Clinician.name.icontains(words.strip(), autoescape=True))
    ids = list(await uow.session.scalars(query))
    found = await access.practitioners_by_id(uow.session, caller.hospital_id, ids)
    return sorted(
        found.values(),
        key=lambda each: (each.department.position, -each.clinician.title_rank, each.user_id),
    )


async def set_for_title(uow: UnitOfWork, caller: Caller, title: str, terms: Terms) -> None:
    """What holds for a title from now on, and so for each of its clinicians without own terms."""
    await require(uow, caller, SERVICE_TERMS, "change")
    row = {
        "hospital_id": caller.hospital_id,
        "title": title,
        "kind": terms.kind,
        "mode": terms.mode,
        "changed_at": uow.now,
        **terms.values,
    }
    await uow.session.execute(
        insert(ServiceTerms)
        .values(row)
        .on_conflict_do_update(
            index_elements=["hospital_id", "title", "kind", "mode"],
            set_={**terms.values, "changed_at": uow.now},
        )
    )
    ids = await uow.session.scalars(
        select(Clinician.id).where(
            Clinician.hospital_id == caller.hospital_id, Clinician.title == title
        )
    )
    for clinician_id in ids.all():
        await _follow(uow, caller.hospital_id, clinician_id, terms)
    words = f"{title}:{terms.kind}:{terms.mode}"
    await audit.record(
        uow, caller, "service_terms.change", "service_terms", words, detail=terms.values
    )
    await _tell(uow, caller.hospital_id)


async def _follow(uow: UnitOfWork, hospital_id: UUID, clinician_id: UUID, terms: Terms) -> None:
    await uow.session.execute(
        insert(ClinicianService)
        .values(
            clinician_id=clinician_id,
            hospital_id=hospital_id,
            kind=terms.kind,
            mode=terms.mode,
            own=False,
            **terms.values,
        )
        .on_conflict_do_update(
            index_elements=["clinician_id", "kind", "mode"],
            set_=terms.values,
            where=ClinicianService.own.is_(False),
        )
    )


async def follow_title(uow: UnitOfWork, clinician: Clinician) -> None:
    """Give a clinician every service of the title that is not set for him alone."""
    rows = await uow.session.scalars(
        select(ServiceTerms).where(
            ServiceTerms.hospital_id == clinician.hospital_id,
            ServiceTerms.title == clinician.title,
        )
    )
    for row in rows.all():
        await _follow(uow, clinician.hospital_id, clinician.id, _terms(row))


def _terms(row: ServiceTerms) -> Terms:
    return Terms(
        kind=row.kind,
        mode=row.mode,
        price_fen=row.price_fen,
        minutes=row.minutes,
        enabled=row.enabled,
    )


async def set_for_doctor(uow: UnitOfWork, caller: Caller, doctor_id: UUID, terms: Terms) -> None:
    """What holds for one clinician alone, whatever the title says. Raises NotFound."""
    await require(uow, caller, SERVICE_TERMS, "change")
    await _set_own(uow, caller, await _clinician(uow, caller, doctor_id), terms)


async def _set_own(uow: UnitOfWork, caller: Caller, clinician: Clinician, terms: Terms) -> None:
    own = {**terms.values, "per_day": terms.per_day, "own": True}
    await uow.session.execute(
        insert(ClinicianService)
        .values(
            clinician_id=clinician.id,
            hospital_id=clinician.hospital_id,
            kind=terms.kind,
            mode=terms.mode,
            **own,
        )
        .on_conflict_do_update(index_elements=["clinician_id", "kind", "mode"], set_=own)
    )
    detail = {"kind": terms.kind, "mode": terms.mode, "per_day": terms.per_day, **terms.values}
    await audit.record(
        uow, caller, "service_terms.change", "clinician", clinician.id, detail=detail
    )
    await _tell(uow, caller.hospital_id, clinician.user_id)


async def mine(uow: UnitOfWork, caller: Caller) -> list[ClinicianService]:
    """What the caller offers. Raises NotPermitted."""
    allowed = await condition(uow, caller, SERVICE_TERMS, "own")
    rows = await uow.session.scalars(
        select(ClinicianService)
        .where(allowed)
        .order_by(ClinicianService.kind, ClinicianService.mode)
        .execution_options(populate_existing=True)
    )
    return list(rows)


async def set_mine(uow: UnitOfWork, caller: Caller, terms: Terms) -> None:
    """Price, length, number a day and switch of one of the caller's own services.

    Raises NotPermitted, NotFound without a profile, InvalidRequest for what is not of the
    caller's profession, or is counted by the day and opened without a number.
    """
    await require(uow, caller, SERVICE_TERMS, "own")
    kind = Kind(terms.kind)
    possible = PRACTITIONER[kind] is caller.role and kind in OFFERABLE
    if not possible or Mode(terms.mode) not in MODES[kind]:
        raise InvalidRequest(fields=[FieldProblem("kind", "不能开通此类服务")])
    if kind in COUNTED and terms.enabled and terms.per_day is None:
        raise InvalidRequest(fields=[FieldProblem("per_day", "请先设置每日咨询数量")])
    if kind not in COUNTED and terms.per_day is not None:
        raise InvalidRequest(fields=[FieldProblem("per_day", "此类服务不按每日数量开放")])
    clinician = await _clinician(uow, caller, caller.user_id)
    if clinician.profession is not caller.role:
        raise NotFound()
    await _set_own(uow, caller, clinician, terms)


async def follow_title_again(
    uow: UnitOfWork, caller: Caller, doctor_id: UUID, kind: str, mode: str
) -> None:
    """Forget what was set for one clinician alone. Raises NotFound."""
    await require(uow, caller, SERVICE_TERMS, "change")
    clinician = await _clinician(uow, caller, doctor_id)
    await uow.session.execute(
        delete(ClinicianService).where(
            ClinicianService.clinician_id == clinician.id,
            ClinicianService.kind == kind,
            ClinicianService.mode == mode,
        )
    )
    row = await uow.session.get(ServiceTerms, (caller.hospital_id, clinician.title, kind, mode))
    if row is not None:
        await _follow(uow, clinician.hospital_id, clinician.id, _terms(row))
    detail = {"kind": kind, "mode": mode}
    await audit.record(
        uow, caller, "service_terms.follow_title", "clinician", clinician.id, detail=detail
    )
    await _tell(uow, caller.hospital_id, doctor_id)


async def _clinician(uow: UnitOfWork, caller: Caller, doctor_id: UUID) -> Clinician:
    row = await uow.session.scalar(
        select(Clinician).where(
            Clinician.hospital_id == caller.hospital_id, Clinician.user_id == doctor_id
        )
    )
    if row is None:
        raise NotFound()
    return row


async def _tell(uow: UnitOfWork, hospital_id: UUID, *others: UUID) -> None:
    """After the commit, hint to open pages that prices have changed."""
    people = {*await officers_of(uow, hospital_id), *others}

    async def hint() -> None:
        payload = {"code": "service_terms_changed", "text": "问诊价格有变化"}
        for user_id in people:
            await uow.runtime.realtime.to_user(user_id, "notice", payload, hospital_id=hospital_id)

    uow.after_commit(hint)
