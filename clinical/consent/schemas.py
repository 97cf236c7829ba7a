"""Shapes of the consent API."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints

from clinical.consent.states import Act, Kind, Method, ProposalState, TextState
from clinical.signature.schemas import SignatureMark

Short = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)]
Version = Annotated[
    str, StringConstraints(strip_whitespace=True, pattern=r"^[0-9A-Za-z][0-9A-Za-z._-]{0,19}$")
]
Code = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,31}$")]


class PurposeView(BaseModel):
    """One purpose that is ticked by itself; a required one is needed for the service."""

    code: Code
    title: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=40)]
    text: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)]
    required: bool


class TextView(BaseModel):
    """A text as people read it."""

    id: UUID
    kind: Kind
    version: str
    title: str
    summary: str
    text: str
    purposes: list[PurposeView]
    signature_required: bool
    effective_at: datetime | None
    digest: str | None


class AgreementView(BaseModel):
    """One of the two agreements and when the account accepted it."""

    code: str
    title: str
    version: str
    text: str
    accepted_at: datetime | None


class AcceptAgreement(BaseModel):
    """Acceptance of an agreement in the version that was shown."""

    code: Annotated[str, StringConstraints(max_length=40)]
    version: Annotated[str, StringConstraints(max_length=20)]


class NoticeView(BaseModel):
    """The two texts of the notice step: the notice, and the recording choice."""

    version: str
    title: str
    text: str
    signature_required: bool
    recording_version: str
    recording_title: str
    recording_text: str


class GiveConsent(BaseModel):
    """Agreement to the notice, and to the recording or not; each in the version shown."""

    version: str
    recording_agreed: bool
    recording_version: str | None = None
    signature: Annotated[str, StringConstraints(max_length=200_000)] | None = None


class RecordingAnswer(BaseModel):
    """The answer to a call that asks when it rings, in the version shown."""

    version: Annotated[str, StringConstraints(max_length=20)]
    agreed: bool


class AnswerInput(BaseModel):
    """An answer to one text: nothing is ticked for anybody, so every purpose is named."""

    kind: Kind
    version: Annotated[str, StringConstraints(max_length=20)]
    agreed: bool = True
    purposes: dict[Code, bool] = Field(default_factory=dict, max_length=20)
    patient_id: UUID | None = None
    signature: Annotated[str, StringConstraints(max_length=200_000)] | None = None


class WithdrawInput(BaseModel):
    """Which consent is taken back: of the account, for a patient, or for one consultation."""

    kind: Kind
    patient_id: UUID | None = None
    ref_type: Annotated[str, StringConstraints(max_length=32)] | None = None
    ref_id: UUID | None = None


class NeededView(BaseModel):
    """A text to agree to; `given` says whether that stands, `outdated` whether it once did."""

    kind: Kind
    given: bool
    outdated: bool
    may_answer: bool
    text: TextView


class ConsentView(BaseModel):
    """One entry: who agreed to what, when and how."""

    id: UUID
    kind: Kind
    kind_text: str
    title: str
    version: str
    act: Act
    act_text: str
    at: datetime
    patient_id: UUID | None
    patient_name: str | None
    relation: str | None
    as_guardian: bool
    ref_type: str | None
    ref_id: UUID | None
    method: Method
    method_text: str
    device: str
    address: str
    digest: str
    purposes: dict[str, bool]
    signed: bool


class MatterView(BaseModel):
    """A consent as it stands now, with what taking it back would mean."""

    latest: ConsentView
    stands: bool
    outdated: bool
    withdrawable: bool
    consequences: list[str]
    history: list[ConsentView]


class ConsentDetail(BaseModel):
    """One entry with the very text that was shown."""

    consent: ConsentView
    text: TextView
    signature: str | None
    text_intact: bool
    seal: SignatureMark | None


# --- the editor ----------------------------------------------------------------------------------


class WordingInput(BaseModel):
    """What an administrator writes."""

    version: Version
    title: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)]
    summary: Short = ""
    text: Annotated[str, StringConstraints(max_length=30_000)]
    purposes: list[PurposeView] = Field(default_factory=list, max_length=12)
    signature_required: bool = False
    material: bool = True
    grace_days: Annotated[int, Field(ge=0, le=90)] = 0
    change_note: Annotated[str, StringConstraints(strip_whitespace=True, max_length=500)] = ""
    effective_at: datetime | None = None


class NewText(WordingInput):
    """A new version of a kind."""

    kind: Kind


class ProposalView(BaseModel):
    """The newest wish to publish a version; `base_id` is the text it was compared with."""

    id: UUID
    state: ProposalState
    base_id: UUID | None
    base_version: str | None
    requested_by: str
    requested_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    note: str
    mine: bool


class ConfirmNote(BaseModel):
    """What the second person has to say; may be empty."""

    note: Annotated[str, StringConstraints(strip_whitespace=True, max_length=500)] = ""


class RefuseNote(BaseModel):
    """Why not; whoever proposed reads it."""

    note: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


class VersionView(TextView):
    """A version as the editor shows it; `phase` is draft, pending, coming, current or past."""

    own: bool
    state: TextState
    phase: str
    kind_text: str
    material: bool
    grace_days: int
    change_note: str
    created_at: datetime
    changed_at: datetime
    published_at: datetime | None
    published_by: str | None
    proposal: ProposalView | None


class DiffLineView(BaseModel):
    """One line of a comparison; `mark` is same, added or removed."""

    mark: str
    text: str


class AnswersView(BaseModel):
    """How many answered a version; `by_day` pairs days with new consents."""

    given: int
    refused: int
    withdrawn: int
    by_day: list[tuple[str, int]]
