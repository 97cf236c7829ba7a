"""Shapes of the rights API: what is held, requests, copies, the officers' queue, legal holds."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints

from clinical.consent.states import (
    CopyState,
    HeldThing,
    Outcome,
    RequestState,
    Right,
)
from core.files.schemas import FileRef
from core.personal_data import RecordClass

Words = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000)]
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=2, max_length=1000)]


class HoldingView(BaseModel):
    """One category of what is held, until when it is kept and by which rule."""

    title: str
    record_class: RecordClass
    count: int
    oldest: date | None
    newest: date | None
    note: str
    keep_until: date | None
    rule: str


class NewRequest(BaseModel):
    """What somebody asks for; field, wish and papers belong to a correction."""

    right: Right
    patient_id: UUID | None = None
    field: Annotated[str, StringConstraints(strip_whitespace=True, max_length=100)] = ""
    wish: Annotated[str, StringConstraints(strip_whitespace=True, max_length=500)] = ""
    words: Words = ""
    file_ids: list[UUID] = Field(default_factory=list, max_length=9)


class StepView(BaseModel):
    """One step of a request."""

    at: datetime
    what: str
    what_text: str
    words: str
    by: str | None


class CopyView(BaseModel):
    """How far a copy has come; `progress` runs from 0 to 1, sizes are bytes."""

    id: UUID
    state: CopyState
    progress: float
    stage: str
    json_size: int | None
    pdf_size: int | None
    ready_at: datetime | None
    expires_at: datetime | None


class ResultLine(BaseModel):
    """What became of one category."""

    title: str
    erased: int
    kept: int
    until: date | None
    why: str


class RequestView(BaseModel):
    """A request as its author and the officers see it; `urgency` is normal, near or overdue."""

    id: UUID
    number: str
    right: Right
    right_text: str
    state: RequestState
    state_text: str
    patient_id: UUID | None
    patient_name: str | None
    field: str
    wish: str
    words: str
    files: list[FileRef]
    created_at: datetime
    due_on: date
    extended: bool
    outcome: Outcome | None
    outcome_text: str | None
    reason: str
    result: list[ResultLine]
    closed_at: datetime | None
    close_at: datetime | None
    urgency: str
    requester: str
    requester_id: UUID
    assignee: str | None
    assignee_id: UUID | None
    checked_at: datetime | None
    copy_: CopyView | None = Field(None, serialization_alias="copy")
    steps: list[StepView]


class ClosingView(BaseModel):
    """What closing the account would mean: obstacles, what goes, what stays until when."""

    obstacles: list[str]
    cooling_days: int
    pending: RequestView | None
    holdings: list[HoldingView]


class ProveInput(BaseModel):
    """The last six characters of the own identity number."""

    id_tail: Annotated[str, StringConstraints(strip_whitespace=True, max_length=6)] = ""


class LinkView(BaseModel):
    """Addresses that this session alone can open, for some minutes."""

    json_url: str
    pdf_url: str
    expires_at: datetime


# --- officers ------------------------------------------------------------------------------------


class CheckInput(BaseModel):
    """How the requester's identity was checked."""

    note: Reason


class ReasonInput(BaseModel):
    """Why; the requester reads it."""

    reason: Reason


class DecideInput(BaseModel):
    """The officer's answer; a no needs a reason."""

    outcome: Outcome
    reason: Words = ""


class GiveInput(BaseModel):
    """To whom, and who had it when the giver looked (null: nobody)."""

    to: UUID
    held_by: UUID | None


class OfficerView(BaseModel):
    """Somebody who answers requests; `open` counts those in hand."""

    id: UUID
    name: str
    open: int
    me: bool


class QueueNumbers(BaseModel):
    """The queue in numbers; `median_days` is how long answered requests took, in days."""

    open: int
    mine: int
    unassigned: int
    near: int
    overdue: int
    answered: int
    refused: int
    median_days: float | None
    by_right: dict[str, int]


class NewHold(BaseModel):
    """Something that must not be deleted, and why."""

    thing: HeldThing
    thing_id: UUID
    reason: Reason


class HoldView(BaseModel):
    """A legal hold."""

    id: UUID
    thing: HeldThing
    thing_text: str
    thing_id: UUID
    label: str
    reason: str
    placed_by: str
    since: datetime
    lifted_at: datetime | None
    lifted_by: str | None
    lift_reason: str
