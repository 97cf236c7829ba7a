"""Shapes of the audit's answers."""

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, StringConstraints

from core.audit.access import Listed, Sealing
from core.audit.categories import Category, category_of
from core.identity.roles import Role


class ActorView(BaseModel):
    id: UUID
    name: str


class SealView(BaseModel):
    """The block of the chain that holds an entry, and whether an anchor knows that block."""

    block: int
    sealed_at: datetime
    anchored: bool


class AuditView(BaseModel):
    """One entry; `user` is null for what the system did by itself.

    `changes` is `{column: [before, after]}`, personal values masked; null stands for a sensitive
    value of which only the change is recorded.
    """

    id: UUID
    at: datetime
    category: Category
    hospital: str | None
    user: ActorView | None
    role: Role | None
    action: str
    object_type: str
    object_id: str
    patient_id: UUID | None
    detail: dict[str, Any]
    reason: str | None
    changes: dict[str, list[Any] | None] | None
    request_id: str
    address: str
    seal: SealView | None


class DayView(BaseModel):
    """How many entries of each heading one day of the hospital has."""

    day: date
    counts: dict[Category, int]


class CheckView(BaseModel):
    """A run of the checker; `done` and `total` count rows, `total` is an estimate."""

    id: UUID
    origin: str
    started_by: ActorView | None
    started_at: datetime
    finished_at: datetime | None
    stage: str
    done: int
    total: int
    found: int


class FindingView(BaseModel):
    """Something that is not as it was written."""

    id: UUID
    kind: str
    label: str
    table: str
    row_id: str
    words: str
    found_at: datetime
    last_seen_at: datetime
    explained_at: datetime | None
    explained_by: ActorView | None
    explanation: str | None


class AnchorView(BaseModel):
    name: str
    block: int
    anchored_at: datetime


class IntegrityView(BaseModel):
    """How it stands with integrity: chain, anchors, last check, what is wrong."""

    protected_tables: int
    blocks: int
    sealed_rows: int
    unsealed_rows: int
    sealed_at: datetime | None
    anchors: list[AnchorView]
    check: CheckView | None
    findings: list[FindingView]


class Explanation(BaseModel):
    """Why something is not as it was written, and what was done about it."""

    words: Annotated[str, StringConstraints(strip_whitespace=True, min_length=5, max_length=1000)]


def audit_view(listed: Listed, sealing: Sealing | None) -> AuditView:
    entry = listed.entry
    return AuditView(
        id=entry.id,
        at=entry.at,
        category=category_of(entry.action),
        hospital=listed.hospital,
        user=ActorView(id=entry.user_id, name=listed.name or "") if entry.user_id else None,
        role=Role(entry.role) if entry.role else None,
        action=entry.action,
        object_type=entry.object_type,
        object_id=entry.object_id,
        patient_id=entry.patient_id,
        detail=entry.detail,
        reason=entry.reason,
        changes=entry.changes,
        request_id=entry.request_id,
        address=entry.address,
        seal=SealView(block=sealing.block, sealed_at=sealing.sealed_at, anchored=sealing.anchored)
        if sealing
        else None,
    )
