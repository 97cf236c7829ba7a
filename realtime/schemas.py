"""Shapes on the wire: what rooms, messages and inbox items look like to a client."""

import math
import re
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
)

from core.files.schemas import FileLink
from core.identity.roles import Role
from realtime import rules
from realtime.notices import Category
from realtime.rules import MessageKind

Presence = Literal["online", "offline", "busy"]


class Strict(BaseModel):
    """A payload from a client: unknown fields are refused, strings are not guessed into numbers."""

    model_config = ConfigDict(extra="forbid", strict=False, frozen=True)


class MemberView(BaseModel):
    user_id: UUID
    name: str
    role: Role
    avatar: str | None
    state: Literal["joined", "left"]
    presence: Presence
    read_seq: int
    delivered_seq: int


class Subject(BaseModel):
    """What the room is about: its title and, for a consultation, which one."""

    title: str
    consultation_id: UUID | None


class MyPlace(BaseModel):
    """The caller's own place. A silent observer has read nothing and may not send."""

    user_id: UUID
    read_seq: int
    may_send: bool


class RoomView(BaseModel):
    id: UUID
    kind: str
    state: Literal["waiting", "active", "closed"]
    close_reason: str | None
    seq: int
    subject: Subject
    recording: Literal["required", "refused", "ask"]
    #: Who leads the room: the treating doctor, who made the group, the agent.
    lead_id: UUID | None
    members: list[MemberView]
    me: MyPlace


class SenderView(BaseModel):
    user_id: UUID
    name: str
    role: Role


class MessageView(BaseModel):
    """One entry of a room's log. `sender` is None for what the house says (kind `system`)."""

    room: UUID
    seq: int
    id: UUID
    kind: MessageKind
    sender: SenderView | None
    client_id: UUID | None
    body: dict[str, Any]
    reply_to: int | None
    at: datetime
    recalled: bool


class ReadRecalled(Strict):
    """Why somebody reads what was taken back."""

    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=2, max_length=500)]


class RecalledView(BaseModel):
    """A recalled message as it was; `preview` is the small picture of a picture or video, `link`
    opens a file for this auditor's session for a while.
    """

    room: UUID
    seq: int
    kind: MessageKind
    sender: SenderView | None
    body: dict[str, Any]
    at: datetime
    recalled_at: datetime
    preview: str | None
    link: FileLink | None


class MessagePage(BaseModel):
    """Entries in the order of `seq`; `has_more` in the direction that was asked for."""

    messages: list[MessageView]
    has_more: bool


class Fragment(BaseModel):
    """A piece of a found text; `hit`: it is what was looked for."""

    text: str
    hit: bool


class Hit(BaseModel):
    """A message that was found, in which room, and the part of its text around the first hit."""

    subject: Subject
    state: Literal["waiting", "active", "closed"]
    message: MessageView
    fragments: list[Fragment]


class SearchPage(BaseModel):
    """Hits, newest rooms first. `looked` of `total` entries have been passed; go on with `next`."""

    items: list[Hit]
    next: str | None
    looked: int
    total: int


class TranscriptView(BaseModel):
    """A transcript and how far it is: `done` of `total` entries. `digest` is SM3, hexadecimal."""

    id: UUID
    room: UUID
    number: str
    state: Literal["waiting", "running", "ready", "failed", "expired"]
    done: int
    total: int
    created_at: datetime
    expires_at: datetime | None
    digest: str | None


class TranscriptLinks(BaseModel):
    json_url: str
    pdf_url: str
    expires_at: datetime


class TranscriptCheck(BaseModel):
    """What is known of a file that claims to be a transcript.

    `intact`: the hospital made exactly this. `number` and the rest are None for an unknown one.
    """

    digest: str
    intact: bool
    number: str | None
    made_at: datetime | None
    entries: int | None


class MyRoom(BaseModel):
    room: RoomView
    last_message: MessageView | None
    unread: int


class InboxRef(BaseModel):
    type: str
    id: str


class InboxItem(BaseModel):
    """One item. `silent`: its owner has switched the category off, so nothing rings."""

    id: int
    type: str
    category: str
    title: str
    text: str
    ref: InboxRef | None
    at: datetime
    read: bool
    silent: bool = False


class InboxPage(BaseModel):
    """Items after the cursor asked for; ask again with `cursor` until it no longer moves."""

    items: list[InboxItem]
    unread: int
    cursor: int


class ReadInbox(Strict):
    up_to: int = Field(ge=0)


class ReadCategory(Strict):
    """`category` None: everything."""

    category: Category | None = None


class CategoryCount(BaseModel):
    category: Category
    label: str
    count: int
    unread: int


class InboxCounts(BaseModel):
    """How many items there are by category; only categories that have any."""

    unread: int
    categories: list[CategoryCount]


# ---- members ------------------------------------------------------------------------------------


class ColleagueView(BaseModel):
    """Somebody of the hospital in one role; `last_seen` is None while he is online."""

    user_id: UUID
    name: str
    avatar: str | None
    role: Role
    title: str
    department_id: UUID | None
    department: str | None
    presence: Presence
    last_seen: datetime | None


class RoomPerson(Strict):
    user_id: UUID
    role: Role


class GiveWords(Strict):
    """A reason in somebody's own words."""

    reason: str = Field("", max_length=200)


class InvitePeople(GiveWords):
    people: list[RoomPerson] = Field(min_length=1, max_length=rules.MAX_MEMBERS)


class HandOverRoom(GiveWords):
    to: RoomPerson


class NewGroup(Strict):
    title: str = Field(min_length=1, max_length=40)
    people: list[RoomPerson] = Field(min_length=1, max_length=rules.MAX_MEMBERS)


# ---- bodies of messages that clients send ---------------------------------------------------


def _not_blank(value: str) -> str:
    if not value.strip():
        raise ValueError("内容不能为空")
    return value


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError("坐标无效")
    return value


Code = Annotated[str, Field(pattern=re.compile(r"^[a-z0-9_.-]{1,64}$"))]


class TextBody(Strict):
    text: Annotated[str, Field(max_length=rules.MAX_TEXT), AfterValidator(_not_blank)]


class FileHandle(BaseModel):
    """The upload that a message carries: only its `id` counts, the server looks up the rest."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: UUID


class FileBody(Strict):
    file: FileHandle
    caption: str | None = Field(None, max_length=rules.MAX_CAPTION)


class StickerBody(Strict):
    code: Code


class LocationBody(Strict):
    """A place: WGS 84 in degrees, and what people call it."""

    lat: Annotated[float, Field(ge=-90, le=90), AfterValidator(_finite)]
    lng: Annotated[float, Field(ge=-180, le=180), AfterValidator(_finite)]
    name: str = Field("", max_length=200)
    address: str | None = Field(None, max_length=200)


class CardBody(Strict):
    type: Code
    ref: Annotated[str, Field(min_length=1, max_length=64)]
    title: Annotated[str, Field(max_length=200), AfterValidator(_not_blank)]
    summary: str | None = Field(None, max_length=500)


Body = TextBody | FileBody | StickerBody | LocationBody | CardBody

BODIES: dict[MessageKind, type[Body]] = {
    MessageKind.TEXT: TextBody,
    MessageKind.IMAGE: FileBody,
    MessageKind.VOICE: FileBody,
    MessageKind.VIDEO: FileBody,
    MessageKind.FILE: FileBody,
    MessageKind.STICKER: StickerBody,
    MessageKind.LOCATION: LocationBody,
    MessageKind.CARD: CardBody,
}

# ---- payloads of socket events --------------------------------------------------------------

Seq = Annotated[int, Field(ge=1, le=2**53)]
Cursor = Annotated[int, Field(ge=0, le=2**53)]


class JoinRoom(Strict):
    """`after`: the last `seq` that the client has; None asks for the newest page instead."""

    room: UUID
    after: Cursor | None = None


class RoomOnly(Strict):
    room: UUID


class SendMessage(Strict):
    room: UUID
    client_id: UUID
    kind: MessageKind
    body: dict[str, Any]
    reply_to: Seq | None = None

    @field_validator("kind")
    @classmethod
    def _not_system(cls, kind: MessageKind) -> MessageKind:
        if kind is MessageKind.SYSTEM:
            raise ValueError("系统消息不能由用户发送")
        return kind


class FetchMessages(Strict):
    room: UUID
    after: Cursor | None = None
    before: Seq | None = None
    limit: int = Field(rules.PAGE_DEFAULT, ge=1, le=rules.PAGE_MAX)


class PointAt(Strict):
    room: UUID
    seq: Seq


class WatchPresence(Strict):
    users: list[UUID] = Field(max_length=500)


class RenewSession(Strict):
    token: str = Field(min_length=1, max_length=4096)
