"""The verbs of people's rights: ask, cancel, close the account; and what an answer carries out."""

from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select

from clinical.consent import access, errors, live, rules, settings, subjects
from clinical.consent.events import RightsDecided, RightsRequested
from clinical.consent.models import DataCopy, Restriction, RightsRequest, RightsStep
from clinical.consent.states import (
    OPEN,
    RIGHT_TEXT,
    CopyState,
    Outcome,
    RequestState,
    Right,
)
from clinical.consultation import access as consultations
from clinical.days import business_day
from clinical.outpatient import access as self_orders
from clinical.payments import access as payments
from clinical.people import access as people
from core import audit
from core import settings as core_settings
from core.errors import NotFound
from core.files import service as files
from core.files.models import Purpose
from core.identity import access as identity
from core.identity.caller import Caller
from core.identity.roles import STAFF_ROLES
from core.ids import new_id
from core.personal_data import Erased, registered
from core.uow import UnitOfWork
from realtime import inbox
from realtime.notices import WECHAT, Category, declare

for _code, _title, _staff in (
    ("rights_answered", "个人信息请求答复", False),
    ("rights_extended", "个人信息请求延期", False),
    ("rights_given", "个人信息请求转交", True),
):
    declare(
        _code,
        Category.RIGHTS,
        _title,
        staff=_staff,
        outside="您的个人信息请求有新的进展，请登录查看",
        channels=WECHAT,
    )

SCOPE = "rights_request"


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What somebody asks for; `field`, `wish` and the files belong to a correction."""

    right: Right
    patient_id: UUID | None = None
    field: str = ""
    wish: str = ""
    words: str = ""
    file_ids: tuple[UUID, ...] = ()


async def ask(uow: UnitOfWork, caller: Caller, wish: Wish) -> RightsRequest:
    """Take a request in. A copy is made in the background, a closing begins its cooling-off time.

    Raises RequestPending (one of the same kind is open), ClosingBlocked, NotFound.
    """
    if wish.patient_id is not None:
        await people.my_patient(uow.session, caller, wish.patient_id)
    await _refuse_second(uow, caller, wish)
    if wish.right is Right.CLOSING:
        await _refuse_blocked_closing(uow, caller)
    row = await _new_request(uow, caller, wish)
    await files.attach(
        uow, wish.file_ids, SCOPE, row.id, caller, purposes=[Purpose.PROOF, Purpose.CERTIFICATE]
    )
    step(uow, row, "submitted", by=caller.user_id)
    await uow.session.flush()
    await note(uow, caller, row, "request")
    uow.record(
        RightsRequested(
            hospital_id=row.hospital_id,
            aggregate_id=row.id,
            occurred_at=uow.now,
            user_id=row.user_id,
            right=row.right.value,
            due_at=uow.now,
        )
    )
    if wish.right is Right.COPY:
        uow.session.add(
            DataCopy(
                id=new_id(),
                hospital_id=row.hospital_id,
                user_id=row.user_id,
                request_id=row.id,
                state=CopyState.QUEUED,
                created_at=uow.now,
            )
        )
        row.state = RequestState.IN_PROGRESS
    elif wish.right is Right.CLOSING:
        await _begin_cooling(uow, row)
    await uow.session.flush()
    await live.queue_changed(uow, row.hospital_id)
    return row


async def _refuse_second(uow: UnitOfWork, caller: Caller, wish: Wish) -> None:
    # Two taps at once: the account's row lock lets one of them through.
    await identity.own_account(uow, caller, lock=True)
    pending = await uow.session.scalar(
        select(RightsRequest.id)
        .where(
            RightsRequest.user_id == caller.user_id,
            RightsRequest.hospital_id == caller.hospital_id,
            RightsRequest.right == wish.right,
            RightsRequest.patient_id.is_not_distinct_from(wish.patient_id),
            RightsRequest.state.in_(OPEN),
        )
        .limit(1)
    )
    if pending is not None:
        raise errors.RequestPending(details={"request": str(pending)})


async def _new_request(uow: UnitOfWork, caller: Caller, wish: Wish) -> RightsRequest:
    today = await business_day(uow, caller.hospital_id)
    days = await core_settings.get(uow, settings.ANSWER_DAYS, hospital_id=caller.hospital_id)
    request_id = new_id()
    row = RightsRequest(
        id=request_id,
        hospital_id=caller.hospital_id,
        number=f"GR{today:%Y%m%d}{request_id.hex[-6:].upper()}",
        user_id=caller.user_id,
        patient_id=wish.patient_id,
        right=wish.right,
        state=RequestState.SUBMITTED,
        field=wish.field,
        wish=wish.wish,
        words=wish.words,
        file_ids=[str(each) for each in wish.file_ids],
        created_at=uow.now,
        due_on=rules.working_days_after(today, days),
    )
    uow.session.add(row)
    await uow.session.flush()
    return row


def step(
    uow: UnitOfWork,
    row: RightsRequest,
    what: str,
    words: str = "",
    *,
    by: UUID | None = None,
    shown: bool = True,
) -> None:
    """Keep one step; inner ones (`shown` false) are read by officers alone."""
    uow.session.add(
        RightsStep(
            id=new_id(),
            request_id=row.id,
            at=uow.now,
            by=by,
            what=what,
            words=words,
            shown=shown,
        )
    )


async def note(
    uow: UnitOfWork, caller: Caller | None, row: RightsRequest, verb: str, **detail: Any
) -> None:
    """Write what was done about a request into the audit."""
    await audit.record(
        uow,
        caller,
        f"rights.{verb}",
        "rights_request",
        row.id,
        row.patient_id,
        {"right": row.right.value, **detail},
        hospital_id=row.hospital_id,
    )


# --- closing the account -------------------------------------------------------------------------


async def closing_obstacles(uow: UnitOfWork, caller: Caller) -> list[str]:
    """What stands in the way of closing the account, in the person's own words; empty: nothing."""
    found = []
    running = await consultations.open_for_payer(uow.session, caller.user_id)
    if running:
        found.append(f"有 {running} 个问诊还未结束，请先完成或取消")
    ordered = await self_orders.open_for_payer(uow.session, caller.user_id)
    if ordered:
        found.append(f"有 {ordered} 个便民门诊订单还未结束，请先取消或等待完成")
    refunds = await payments.open_refunds(uow.session, caller.user_id)
    if refunds:
        found.append(f"有 {refunds} 笔退款还未到账，请等待退款完成")
    duties = await identity.duties(uow, caller.user_id)
    if any(duty.role in STAFF_ROLES for duty in duties):
        found.append("您是医院工作人员，请联系管理员处理账号")
    return found


async def _refuse_blocked_closing(uow: UnitOfWork, caller: Caller) -> None:
    reasons = await closing_obstacles(uow, caller)
    if reasons:
        raise errors.ClosingBlocked("；".join(reasons), details={"reasons": reasons})


async def _begin_cooling(uow: UnitOfWork, row: RightsRequest) -> None:
    days = await core_settings.get(uow, settings.COOLING_DAYS, hospital_id=row.hospital_id)
    row.state = RequestState.COOLING
    row.close_at = uow.now + timedelta(days=days)
    step(uow, row, "cooling", f"账号将在 {days} 天后关闭，在此之前可以撤销")


async def pending_closing(uow: UnitOfWork, caller: Caller) -> RightsRequest | None:
    """The closing that waits for its cooling-off time, if there is one."""
    return await uow.session.scalar(
        select(RightsRequest).where(
            RightsRequest.user_id == caller.user_id,
            RightsRequest.hospital_id == caller.hospital_id,
            RightsRequest.state == RequestState.COOLING,
        )
    )


async def cancel(uow: UnitOfWork, caller: Caller, request_id: UUID) -> RightsRequest:
    """The requester thinks again; possible until the answer. Raises NotFound, RequestClosed."""
    row = await access.request_for(uow.session, caller, request_id, lock=True)
    if row.user_id != caller.user_id:
        raise NotFound()
    if row.state not in OPEN:
        raise errors.RequestClosed()
    row.state, row.closed_at, row.close_at = RequestState.CANCELLED, uow.now, None
    step(uow, row, "cancelled", by=caller.user_id)
    copy = await uow.session.scalar(
        select(DataCopy).where(DataCopy.request_id == row.id).with_for_update()
    )
    if copy is not None:
        copy.state, copy.expires_at = CopyState.EXPIRED, uow.now
    await note(uow, caller, row, "cancel")
    await live.queue_changed(uow, row.hospital_id)
    return row


# --- the answer --------------------------------------------------------------------------------


async def answered(uow: UnitOfWork, row: RightsRequest, outcome: Outcome) -> None:
    """Announce the answer and tell the requester that it is there."""
    await uow.session.flush()
    uow.record(
        RightsDecided(
            hospital_id=row.hospital_id,
            aggregate_id=row.id,
            occurred_at=uow.now,
            user_id=row.user_id,
            right=row.right.value,
            outcome=outcome.value,
        )
    )
    text = f"您的“{RIGHT_TEXT[row.right]}”请求已有答复，请在“隐私与权利”中查看"
    await tell(uow, row, "rights_answered", "个人信息请求已答复", text)


async def erase(
    uow: UnitOfWork, hospital_id: UUID, user_id: UUID, *, closing: bool = False
) -> list[Erased]:
    """Let every module erase what may go; returns what went and what stays, until when."""
    subject = await subjects.subject_of(uow, hospital_id, user_id, closing=closing)
    return [line for part in registered() for line in await part.erase(uow, subject)]


def as_result(lines: list[Erased]) -> list[dict[str, Any]]:
    """What was erased, as it is stored with the request."""
    return [
        {**asdict(line), "until": line.until.isoformat() if line.until else None}
        for line in lines
        if line.erased or line.kept
    ]


async def restrict(uow: UnitOfWork, row: RightsRequest) -> None:
    """What must be kept is no longer used: it shows to officers with a reason alone."""
    patients: list[UUID] = [row.patient_id] if row.patient_id else []
    if row.patient_id is None:
        subject = await subjects.subject_of(
            uow, row.hospital_id, row.user_id, closing=row.right is Right.CLOSING
        )
        patients = sorted(subject.patient_ids)
    known = set(
        await uow.session.scalars(
            select(Restriction.patient_id).where(
                Restriction.hospital_id == row.hospital_id,
                Restriction.patient_id.in_(patients),
                Restriction.lifted_at.is_(None),
            )
        )
    )
    if row.right is Right.CLOSING:
        others = await people.bound_to_others(uow.session, row.user_id, patients)
        patients = [each for each in patients if each not in others]
    uow.session.add_all(
        Restriction(
            id=new_id(),
            hospital_id=row.hospital_id,
            user_id=row.user_id,
            patient_id=patient_id,
            request_id=row.id,
            since=uow.now,
        )
        for patient_id in patients
        if patient_id not in known
    )


async def tell(uow: UnitOfWork, row: RightsRequest, kind: str, title: str, text: str) -> None:
    """Put an item about a request into the requester's inbox. Nothing personal in its text."""
    await inbox.notify(
        uow,
        [row.user_id],
        hospital_id=row.hospital_id,
        type=kind,
        title=title,
        text=text,
        ref=(SCOPE, row.id),
    )
