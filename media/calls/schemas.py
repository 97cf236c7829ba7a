"""Shapes of calls on the wire."""

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from core.identity.roles import Role
from media.calls.rules import CallMedia, CallState, EndReason, Moderation, Place
from realtime.schemas import Strict


class ParticipantView(BaseModel):
    """`device` is the one that he talks on; audio and video say whether he is unmuted, `screen`
    whether he shares his screen. `on_stage` and `hand_at` matter in lectures: whether he may send,
    and since when he holds up his hand.
    """

    user_id: UUID
    name: str
    role: Role
    state: Place
    device: str | None
    audio: bool
    video: bool
    screen: bool
    on_stage: bool
    hand_at: datetime | None


class CallView(BaseModel):
    """Of a lecture everybody sees the stage, the hands and himself; its teacher sees everybody.
    `viewers` counts those who only watch (None: no lecture). `moderators` silence others, put them
    out and end it for everybody. `asks_recording`: it rings, and is answered only after the patient
    agreed to be recorded.
    """

    id: UUID
    room: UUID
    media: CallMedia
    state: CallState
    started_by: UUID
    started_at: datetime
    answered_at: datetime | None
    ended_at: datetime | None
    end_reason: EndReason | None
    recording: bool
    asks_recording: bool
    lecture: bool
    viewers: int | None
    moderators: list[UUID]
    participants: list[ParticipantView]


class QualityView(BaseModel):
    """A participant's connection in one minute: the worst level (1 is bad, 4 good) and what to say
    of it, means of round trip, loss (0..1), jitter and received bit/s, seconds of paused pictures,
    how often pictures stood still and for how many seconds altogether.
    """

    user_id: UUID
    at: datetime
    worst: int
    warning: str | None
    rtt_ms: int | None
    loss: float
    jitter_ms: int
    bitrate: int
    paused_seconds: int
    freezes: int
    frozen_seconds: float


class CallFigures(BaseModel):
    """An answered call: the worst level of anybody's connection, means over everybody, sums of
    what stood still. `connect_ms` is how long the slowest took from joining to media; figures that
    were never measured are null. `staff` are names; patients are not named.
    """

    id: UUID
    room: UUID
    media: str
    started_at: datetime
    seconds: int | None
    people: int
    staff: list[str]
    worst: int | None
    connect_ms: int | None
    loss: float | None
    rtt_ms: int | None
    jitter_ms: int | None
    bitrate: int | None
    paused_seconds: int
    freezes: int
    frozen_seconds: float


class ReportDay(BaseModel):
    """`poor` calls are those in which somebody's connection was bad for a while (level 1 or 2)."""

    day: date
    calls: int
    poor: int
    loss: float | None
    rtt_ms: int | None
    connect_ms_p95: int | None


class CallTotals(BaseModel):
    calls: int
    poor: int
    days: list[ReportDay]


class PersonFigures(BaseModel):
    """`name` of staff alone."""

    user_id: UUID
    role: Role
    name: str | None
    connect_ms: int | None


class CallReport(BaseModel):
    """One call, minute by minute."""

    id: UUID
    room: UUID
    media: str
    started_at: datetime
    answered_at: datetime
    ended_at: datetime | None
    people: list[PersonFigures]
    minutes: list[QualityView]


class CallAnswer(BaseModel):
    """The answer to a verb that leads to a PeerConnection; the offer follows as `call:offer`.

    `ice_servers` are for the caller alone, and hold for a while only.
    """

    call: CallView
    ice_servers: list[dict[str, Any]] = []


Session = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,64}$")]


class StartCall(Strict):
    room: UUID
    media: CallMedia = CallMedia.VIDEO
    lecture: bool = False


class AcceptCall(Strict):
    """`device` is shown for the record; the socket's own device counts."""

    call: UUID
    device: str | None = Field(None, max_length=128)


class ObserveCall(Strict):
    room: UUID
    reason: str = Field(min_length=2, max_length=200)


class CallOnly(Strict):
    call: UUID


class ModerateCall(Strict):
    call: UUID
    user: UUID
    action: Moderation


class AnswerOffer(Strict):
    call: UUID
    session: Session
    version: int = Field(ge=1, le=2**31)
    sdp: str = Field(min_length=1, max_length=60_000)


class BeginCheck(Strict):
    """`voice` where there is no camera."""

    media: CallMedia


class CheckOffer(BaseModel):
    """The offer of a trial connection: one line for sound, one for a picture, nobody else."""

    session: str
    version: int
    sdp: str
    ice_servers: list[dict[str, Any]] = []


class CheckAnswer(Strict):
    session: Session
    version: int = Field(ge=1, le=2**31)
    sdp: str = Field(min_length=1, max_length=60_000)


class UpdateCall(Strict):
    """`join` asks for a fresh session; `restart` for a fresh path of the session that there is, and
    for a fresh session when there is none any more; `media` mutes and unmutes; `screen` begins
    (`on`) and ends the sharing of the screen; `hand` raises it and takes it down; `step_down`
    leaves the stage; `view` says on how many lines each other participant is shown (0: not at all),
    and on how many a screen; `freezes` tells how often pictures stood still lately, and for how
    long.
    """

    call: UUID
    action: Literal["join", "restart", "media", "screen", "hand", "step_down", "view", "freezes"]
    audio: bool | None = None
    video: bool | None = None
    on: bool = False
    screen: int | None = Field(None, ge=0, le=10_000)
    lines: dict[UUID, Annotated[int, Field(ge=0, le=10_000)]] = Field({}, max_length=100)
    freezes: int = Field(0, ge=0, le=1000)
    frozen_ms: int = Field(0, ge=0, le=60_000)
