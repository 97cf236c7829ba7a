"""Who may read the audit: supervisors and administrators, of their own hospital."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import select, tuple_

from core.audit.models import AuditEntry
from core.identity.models import User

if TYPE_CHECKING:
    from core.identity.caller import Caller
    from core.uow import UnitOfWork


@dataclass(frozen=True, kw_only=True)
class AuditFilter:
    """What to list; `until` is exclusive."""

    user_id: UUID | None = None
    patient_id: UUID | None = None
    action: str | None = None
    object_type: str | None = None
    object_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None


async def entries(
    uow: "UnitOfWork",
    caller: "Caller",
    wanted: AuditFilter,
    before: tuple[datetime, UUID] | None,
    limit: int,
) -> list[tuple[AuditEntry, str | None]]:
    """Entries of the caller's hospital with the user's name, newest first."""
    query = (
        select(AuditEntry, User.name)
        .outerjoin(User, User.id == AuditEntry.user_id)
        .where(AuditEntry.hospital_id == caller.hospital_id)
        .order_by(AuditEntry.at.desc(), AuditEntry.id.desc())
        .limit(limit)
    )
    for name in ("user_id", "patient_id", "action", "object_type", "object_id"):
        value = getattr(wanted, name)
        if value is not None:
            query = query.where(getattr(AuditEntry, name) == value)
    if wanted.since is not None:
        query = query.where(AuditEntry.at >= wanted.since)
    if wanted.until is not None:
        query = query.where(AuditEntry.at < wanted.until)
    if before is not None:
        query = query.where(tuple_(AuditEntry.at, AuditEntry.id) < before)
    return [(entry, name) for entry, name in await uow.session.execute(query)]
