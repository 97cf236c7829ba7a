"""What consultations do about the news of others."""

from clinical.consultation import service
from clinical.payments.events import OrderClosed, OrderPaid
from core.runtime import Runtime
from core.uow import UnitOfWork
from realtime.events import RoomClosed


async def open_the_room_or_pay_back(uow: UnitOfWork, event: OrderPaid) -> None:
    """Paid and in the queue are one change; paid after cancellation asks for the money back."""
    await service.payment_arrived(uow, event.consultation_id)


async def cancel_with_the_order(uow: UnitOfWork, event: OrderClosed) -> None:
    """A consultation whose order was closed unpaid is over."""
    await service.order_closed(uow, event.consultation_id)


async def follow_a_closed_room(runtime: Runtime, event: RoomClosed) -> None:
    """A room closed by a supervisor ends its consultation; by then our own endings are over."""
    if event.ref_type != "consultation" or event.ref_id is None:
        return
    async with runtime.unit_of_work() as uow:
        await service.room_was_closed(uow, event.ref_id)


WITH_COMMIT = {
    OrderPaid: [open_the_room_or_pay_back],
    OrderClosed: [cancel_with_the_order],
}
AFTER_COMMIT = {RoomClosed: [follow_a_closed_room]}
