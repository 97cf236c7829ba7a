"""Shapes of recordings on the wire."""

from datetime import date, datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel

from core.identity.roles import Role
from media.recording.layouts import Layout
from media.recording.rules import FileKind, Note, RecordingState


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
    failed.
    """

    id: UUID
    call_id: UUID
    state: RecordingState
    note: Note | None
    progress: float
    started_at: datetime
    ended_at: datetime | None
    duration_ms: int | None
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


class RecordingPage(BaseModel):
    """Everything that a player shows beside the picture. `origin_at` is the first picture's time;
    None, like `layout`, for a recording that was never composed. `may_arrange`: the caller may have
    it composed in another layout.
    """

    recording: RecordingView
    room_id: UUID
    consultation_id: UUID | None
    origin_at: datetime | None
    layout: Layout | None
    arranging: bool
    may_arrange: bool
    people: list[PersonView]
    moments: list[MomentView]
    gaps: list[GapView]
    loudness: list[LoudnessView]
    keeping: KeepingView


class FileCheck(BaseModel):
    """Whether a stored file still is what its digest says."""

    id: UUID
    whole: bool


class Arrangement(BaseModel):
    layout: Layout
