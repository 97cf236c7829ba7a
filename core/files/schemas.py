"""Shapes of attachments on the wire."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from pydantic import BaseModel, Field


class FileKind(StrEnum):
    """What a file turned out to be, by its content."""

    IMAGE = "image"
    VOICE = "voice"
    VIDEO = "video"
    FILE = "file"


class FileRef(BaseModel):
    """An attachment as messages and forms carry it.

    `size` in bytes, `width`/`height` in pixels, `waveform` 64 loudness values from 0 to 100.
    """

    id: UUID
    name: str
    kind: FileKind
    content_type: str
    size: int
    width: int | None = None
    height: int | None = None
    duration_ms: int | None = None
    waveform: list[int] | None = None
    has_thumbnail: bool = False


class LinkRequest(BaseModel):
    ids: list[UUID] = Field(max_length=200)


class FileLink(BaseModel):
    """Addresses that work for the asking session until `expires_at`."""

    url: str
    thumbnail_url: str | None
    expires_at: datetime
