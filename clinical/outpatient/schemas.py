"""Shapes of the API of the convenience clinic. Amounts are integer fen."""

import re
from datetime import date, datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field, StringConstraints, model_validator

from clinical.outpatient.rules import MOST_LINES
from clinical.outpatient.states import CloseReason, Desk, ItemKind, State
from clinical.people.schemas import PatientView

Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
Code = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[\w.-]{1,40}$")]
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
CLOCK = re.compile(r"^([01]\d|2[0-3]):[0-5]\d$")


class ItemForm(BaseModel):
    """An item as it is kept; `times` are clock times (`08:30`), each with `capacity` places."""

    kind: ItemKind
    code: Code
    name: Line
    category: Line
    subcategory: Annotated[str, StringConstraints(strip_whitespace=True, max_length=100)] = ""
    price_fen: Annotated[int, Field(ge=0, le=10_000_000)]
    precautions: Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000)] = ""
    special: bool = False
    needs_time: bool = False
    times: Annotated[
        list[Annotated[str, StringConstraints(pattern=CLOCK.pattern)]], Field(max_length=100)
    ] = Field(default_factory=list)
    capacity: Annotated[int, Field(ge=1, le=1000)] = 1
    active: bool = True

    @model_validator(mode="after")
    def _times_where_needed(self) -> Self:
        if self.needs_time and (self.kind is ItemKind.DRUG or not self.times):
            raise ValueError("需要选择时间的检查检验项目须至少有一个时间")
        self.times = sorted(set(self.times)) if self.needs_time else []
        return self


class ChangeItem(ItemForm):
    """An item as it shall be; `version` is the one that was looked at."""

    version: int


class ItemView(BaseModel):
    """An item as patients choose it."""

    id: UUID
    kind: ItemKind
    kind_text: str
    desk: Desk
    code: str
    name: str
    category: str
    subcategory: str
    price_fen: int
    precautions: str
    special: bool
    needs_time: bool


class KeptItem(ItemView):
    """An item as administrators keep it."""

    times: list[str]
    capacity: int
    active: bool
    version: int
    changed_at: datetime


class ItemTable(BaseModel):
    """A table in CSV with the headings of the export."""

    table: Annotated[str, StringConstraints(min_length=1, max_length=1_000_000)]


class Imported(BaseModel):
    """What came of a table: new items, changed ones, rows that said nothing new."""

    added: int
    changed: int
    unchanged: int


class CategoryView(BaseModel):
    """A category with its subcategories, both in the order of the list."""

    name: str
    subcategories: list[str]


class ClinicView(BaseModel):
    """Whether patients can order, whether they choose times, and the notice to agree to through
    `POST /consents`; `agreed` while the answer to it stands.
    """

    open: bool
    asks_time: bool
    days: int
    notice_version: str
    notice_title: str
    notice_text: str
    signature_required: bool
    agreed: bool


class TimeView(BaseModel):
    """A time of an item with the places left."""

    starts_at: datetime
    left: int


class ChoiceForm(BaseModel):
    """One item that is wanted, at the price that was shown."""

    item_id: UUID
    quantity: Annotated[int, Field(ge=1, le=100)] = 1
    price_fen: int
    starts_at: AwareDatetime | None = None


class SubmitOrder(BaseModel):
    """A basket: for whom, what, and why."""

    patient_id: UUID
    lines: Annotated[list[ChoiceForm], Field(min_length=1, max_length=MOST_LINES)]
    purpose: Annotated[str, StringConstraints(strip_whitespace=True, max_length=500)] = ""

    @model_validator(mode="after")
    def _each_item_once(self) -> Self:
        if len({each.item_id for each in self.lines}) != len(self.lines):
            raise ValueError("同一项目请勿重复添加")
        return self


class ApproveOrder(BaseModel):
    """What the patient should know; may stay empty."""

    words: Annotated[str, StringConstraints(strip_whitespace=True, max_length=500)] = ""


class RefuseOrder(BaseModel):
    """Why; the patient reads it."""

    reason: Reason


class LineView(BaseModel):
    """One item of an order as it was ordered."""

    item_id: UUID
    kind: ItemKind
    kind_text: str
    name: str
    price_fen: int
    quantity: int
    starts_at: datetime | None
    precautions: str


class SelfOrderView(BaseModel):
    """An order of a patient as its reader may see it; `withheld` names what was taken out."""

    id: UUID
    number: str
    desk: Desk
    desk_text: str
    state: State
    state_text: str
    close_reason: CloseReason | None
    close_text: str | None
    patient: PatientView
    purpose: str
    lines: list[LineView]
    total_fen: int
    order_id: UUID | None
    reviewer_name: str | None
    reviewed_at: datetime | None
    review_words: str | None
    submitted_at: datetime
    review_by: datetime
    pay_by: datetime | None
    paid_at: datetime | None
    done_at: datetime | None
    refund_requested_at: datetime | None
    withheld: list[str] = []


class Reviewer(BaseModel):
    """Who reviews; `title` and `department` are empty without a profile of a clinician."""

    id: UUID
    name: str
    title: str
    department: str


class ReviewerLoad(BaseModel):
    """What one doctor or pharmacist reviewed: `reviewed` is `approved` and `refused` together.

    `done` of the approved orders are carried out; `kinds` counts items; `amount_fen` of approved
    orders; `minutes` from submission to review on average.
    """

    reviewer: Reviewer
    reviewed: int
    approved: int
    refused: int
    done: int
    kinds: dict[str, int]
    amount_fen: int
    minutes: int


class ReviewDay(BaseModel):
    """The reviews of one day; `minutes` on average, None without any."""

    day: date
    approved: int
    refused: int
    minutes: int | None


class Workload(BaseModel):
    """The workload of the convenience clinic from `first` to `last`, both included."""

    first: date
    last: date
    reviewers: list[ReviewerLoad]
    days: list[ReviewDay]
