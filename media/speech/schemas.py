"""Shapes of recognised speech on the wire."""

from typing import Literal
from uuid import UUID

from pydantic import BaseModel


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
