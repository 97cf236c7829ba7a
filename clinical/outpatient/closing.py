"""How an order of a patient moves without its people, and the step by which it comes to nothing.

Order of locks: the order of payments, the patient's order, the times of its lines, inboxes.
"""

from uuid import UUID

from clinical.outpatient import access, rules
from clinical.outpatient.events import SelfOrderClosed, SelfOrderRefundRequested
from clinical.outpatient.models import SelfOrder
from clinical.outpatient.notices import refresh_pages, tell_payer
from clinical.outpatient.rules import Change
from clinical.outpatient.states import CLOSE_TEXT
from core import audit
from core.identity.caller import Caller
from core.uow import UnitOfWork


async def settle(uow: UnitOfWork, row: SelfOrder, change: Change) -> None:
    """The order is over: its times are free, and money that came in goes back."""
    assert change.close_reason is not None
    row.state, row.close_reason, row.changed_at = change.state, change.close_reason, uow.now
    await uow.session.flush()
    if change.frees_times:
        await access.free_times(uow.session, row.id)
    uow.record(
        SelfOrderClosed(
            hospital_id=row.hospital_id,
            aggregate_id=row.id,
            occurred_at=uow.now,
            order_id=row.order_id,
            payer_id=row.payer_id,
            close_reason=change.close_reason.value,
            paid=row.paid_at is not None,
        )
    )
    if change.refund:
        request_refund(uow, row, change.close_reason.value, CLOSE_TEXT[change.close_reason])
    await uow.session.flush()
    refresh_pages(uow, row)


def request_refund(uow: UnitOfWork, row: SelfOrder, reason: str, words: str) -> None:
    """Ask payments for the whole amount back, once."""
    assert row.order_id is not None
    row.refund_requested_at = uow.now
    uow.record(
        SelfOrderRefundRequested(
            hospital_id=row.hospital_id,
            aggregate_id=row.id,
            occurred_at=uow.now,
            order_id=row.order_id,
            payer_id=row.payer_id,
            amount_fen=row.total_fen,
            reason=reason,
            reason_text=words,
        )
    )


async def payment_arrived(uow: UnitOfWork, self_order_id: UUID) -> None:
    """Money came in, in time or too late. The order of payments is locked by the caller."""
    row = await access.find_by_system(uow.session, self_order_id)
    change = rules.payment_arrived(row.standing) if row else None
    if row is None or change is None:
        return
    row.state, row.paid_at, row.changed_at = change.state, uow.now, uow.now
    if change.refund:
        request_refund(uow, row, "paid_after_cancellation", "订单已取消，付款原路退回")
    await uow.session.flush()
    refresh_pages(uow, row)


async def order_closed(uow: UnitOfWork, self_order_id: UUID) -> None:
    """The order takes no more money: an unpaid one is over."""
    row = await access.find_by_system(uow.session, self_order_id)
    await _expire(uow, row, rules.order_closed(row.standing) if row else None)


async def expire(uow: UnitOfWork, self_order_id: UUID) -> bool:
    """Cancel what was not reviewed or not paid in time; False when somebody else was first."""
    row = await access.find_by_system(uow.session, self_order_id, skip_locked=True)
    if row is None:
        return False
    late = rules.review_deadline(row.standing, uow.now)
    return await _expire(uow, row, late or rules.payment_deadline(row.standing, uow.now))


async def _expire(uow: UnitOfWork, row: SelfOrder | None, change: Change | None) -> bool:
    if row is None or change is None or change.close_reason is None:
        return False
    await settle(uow, row, change)
    await note(uow, None, row, "expire")
    text = CLOSE_TEXT[change.close_reason]
    await tell_payer(uow, row, "self_order_expired", "便民门诊订单已取消", text)
    return True


async def note(uow: UnitOfWork, caller: Caller | None, row: SelfOrder, verb: str) -> None:
    """Write what was done into the audit."""
    await audit.record(
        uow,
        caller,
        f"self_order.{verb}",
        "self_order",
        row.id,
        row.patient_id,
        {"state": row.state, "total_fen": row.total_fen},
        changes=audit.changes_of(row),
        hospital_id=row.hospital_id,
    )
