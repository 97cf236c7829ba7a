"""Shapes of the access API."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field, StringConstraints

from core.access import Policy, Scope
from core.access.emergencies import SHORTEST_REASON
from core.identity.roles import Role

Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
Note = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=40)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500)]
Page = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,59}$")]
Word = Annotated[str, StringConstraints(min_length=1, max_length=60)]


class PersonView(BaseModel):
    id: UUID
    name: str


class RoleRef(BaseModel):
    """A base role, or an own role (`id`) derived from it."""

    role: Role
    id: UUID | None
    name: str


# ---- the caller ------------------------------------------------------------------------------


class Mine(BaseModel):
    """What the caller is shown and may do; `pages` null: every page of the role."""

    pages: list[str] | None
    permissions: dict[str, Scope]


class StandingView(BaseModel):
    """A permission that can be asked for; `until` null while held: it comes with the role."""

    permission: str
    title: str
    held: bool
    until: datetime | None


class PermitView(BaseModel):
    """An application for a permission."""

    id: UUID
    user: PersonView
    role: Role
    permission: str
    title: str
    reason: str
    days: int
    asked_at: datetime
    state: Literal["pending", "granted", "refused", "withdrawn", "revoked", "expired"]
    decided_by: PersonView | None
    decided_at: datetime | None
    note: str
    starts_at: datetime | None
    ends_at: datetime | None


class MyPermissions(BaseModel):
    standings: list[StandingView]
    applications: list[PermitView]


class AskPermission(BaseModel):
    permission: Word
    reason: Reason
    days: int = Field(30, ge=1, le=730)


class DecidePermit(BaseModel):
    granted: bool
    days: int | None = Field(None, ge=1, le=730)
    note: Note = ""


class GiveNote(BaseModel):
    note: Note = ""


# ---- the matrix ------------------------------------------------------------------------------


class Choice(BaseModel):
    value: str
    label: str


class FieldChoice(BaseModel):
    """A field that may be withheld; `maskable` false: hiding only."""

    path: str
    title: str
    maskable: bool


class ActionView(BaseModel):
    key: str
    title: str
    roles: list[Role]
    delegable: bool
    on_request: bool


class ResourceView(BaseModel):
    key: str
    title: str
    area: str
    actions: list[ActionView]
    fields: list[FieldChoice]
    filters: list[Choice]


class PolicyView(BaseModel):
    scope: Scope
    filters: list[str] = Field(default_factory=list, max_length=20)
    hidden: list[str] = Field(default_factory=list, max_length=100)
    masked: list[str] = Field(default_factory=list, max_length=100)

    @classmethod
    def of(cls, policy: Policy) -> "PolicyView":
        return cls(
            scope=policy.scope,
            filters=sorted(policy.filters),
            hidden=sorted(policy.hidden),
            masked=sorted(policy.masked),
        )

    @property
    def policy(self) -> Policy:
        hidden = frozenset(self.hidden)
        return Policy(self.scope, frozenset(self.filters), hidden, frozenset(self.masked) - hidden)


class CellView(BaseModel):
    """A cell of the matrix. `standard` is what holds without anything stored for it; `fixed`
    says that nobody can narrow it, `changed` that it differs from the standard.
    """

    role: Role
    role_id: UUID | None
    resource: str
    action: str
    policy: PolicyView
    standard: PolicyView
    source: Literal["default", "group", "hospital", "role"]
    scopes: list[Scope]
    fixed: bool
    changed: bool
    pending: bool


class Matrix(BaseModel):
    """Everything that the screen needs; `may` says what the caller may do with it."""

    scopes: list[Choice]
    roles: list[RoleRef]
    resources: list[ResourceView]
    cells: list[CellView]
    may_propose: bool
    may_confirm: bool


class WantedCell(BaseModel):
    """A cell as it shall be; `policy` null: back to what holds without it."""

    role: Role
    role_id: UUID | None = None
    resource: Word
    action: Word
    policy: PolicyView | None


class ProposeChange(BaseModel):
    reason: Reason
    items: list[WantedCell] = Field(min_length=1, max_length=200)


class ChangeItemView(BaseModel):
    """One line of the diff, with the words of the screen."""

    role: RoleRef
    resource: str
    resource_title: str
    action: str
    action_title: str
    before: PolicyView | None
    after: PolicyView | None


class ChangeView(BaseModel):
    id: UUID
    state: Literal["pending", "confirmed", "refused", "withdrawn", "expired"]
    reason: str
    requested_by: PersonView
    requested_at: datetime
    expires_at: datetime
    decided_by: PersonView | None
    decided_at: datetime | None
    note: str
    items: list[ChangeItemView]
    mine: bool


# ---- own roles and menus ---------------------------------------------------------------------


class OwnRoleView(BaseModel):
    """An own role; `own` false: it belongs to the group and is changed there."""

    id: UUID
    base: Role
    name: str
    description: str
    own: bool
    holders: int
    policies: int
    changed_at: datetime


class NewRole(BaseModel):
    base: Role
    name: Name
    description: Text = ""


class EditRole(BaseModel):
    name: Name
    description: Text = ""


class CopyRole(BaseModel):
    name: Name


class MenuView(BaseModel):
    role: Role
    role_id: UUID | None
    pages: list[str]


class SetMenu(BaseModel):
    role: Role
    role_id: UUID | None = None
    pages: list[Page] | None = Field(max_length=100)


class StaffRoleView(BaseModel):
    """One role of a colleague, and as which own role it is held."""

    user: PersonView
    role: Role
    department: str | None
    access_role: RoleRef | None


class AssignRole(BaseModel):
    role: Role
    role_id: UUID | None


# ---- delegation ------------------------------------------------------------------------------


class ReceiverView(BaseModel):
    id: UUID
    name: str
    department: str


class DelegationOptions(BaseModel):
    """To whom, and what, the caller may delegate."""

    receivers: list[ReceiverView]
    actions: list[Choice]
    most_days: int


class GiveDelegation(BaseModel):
    receiver_id: UUID
    actions: list[Word] = Field(min_length=1, max_length=50)
    starts_at: AwareDatetime
    ends_at: AwareDatetime
    reason: Reason


class DelegationView(BaseModel):
    id: UUID
    giver: PersonView
    receiver: PersonView
    department: str
    role: Role
    actions: list[Choice]
    reason: str
    starts_at: datetime
    ends_at: datetime
    state: Literal["coming", "running", "over", "ended"]
    ended_by: PersonView | None


# ---- break-glass -----------------------------------------------------------------------------


class FindPatient(BaseModel):
    """Exactly this name with exactly this certificate or card number."""

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=50)]
    number: Annotated[str, StringConstraints(strip_whitespace=True, min_length=4, max_length=30)]


class FoundPatient(BaseModel):
    """Enough to know that it is the right person, and no more."""

    id: UUID
    name_masked: str
    sex: str
    age_text: str


class OpenEmergency(FindPatient):
    category: Literal["life_threat", "handover", "drug_reaction", "public_health", "other"]
    reason: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=SHORTEST_REASON, max_length=500),
    ]


class EmergencyView(BaseModel):
    id: UUID
    user: PersonView
    role: Role
    patient_id: UUID
    patient: str
    category: str
    category_title: str
    reason: str
    opened_at: datetime
    ends_at: datetime
    closed_at: datetime | None
    open: bool
    looks: int
    verdict: Literal["justified", "unjustified"] | None
    reviewed_by: PersonView | None
    reviewed_at: datetime | None
    note: str | None


class ReviewEmergency(BaseModel):
    justified: bool
    note: Reason
