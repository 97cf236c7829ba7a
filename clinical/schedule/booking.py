"""The verbs of places: take, keep, give back; arrive, choose another time.

Order of locks: the consultation, then shifts in the order of their ids, then inboxes.
"""

from uuid import UUID

from clinical.consultation import access as consultations
from clinical.consultation.events import AppointmentRequested
from clinical.schedule import access, rules
from clinical.schedule.errors import ShiftUnavailable
from clinical.schedule.events import AppointmentMoved
from clinical.schedule.models import Booking, Shift
from clinical.schedule.notices import tell_planners, tell_queue
from clinical.schedule.states import BookingState
from core import audit
from core.identity.caller import Caller
from core.uow import UnitOfWork
from realtime import inbox


async def take_place(uow: UnitOfWork, wish: AppointmentRequested) -> None:
    """A submitted consultation takes a place. Raises ShiftFull, ShiftUnavailable."""
    shift = await _lock(uow, wish.shift_id)
    await access.require_place(uow, shift)
    queue = await access.queue(uow.session, shift.id)
    number = rules.free_number({each.number for each in queue})
    uow.session.add(
        Booking(
            consultation_id=wish.aggregate_id,
            hospital_id=wish.hospital_id,
            shift_id=shift.id,
            payer_id=wish.payer_id,
            patient_id=wish.patient_id,
            relation_id=wish.relation_id,
            number=number,
            position=number,
            state=BookingState.QUEUED if wish.paid else BookingState.HELD,
            created_at=uow.now,
            changed_at=uow.now,
        )
    )
    shift.taken += 1
    await _settle(uow, shift)


async def _lock(uow: UnitOfWork, shift_id: UUID) -> Shift:
    found = await access.locked(uow.session, [shift_id])
    if shift_id not in found:
        raise ShiftUnavailable()
    return found[shift_id]


async def follow(uow: UnitOfWork, consultation_id: UUID, state: BookingState) -> None:
    """The place goes along with its consultation: paid, taken in, over, cancelled."""
    booking = await access.place_of(uow.session, consultation_id)
    if booking is None or booking.state is BookingState.RELEASED:
        return
    shift = await _lock(uow, booking.shift_id)
    await uow.session.refresh(booking)
    if state is BookingState.QUEUED and booking.state is not BookingState.HELD:
        return
    booking.state, booking.changed_at = state, uow.now
    if state is BookingState.RELEASED:
        shift.taken -= 1
    await _settle(uow, shift)


async def arrive(uow: UnitOfWork, caller: Caller, consultation_id: UUID) -> Booking:
    """The patient comes to the room (签到); whoever was passed over stands at the end again.

    Raises NotFound, NotYetTime.
    """
    await access.booking(uow.session, caller, consultation_id, "move")
    booking, shift = await _mine(uow, caller, consultation_id)
    rules.require_started(shift.session, uow.now)
    if booking.state is BookingState.PASSED:
        queue = await access.queue(uow.session, shift.id)
        booking.position = rules.last_position(queue)
        booking.state = BookingState.QUEUED
    booking.arrived_at = booking.changed_at = uow.now
    await _settle(uow, shift)
    return booking


async def _mine(uow: UnitOfWork, caller: Caller, consultation_id: UUID) -> tuple[Booking, Shift]:
    booking = await access.booking(uow.session, caller, consultation_id, "move")
    shift = await _lock(uow, booking.shift_id)
    return await access.booking(uow.session, caller, consultation_id, "move"), shift


async def move(uow: UnitOfWork, caller: Caller, consultation_id: UUID, shift_id: UUID) -> Booking:
    """Another session of the same doctor and service (改约): nothing is paid or paid back.

    Raises NotFound, NotMovable, ShiftFull, ShiftUnavailable.
    """
    row = await consultations.find(uow.session, caller, consultation_id, lock=True)
    booking = await access.booking(uow.session, caller, consultation_id, "move")
    await access.bookable(uow, row.hospital_id, shift_id, row.doctor_id, row.kind, row.mode)
    shifts = await access.locked(uow.session, {booking.shift_id, shift_id})
    booking = await access.booking(uow.session, caller, consultation_id, "move")
    rules.may_move(booking.state)
    former, chosen = shifts[booking.shift_id], shifts[shift_id]
    if former.id == chosen.id:
        return booking
    await access.require_place(uow, chosen)
    queue = await access.queue(uow.session, chosen.id)
    former.taken -= 1
    chosen.taken += 1
    booking.number = booking.position = rules.free_number({each.number for each in queue})
    booking.shift_id, booking.state = chosen.id, BookingState.QUEUED
    booking.arrived_at = booking.called_at = booking.reminded_at = None
    booking.changed_at = uow.now
    uow.record(
        AppointmentMoved(
            hospital_id=row.hospital_id,
            aggregate_id=row.id,
            occurred_at=uow.now,
            consultation_id=row.id,
            shift_id=chosen.id,
            starts_at=chosen.starts_at,
            ends_at=chosen.ends_at,
        )
    )
    await audit.record(
        uow,
        caller,
        "booking.move",
        "booking",
        row.id,
        row.patient_id,
        {"from": str(former.id), "to": str(chosen.id)},
    )
    for shift in (former, chosen):
        await _settle(uow, shift)
    await inbox.notify(
        uow,
        [chosen.doctor_id],
        hospital_id=row.hospital_id,
        type="appointment_moved",
        title="患者改约",
        text="患者更改了预约时间，已自动调整队列",
        ref=("consultation", row.id),
    )
    return booking


async def _settle(uow: UnitOfWork, shift: Shift) -> None:
    shift.changed_at = uow.now
    await uow.session.flush()
    await tell_queue(uow, shift, await access.queue(uow.session, shift.id))
    await tell_planners(uow, shift.hospital_id, [shift.doctor_id])
