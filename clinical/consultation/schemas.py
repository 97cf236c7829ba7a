"""Shapes of the consultation API."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints

from clinical.consultation.states import (
    CloseReason,
    Direction,
    Kind,
    Mode,
    Purpose,
    RevisitStatus,
    State,
)
from clinical.people.schemas import DepartmentRef, DoctorRef, PatientView
from clinical.signature.schemas import SignatureMark
from core.files.schemas import FileRef

Long = Annotated[str, StringConstraints(max_length=4000)]
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


class NewConsultation(BaseModel):
    """A draft to begin with: with a doctor, or by department; with `shift_id` in a session."""

    patient_id: UUID
    doctor_id: UUID | None = None
    department_id: UUID | None = None
    kind: Kind = Kind.REVISIT
    mode: Mode
    purpose: Purpose = Purpose.REVISIT
    shift_id: UUID | None = None


class DepartmentOffer(BaseModel):
    """A department that takes orders without a choice of doctor."""

    department: DepartmentRef
    intro: str
    modes: list[Mode]
    price_fen: int
    minutes: int


class DoctorLoad(BaseModel):
    """What one doctor had to do: counts by state, kind and mode, `booked` with an appointed time,
    `minutes` of ended consultations from acceptance to end.
    """

    doctor: DoctorRef
    total: int
    booked: int
    states: dict[str, int]
    kinds: dict[str, int]
    modes: dict[str, int]
    minutes: int


class AssignDoctor(BaseModel):
    """Who is to accept."""

    doctor_id: UUID
    reason: Reason


class EditConsultation(BaseModel):
    """What is saved as the patient types; absent fields stay."""

    description: Long | None = None
    onset: Annotated[str, StringConstraints(max_length=200)] | None = None
    answers: dict[str, bool] | None = None
    direction: Direction | None = None
    attachment_ids: list[UUID] | None = Field(None, max_length=9)


class HandInProof(BaseModel):
    """Uploaded papers that prove an earlier visit."""

    attachment_ids: list[UUID] = Field(max_length=9)


class GiveReason(BaseModel):
    """Why; the patient reads it."""

    reason: Reason


class DecideProof(BaseModel):
    """The doctor's word about the proof."""

    accepted: bool
    reason: Reason | None = None


class SaveNote(BaseModel):
    """The closing note as far as it is written."""

    diagnosis: Annotated[str, StringConstraints(max_length=2000)]
    advice: Annotated[str, StringConstraints(max_length=4000)]


class AmendNote(BaseModel):
    """A later version of a final closing note, and why."""

    diagnosis: Annotated[str, StringConstraints(max_length=2000)]
    advice: Annotated[str, StringConstraints(max_length=4000)]
    reason: Reason


class EvidenceLine(BaseModel):
    """One past visit to the hospital."""

    visit_date: date
    department: str
    diagnosis: str


class RevisitView(BaseModel):
    """How far the evidence for a revisit has come."""

    status: RevisitStatus
    evidence: list[EvidenceLine]
    proof: list[FileRef]
    reason: str | None = None


class ConsentView(BaseModel):
    """What the patient agreed to."""

    version: str
    accepted_at: datetime
    recording_agreed: bool


class NoteView(BaseModel):
    """The closing note; the patient sees it when it is final.

    `signature` is the newest one; it is of an older version when its `current` is false.
    """

    diagnosis: str
    advice: str
    at: datetime
    final: bool
    intact: bool
    version: int
    signature: SignatureMark | None


class RatingView(BaseModel):
    """The patient's rating."""

    id: UUID
    consultation_id: UUID
    stars: int
    tags: list[str]
    comment: str
    at: datetime


class LastMessage(BaseModel):
    """The newest line of the room in short."""

    text: str
    at: datetime


class EmergencyMark(BaseModel):
    """That the reader has break-glass access to this patient, and until when."""

    id: UUID
    ends_at: datetime


class ConsultationView(BaseModel):
    """A consultation as its reader may see it; `withheld` names what was taken out or masked.

    `doctor` is None while an order by department waits for a doctor. `first`: the patient had not
    been served in a consultation of this hospital before it began. `calls` are those that its
    doctor may start: none, `voice`, or `voice` and `video`.
    """

    id: UUID
    number: str
    kind: Kind
    mode: Mode
    purpose: Purpose
    direction: Direction | None
    direction_text: str | None
    state: State
    state_text: str
    close_reason: CloseReason | None
    close_text: str | None
    patient: PatientView
    doctor: DoctorRef | None
    department: DepartmentRef
    service_text: str
    calls: list[str]
    #: The reader's own, of who treats.
    tags: list[str]
    minutes: int
    shift_id: UUID | None
    starts_at: datetime | None
    ends_at: datetime | None
    room_id: UUID | None
    order_id: UUID | None
    price_fen: int
    description: str
    onset: str
    answers: dict[str, bool]
    red_flag: bool
    first: bool
    attachments: list[FileRef]
    revisit: RevisitView
    consent: ConsentView | None
    created_at: datetime
    submitted_at: datetime | None
    pay_by: datetime | None
    paid_at: datetime | None
    accept_by: datetime | None
    accepted_at: datetime | None
    ended_at: datetime | None
    closing_note: NoteView | None
    rating: RatingView | None
    unread: int
    last_message: LastMessage | None
    emergency: EmergencyMark | None = None
    withheld: list[str] = []


class QuestionView(BaseModel):
    """One intake question."""

    id: str
    text: str
    red_flag: bool


class TagPatient(BaseModel):
    """All tags that the patient has from now on."""

    tags: Annotated[
        list[Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=20)]],
        Field(max_length=10),
    ]


class PhraseForm(BaseModel):
    """A sentence to keep."""

    category: Annotated[str, StringConstraints(strip_whitespace=True, max_length=20)] = "常用"
    text: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


class PhraseOrder(BaseModel):
    """The own sentences from the first to the last."""

    ids: Annotated[list[UUID], Field(max_length=500)]


class PhraseView(PhraseForm):
    """A kept sentence."""

    id: UUID
