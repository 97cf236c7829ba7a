"""The verbs of changes: ask for one; a second person confirms or refuses; the first withdraws."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from core import audit, settings
from core.access import access
from core.access.book import changed
from core.access.engine import require
from core.access.errors import ChangeClosed, ChangeConflict, OwnRequest, PolicyInvalid
from core.access.events import ChangeDecided, ChangeRequested
from core.access.models import EVERYWHERE, AccessChange, AccessPolicy
from core.access.own import ACCESS, place_of
from core.access.registry import find
from core.access.settings import CHANGE_HOURS
from core.access.vocabulary import Policy, Scope
from core.errors import FieldProblem
from core.identity.roles import Role
from core.ids import new_id

if TYPE_CHECKING:
    from core.identity.caller import Caller
    from core.uow import UnitOfWork

PENDING, CONFIRMED, REFUSED, WITHDRAWN = "pending", "confirmed", "refused", "withdrawn"
EXPIRED = "expired"
#: Role, own role, resource, action.
Place = tuple[Role, UUID, str, str]
Plain = dict[str, Any]


@dataclass(frozen=True)
class Wanted:
    """One cell as it shall be; `policy` None: back to what holds without it."""

    role: Role
    role_id: UUID | None
    resource: str
    action: str
    policy: Policy | None

    @property
    def place(self) -> Place:
        return (self.role, self.role_id or EVERYWHERE, self.resource, self.action)


def plain(policy: Policy | None) -> Plain | None:
    """A policy as JSON, always in one order."""
    if policy is None:
        return None
    return {
        "scope": policy.scope.value,
        "filters": sorted(policy.filters),
        "hidden": sorted(policy.hidden),
        "masked": sorted(policy.masked),
    }


def read(data: Mapping[str, Any] | None) -> Policy | None:
    """The policy that `plain` wrote."""
    if data is None:
        return None
    return Policy(
        Scope(data["scope"]),
        frozenset(data["filters"]),
        frozenset(data["hidden"]),
        frozenset(data["masked"]),
    )


def state_of(row: AccessChange, now: datetime) -> str:
    """The state, with what has run out by itself."""
    return EXPIRED if row.state == PENDING and row.expires_at <= now else row.state


async def propose(
    uow: "UnitOfWork", caller: "Caller", wanted: Sequence[Wanted], reason: str
) -> AccessChange:
    """Ask for a change of policies. It takes effect when a second person confirms it.

    Cells that are as wanted already are left out. Raises NotPermitted, PolicyInvalid (with a
    problem per cell), NotFound for an own role of elsewhere.
    """
    await require(uow, caller, ACCESS, "propose")
    place = place_of(caller)
    await _check(uow, caller, wanted)
    stored = await _stored(uow, place)
    items = [
        {
            "role": each.role.value,
            "role_id": str(each.role_id) if each.role_id else None,
            "resource": each.resource,
            "action": each.action,
            "before": stored.get(each.place),
            "after": plain(each.policy),
        }
        for each in wanted
        if stored.get(each.place) != plain(each.policy)
    ]
    if not items:
        raise PolicyInvalid(fields=[FieldProblem("items", "没有任何改动")])
    hours = await settings.get(uow, CHANGE_HOURS, hospital_id=caller.hospital_id)
    row = AccessChange(
        id=new_id(),
        hospital_id=place,
        requested_by=caller.user_id,
        requested_at=uow.now,
        expires_at=uow.now + timedelta(hours=hours),
        reason=reason,
        items=items,
        state=PENDING,
    )
    uow.session.add(row)
    await _audit(uow, caller, row, "propose")
    uow.record(
        ChangeRequested(
            hospital_id=caller.hospital_id,
            aggregate_id=row.id,
            occurred_at=uow.now,
            place=place,
            by=caller.user_id,
        )
    )
    return row


async def _check(uow: "UnitOfWork", caller: "Caller", wanted: Sequence[Wanted]) -> None:
    problems: list[FieldProblem] = []
    seen: set[Place] = set()
    for index, each in enumerate(wanted):
        where = f"items.{index}"
        resource = find(each.resource)
        if resource is None or each.place in seen:
            problems.append(FieldProblem(where, "未知或重复的权限项"))
            continue
        seen.add(each.place)
        if each.policy is not None:
            problems += [
                FieldProblem(where, text)
                for text in resource.problems(each.role, each.action, each.policy)
            ]
        if each.role_id is not None:
            role = await access.role_for(uow, caller, each.role_id, own=True)
            if role.base is not each.role:
                problems.append(FieldProblem(where, "岗位角色与身份不符"))
    if problems:
        raise PolicyInvalid(fields=problems)


async def _stored(uow: "UnitOfWork", place: UUID) -> dict[Place, Plain]:
    return {
        (row.role, row.role_id, row.resource, row.action): {
            "scope": row.scope,
            "filters": row.filters,
            "hidden": row.hidden,
            "masked": row.masked,
        }
        for row in await access.policies_at(uow, place)
    }


async def confirm(uow: "UnitOfWork", caller: "Caller", change_id: UUID, note: str) -> AccessChange:
    """The second person puts a change into effect.

    Raises NotFound, OwnRequest, ChangeClosed, ChangeConflict when a cell was changed meanwhile.
    """
    row = await _open(uow, caller, change_id)
    await access.hold(uow, row.hospital_id)
    stored = await _stored(uow, row.hospital_id)
    rows = {
        (each.role, each.role_id, each.resource, each.action): each
        for each in await access.policies_at(uow, row.hospital_id)
    }
    for item in row.items:
        place = _place(item)
        if stored.get(place) != item["before"]:
            raise ChangeConflict()
        await _apply(uow, row, place, rows.get(place), read(item["after"]))
    await _decide(uow, caller, row, CONFIRMED, note)
    changed(uow)
    return row


async def refuse(uow: "UnitOfWork", caller: "Caller", change_id: UUID, note: str) -> AccessChange:
    """The second person says no. Raises NotFound, OwnRequest, ChangeClosed."""
    row = await _open(uow, caller, change_id)
    await _decide(uow, caller, row, REFUSED, note)
    return row


async def withdraw(uow: "UnitOfWork", caller: "Caller", change_id: UUID) -> AccessChange:
    """Who asked takes it back. Raises NotFound (for others too), ChangeClosed."""
    row = await access.change_for(uow, caller, change_id, lock=True)
    if row.requested_by != caller.user_id:
        raise OwnRequest("只有提交人可以撤回")
    if state_of(row, uow.now) != PENDING:
        raise ChangeClosed()
    row.state, row.decided_at, row.decided_by = WITHDRAWN, uow.now, caller.user_id
    await _audit(uow, caller, row, "withdraw")
    return row


async def _open(uow: "UnitOfWork", caller: "Caller", change_id: UUID) -> AccessChange:
    await require(uow, caller, ACCESS, "confirm")
    row = await access.change_for(uow, caller, change_id, lock=True)
    if row.requested_by == caller.user_id:
        raise OwnRequest()
    if state_of(row, uow.now) != PENDING:
        raise ChangeClosed()
    return row


async def _decide(
    uow: "UnitOfWork", caller: "Caller", row: AccessChange, state: str, note: str
) -> None:
    row.state, row.decided_by, row.decided_at, row.note = state, caller.user_id, uow.now, note
    await _audit(uow, caller, row, "confirm" if state == CONFIRMED else "refuse")
    uow.record(
        ChangeDecided(
            hospital_id=caller.hospital_id,
            aggregate_id=row.id,
            occurred_at=uow.now,
            requested_by=row.requested_by,
            state=state,
        )
    )


async def _apply(
    uow: "UnitOfWork",
    change: AccessChange,
    place: Place,
    row: AccessPolicy | None,
    policy: Policy | None,
) -> None:
    if policy is None:
        if row is not None:
            await uow.session.delete(row)
        return
    if row is None:
        role, role_id, resource, action = place
        row = AccessPolicy(
            id=new_id(),
            hospital_id=change.hospital_id,
            role=role,
            role_id=role_id,
            resource=resource,
            action=action,
        )
        uow.session.add(row)
    row.scope = policy.scope.value
    row.filters, row.hidden = sorted(policy.filters), sorted(policy.hidden)
    row.masked = sorted(policy.masked)
    row.change_id, row.changed_at = change.id, uow.now


def _place(item: Mapping[str, Any]) -> Place:
    role_id = UUID(item["role_id"]) if item["role_id"] else EVERYWHERE
    return (Role(item["role"]), role_id, item["resource"], item["action"])


async def _audit(uow: "UnitOfWork", caller: "Caller", row: AccessChange, verb: str) -> None:
    await audit.record(
        uow,
        caller,
        f"access_change.{verb}",
        "access_change",
        row.id,
        detail={"items": row.items, "reason": row.reason, "note": row.note},
    )
