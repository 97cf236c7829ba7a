"""The schedule as it is shown, many at a time with few queries."""

from collections.abc import Sequence
from uuid import UUID

from clinical.consultation import access as consultations
from clinical.consultation.states import service_text
from clinical.days import business_day, zone_of
from clinical.people import access as people
from clinical.people.schemas import doctor_ref, patient_view
from clinical.schedule import access, rules
from clinical.schedule.access import Grant
from clinical.schedule.models import Booking, QueueCall, Shift
from clinical.schedule.schemas import (
    BookingView,
    CalledPatient,
    CallView,
    OpenShift,
    QueueEntry,
    QueueView,
    ShiftView,
)
from clinical.schedule.states import (
    AHEAD,
    ANNOUNCEMENT_TEXT,
    BOOKING_TEXT,
    BookingState,
    ShiftState,
)
from core.access import look
from core.identity.caller import Caller
from core.uow import UnitOfWork

_SERVED = (BookingState.SERVING, BookingState.DONE)


def open_shift(shift: Shift, *, released: bool) -> OpenShift:
    """A session as a patient chooses it."""
    session = shift.session
    return OpenShift(
        id=shift.id,
        kind=shift.kind,
        mode=shift.mode,
        service_text=service_text(shift.kind, shift.mode),
        starts_at=shift.starts_at,
        ends_at=shift.ends_at,
        left=session.left,
        state=shift.state,
        bookable=released and shift.state is ShiftState.OPEN and session.left > 0,
    )


async def shift_views(uow: UnitOfWork, hospital_id: UUID, rows: Sequence[Shift]) -> list[ShiftView]:
    """Shifts with doctor and the sums of their queues."""
    if not rows:
        return []
    doctors = await people.practitioners_by_id(
        uow.session, hospital_id, {row.doctor_id for row in rows}
    )
    queues = await access.queues(uow.session, {row.id for row in rows})
    zone = await zone_of(uow, hospital_id)
    shown = []
    for row in rows:
        rule = await access.release_rule(uow, row)
        released = row.ends_at > uow.now and rules.is_released(row.session, rule, uow.now, zone)
        states = [each.state for each in queues[row.id]]
        shown.append(
            ShiftView(
                **open_shift(row, released=released).model_dump(),
                doctor=doctor_ref(doctors[row.doctor_id]),
                places=row.places,
                extra=row.extra,
                taken=row.taken,
                waiting=sum(state in AHEAD for state in states),
                served=sum(state in _SERVED for state in states),
                reason=row.reason,
                version=row.version,
                changed_at=row.changed_at,
            )
        )
    return shown


async def shift_view(uow: UnitOfWork, row: Shift) -> ShiftView:
    """One shift."""
    return (await shift_views(uow, row.hospital_id, [row]))[0]


async def queue_view(uow: UnitOfWork, caller: Caller, shift: Shift) -> QueueView:
    """The queue of a shift; what is withheld of consultations is withheld here too."""
    queue = await access.queue(uow.session, shift.id)
    found = await consultations.readable_by_id(
        uow.session, caller, [each.consultation_id for each in queue]
    )
    allowed = await consultations.read_grant(uow.session, caller)
    relations = await people.relations_by_id(
        uow.session, shift.hospital_id, {each.relation_id for each in queue}
    )
    today = await business_day(uow, shift.hospital_id)
    entries = []
    for each in queue:
        row = found.get(each.consultation_id)
        if row is None:
            continue
        patient = patient_view(relations[each.relation_id], today)
        entries.append(
            QueueEntry(
                consultation_id=each.consultation_id,
                number=each.number,
                state=each.state,
                state_text=BOOKING_TEXT[each.state],
                patient_name="" if allowed.withholds("patient.name") else patient.name,
                sex=patient.sex,
                age_text=patient.age_text,
                description="" if allowed.withholds("description") else row.description[:200],
                red_flag=row.red_flag,
                room_id=row.room_id,
                arrived_at=each.arrived_at,
                called_at=each.called_at,
                calls=each.calls,
            )
        )
    await look(uow, caller, "queue", shift.id, detail={"rows": len(entries)})
    return QueueView(shift=await shift_view(uow, shift), entries=entries)


async def booking_views(
    uow: UnitOfWork, caller: Caller, rows: Sequence[Booking]
) -> list[BookingView]:
    """Bookings of a patient with the live state of their queues."""
    if not rows:
        return []
    shifts = await access.shifts_by_id(uow.session, {row.shift_id for row in rows})
    queues = await access.queues(uow.session, shifts.keys())
    doctors = await people.practitioners_by_id(
        uow.session, caller.hospital_id, {row.doctor_id for row in shifts.values()}
    )
    minutes = await consultations.minutes_of(uow.session, [row.consultation_id for row in rows])
    shown = []
    for row in rows:
        shift = shifts[row.shift_id]
        queue = queues[shift.id]
        ahead = rules.ahead_of(row, queue)
        called = [each for each in queue if each.called_at is not None]
        last = max(called, key=lambda each: (each.called_at, each.number), default=None)
        shown.append(
            BookingView(
                consultation_id=row.consultation_id,
                shift=open_shift(shift, released=True),
                doctor=doctor_ref(doctors[shift.doctor_id]),
                number=row.number,
                state=row.state,
                state_text=BOOKING_TEXT[row.state],
                ahead=ahead,
                called_number=last.number if last else None,
                estimated_at=rules.estimated(
                    shift.session, ahead, minutes.get(row.consultation_id, 15), uow.now
                ),
                arrived_at=row.arrived_at,
                called_at=row.called_at,
            )
        )
    return shown


async def call_views(
    uow: UnitOfWork, caller: Caller, allowed: Grant, rows: Sequence[QueueCall]
) -> list[CallView]:
    """Lines of the calling log as the caller may see them."""
    shifts = await access.shifts_by_id(uow.session, {row.shift_id for row in rows})
    doctors = await people.practitioners_by_id(
        uow.session, caller.hospital_id, {row.doctor_id for row in rows}
    )
    names = await people.patient_names(
        uow.session, {row.patient_id for row in rows}, caller.hospital_id
    )
    return [
        allowed.shown(
            CallView(
                id=row.id,
                at=row.at,
                kind=row.kind,
                kind_text=ANNOUNCEMENT_TEXT[row.kind],
                number=row.number,
                doctor=doctor_ref(doctors[row.doctor_id]),
                patient=CalledPatient(name=names.get(row.patient_id)),
                shift_starts_at=shifts[row.shift_id].starts_at,
                consultation_id=row.consultation_id,
            )
        )
        for row in rows
    ]
