"""Requests and holds as they are shown."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import select

from clinical.consent import queue, rules, settings, subjects
from clinical.consent.models import DataCopy, LegalHold, RightsRequest, RightsStep
from clinical.consent.rights_schemas import (
    CopyView,
    HoldingView,
    HoldView,
    OfficerView,
    RequestView,
    ResultLine,
    StepView,
)
from clinical.consent.states import HELD_TEXT, OPEN, OUTCOME_TEXT, REQUEST_TEXT, RIGHT_TEXT
from clinical.days import business_day
from clinical.people import access as people
from core import settings as core_settings
from core.alarms.access import officers_of
from core.files.service import file_refs
from core.identity.caller import Caller
from core.identity.models import User
from core.personal_data import RETENTION, keep_until, registered
from core.uow import UnitOfWork

STEP_TEXT = {
    "submitted": "提交请求",
    "taken": "已受理",
    "given": "转交",
    "checked": "已核验身份",
    "extended": "延长答复期限",
    "decided": "作出答复",
    "cancelled": "撤销请求",
    "cooling": "进入冷静期",
    "closed": "注销完成",
}


async def holding_views(uow: UnitOfWork, hospital_id: UUID, user_id: UUID) -> list[HoldingView]:
    """Everything that is held about an account at a hospital, by category."""
    subject = await subjects.subject_of(uow, hospital_id, user_id)
    found = []
    for part in registered():
        for each in await part.holdings(uow, subject):
            keeping = RETENTION[each.record_class]
            found.append(
                HoldingView(
                    title=each.title,
                    record_class=each.record_class,
                    count=each.count,
                    oldest=each.oldest,
                    newest=each.newest,
                    note=each.note,
                    keep_until=(
                        keep_until(each.record_class, each.newest or subject.today)
                        if each.count
                        else None
                    ),
                    rule=keeping.rule if keeping else "可以随时删除",
                )
            )
    return found


async def names_of(uow: UnitOfWork, user_ids: set[UUID | None]) -> dict[UUID | None, str]:
    """Names of accounts by id."""
    wanted = {each for each in user_ids if each is not None}
    if not wanted:
        return {}
    rows = await uow.session.execute(select(User.id, User.name).where(User.id.in_(wanted)))
    return {user_id: name for user_id, name in rows}


async def request_views(
    uow: UnitOfWork, caller: Caller, rows: Sequence[RightsRequest]
) -> list[RequestView]:
    """Requests in the same order, with their steps; inner steps are the officers' alone."""
    if not rows:
        return []
    ids = [row.id for row in rows]
    steps = list(
        await uow.session.scalars(
            select(RightsStep)
            .where(RightsStep.request_id.in_(ids))
            .order_by(RightsStep.at, RightsStep.id)
        )
    )
    copies = {
        copy.request_id: copy
        for copy in await uow.session.scalars(
            select(DataCopy)
            .where(DataCopy.request_id.in_(ids))
            .execution_options(populate_existing=True)
        )
    }
    people_ids = {row.patient_id for row in rows if row.patient_id}
    patients = await people.patient_names(uow.session, people_ids)
    names = await names_of(
        uow,
        {row.user_id for row in rows}
        | {row.assignee_id for row in rows}
        | {step.by for step in steps},
    )
    files = {
        ref.id: ref
        for ref in await file_refs(uow, [UUID(each) for row in rows for each in row.file_ids])
    }
    today = await business_day(uow, caller.hospital_id)
    warn = await core_settings.get(uow, settings.WARN_DAYS, hospital_id=caller.hospital_id)
    return [
        RequestView(
            id=row.id,
            number=row.number,
            right=row.right,
            right_text=RIGHT_TEXT[row.right],
            state=row.state,
            state_text=REQUEST_TEXT[row.state],
            patient_id=row.patient_id,
            patient_name=patients.get(row.patient_id) if row.patient_id else None,
            field=row.field,
            wish=row.wish,
            words=row.words,
            files=[files[UUID(each)] for each in row.file_ids if UUID(each) in files],
            created_at=row.created_at,
            due_on=row.due_on,
            extended=row.extended_at is not None,
            outcome=row.outcome,
            outcome_text=OUTCOME_TEXT[row.outcome] if row.outcome else None,
            reason=row.reason,
            result=[ResultLine.model_validate(each) for each in row.result],
            closed_at=row.closed_at,
            close_at=row.close_at,
            urgency=_urgency(row, today, warn),
            requester=names.get(row.user_id, ""),
            requester_id=row.user_id,
            assignee=names.get(row.assignee_id),
            assignee_id=row.assignee_id,
            checked_at=row.checked_at,
            copy_=_copy(copies.get(row.id)),
            steps=[
                _step(step, names)
                for step in steps
                if step.request_id == row.id and (step.shown or caller.is_staff)
            ],
        )
        for row in rows
    ]


def _urgency(row: RightsRequest, today: date, warn: int) -> str:
    if row.state not in OPEN or row.right in rules.SELF_SERVICE:
        return "normal"
    return rules.urgency(row.due_on, today, warn)


def _step(step: RightsStep, names: dict[UUID | None, str]) -> StepView:
    return StepView(
        at=step.at,
        what=step.what,
        what_text=STEP_TEXT.get(step.what, step.what),
        words=step.words,
        by=names.get(step.by),
    )


def _copy(copy: DataCopy | None) -> CopyView | None:
    if copy is None:
        return None
    return CopyView.model_validate(copy, from_attributes=True)


async def officer_views(uow: UnitOfWork, caller: Caller) -> list[OfficerView]:
    """The officers of the caller's hospital with the number of requests in their hands."""
    ids = await officers_of(uow, caller.hospital_id)
    names = await names_of(uow, set(ids))
    waiting = await queue.in_hand(uow, caller)
    found = [
        OfficerView(
            id=each, name=names.get(each, ""), open=waiting.get(each, 0), me=each == caller.user_id
        )
        for each in ids
    ]
    return sorted(found, key=lambda each: (each.name, each.id))


async def hold_views(uow: UnitOfWork, rows: Sequence[LegalHold]) -> list[HoldView]:
    """Holds with the names of who placed and lifted them."""
    who: set[UUID | None] = {row.lifted_by for row in rows}
    names = await names_of(uow, who | {row.placed_by for row in rows})
    return [
        HoldView(
            id=row.id,
            thing=row.thing,
            thing_text=HELD_TEXT[row.thing],
            thing_id=row.thing_id,
            label=row.label,
            reason=row.reason,
            placed_by=names.get(row.placed_by, ""),
            since=row.since,
            lifted_at=row.lifted_at,
            lifted_by=names.get(row.lifted_by),
            lift_reason=row.lift_reason,
        )
        for row in rows
    ]
