"""Shapes of recordings on the wire."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field, StringConstraints

from core.identity.roles import Role
from media.recording.layouts import Layout
from media.recording.rules import FileKind, Note, Origin, RecordingState


class RecordingFileView(BaseModel):
    id: UUID
    kind: FileKind
    user_id: UUID | None
    name: str
    content_type: str
    size: int
    duration_ms: int
    sha256: str


class RecordingView(BaseModel):
    """`progress` of the composition runs from 0 to 1; `note` names what is not whole, or why it
    failed. `title` stands where no call does. One that was removed says when, and by which rule.
    """

    id: UUID
    call_id: UUID | None
    origin: Origin
    title: str | None
    state: RecordingState
    note: Note | None
    progress: float
    started_at: datetime
    ended_at: datetime | None
    duration_ms: int | None
    removed_at: datetime | None
    removed_rule: str | None
    files: list[RecordingFileView]


class RecordingLink(BaseModel):
    url: str
    expires_at: datetime


class PersonView(BaseModel):
    user_id: UUID
    role: Role
    name: str


class MomentView(BaseModel):
    """Something that happened to somebody, in milliseconds from the first picture."""

    at_ms: int
    kind: Literal[
        "joined",
        "left",
        "camera_on",
        "camera_off",
        "microphone_on",
        "microphone_off",
        "screen_on",
        "screen_off",
    ]
    user: UUID


class GapView(BaseModel):
    """A stretch of which nothing was received: of one person, or (None) of everybody."""

    from_ms: int
    to_ms: int
    user: UUID | None


class LoudnessView(BaseModel):
    """How loud somebody was: bars from 0 to 100 of equal length over the whole recording."""

    user: UUID
    bars: list[int]


class KeepingView(BaseModel):
    """Until when the recording must be kept; `held`: a legal hold keeps it beyond that."""

    until: date | None
    held: bool


class CameView(BaseModel):
    """What an upload was before the house made it playable, as far as that was noted."""

    uploaded_at: datetime
    size: int | None = None
    sha256: str | None = None
    video: str | None = None
    audio: str | None = None
    copied: bool | None = None


Title = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)]


class ChapterView(BaseModel):
    at_ms: int = Field(ge=0)
    title: Title


class Chapters(BaseModel):
    chapters: list[ChapterView] = Field(max_length=200)


class UploadInput(BaseModel):
    """An upload of the purpose `recording` that becomes a recording of a room, or of none."""

    file_id: UUID
    origin: Literal["body_recorder", "lecture"]
    title: Title
    room_id: UUID | None = None
    recorded_at: AwareDatetime | None = None


class UploadedView(BaseModel):
    id: UUID
    origin: Origin
    title: str
    room_id: UUID | None
    uploader: str
    recorded_at: datetime
    uploaded_at: datetime
    duration_ms: int


class UploadedPage(BaseModel):
    items: list[UploadedView]
    next: str | None
    may_upload: bool


class EndingView(BaseModel):
    """A recording whose time is over soon. `held`: a legal hold keeps it beyond `until`."""

    id: UUID
    origin: Origin
    title: str
    started_at: datetime
    duration_ms: int
    bytes: int
    until: date
    held: bool


class EndingPage(BaseModel):
    """`years`: how long the hospital keeps recordings; what goes until `by`, the earliest first."""

    years: int
    by: date
    items: list[EndingView]
    next: str | None


class RecordingPage(BaseModel):
    """Everything that a player shows beside the picture. `origin_at` is the first picture's time;
    None, like `layout`, for a recording that was never composed. `may_arrange`: the caller may have
    it composed in another layout, `may_download` take its files away. `came` and `chapters` belong
    to what was uploaded.
    """

    recording: RecordingView
    room_id: UUID | None
    consultation_id: UUID | None
    came: CameView | None
    origin_at: datetime | None
    layout: Layout | None
    arranging: bool
    may_arrange: bool
    may_download: bool
    people: list[PersonView]
    moments: list[MomentView]
    gaps: list[GapView]
    loudness: list[LoudnessView]
    chapters: list[ChapterView]
    may_edit_chapters: bool
    keeping: KeepingView


class FileCheck(BaseModel):
    """Whether a stored file still is what its digest says."""

    id: UUID
    whole: bool


class Arrangement(BaseModel):
    layout: Layout
