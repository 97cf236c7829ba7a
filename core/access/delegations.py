"""The verbs of delegation: hand permissions to a colleague for a time, and end it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from core import audit, settings
from core.access import access
from core.access.book import changed
from core.access.engine import own_permissions, require
from core.access.errors import DelegationRefused
from core.access.events import DelegationEnded, DelegationGiven
from core.access.models import AccessDelegation
from core.access.own import DELEGATION
from core.access.settings import DELEGATION_DAYS
from core.access.vocabulary import Scope
from core.errors import FieldProblem
from core.ids import new_id

if TYPE_CHECKING:
    from core.identity.caller import Caller
    from core.identity.models import Department, User
    from core.uow import UnitOfWork

#: A start a little in the past is a slow clock, not a mistake.
SLACK = timedelta(minutes=5)


async def receivers(uow: "UnitOfWork", caller: "Caller") -> "list[tuple[User, Department]]":
    """To whom the caller may hand permissions. Raises NotPermitted."""
    allowed = await require(uow, caller, DELEGATION, "give")
    wide = Scope.HOSPITAL in allowed.scopes
    return await access.colleagues(uow, caller, None if wide else caller.department_ids)


async def give(
    uow: "UnitOfWork",
    caller: "Caller",
    receiver_id: UUID,
    actions: Sequence[str],
    starts_at: datetime,
    ends_at: datetime,
    reason: str,
) -> AccessDelegation:
    """Hand some of the own permissions to a colleague.

    `actions` are names like `consultation.read`. Raises NotPermitted, DelegationRefused with what
    is wrong.
    """
    possible = {user.id: place for user, place in await receivers(uow, caller)}
    days = await settings.get(uow, DELEGATION_DAYS, hospital_id=caller.hospital_id)
    mine = await own_permissions(uow, caller)
    problems = []
    if receiver_id not in possible:
        problems.append(FieldProblem("receiver_id", "只能委托给本科室同一身份的同事"))
    if not actions or set(actions) - mine:
        problems.append(FieldProblem("actions", "只能委托自己现有的、可以委托的权限"))
    if starts_at < uow.now - SLACK or ends_at <= max(starts_at, uow.now):
        problems.append(FieldProblem("ends_at", "请选择将来的时间段"))
    elif ends_at - starts_at > timedelta(days=days):
        problems.append(FieldProblem("ends_at", f"委托最长 {days} 天"))
    if problems:
        raise DelegationRefused(fields=problems)
    row = AccessDelegation(
        id=new_id(),
        hospital_id=caller.hospital_id,
        department_id=possible[receiver_id].id,
        role=caller.role,
        giver_id=caller.user_id,
        receiver_id=receiver_id,
        actions=sorted(set(actions)),
        reason=reason,
        starts_at=starts_at,
        ends_at=ends_at,
        created_at=uow.now,
    )
    uow.session.add(row)
    await _audit(uow, caller, row, "give")
    uow.record(
        DelegationGiven(
            hospital_id=row.hospital_id,
            aggregate_id=row.id,
            occurred_at=uow.now,
            giver_id=row.giver_id,
            receiver_id=row.receiver_id,
        )
    )
    changed(uow)
    return row


async def end(uow: "UnitOfWork", caller: "Caller", delegation_id: UUID) -> AccessDelegation:
    """End a delegation early: giver, receiver, or an officer. Again is the same.

    Raises NotFound, NotPermitted.
    """
    row = await access.delegation_for(uow, caller, delegation_id)
    if caller.user_id not in (row.giver_id, row.receiver_id):
        await require(uow, caller, DELEGATION, "end")
    if row.revoked_at is not None or row.ends_at <= uow.now:
        return row
    row.revoked_at, row.revoked_by = uow.now, caller.user_id
    await _audit(uow, caller, row, "end")
    uow.record(
        DelegationEnded(
            hospital_id=row.hospital_id,
            aggregate_id=row.id,
            occurred_at=uow.now,
            giver_id=row.giver_id,
            receiver_id=row.receiver_id,
            by=caller.user_id,
        )
    )
    changed(uow)
    return row


async def _audit(uow: "UnitOfWork", caller: "Caller", row: AccessDelegation, verb: str) -> None:
    await audit.record(
        uow,
        caller,
        f"delegation.{verb}",
        "delegation",
        row.id,
        detail={
            "giver": row.giver_id,
            "receiver": row.receiver_id,
            "actions": row.actions,
            "from": row.starts_at,
            "to": row.ends_at,
            "reason": row.reason,
        },
    )
