"""For whom the hospital may be asked, and who reads the journal of exchanges."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from sqlalchemy import select, tuple_

from clinical.consultation import access as consultations
from clinical.cursors import Moment
from clinical.days import business_day
from clinical.his import rules, settings
from clinical.his.errors import ReasonEnded
from clinical.his.gateway import PersonKey
from clinical.his.models import HospitalExchange
from clinical.his.states import Operation, Outcome
from clinical.people import access as people
from clinical.people.access import PatientRelation
from clinical.people.states import IdType
from core import settings as core_settings
from core.access import READ, Action, Scope, allow, declare, grant, look
from core.identity.caller import Caller
from core.identity.models import User
from core.identity.roles import Role
from core.uow import UnitOfWork

EXCHANGE = declare(
    "his_exchange",
    "院内接口日志",
    area="监管",
    here=HospitalExchange.hospital_id,
    actions={READ: Action("查看", (Role.ADMINISTRATOR, Role.SUPERVISOR), delegable=True)},
    scopes={Scope.HOSPITAL: None},
    defaults=[allow(Role.ADMINISTRATOR, Scope.HOSPITAL, READ)],
)


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Whom the hospital is asked about, who asks and why; `today` is the day at the hospital."""

    hospital_id: UUID
    user_id: UUID
    consultation_id: UUID | None
    patient_id: UUID
    name: str
    key: PersonKey
    today: date
    look_back_months: int


async def own(uow: UnitOfWork, caller: Caller, patient_id: UUID) -> Subject:
    """A person whom the caller has bound. Raises NotFound, NotPermitted."""
    relation = await people.my_patient(uow.session, caller, patient_id)
    return await _subject(uow, caller, relation, None)


async def in_consultation(
    uow: UnitOfWork, caller: Caller, consultation_id: UUID, what: str
) -> Subject:
    """The patient of a consultation that the caller treats or was asked into; the look (`what` it
    is at) is audited. Raises NotFound, NotPermitted, ReasonEnded.
    """
    row = await consultations.reason_for_records(uow.session, caller, consultation_id)
    hours = await core_settings.get(
        uow, settings.AFTER_END_HOURS, hospital_id=row.hospital_id, department_id=row.department_id
    )
    if not rules.may_ask(row.state, row.ended_at, uow.now, timedelta(hours=hours)):
        raise ReasonEnded()
    await look(uow, caller, "hospital_record", row.id, row.patient_id, {"what": what})
    relations = await people.relations_by_id(uow.session, row.hospital_id, [row.relation_id])
    return await _subject(uow, caller, relations[row.relation_id], row.id)


async def _subject(
    uow: UnitOfWork, caller: Caller, relation: PatientRelation, consultation_id: UUID | None
) -> Subject:
    patient = relation.patient
    # A number that no registry confirmed could be anybody's.
    confirmed = patient.id_type is IdType.IDENTITY_CARD and patient.verified
    return Subject(
        hospital_id=caller.hospital_id,
        user_id=caller.user_id,
        consultation_id=consultation_id,
        patient_id=patient.id,
        name=patient.name,
        key=PersonKey(
            id_number=patient.id_number if confirmed else None, card_number=patient.card_number
        ),
        today=await business_day(uow, caller.hospital_id),
        look_back_months=await core_settings.get(
            uow, settings.LOOK_BACK_MONTHS, hospital_id=caller.hospital_id
        ),
    )


@dataclass(frozen=True, kw_only=True)
class ExchangeFilters:
    """Which lines of the journal; days at the hospital are cut by the caller."""

    operation: Operation | None = None
    outcome: Outcome | None = None


async def exchanges(
    uow: UnitOfWork, caller: Caller, filters: ExchangeFilters, before: Moment | None, limit: int
) -> Sequence[HospitalExchange]:
    """The journal, newest first. Raises NotPermitted."""
    allowed = await grant(uow, caller, EXCHANGE)
    query = select(HospitalExchange).where(allowed.condition)
    if filters.operation is not None:
        query = query.where(HospitalExchange.operation == filters.operation)
    if filters.outcome is not None:
        query = query.where(HospitalExchange.outcome == filters.outcome)
    if before is not None:
        query = query.where(tuple_(HospitalExchange.at, HospitalExchange.id) < before)
    rows = await uow.session.scalars(
        query.order_by(HospitalExchange.at.desc(), HospitalExchange.id.desc()).limit(limit)
    )
    return rows.all()


async def names_of(uow: UnitOfWork, user_ids: Collection[UUID]) -> dict[UUID, str]:
    """Who the askers are, for lines of the journal that the caller may see."""
    rows = await uow.session.execute(select(User.id, User.name).where(User.id.in_(user_ids)))
    return {user_id: name for user_id, name in rows}
