"""What the convenience clinic does about the news of payments."""

from clinical.outpatient import closing
from clinical.outpatient.notices import SELF_ORDER
from clinical.payments.events import OrderClosed, OrderPaid
from core.uow import UnitOfWork


async def keep_as_paid_or_pay_back(uow: UnitOfWork, event: OrderPaid) -> None:
    """Paid and known to be paid are one change; money for an order that is over goes back."""
    if event.subject_type == SELF_ORDER:
        await closing.payment_arrived(uow, event.subject_id)


async def cancel_with_the_order(uow: UnitOfWork, event: OrderClosed) -> None:
    """An order that takes no more money is over for the patient as well."""
    if event.subject_type == SELF_ORDER:
        await closing.order_closed(uow, event.subject_id)


WITH_COMMIT = {
    OrderPaid: [keep_as_paid_or_pay_back],
    OrderClosed: [cancel_with_the_order],
}
