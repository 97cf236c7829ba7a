"""Writing the audit: in the same transaction as what it records."""

from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson

from core.audit.changes import Changes
from core.audit.models import AuditEntry
from core.ids import new_id
from core.origin import current_origin

if TYPE_CHECKING:
    from core.identity.caller import Caller
    from core.uow import UnitOfWork


async def record(
    uow: "UnitOfWork",
    caller: "Caller | None",
    action: str,
    object_type: str,
    object_id: UUID | str,
    patient_id: UUID | None = None,
    detail: dict[str, Any] | None = None,
    *,
    reason: str | None = None,
    changes: Changes | None = None,
    hospital_id: UUID | None = None,
    user_id: UUID | None = None,
) -> None:
    """Append one entry; it commits or rolls back with the change that it records.

    `action` is `<object>.<verb>` (`prescription.revoke`); `core.audit.categories` says under which
    heading it is listed. Without a caller (a job, a login under way) give `hospital_id` and, where
    known, `user_id`. `detail` is JSON; ids and times are taken as text. `reason` is why, in the
    words of whoever did it; `changes` comes from `changes_of`.
    """
    origin = current_origin()
    entry = AuditEntry(
        id=new_id(),
        at=uow.now,
        hospital_id=caller.hospital_id if caller else hospital_id,
        user_id=caller.user_id if caller else user_id,
        role=caller.role.value if caller else None,
        session_id=caller.session_id if caller else None,
        action=action,
        object_type=object_type,
        object_id=str(object_id),
        patient_id=patient_id,
        # What is read back from the column is what the MAC is made over.
        detail=orjson.loads(orjson.dumps(detail or {}, default=str)),
        reason=reason or None,
        changes=orjson.loads(orjson.dumps(changes, default=str)) if changes else None,
        request_id=origin.request_id,
        address=origin.address,
    )
    uow.session.add(entry)


async def look(
    uow: "UnitOfWork",
    caller: "Caller",
    object_type: str,
    object_id: UUID | str,
    patient_id: UUID | None = None,
    detail: dict[str, Any] | None = None,
) -> None:
    """Record that staff looked at something sensitive; a patient's own look is not recorded."""
    if caller.is_staff:
        await record(uow, caller, f"{object_type}.look", object_type, object_id, patient_id, detail)
