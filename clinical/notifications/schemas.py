"""Shapes of notifications on the wire."""

import ipaddress
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from clinical.notifications.rules import MINUTES_A_DAY
from clinical.notifications.states import Audience, Outcome, PushState, QuietMode, Skip
from realtime.notices import Category, Channel, Kind

Words = Annotated[str, StringConstraints(max_length=200, strip_whitespace=True)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=100, strip_whitespace=True)]
Minute = Annotated[int, Field(ge=0, lt=MINUTES_A_DAY)]
RequestId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:-]{8,64}$")]


class CategoryChoice(BaseModel):
    category: Category
    label: str
    on: bool
    statutory: bool


class Subscription(BaseModel):
    """A template of the mini-program that the person may be asked to subscribe to."""

    template: str
    title: str


class Preferences(BaseModel):
    """What the caller hears of. Quiet hours are minutes of the day; `hospital_*` are its default.

    `wechat_mini` and `wechat_service` say whether the account is bound there; None: not offered.
    """

    categories: list[CategoryChoice]
    quiet_mode: QuietMode
    quiet_from: int | None
    quiet_until: int | None
    hospital_quiet_from: int
    hospital_quiet_until: int
    wechat_mini: bool | None
    wechat_service: bool | None
    subscriptions: list[Subscription]
    phone: str


class PreferencesInput(BaseModel):
    """`off` names categories; quiet hours count with the mode `own`."""

    model_config = ConfigDict(extra="forbid")

    off: list[Category] = Field(default_factory=list, max_length=20)
    quiet_mode: QuietMode = QuietMode.HOSPITAL
    quiet_from: Minute = 22 * 60
    quiet_until: Minute = 7 * 60


class ParameterView(BaseModel):
    name: str
    label: str
    kind: Kind
    inside: bool


class TemplateView(BaseModel):
    """A template in force; `version` 0 is the house's own."""

    channel: Channel
    channel_label: str
    version: int
    title: str
    body: str
    provider_template: str
    fields: dict[str, str]
    enabled: bool


class NoticeView(BaseModel):
    code: str
    title: str
    category: Category
    category_label: str
    staff: bool
    urgent: bool
    statutory: bool
    parameters: list[ParameterView]
    templates: list[TemplateView]


class TemplateInput(BaseModel):
    """A new version. `base_version` is the one that was edited."""

    model_config = ConfigDict(extra="forbid")

    base_version: int = Field(ge=0)
    title: Words = ""
    body: Words = ""
    provider_template: Annotated[str, StringConstraints(max_length=100, strip_whitespace=True)] = ""
    fields: dict[Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,30}[0-9]{0,3}$")], Words] = (
        Field(default_factory=dict, max_length=10)
    )
    enabled: bool = True


class TemplateVersion(TemplateView):
    created_at: datetime
    created_by: str


class Preview(BaseModel):
    """A template filled with sample values; `problem` says why it cannot be used."""

    title: str
    body: str
    fields: dict[str, str]
    problem: str | None


class PushView(BaseModel):
    """A push in the log. The recipient is masked."""

    id: UUID
    code: str
    title: str
    recipient: str
    state: PushState
    state_label: str
    skipped: Skip | None
    skipped_label: str | None
    channel: Channel | None
    channel_label: str | None
    created_at: datetime
    finished_at: datetime | None
    next_attempt_at: datetime | None


class AttemptView(BaseModel):
    channel: Channel
    channel_label: str
    outcome: Outcome | None
    outcome_label: str
    detail: str
    reference: str
    template_version: int
    started_at: datetime
    ended_at: datetime | None


class PushDetail(PushView):
    text: str
    phone: str
    attempts: list[AttemptView]


class PushCounts(BaseModel):
    """Pushes of the last seven days by state."""

    states: dict[PushState, int]


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text.strip(), strict=False))
    except ValueError as error:
        raise ValueError("请填写 IP 地址或网段，如 10.1.2.0/24") from error


class ApplicationPolicy(BaseModel):
    """What an application may send, to whom, from where and how often."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    enabled: bool = True
    codes: list[str] = Field(max_length=50)
    audiences: list[Audience] = Field(max_length=2)
    addresses: list[Annotated[str, AfterValidator(_network)]] = Field(
        default_factory=list, max_length=50
    )
    per_minute: int = Field(600, ge=1, le=100_000)


class ApplicationView(ApplicationPolicy):
    id: UUID
    code: str
    created_at: datetime
    changed_at: datetime


class ApplicationWithSecret(ApplicationView):
    """An application with its secret, shown this once."""

    secret: str


class NewSecret(BaseModel):
    """A secret, shown this once."""

    secret: str


# --- what applications send ----------------------------------------------------------------------


class Recipient(BaseModel):
    """Whom a message is for: `phone` of an account, `login` of staff, `id_number` of a patient.

    A patient's message reaches every account that may speak for that patient.
    """

    model_config = ConfigDict(extra="forbid")

    kind: Literal["phone", "login", "id_number"]
    value: Annotated[str, StringConstraints(min_length=1, max_length=64, strip_whitespace=True)]


class SendMessage(BaseModel):
    """A message of another system. The same `request_id` with the same content is sent once."""

    model_config = ConfigDict(extra="forbid")

    request_id: RequestId
    code: Annotated[str, StringConstraints(max_length=64)]
    recipients: list[Recipient] = Field(min_length=1, max_length=100)
    parameters: dict[str, Any] = Field(default_factory=dict, max_length=20)
    acknowledge: bool = False


class MessageStatus(BaseModel):
    """Where a message stands. `states` counts the pushes of its recipients."""

    id: UUID
    request_id: str
    code: str
    recipients: int
    states: dict[PushState, int]
    acknowledge: bool
    reminders: int
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    created_at: datetime


class ContentLine(BaseModel):
    label: str
    text: str


class MessageContent(BaseModel):
    """What another system has sent to the caller."""

    id: UUID
    title: str
    sender: str
    lines: list[ContentLine]
    created_at: datetime
    acknowledge: bool
    acknowledged_at: datetime | None
    acknowledged_by: str | None
