"""What payments does about the news of others, and after its own commits."""

from clinical.consultation.events import (
    ConsultationCancelled,
    ConsultationSubmitted,
    RefundRequested,
)
from clinical.outpatient.events import (
    SelfOrderApproved,
    SelfOrderClosed,
    SelfOrderRefundRequested,
)
from clinical.payments import channel, refunding, service
from clinical.payments.events import OrderClosed, RefundOpened
from core.runtime import Runtime
from core.uow import UnitOfWork


async def _open(
    uow: UnitOfWork, event: ConsultationSubmitted | SelfOrderApproved, subject_type: str
) -> None:
    await service.open_order(
        uow,
        order_id=event.order_id,
        hospital_id=event.hospital_id,
        user_id=event.payer_id,
        subject_type=subject_type,
        subject_id=event.aggregate_id,
        number=event.number,
        subject=event.subject,
        amount_fen=event.amount_fen,
        expires_at=event.pay_by,
    )


async def _close(runtime: Runtime, event: ConsultationCancelled | SelfOrderClosed) -> None:
    if event.order_id is None or event.paid:
        return
    reason = "payment_expired" if event.close_reason == "payment_expired" else "cancelled"
    async with runtime.unit_of_work() as uow:
        await service.close_order(uow, event.order_id, reason)


async def open_its_order(uow: UnitOfWork, event: ConsultationSubmitted) -> None:
    """A submitted consultation and its order are one change."""
    await _open(uow, event, "consultation")


async def close_its_order(runtime: Runtime, event: ConsultationCancelled) -> None:
    """A consultation cancelled before it was paid needs no money any more."""
    await _close(runtime, event)


async def pay_back(runtime: Runtime, event: RefundRequested | SelfOrderRefundRequested) -> None:
    """Decide the refund once, whoever asks and however often."""
    async with runtime.unit_of_work() as uow:
        await refunding.request_refund(uow, event.order_id, event.reason, event.reason_text)


async def open_the_order_of_a_patient(uow: UnitOfWork, event: SelfOrderApproved) -> None:
    """An approved order of the convenience clinic and what is to be paid for it are one change."""
    await _open(uow, event, "self_order")


async def close_the_order_of_a_patient(runtime: Runtime, event: SelfOrderClosed) -> None:
    """What came to nothing before it was paid needs no money any more."""
    await _close(runtime, event)


async def tell_the_channel(runtime: Runtime, event: OrderClosed) -> None:
    """The channel must not take money for a closed order."""
    await channel.close_at_channel(runtime, event.order_id)


async def send_the_refund(runtime: Runtime, event: RefundOpened) -> None:
    """The first attempt, at once; later ones are the job's."""
    await channel.send_refund(runtime, event.refund_id)


WITH_COMMIT = {
    ConsultationSubmitted: [open_its_order],
    SelfOrderApproved: [open_the_order_of_a_patient],
}
AFTER_COMMIT = {
    ConsultationCancelled: [close_its_order],
    RefundRequested: [pay_back],
    SelfOrderClosed: [close_the_order_of_a_patient],
    SelfOrderRefundRequested: [pay_back],
    OrderClosed: [tell_the_channel],
    RefundOpened: [send_the_refund],
}
