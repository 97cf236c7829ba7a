"""Shapes of announcements on the wire."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from clinical.notifications.announcements.states import BlockKind, Kind, Phase
from core.files.schemas import FileRef
from core.identity.roles import Role

Title = Annotated[str, StringConstraints(min_length=1, max_length=100, strip_whitespace=True)]
Body = Annotated[str, StringConstraints(max_length=20_000)]
Place = Annotated[str, StringConstraints(max_length=200, strip_whitespace=True)]


class AnnouncementInput(BaseModel):
    """An announcement as it is written.

    `text` is plain: `## ` begins a heading, `- ` an item, `[words](https://…)` is a link.
    """

    model_config = ConfigDict(extra="forbid")

    kind: Kind
    title: Title
    text: Body = ""
    cover_id: UUID | None = None
    file_ids: list[UUID] = Field(default_factory=list, max_length=10)
    roles: list[Role] = Field(default_factory=list, max_length=len(Role))
    department_ids: list[UUID] = Field(default_factory=list, max_length=200)
    people: list[UUID] = Field(default_factory=list, max_length=500)
    pinned: bool = False
    confirm: bool = False
    starts_at: AwareDatetime | None = None
    ends_at: AwareDatetime | None = None
    place: Place = ""
    remind_minutes: int | None = Field(None, ge=5, le=10_080)
    until: AwareDatetime | None = None


class AnnouncementChange(AnnouncementInput):
    """A new wording. `base_version` is the one that was edited."""

    base_version: int = Field(ge=1)


class PublishInput(BaseModel):
    """`at`: when it appears; None: now."""

    model_config = ConfigDict(extra="forbid")

    base_version: int = Field(ge=1)
    at: AwareDatetime | None = None


class WithdrawInput(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, StringConstraints(max_length=200, strip_whitespace=True)] = ""


class PreviewInput(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: Body


class SpanView(BaseModel):
    """A piece of a line; with `href` it is a link."""

    text: str
    href: str | None


class BlockView(BaseModel):
    """A heading, a paragraph or an item of a list, to be drawn as text."""

    kind: BlockKind
    spans: list[SpanView]


class KeptItem(BaseModel):
    """An announcement in the list of those who keep them. `read` and `confirmed` count people."""

    id: UUID
    kind: Kind
    kind_label: str
    title: str
    phase: Phase
    phase_label: str
    pinned: bool
    confirm: bool
    published_at: datetime | None
    until: datetime | None
    starts_at: datetime | None
    place: str
    version: int
    changed_at: datetime
    created_by: str
    read: int
    confirmed: int


class NamedPerson(BaseModel):
    user_id: UUID
    name: str


class KeptAnnouncement(KeptItem):
    """An announcement with all that can be edited. `staff` counts the staff whom it is for."""

    text: str
    blocks: list[BlockView]
    cover: FileRef | None
    files: list[FileRef]
    roles: list[Role]
    department_ids: list[UUID]
    people: list[NamedPerson]
    ends_at: datetime | None
    remind_minutes: int | None
    announced_at: datetime | None
    reminded_at: datetime | None
    staff: int


class VersionView(BaseModel):
    """One wording; `changed` names what differs from the one before."""

    version: int
    changed_at: datetime
    changed_by: str
    changed: list[str]
    title: str
    text: str


class ReaderView(BaseModel):
    """One of the staff whom an announcement is for. `outdated`: read before it was changed."""

    user_id: UUID
    name: str
    departments: list[str]
    read_at: datetime | None
    confirmed_at: datetime | None
    outdated: bool


class AnnouncementItem(BaseModel):
    """An announcement in the list of somebody whom it is for. `fresh`: it deserves a mark."""

    id: UUID
    kind: Kind
    kind_label: str
    title: str
    summary: str
    cover: FileRef | None
    pinned: bool
    published_at: datetime
    starts_at: datetime | None
    ends_at: datetime | None
    place: str
    read: bool
    fresh: bool
    confirm: bool
    confirmed_at: datetime | None


class AnnouncementView(AnnouncementItem):
    """An announcement in full. `changed_at`: when its wording changed after it had appeared."""

    blocks: list[BlockView]
    files: list[FileRef]
    changed_at: datetime | None


class OpenCount(BaseModel):
    """How many announcements wait to be read or confirmed."""

    unread: int
