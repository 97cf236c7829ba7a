"""Shapes of recognised speech on the wire."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel

from realtime.schemas import Fragment


class SegmentView(BaseModel):
    """What somebody said without a pause, in milliseconds from the beginning."""

    from_ms: int
    to_ms: int
    user: UUID | None
    text: str


class SpeechTextView(BaseModel):
    """`none`: nobody has asked for it yet. `progress` runs from 0 to 1. `available`: the
    installation has a recogniser, so asking helps.
    """

    state: Literal["none", "waiting", "ready", "failed"]
    available: bool
    progress: float
    segments: list[SegmentView]


class SpokenHit(BaseModel):
    """A place in a recording where something was said; `at_ms` from its beginning."""

    recording_id: UUID
    room_id: UUID | None
    title: str
    started_at: datetime
    at_ms: int
    speaker: str | None
    fragments: list[Fragment]


class SpokenPage(BaseModel):
    """`next` goes on with older recordings, also where nothing was found in these."""

    items: list[SpokenHit]
    next: str | None
