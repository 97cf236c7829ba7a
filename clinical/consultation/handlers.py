"""What consultations do about the news of others."""

from clinical.consent.events import (
    ConsentEvent,
    ConsentGiven,
    ConsentRefused,
    ConsentWithdrawn,
)
from clinical.consent.states import Kind
from clinical.consultation import calling as calling
from clinical.consultation import drafts, recording, service
from clinical.consultation.documents import CLOSING_NOTE
from clinical.consultation.handing_over import follow_the_room
from clinical.payments.events import OrderClosed, OrderPaid
from clinical.schedule.events import AppointmentMoved, ShiftSuspended
from clinical.signature.events import DocumentSigned
from core.runtime import Runtime
from core.uow import UnitOfWork
from realtime.events import RoomClosed, RoomHandedOver


async def open_the_room_or_pay_back(uow: UnitOfWork, event: OrderPaid) -> None:
    """Paid and in the queue are one change; paid after cancellation asks for the money back."""
    if event.subject_type == drafts.SCOPE:
        await service.payment_arrived(uow, event.subject_id)


async def cancel_with_the_order(uow: UnitOfWork, event: OrderClosed) -> None:
    """A consultation whose order was closed unpaid is over."""
    if event.subject_type == drafts.SCOPE:
        await service.order_closed(uow, event.subject_id)


async def follow_a_closed_room(runtime: Runtime, event: RoomClosed) -> None:
    """A room closed by a supervisor ends its consultation; by then our own endings are over."""
    if event.ref_type != "consultation" or event.ref_id is None:
        return
    async with runtime.unit_of_work() as uow:
        await service.room_was_closed(uow, event.ref_id)


async def show_the_signature(uow: UnitOfWork, event: DocumentSigned) -> None:
    """A signed closing note shows its mark to everybody who has it open."""
    if event.document_type == CLOSING_NOTE:
        await service.note_was_signed(uow, event.document_id)


async def take_over_the_answer(uow: UnitOfWork, event: ConsentEvent) -> None:
    """What the patient answers about notice and recording becomes part of the draft; about the
    recording also later, when a call rings.
    """
    if event.ref_type != drafts.SCOPE or event.ref_id is None:
        return
    agreed = isinstance(event, ConsentGiven)
    if event.kind == Kind.NOTICE and agreed:
        await drafts.notice_agreed(uow, event.ref_id, event.version, event.digest)
    elif event.kind == Kind.RECORDING and await drafts.is_draft(uow, event.ref_id):
        await drafts.recording_answered(uow, event.ref_id, agreed=agreed)
    elif event.kind == Kind.RECORDING:
        await recording.answered(uow, event.ref_id, event.user_id, agreed=agreed)


async def record_no_longer(uow: UnitOfWork, event: ConsentWithdrawn) -> None:
    """A recording consent that is taken back counts at once, in the middle of a call too."""
    if event.kind == Kind.RECORDING and event.ref_type == drafts.SCOPE and event.ref_id:
        await recording.withdrawn(uow, event.ref_id, event.user_id)


async def move_to_another_session(uow: UnitOfWork, event: AppointmentMoved) -> None:
    """The appointed time of the consultation follows its place."""
    await service.appointment_was_moved(
        uow, event.consultation_id, event.shift_id, event.starts_at, event.ends_at
    )


async def cancel_the_session(runtime: Runtime, event: ShiftSuspended) -> None:
    """Everybody who waited for the session gets the money back, one by one."""
    for consultation_id in event.consultations:
        async with runtime.unit_of_work() as uow:
            await service.shift_was_suspended(uow, consultation_id)


WITH_COMMIT = {
    ConsentGiven: [take_over_the_answer],
    ConsentRefused: [take_over_the_answer],
    ConsentWithdrawn: [record_no_longer],
    OrderPaid: [open_the_room_or_pay_back],
    OrderClosed: [cancel_with_the_order],
    DocumentSigned: [show_the_signature],
    RoomHandedOver: [follow_the_room],
    AppointmentMoved: [move_to_another_session],
}
AFTER_COMMIT = {
    RoomClosed: [follow_a_closed_room],
    ShiftSuspended: [cancel_the_session],
}
