"""What every doctor had to do: consultations by state, kind and way, over any days."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import func, select

from clinical.consultation import access, listing
from clinical.consultation.listing import Filters
from clinical.consultation.models import Consultation
from clinical.consultation.schemas import DoctorLoad
from clinical.consultation.states import State
from clinical.people import access as people
from clinical.people.schemas import doctor_ref
from core.identity.caller import Caller
from core.uow import UnitOfWork


@dataclass
class _Sum:
    states: dict[str, int] = field(default_factory=dict)
    kinds: dict[str, int] = field(default_factory=dict)
    modes: dict[str, int] = field(default_factory=dict)
    booked: int = 0
    total: int = 0
    seconds: float = 0.0

    def add(self, kind: str, mode: str, state: str, booked: bool, count: int) -> None:
        for place, word in ((self.kinds, kind), (self.modes, mode), (self.states, state)):
            place[word] = place.get(word, 0) + count
        self.total += count
        self.booked += count if booked else 0


async def by_doctor(uow: UnitOfWork, caller: Caller, filters: Filters) -> list[DoctorLoad]:
    """One line a doctor with what the filters let through, the busiest first."""
    allowed = await access.readable(uow.session, caller)
    conditions = await listing.conditions(uow, caller, allowed, filters)
    booked = Consultation.shift_id.is_not(None).label("booked")
    talked = func.extract("epoch", Consultation.ended_at - Consultation.accepted_at)
    rows = await uow.session.execute(
        select(
            Consultation.doctor_id,
            Consultation.kind,
            Consultation.mode,
            Consultation.state,
            booked,
            func.count(),
            func.sum(talked),
        )
        .where(
            allowed.condition,
            Consultation.doctor_id.is_not(None),
            Consultation.state != State.DRAFT,
            *conditions,
        )
        .group_by(
            Consultation.doctor_id,
            Consultation.kind,
            Consultation.mode,
            Consultation.state,
            booked,
        )
    )
    sums: dict[UUID, _Sum] = {}
    for doctor_id, kind, mode, state, with_time, count, seconds in rows:
        if doctor_id is None:
            continue
        each = sums.setdefault(doctor_id, _Sum())
        each.add(kind.value, mode.value, state.value, with_time, count)
        each.seconds += float(seconds or 0) if state is State.ENDED else 0.0
    return await _lines(uow, caller, sums)


async def _lines(uow: UnitOfWork, caller: Caller, sums: Mapping[UUID, _Sum]) -> list[DoctorLoad]:
    doctors = await people.practitioners_by_id(uow.session, caller.hospital_id, sums.keys())
    lines = [
        DoctorLoad(
            doctor=doctor_ref(doctors[doctor_id]),
            total=each.total,
            booked=each.booked,
            states=each.states,
            kinds=each.kinds,
            modes=each.modes,
            minutes=round(each.seconds / 60),
        )
        for doctor_id, each in sums.items()
        if doctor_id in doctors
    ]
    return sorted(lines, key=lambda line: (-line.total, line.doctor.name))
