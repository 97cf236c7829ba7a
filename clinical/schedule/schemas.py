"""Shapes of the schedule API."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field, StringConstraints

from clinical.consultation.states import Kind, Mode
from clinical.people.schemas import DoctorRef
from clinical.schedule.states import Announcement, BookingState, ShiftState
from core.identity.id_numbers import Sex

Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Places = Annotated[int, Field(ge=1, le=500)]


class PlanShift(BaseModel):
    """A shift to plan."""

    doctor_id: UUID
    kind: Kind
    mode: Mode
    starts_at: AwareDatetime
    ends_at: AwareDatetime
    places: Places


class ChangeShift(BaseModel):
    """Another time or number of places; `version` is the one that was looked at."""

    version: int
    starts_at: AwareDatetime
    ends_at: AwareDatetime
    places: Places


class AddPlaces(BaseModel):
    """So many places more."""

    places: Annotated[int, Field(ge=1, le=100)]


class SuspendShift(BaseModel):
    """Why; the planners read it."""

    reason: Reason


class CopyWeek(BaseModel):
    """Seven days like seven others, each named by its first day."""

    from_day: date
    to_day: date
    doctor_id: UUID | None = None
    department_id: UUID | None = None


class Copied(BaseModel):
    """How many shifts were made, and how many left out because they overlap or are over."""

    made: int
    left_out: int


class OpenShift(BaseModel):
    """A session as patients choose it; `left` places, `bookable` at this moment."""

    id: UUID
    kind: Kind
    mode: Mode
    service_text: str
    starts_at: datetime
    ends_at: datetime
    left: int
    state: ShiftState
    bookable: bool


class ShiftView(OpenShift):
    """A shift as doctors and planners see it."""

    doctor: DoctorRef
    places: int
    extra: int
    taken: int
    waiting: int
    served: int
    reason: str | None
    version: int
    changed_at: datetime


class QueueEntry(BaseModel):
    """One patient in the queue of a shift; `room_id` of the room to meet in."""

    consultation_id: UUID
    number: int
    state: BookingState
    state_text: str
    patient_name: str
    sex: Sex
    age_text: str
    description: str
    red_flag: bool
    room_id: UUID | None
    arrived_at: datetime | None
    called_at: datetime | None
    calls: int


class QueueView(BaseModel):
    """A shift with its queue, in order."""

    shift: ShiftView
    entries: list[QueueEntry]


class BookingView(BaseModel):
    """A patient's place: the own number, how many are before, who was called last."""

    consultation_id: UUID
    shift: OpenShift
    doctor: DoctorRef
    number: int
    state: BookingState
    state_text: str
    ahead: int
    called_number: int | None
    estimated_at: datetime
    arrived_at: datetime | None
    called_at: datetime | None


class MoveBooking(BaseModel):
    """The session to go to instead."""

    shift_id: UUID


class CallView(BaseModel):
    """One line of the calling log; the patient's name is masked where the reader may not see it."""

    id: UUID
    at: datetime
    kind: Announcement
    kind_text: str
    number: int
    doctor: DoctorRef
    patient: "CalledPatient"
    shift_starts_at: datetime
    consultation_id: UUID


class CalledPatient(BaseModel):
    """Who was called."""

    name: str | None
