"""Who may see which consultation: every query made for a person.

As the policies stand by default, a patient sees what he or she pays for, a doctor what reached the
own queue, every clinician what he was asked into while he is in the room, supervisors and
administrators what was submitted in their hospital; everybody else sees nothing, except what
break-glass access opens for a time.
"""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, false, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from clinical.consent import access as consents
from clinical.consultation import settings
from clinical.consultation.models import Consultation, Phrase
from clinical.consultation.states import (
    OVER,
    TREATERS,
    CloseReason,
    Kind,
    State,
    kinds_led_by,
)
from clinical.days import day_begins
from clinical.people.access import PATIENT_FIELDS
from core import settings as core_settings
from core.access import (
    READ,
    Action,
    Emergency,
    Field,
    Grant,
    RowFilter,
    Scope,
    allow,
    declare,
    find_grant,
    grant,
)
from core.errors import NotFound
from core.identity.caller import Caller
from core.identity.roles import Role
from core.uow import UnitOfWork, unit_of
from realtime import access as rooms

# Endings in which the patient was served; only these count for a doctor and can be rated.
SERVED = (CloseReason.COMPLETED, CloseReason.ENDED_BY_PATIENT)


def _reached_doctor() -> ColumnElement[bool]:
    return Consultation.room_id.is_not(None)


def _asked_in(caller: Caller) -> ColumnElement[bool]:
    """In the room at present, in the role of the token."""
    return Consultation.room_id.in_(rooms.rooms_joined_by(caller))


def _as_guest(caller: Caller) -> ColumnElement[bool]:
    """Treated by somebody else, who asked the caller into the room."""
    return and_(Consultation.doctor_id.is_distinct_from(caller.user_id), _asked_in(caller))


def _on_an_errand(caller: Caller) -> ColumnElement[bool]:
    """A nurse whom somebody asked in comes for a task, and that needs nobody's past. (Advice of
    a pharmacist needs to know what was given before.)
    """
    return _as_guest(caller) if caller.role is Role.NURSE else false()


def _own(caller: Caller) -> ColumnElement[bool]:
    """Treated by the caller in the profession of the token: somebody may have two."""
    theirs = Consultation.kind.in_(kinds_led_by(caller.role))
    return and_(Consultation.doctor_id == caller.user_id, theirs)


def _of_the_pool(caller: Caller) -> ColumnElement[bool]:
    """Ordered by a department of the doctor's, and nobody has taken it yet."""
    if caller.role is not Role.DOCTOR:
        return false()
    return and_(
        Consultation.state == State.WAITING,
        Consultation.doctor_id.is_(None),
        Consultation.department_id.in_(caller.department_ids),
    )


def _of_departments(caller: Caller) -> ColumnElement[bool]:
    # A wider scope takes nothing away: who was asked into another department's room sees it too.
    mine = or_(Consultation.department_id.in_(caller.department_ids), _asked_in(caller))
    return and_(_reached_doctor(), mine, _in_use(caller))


def _in_use(caller: Caller) -> ColumnElement[bool]:
    """Not a closed record of somebody whose data is kept but no longer used (PIPL 47).

    Such a record shows to its patient, and with a reason through break-glass access.
    """
    return or_(
        Consultation.state.not_in(OVER),
        Consultation.patient_id.not_in(consents.restricted_patients(caller.hospital_id)),
    )


def _submitted(caller: Caller) -> ColumnElement[bool]:
    return Consultation.state != State.DRAFT


CONSULTATION = declare(
    "consultation",
    "问诊",
    area="诊疗",
    here=Consultation.hospital_id,
    actions={
        READ: Action(
            "查看",
            (
                Role.PATIENT,
                *TREATERS,
                Role.SUPERVISOR,
                Role.ADMINISTRATOR,
            ),
            delegable=True,
        ),
        "book": Action("预约与取消", (Role.PATIENT,)),
        "treat": Action("接诊与记录", TREATERS),
        "history": Action("查看患者既往问诊", TREATERS, delegable=True),
        "records": Action("查看患者院内病历、报告与处方", TREATERS, delegable=True),
        "assign": Action("分配接诊人员", (Role.ADMINISTRATOR,), delegable=True),
        "export": Action("导出", (Role.SUPERVISOR, Role.ADMINISTRATOR), delegable=True),
    },
    scopes={
        Scope.OWN: lambda caller: Consultation.payer_id == caller.user_id,
        Scope.ROOMS: lambda caller: and_(_asked_in(caller), _in_use(caller)),
        Scope.PATIENTS: lambda caller: and_(
            or_(_own(caller), _as_guest(caller), _of_the_pool(caller)),
            _reached_doctor(),
            _in_use(caller),
        ),
        Scope.DEPARTMENT: _of_departments,
        Scope.HOSPITAL: lambda caller: and_(_submitted(caller), _in_use(caller)),
    },
    only={
        Scope.OWN: (Role.PATIENT,),
        Scope.ROOMS: (Role.NURSE, Role.PHARMACIST),
        Scope.PATIENTS: TREATERS,
        Scope.DEPARTMENT: TREATERS,
    },
    # An expert who was asked in sees the patient; the treating doctor decides. What a department
    # may still claim is nobody's reason yet to look into the hospital's records.
    never={"treat": _as_guest, "history": _on_an_errand, "records": _of_the_pool},
    filters={
        "ended": RowFilter("仅已结束的", lambda caller: Consultation.state == State.ENDED),
        "no_red_flag": RowFilter("不含危急信号的", lambda caller: ~Consultation.red_flag),
    },
    fields=[
        *(
            Field(f"patient.{each.path}", each.title, each.mask, f"patient:{each.path}")
            for each in PATIENT_FIELDS
        ),
        Field("description", "病情描述"),
        Field("onset", "发病时间"),
        Field("answers", "问诊问卷"),
        Field("attachments", "附件"),
        Field("revisit.evidence", "既往就诊"),
        Field("revisit.proof", "复诊凭证"),
        Field("closing_note", "问诊小结"),
        Field("last_message", "最近消息"),
        Field("rating", "评价"),
    ],
    defaults=[
        allow(Role.PATIENT, Scope.OWN, READ, "book"),
        *(allow(role, Scope.PATIENTS, READ, "treat", "history", "records") for role in TREATERS),
        allow(Role.SUPERVISOR, Scope.HOSPITAL, READ, "export"),
        allow(Role.ADMINISTRATOR, Scope.HOSPITAL, READ, "export", "assign"),
    ],
    # The right to the own record (PIPL 45): no hospital can take it away.
    floors=[allow(Role.PATIENT, Scope.OWN, READ, "book")],
    emergency=Emergency(patient=Consultation.patient_id, within=_submitted),
)


async def readable(session: AsyncSession, caller: Caller) -> Grant:
    """What the caller may see, with what is withheld in it. Raises NotPermitted."""
    return await grant(unit_of(session), caller, CONSULTATION)


async def read_grant(session: AsyncSession, caller: Caller) -> Grant:
    """Like `readable`, for rows that the caller has been let to before: it may give nothing."""
    return await find_grant(unit_of(session), caller, CONSULTATION)


async def exportable(session: AsyncSession, caller: Caller) -> Grant:
    """What the caller may take out as a table. Raises NotPermitted."""
    return await grant(unit_of(session), caller, CONSULTATION, "export")


async def find(
    session: AsyncSession, caller: Caller, consultation_id: UUID, *, lock: bool = False
) -> Consultation:
    """One consultation that the caller may see; with `lock`, one that he may change, under its
    row lock. Raises NotFound, NotPermitted.
    """
    action = READ
    if lock:
        action = "book" if caller.role is Role.PATIENT else "treat"
    allowed = await grant(unit_of(session), caller, CONSULTATION, action)
    query = select(Consultation).where(Consultation.id == consultation_id, allowed.condition)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    row = await session.scalar(query)
    if row is None:
        raise NotFound()
    return row


async def may_see(session: AsyncSession, caller: Caller, row: Consultation) -> bool:
    """Whether the caller may see this one; who treats also what its patient's history shows."""
    unit = unit_of(session)
    allowed = await find_grant(unit, caller, CONSULTATION)
    if row.state is State.ENDED:
        history = await find_grant(unit, caller, CONSULTATION, "history")
        same_patient = and_(history.condition, Consultation.patient_id == row.patient_id)
        if history and await _any(session, same_patient):
            return True
    return bool(allowed) and await _any(session, and_(Consultation.id == row.id, allowed.condition))


async def taken_by_colleague(session: AsyncSession, caller: Caller, consultation_id: UUID) -> bool:
    """Whether an order of the caller's department has found another doctor."""
    taken = and_(
        Consultation.id == consultation_id,
        Consultation.hospital_id == caller.hospital_id,
        Consultation.kind == Kind.DEPARTMENT,
        Consultation.department_id.in_(caller.department_ids),
        Consultation.doctor_id.is_not(None),
    )
    return await _any(session, taken)


async def _any(session: AsyncSession, wanted: ColumnElement[bool]) -> bool:
    return await session.scalar(select(Consultation.id).where(wanted).limit(1)) is not None


async def find_by_system(
    session: AsyncSession, consultation_id: UUID, *, skip_locked: bool = False
) -> Consultation | None:
    """One consultation under its lock, for reactions and jobs; None if unknown or (then) busy."""
    return await session.scalar(
        select(Consultation)
        .where(Consultation.id == consultation_id)
        .with_for_update(skip_locked=skip_locked)
        .execution_options(populate_existing=True)
    )


async def count_by_state(session: AsyncSession, caller: Caller) -> dict[str, int]:
    """How many consultations the caller has in each state; every state is named."""
    rows = await session.execute(
        select(Consultation.state, func.count())
        .where((await readable(session, caller)).condition)
        .group_by(Consultation.state)
    )
    found = {state.value: count for state, count in rows}
    return {state.value: found.get(state.value, 0) for state in State}


async def open_count(session: AsyncSession, hospital_id: UUID, doctor_id: UUID) -> int:
    """How many consultations a doctor still has to answer at a hospital."""
    query = select(func.count()).where(
        Consultation.hospital_id == hospital_id,
        Consultation.doctor_id == doctor_id,
        Consultation.state.in_((State.WAITING, State.BOOKED, State.ACTIVE)),
    )
    return await session.scalar(query) or 0


async def open_for_payer(session: AsyncSession, user_id: UUID) -> int:
    """How many consultations of an account are paid for, waited for or going on, anywhere."""
    query = select(func.count()).where(
        Consultation.payer_id == user_id,
        Consultation.state.in_((State.AWAITING_PAYMENT, State.BOOKED, State.WAITING, State.ACTIVE)),
    )
    return await session.scalar(query) or 0


async def still_open(session: AsyncSession, consultation_ids: Collection[UUID]) -> frozenset[UUID]:
    """Those of the consultations that are not over."""
    if not consultation_ids:
        return frozenset()
    rows = await session.scalars(
        select(Consultation.id).where(
            Consultation.id.in_(consultation_ids), Consultation.state.not_in(OVER)
        )
    )
    return frozenset(rows)


async def patients_with_records(
    session: AsyncSession, patient_ids: Collection[UUID]
) -> frozenset[UUID]:
    """Those of the patients who have a record of treatment, at whichever hospital."""
    if not patient_ids:
        return frozenset()
    rows = await session.scalars(
        select(Consultation.patient_id)
        .where(Consultation.patient_id.in_(patient_ids), Consultation.state != State.DRAFT)
        .distinct()
    )
    return frozenset(rows)


async def first_served(
    session: AsyncSession, caller: Caller, patient_ids: Collection[UUID]
) -> dict[UUID, datetime]:
    """When each of the patients was taken in for the first time at the hospital and served, as far
    as the caller may use such records; who never was is missing.
    """
    if not patient_ids:
        return {}
    rows = await session.execute(
        select(Consultation.patient_id, func.min(Consultation.accepted_at))
        .where(
            Consultation.hospital_id == caller.hospital_id,
            Consultation.patient_id.in_(patient_ids),
            Consultation.state == State.ENDED,
            Consultation.close_reason.in_(SERVED),
            Consultation.accepted_at.is_not(None),
            _in_use(caller),
        )
        .group_by(Consultation.patient_id)
    )
    return {patient_id: first for patient_id, first in rows if first is not None}


async def reason_for_records(
    session: AsyncSession, caller: Caller, consultation_id: UUID
) -> Consultation:
    """The consultation for whose sake the caller may look into the hospital's records of its
    patient. Raises NotFound, NotPermitted.
    """
    allowed = await grant(unit_of(session), caller, CONSULTATION, "records")
    row = await session.scalar(
        select(Consultation).where(Consultation.id == consultation_id, allowed.condition)
    )
    if row is None:
        raise NotFound()
    return row


async def history_of(
    session: AsyncSession, caller: Caller, consultation_id: UUID, limit: int
) -> tuple[Consultation, list[Consultation]]:
    """A consultation whose patient's history the caller may see, and the patient's earlier ones at
    the hospital, with whichever doctor, newest first. Raises NotFound, NotPermitted.
    """
    allowed = await grant(unit_of(session), caller, CONSULTATION, "history")
    consultation = await session.scalar(
        select(Consultation).where(Consultation.id == consultation_id, allowed.condition)
    )
    if consultation is None:
        raise NotFound()
    rows = await session.scalars(
        select(Consultation)
        .where(
            Consultation.hospital_id == consultation.hospital_id,
            Consultation.patient_id == consultation.patient_id,
            Consultation.id != consultation.id,
            Consultation.state == State.ENDED,
            _in_use(caller),
        )
        .order_by(Consultation.ended_at.desc(), Consultation.id.desc())
        .limit(limit)
    )
    return consultation, list(rows)


def asked_by(user_id: UUID) -> Select[UUID | None]:
    """Those who have served an account before, as a subquery of user ids."""
    return select(Consultation.doctor_id).where(
        Consultation.payer_id == user_id,
        Consultation.state == State.ENDED,
        Consultation.close_reason.in_(SERVED),
        Consultation.doctor_id.is_not(None),
    )


def served_counts(hospital_id: UUID) -> Select[UUID | None, int]:
    """Per doctor of a hospital, how many consultations were served: `(doctor_id, served)`."""
    return (
        select(Consultation.doctor_id, func.count().label("served"))
        .where(
            Consultation.hospital_id == hospital_id,
            Consultation.state == State.ENDED,
            Consultation.close_reason.in_(SERVED),
        )
        .group_by(Consultation.doctor_id)
    )


async def taken_today(
    uow: UnitOfWork, hospital_id: UUID, doctor_ids: Collection[UUID], kind: Kind
) -> dict[UUID, int]:
    """Per clinician, how many of a kind were submitted today and not called off; who has none is
    missing.
    """
    if not doctor_ids:
        return {}
    rows = await uow.session.execute(
        select(Consultation.doctor_id, func.count())
        .where(
            Consultation.hospital_id == hospital_id,
            Consultation.doctor_id.in_(doctor_ids),
            Consultation.kind == kind,
            Consultation.state != State.CANCELLED,
            Consultation.submitted_at >= await day_begins(uow, hospital_id),
        )
        .group_by(Consultation.doctor_id)
    )
    return {doctor_id: count for doctor_id, count in rows if doctor_id is not None}


async def phrase(session: AsyncSession, caller: Caller, phrase_id: UUID) -> Phrase:
    """One of the caller's own phrases. Raises NotFound."""
    row = await session.scalar(
        select(Phrase).where(
            Phrase.id == phrase_id,
            Phrase.hospital_id == caller.hospital_id,
            Phrase.doctor_id == caller.user_id,
        )
    )
    if row is None:
        raise NotFound()
    return row


async def phrases(session: AsyncSession, caller: Caller) -> list[Phrase]:
    """The caller's own phrases, in the order that he gave them; new ones come last."""
    rows = await session.scalars(
        select(Phrase)
        .where(Phrase.hospital_id == caller.hospital_id, Phrase.doctor_id == caller.user_id)
        .order_by(Phrase.position, Phrase.created_at, Phrase.id)
    )
    return list(rows)


async def readable_by_id(
    session: AsyncSession, caller: Caller, consultation_ids: Collection[UUID]
) -> dict[UUID, Consultation]:
    """Those of the consultations that the caller may see. Raises NotPermitted."""
    allowed = await readable(session, caller)
    rows = await session.scalars(
        select(Consultation).where(Consultation.id.in_(consultation_ids), allowed.condition)
    )
    return {row.id: row for row in rows}


async def minutes_of(session: AsyncSession, consultation_ids: Collection[UUID]) -> dict[UUID, int]:
    """How long each of the consultations is meant to last."""
    rows = await session.execute(
        select(Consultation.id, Consultation.minutes).where(Consultation.id.in_(consultation_ids))
    )
    return {consultation_id: minutes for consultation_id, minutes in rows}


async def is_open(
    uow: UnitOfWork,
    hospital_id: UUID,
    kind: str,
    department_id: UUID | None = None,
    doctor_id: UUID | None = None,
) -> bool:
    """Whether the hospital, the department and the doctor have opened a kind."""
    return bool(
        await core_settings.get(
            uow,
            settings.OPEN[Kind(kind)],
            hospital_id=hospital_id,
            department_id=department_id,
            user_id=doctor_id,
        )
    )
