"""The verbs of permissions on request: ask, withdraw, decide, take back."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from core import audit, settings
from core.access import access
from core.access.book import BookCache, changed
from core.access.engine import require, sources_of
from core.access.errors import OwnRequest, PermitClosed, PermitPending, PolicyInvalid
from core.access.events import PermitAsked, PermitDecided
from core.access.models import AccessPermit
from core.access.own import PERMIT
from core.access.registry import declared
from core.access.settings import PERMIT_DAYS
from core.errors import FieldProblem
from core.ids import new_id

if TYPE_CHECKING:
    from core.identity.caller import Caller
    from core.uow import UnitOfWork

PENDING, GRANTED, REFUSED = "pending", "granted", "refused"
WITHDRAWN, REVOKED, EXPIRED = "withdrawn", "revoked", "expired"


@dataclass(frozen=True)
class Standing:
    """How the caller stands with a permission that can be asked for; `until` None: by the role."""

    permission: str
    title: str
    held: bool
    until: datetime | None


def state_of(row: AccessPermit, now: datetime) -> str:
    """The state, with what has run out by itself."""
    over = row.state == GRANTED and row.ends_at is not None and row.ends_at <= now
    return EXPIRED if over else row.state


async def standings(uow: "UnitOfWork", caller: "Caller") -> list[Standing]:
    """Every permission that the caller could ask for, and whether he holds it."""
    book = await BookCache.of(uow.runtime).read(uow)
    holder = (caller.user_id, caller.hospital_id, caller.role)
    found = []
    for resource in declared():
        for name, action in resource.actions.items():
            if action.on_request is None or caller.role not in action.roles:
                continue
            permission = f"{resource.key}.{name}"
            reasons = sources_of(book, uow.now, caller, resource, name)
            ends = [
                permit.ends_at
                for permit in book.permits.get(holder, ())
                if permit.permission == permission and permit.starts_at <= uow.now < permit.ends_at
            ]
            by_role = len(reasons) > len(ends)
            found.append(
                Standing(
                    permission=permission,
                    title=f"{resource.title} · {action.title}",
                    held=bool(reasons),
                    until=None if by_role or not ends else max(ends),
                )
            )
    return found


async def ask(
    uow: "UnitOfWork", caller: "Caller", permission: str, reason: str, days: int
) -> AccessPermit:
    """Ask for a permission. Raises PolicyInvalid, PermitPending."""
    known = {each.permission: each for each in await standings(uow, caller)}
    most = await settings.get(uow, PERMIT_DAYS, hospital_id=caller.hospital_id)
    if permission not in known:
        raise PolicyInvalid(fields=[FieldProblem("permission", "没有可以申请的这项权限")])
    if days > most:
        raise PolicyInvalid(fields=[FieldProblem("days", f"最长 {most} 天")])
    if known[permission].held and known[permission].until is None:
        raise PolicyInvalid(fields=[FieldProblem("permission", "您已经持有这项权限")])
    await access.hold(uow, caller.user_id)
    waiting = [each for each in await access.own_permits(uow, caller) if each.state == PENDING]
    if any(each.permission == permission for each in waiting):
        raise PermitPending()
    row = AccessPermit(
        id=new_id(),
        hospital_id=caller.hospital_id,
        user_id=caller.user_id,
        role=caller.role,
        permission=permission,
        reason=reason,
        days=days,
        asked_at=uow.now,
        state=PENDING,
    )
    uow.session.add(row)
    await _audit(uow, caller, row, "ask")
    uow.record(
        PermitAsked(
            hospital_id=row.hospital_id,
            aggregate_id=row.id,
            occurred_at=uow.now,
            user_id=row.user_id,
            permission=row.permission,
        )
    )
    return row


async def withdraw(uow: "UnitOfWork", caller: "Caller", permit_id: UUID) -> AccessPermit:
    """Take back what one asked for. Raises NotFound, PermitClosed."""
    row = await access.permit_for(uow, caller, permit_id, own=True)
    if row.state != PENDING:
        raise PermitClosed()
    row.state, row.decided_at, row.decided_by = WITHDRAWN, uow.now, caller.user_id
    await _audit(uow, caller, row, "withdraw")
    return row


async def decide(
    uow: "UnitOfWork",
    caller: "Caller",
    permit_id: UUID,
    *,
    granted: bool,
    days: int | None,
    note: str,
) -> AccessPermit:
    """Grant for some days, or refuse. Raises NotFound, OwnRequest, PermitClosed."""
    row = await _of_another(uow, caller, permit_id)
    if row.state != PENDING:
        raise PermitClosed()
    row.decided_by, row.decided_at, row.note = caller.user_id, uow.now, note
    row.state = GRANTED if granted else REFUSED
    if granted:
        most = await settings.get(uow, PERMIT_DAYS, hospital_id=caller.hospital_id)
        row.days = min(days or row.days, most)
        row.starts_at, row.ends_at = uow.now, uow.now + timedelta(days=row.days)
    await _decided(uow, caller, row, "grant" if granted else "refuse")
    return row


async def revoke(uow: "UnitOfWork", caller: "Caller", permit_id: UUID, note: str) -> AccessPermit:
    """Take a granted permission back. Raises NotFound, OwnRequest, PermitClosed."""
    row = await _of_another(uow, caller, permit_id)
    if state_of(row, uow.now) != GRANTED:
        raise PermitClosed()
    row.state, row.ends_at, row.note = REVOKED, uow.now, note
    row.decided_by, row.decided_at = caller.user_id, uow.now
    await _decided(uow, caller, row, "revoke")
    return row


async def _of_another(uow: "UnitOfWork", caller: "Caller", permit_id: UUID) -> AccessPermit:
    await require(uow, caller, PERMIT, "decide")
    row = await access.permit_for(uow, caller, permit_id)
    if row.user_id == caller.user_id:
        raise OwnRequest()
    return row


async def _decided(uow: "UnitOfWork", caller: "Caller", row: AccessPermit, verb: str) -> None:
    await _audit(uow, caller, row, verb)
    uow.record(
        PermitDecided(
            hospital_id=row.hospital_id,
            aggregate_id=row.id,
            occurred_at=uow.now,
            user_id=row.user_id,
            permission=row.permission,
            state=row.state,
        )
    )
    changed(uow)


async def _audit(uow: "UnitOfWork", caller: "Caller", row: AccessPermit, verb: str) -> None:
    await audit.record(
        uow,
        caller,
        f"permit.{verb}",
        "permit",
        row.id,
        detail={
            "user": row.user_id,
            "permission": row.permission,
            "days": row.days,
            "reason": row.reason,
            "note": row.note,
        },
    )
