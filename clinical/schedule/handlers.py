"""What the schedule does about the news of consultations: a place goes along with its own."""

from clinical.consultation.events import (
    AppointmentRequested,
    ConsultationAccepted,
    ConsultationCancelled,
    ConsultationDeclined,
    ConsultationEnded,
    ConsultationPaid,
)
from clinical.schedule import booking
from clinical.schedule.states import BookingState
from core.uow import UnitOfWork


async def take_the_place(uow: UnitOfWork, event: AppointmentRequested) -> None:
    """No place, no submission: both are one change."""
    await booking.take_place(uow, event)


async def keep_the_place(uow: UnitOfWork, event: ConsultationPaid) -> None:
    """Paid: the patient stands in the queue."""
    await booking.follow(uow, event.aggregate_id, BookingState.QUEUED)


async def show_as_served(uow: UnitOfWork, event: ConsultationAccepted) -> None:
    """The doctor took the patient in."""
    await booking.follow(uow, event.aggregate_id, BookingState.SERVING)


async def finish_the_place(uow: UnitOfWork, event: ConsultationEnded) -> None:
    """The patient was served."""
    await booking.follow(uow, event.aggregate_id, BookingState.DONE)


async def give_the_place_back(
    uow: UnitOfWork, event: ConsultationCancelled | ConsultationDeclined
) -> None:
    """Cancelled, not paid in time, declined: somebody else may have the place."""
    await booking.follow(uow, event.aggregate_id, BookingState.RELEASED)


WITH_COMMIT = {
    AppointmentRequested: [take_the_place],
    ConsultationPaid: [keep_the_place],
    ConsultationAccepted: [show_as_served],
    ConsultationEnded: [finish_the_place],
    ConsultationDeclined: [give_the_place_back],
    ConsultationCancelled: [give_the_place_back],
}
