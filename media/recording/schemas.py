"""Shapes of recordings on the wire."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel

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
