"""The verbs of the queue (叫号): call the next one, again, pass over, take back. Each is logged."""

from uuid import UUID

from clinical.consultation.states import worded
from clinical.schedule import access, errors, rules
from clinical.schedule.models import Booking, QueueCall, Shift
from clinical.schedule.notices import tell_queue
from clinical.schedule.states import Announcement, BookingState
from core.errors import NotFound
from core.identity.caller import Caller
from core.ids import new_id
from core.uow import UnitOfWork
from realtime import inbox

CALLED = ("queue_called", "已叫到您的号", "请立即进入诊间，医生正在等您")


async def call_next(uow: UnitOfWork, caller: Caller, shift_id: UUID) -> Booking:
    """Call whoever's turn it is. Raises NotFound, NotYetTime, CallPending, NobodyWaits."""
    shift, queue = await _queue(uow, caller, shift_id)
    rules.require_started(shift.session, uow.now)
    booking = rules.next_to_call(queue)
    booking.state = BookingState.CALLED
    await _announce(uow, caller, shift, booking, Announcement.CALLED, CALLED)
    return booking


async def call_again(
    uow: UnitOfWork, caller: Caller, shift_id: UUID, consultation_id: UUID
) -> Booking:
    """Call somebody again who was called and has not come. Raises NotFound, NotCalled."""
    shift, booking = await _called(uow, caller, shift_id, consultation_id)
    await _announce(uow, caller, shift, booking, Announcement.CALLED_AGAIN, CALLED)
    return booking


async def pass_over(
    uow: UnitOfWork, caller: Caller, shift_id: UUID, consultation_id: UUID
) -> Booking:
    """Go on to the next one (过号); who comes later stands at the end. Raises NotCalled."""
    shift, booking = await _called(uow, caller, shift_id, consultation_id)
    booking.state = BookingState.PASSED
    words = ("queue_passed", "您已过号", "进入诊间后将重新排到队尾")
    await _announce(uow, caller, shift, booking, Announcement.PASSED, words)
    return booking


async def take_back(
    uow: UnitOfWork, caller: Caller, shift_id: UUID, consultation_id: UUID
) -> Booking:
    """Let somebody queue again who was passed over, behind the others. Raises NotPassed."""
    shift, queue = await _queue(uow, caller, shift_id)
    booking = _find(queue, consultation_id)
    if booking.state is not BookingState.PASSED:
        raise errors.NotPassed()
    booking.state, booking.position = BookingState.QUEUED, rules.last_position(queue)
    await _announce(uow, caller, shift, booking, Announcement.RETURNED)
    return booking


async def _queue(uow: UnitOfWork, caller: Caller, shift_id: UUID) -> tuple[Shift, list[Booking]]:
    shift = await access.shift(uow.session, caller, shift_id, "announce", lock=True)
    return shift, await access.queue(uow.session, shift.id)


async def _called(
    uow: UnitOfWork, caller: Caller, shift_id: UUID, consultation_id: UUID
) -> tuple[Shift, Booking]:
    shift, queue = await _queue(uow, caller, shift_id)
    booking = _find(queue, consultation_id)
    if booking.state is not BookingState.CALLED:
        raise errors.NotCalled()
    return shift, booking


def _find(queue: list[Booking], consultation_id: UUID) -> Booking:
    for each in queue:
        if each.consultation_id == consultation_id:
            return each
    raise NotFound()


async def _announce(
    uow: UnitOfWork,
    caller: Caller,
    shift: Shift,
    booking: Booking,
    kind: Announcement,
    words: tuple[str, str, str] | None = None,
) -> None:
    """Write the line of the log and tell the patient and everybody who waits."""
    if kind in (Announcement.CALLED, Announcement.CALLED_AGAIN):
        booking.called_at = uow.now
        booking.calls += 1
    booking.changed_at = uow.now
    uow.session.add(
        QueueCall(
            id=new_id(),
            hospital_id=shift.hospital_id,
            shift_id=shift.id,
            consultation_id=booking.consultation_id,
            patient_id=booking.patient_id,
            doctor_id=shift.doctor_id,
            by_id=caller.user_id,
            kind=kind,
            number=booking.number,
            at=uow.now,
        )
    )
    await uow.session.flush()
    if words is not None:
        code, title, text = words
        await inbox.notify(
            uow,
            [booking.payer_id],
            hospital_id=shift.hospital_id,
            type=code,
            title=title,
            text=worded(shift.kind, text),
            ref=("consultation", booking.consultation_id),
        )
    await tell_queue(uow, shift, await access.queue(uow.session, shift.id))
