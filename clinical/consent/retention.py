"""What must stay and what must go: legal holds, closing accounts, the daily round."""

from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy import select, text
from sqlalchemy.exc import SQLAlchemyError

from clinical.consent import access, copies, errors, rights, rules
from clinical.consent.events import AccountClosed
from clinical.consent.models import ConsentRecord, LegalHold, RightsRequest, RightsStep
from clinical.consent.policies import LEGAL_HOLD
from clinical.consent.states import HELD_TEXT, HeldThing, Outcome, RequestState
from clinical.consultation import access as consultations
from clinical.outpatient import access as self_orders
from clinical.people import access as people
from core import audit, holds, integrity
from core.access import require
from core.errors import NotFound, ProblemError
from core.identity.caller import Caller
from core.identity.models import User
from core.ids import new_id
from core.personal_data import RecordClass
from core.runtime import Runtime
from core.uow import UnitOfWork

log = structlog.get_logger(__name__)

BATCH = 200


# --- legal holds ---------------------------------------------------------------------------------


async def place_hold(
    uow: UnitOfWork, caller: Caller, thing: HeldThing, thing_id: UUID, reason: str
) -> LegalHold:
    """Say that something must not be deleted until the hold is lifted.

    Raises NotPermitted, NotFound.
    """
    await require(uow, caller, LEGAL_HOLD, "change")
    await holds.placing(uow, caller.hospital_id)
    label = await _label(uow, caller, thing, thing_id)
    row = LegalHold(
        id=new_id(),
        hospital_id=caller.hospital_id,
        thing=thing,
        thing_id=thing_id,
        label=label,
        reason=reason,
        placed_by=caller.user_id,
        since=uow.now,
    )
    uow.session.add(row)
    await uow.session.flush()
    await audit.record(
        uow, caller, "legal_hold.place", thing.value, thing_id, detail={"hold": row.id}
    )
    return row


async def _held(uow: UnitOfWork, hospital_id: UUID, ids: set[UUID]) -> set[UUID]:
    rows = await uow.session.scalars(
        select(LegalHold.thing_id).where(
            LegalHold.hospital_id == hospital_id,
            LegalHold.lifted_at.is_(None),
            LegalHold.thing_id.in_(ids),
        )
    )
    return set(rows)


holds.tells_holds(_held)


async def _label(uow: UnitOfWork, caller: Caller, thing: HeldThing, thing_id: UUID) -> str:
    """What the hold lies on, in a word; it must exist at the caller's hospital."""
    match thing:
        case HeldThing.USER:
            user = await uow.session.get(User, thing_id)
            known = user is not None and await people.account_is_here(
                uow.session, caller.hospital_id, thing_id
            )
            if user is None or not known:
                raise NotFound()
            return user.name
        case HeldThing.PATIENT:
            names = await people.patient_names(uow.session, {thing_id}, caller.hospital_id)
            if thing_id not in names:
                raise NotFound()
            return names[thing_id]
        case HeldThing.CONSULTATION:
            return (await consultations.find(uow.session, caller, thing_id)).number


async def lift_hold(uow: UnitOfWork, caller: Caller, hold_id: UUID, reason: str) -> LegalHold:
    """End a hold. Raises NotFound, HoldLifted."""
    row = await access.hold_for(uow.session, caller, hold_id)
    if row.lifted_at is not None:
        raise errors.HoldLifted()
    row.lifted_at, row.lifted_by, row.lift_reason = uow.now, caller.user_id, reason
    await audit.record(
        uow, caller, "legal_hold.lift", row.thing.value, row.thing_id, detail={"hold": row.id}
    )
    return row


def thing_text(thing: HeldThing) -> str:
    """What a hold lies on, in Chinese."""
    return HELD_TEXT[thing]


# --- closing accounts ----------------------------------------------------------------------------


async def close_due_accounts(runtime: Runtime) -> None:
    """Close every account whose cooling-off time is over, one transaction each."""
    async with runtime.unit_of_work() as uow:
        due = list(
            await uow.session.scalars(
                select(RightsRequest.id)
                .where(
                    RightsRequest.state == RequestState.COOLING, RightsRequest.close_at <= uow.now
                )
                .order_by(RightsRequest.close_at)
                .limit(BATCH)
            )
        )
    for request_id in due:
        try:
            async with runtime.unit_of_work() as uow:
                await close_account(uow, request_id)
        except (ProblemError, SQLAlchemyError) as error:
            log.error("account_not_closed", request=str(request_id), error=repr(error))


async def close_account(uow: UnitOfWork, request_id: UUID) -> None:
    """Close one account: what may go goes now, what must stay is restricted.

    A consultation or order that was opened meanwhile puts the closing off by a day.
    """
    row = await uow.session.get(RightsRequest, request_id, with_for_update=True)
    if row is None or row.state is not RequestState.COOLING:
        return
    running = await consultations.open_for_payer(uow.session, row.user_id)
    running += await self_orders.open_for_payer(uow.session, row.user_id)
    if running:
        assert row.close_at is not None
        row.close_at += timedelta(days=1)
        return
    row.outcome, row.state, row.closed_at = Outcome.GRANTED, RequestState.DONE, uow.now
    # The last word goes to the inbox while there is an account that reads it.
    await rights.answered(uow, row, Outcome.GRANTED)
    await rights.restrict(uow, row)
    row.result = rights.as_result(
        await rights.erase(uow, row.hospital_id, row.user_id, closing=True)
    )
    uow.session.add(
        RightsStep(id=new_id(), request_id=row.id, at=uow.now, what="closed", words="账号已注销")
    )
    await uow.session.flush()
    await audit.record(
        uow,
        None,
        "account.close",
        "user",
        row.user_id,
        detail={"request": row.id, "result": row.result},
        hospital_id=row.hospital_id,
        user_id=row.user_id,
    )
    uow.record(
        AccountClosed(hospital_id=row.hospital_id, aggregate_id=row.user_id, occurred_at=uow.now)
    )


# --- the daily round -----------------------------------------------------------------------------


async def remove_what_is_over(runtime: Runtime) -> None:
    """Delete expired copies, and consents whose time is over and whom nothing holds."""
    while await copies.expire(runtime) == BATCH:
        continue
    async with runtime.unit_of_work() as uow:
        await _remove_old_consents(uow)


async def _remove_old_consents(uow: UnitOfWork) -> None:
    """Consents of closed accounts, three years after the closing; a legal hold keeps them.

    Those given for a treatment prove that it was lawful: they stay as long as its record does.
    """
    closed = await uow.session.execute(
        select(RightsRequest.user_id, RightsRequest.closed_at).where(
            RightsRequest.right == "account_closing", RightsRequest.state == RequestState.DONE
        )
    )
    today = uow.now.date()
    held = set(
        await uow.session.scalars(select(LegalHold.thing_id).where(LegalHold.lifted_at.is_(None)))
    )
    over = [
        user_id
        for user_id, closed_at in closed
        if closed_at is not None
        and rules.may_go(RecordClass.CONSENT, closed_at.date(), today, held=user_id in held)
    ]
    if not over:
        return
    await uow.session.execute(text("SELECT set_config('zhenjian.retention', 'over', true)"))
    gone = await integrity.remove(
        uow.session,
        ConsentRecord,
        ConsentRecord.user_id.in_(over),
        ConsentRecord.patient_id.is_(None),
        ConsentRecord.ref_id.is_(None),
    )
    if gone:
        log.info("consents_removed", count=gone)
