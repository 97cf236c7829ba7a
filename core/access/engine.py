"""The one place that decides: who may do what with which rows, and what of them is shown."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import and_, exists, false, not_, or_, select, true, update

from core import audit
from core.access import book as books
from core.access import masks
from core.access.book import Book, BookCache, Opened
from core.access.errors import NotPermitted
from core.access.models import EVERYWHERE, EmergencyAccess
from core.access.registry import Resource, declared, find
from core.access.vocabulary import NOTHING, READ, Condition, Policy, Scope
from core.identity.roles import CLINICAL_ROLES, Role

if TYPE_CHECKING:
    from core.identity.caller import Caller
    from core.runtime import Runtime
    from core.uow import UnitOfWork

V = TypeVar("V", bound=BaseModel)


@dataclass(frozen=True)
class Grant:
    """What somebody was given: the rows, and the fields that are withheld in them.

    `condition` goes into every query; it is false where nothing was given. `scopes` says from
    which scopes it is made, `emergency` whether break-glass access is part of it.
    """

    resource: Resource
    action: str
    condition: Condition
    scopes: frozenset[Scope]
    hidden: frozenset[str] = frozenset()
    masked: frozenset[str] = frozenset()
    emergency: bool = False

    def __bool__(self) -> bool:
        return bool(self.scopes) or self.emergency

    def withholds(self, *paths: str) -> bool:
        """Whether any of these fields is hidden or masked, e.g. to refuse a search by it."""
        return not (self.hidden | self.masked).isdisjoint(paths)

    def shown(self, view: V) -> V:
        """The view as the caller may see it: hidden fields empty, masked ones masked.

        A view with a field `withheld` gets the paths of what was taken out.
        """
        return masks.apply(view, self.resource, self.hidden, self.masked)


@dataclass(frozen=True)
class _Source:
    """One reason why somebody may: a policy, and as whom its rows are looked up."""

    caller: "Caller"
    policy: Policy


async def grant(
    uow: "UnitOfWork", caller: "Caller", resource: Resource, action: str = READ
) -> Grant:
    """What the caller may do. Raises NotPermitted when the policies give nothing."""
    found = await find_grant(uow, caller, resource, action)
    if not found:
        raise NotPermitted()
    return found


require = grant


async def condition(
    uow: "UnitOfWork", caller: "Caller", resource: Resource, action: str = READ
) -> Condition:
    """The rows only. Raises NotPermitted when the policies give nothing."""
    return (await grant(uow, caller, resource, action)).condition


async def find_grant(
    uow: "UnitOfWork", caller: "Caller", resource: Resource, action: str = READ
) -> Grant:
    """What the caller may do; a grant that is false, with a false condition, for nothing."""
    book = await BookCache.of(uow.runtime).read(uow)
    sources = list(_sources(book, uow.now, caller, resource, action))
    opened = live(book, uow.now, caller) if action == READ and resource.emergency else ()
    if not sources and not opened:
        return Grant(resource, action, false(), frozenset())
    conditions = [_rows(resource, source) for source in sources]
    if opened:
        conditions.append(_emergency_rows(uow.now, caller, resource))
    hidden, masked = _withheld(book, uow.now, caller, resource, action, sources)
    return Grant(
        resource=resource,
        action=action,
        condition=_within(caller, resource, action, conditions),
        scopes=frozenset(source.policy.scope for source in sources),
        hidden=hidden,
        masked=masked,
        emergency=bool(opened),
    )


async def permitted(runtime: "Runtime", caller: "Caller", resource: Resource, action: str) -> bool:
    """Whether the caller has any of it, where no unit of work is at hand."""
    book = await BookCache.of(runtime).ask(runtime)
    return any(_sources(book, runtime.clock.now(), caller, resource, action))


async def held(uow: "UnitOfWork", caller: "Caller") -> dict[str, Scope]:
    """Every permission of the caller with its widest scope: `{"consultation.read": "own"}`."""
    book = await BookCache.of(uow.runtime).read(uow)
    found: dict[str, Scope] = {}
    for resource in declared():
        for action in resource.actions:
            scopes = [
                source.policy.scope for source in _sources(book, uow.now, caller, resource, action)
            ]
            if scopes:
                found[f"{resource.key}.{action}"] = max(scopes, key=lambda scope: scope.width)
    return found


async def own_permissions(uow: "UnitOfWork", caller: "Caller") -> set[str]:
    """What the caller may hand to a colleague: delegable, and given by the own roles alone."""
    book = await BookCache.of(uow.runtime).read(uow)
    return {
        f"{resource.key}.{name}"
        for resource in declared()
        for name, action in resource.actions.items()
        if action.delegable
        and caller.role in action.roles
        and any(_policies(book, caller, resource, name))
    }


def sources_of(
    book: Book, now: datetime, caller: "Caller", resource: Resource, action: str
) -> list[Policy]:
    """The reasons why somebody may, for telling where a permission comes from."""
    return [source.policy for source in _sources(book, now, caller, resource, action)]


def live(book: Book, now: datetime, caller: "Caller") -> tuple[Opened, ...]:
    """The break-glass accesses that the caller has open at this moment."""
    if caller.role not in CLINICAL_ROLES:
        return ()
    holder = (caller.user_id, caller.hospital_id, caller.role)
    return tuple(each for each in book.opened.get(holder, ()) if each.ends_at > now)


async def open_emergencies(uow: "UnitOfWork", caller: "Caller") -> tuple[Opened, ...]:
    """The caller's open break-glass accesses, for marking what they show."""
    return live(await BookCache.of(uow.runtime).read(uow), uow.now, caller)


async def look(
    uow: "UnitOfWork",
    caller: "Caller",
    object_type: str,
    object_id: UUID | str,
    patient_id: UUID | None = None,
    detail: dict[str, Any] | None = None,
) -> None:
    """Record a look at something of a patient; under break-glass access with its id."""
    opened = await emergency_for(uow, caller, patient_id) if patient_id else None
    if opened is not None:
        detail = {**(detail or {}), "break_glass": opened.id}
        await uow.session.execute(
            update(EmergencyAccess)
            .where(EmergencyAccess.id == opened.id)
            .values(looks=EmergencyAccess.looks + 1)
            .execution_options(synchronize_session=False)
        )
    await audit.look(uow, caller, object_type, object_id, patient_id, detail)


async def emergency_for(uow: "UnitOfWork", caller: "Caller", patient_id: UUID) -> Opened | None:
    """The caller's open break-glass access to a patient, for marking what it shows."""
    book = await BookCache.of(uow.runtime).read(uow)
    found = (each for each in live(book, uow.now, caller) if each.patient_id == patient_id)
    return next(found, None)


# ---- policies --------------------------------------------------------------------------------


def cell(
    book: Book, hospital_id: UUID, role: Role, own_role: UUID, resource: Resource, action: str
) -> tuple[Policy, str]:
    """The policy in force for a cell, and where it comes from; the nearest wins.

    `role`: an own role, `hospital`, `group` or `default`. Floors are raised in any case.
    """
    if role not in resource.actions[action].roles:
        return NOTHING, "default"
    own_places = [(hospital_id, "role"), (EVERYWHERE, "role")] if own_role != EVERYWHERE else []
    places = [
        *((place, own_role, source) for place, source in own_places),
        (hospital_id, EVERYWHERE, "hospital"),
        (EVERYWHERE, EVERYWHERE, "group"),
    ]
    for place, held_role, source in places:
        stored = book.cells.get((place, role, held_role, resource.key, action))
        if stored is not None:
            return _floored(resource, role, action, stored), source
    return _floored(resource, role, action, resource.default(role, action)), "default"


def _floored(resource: Resource, role: Role, action: str, policy: Policy) -> Policy:
    sound = resource.sound(role, action, policy)
    floor = resource.floors.get((role, action))
    if floor is None:
        return sound
    # The right to the own data is whole: neither narrowed nor masked.
    return Policy(sound.scope if sound.scope.width >= floor.width else floor)


def _policies(book: Book, caller: "Caller", resource: Resource, action: str) -> Iterator[Policy]:
    holder = (caller.user_id, caller.hospital_id, caller.role)
    for own_role in book.roles_of(holder):
        policy, _ = cell(book, caller.hospital_id, caller.role, own_role, resource, action)
        if policy.scope is not Scope.NONE:
            yield policy


def _sources(
    book: Book, now: datetime, caller: "Caller", resource: Resource, action: str
) -> Iterator[_Source]:
    """Why the caller may: his roles, permissions for a time, and what colleagues lent him."""
    known = resource.actions.get(action)
    if known is None or caller.role not in known.roles:
        return
    for policy in _policies(book, caller, resource, action):
        yield _Source(caller, policy)
    holder = (caller.user_id, caller.hospital_id, caller.role)
    name = f"{resource.key}.{action}"
    if known.on_request is not None:
        for permit in book.permits.get(holder, ()):
            if permit.permission == name and permit.starts_at <= now < permit.ends_at:
                yield _Source(caller, Policy(known.on_request))
    if known.delegable:
        for lent in book.lent.get(holder, ()):
            if name in lent.actions and lent.starts_at <= now < lent.ends_at:
                giver = replace(caller, user_id=lent.giver_id, department_ids=lent.departments)
                for policy in _policies(book, giver, resource, action):
                    yield _Source(giver, policy)


# ---- rows ------------------------------------------------------------------------------------


def _rows(resource: Resource, source: _Source) -> Condition:
    rows = resource.rows(source.policy.scope)
    parts = [] if rows is None else [rows(source.caller)]
    parts += [resource.filters[name].rows(source.caller) for name in sorted(source.policy.filters)]
    here = resource.in_hospital(source.caller.hospital_id)
    if here is not None and source.policy.scope is not Scope.GROUP:
        parts.insert(0, here)
    return and_(true(), *parts)


def _emergency_rows(now: datetime, caller: "Caller", resource: Resource) -> Condition:
    assert resource.emergency is not None
    opened = exists(
        select(EmergencyAccess.id).where(
            EmergencyAccess.user_id == caller.user_id,
            EmergencyAccess.hospital_id == caller.hospital_id,
            EmergencyAccess.role == caller.role,
            EmergencyAccess.patient_id == resource.emergency.patient,
            EmergencyAccess.closed_at.is_(None),
            EmergencyAccess.ends_at > now,
        )
    )
    here = resource.in_hospital(caller.hospital_id)
    parts = [resource.emergency.within(caller), opened]
    return and_(*parts) if here is None else and_(here, *parts)


def _within(
    caller: "Caller", resource: Resource, action: str, conditions: list[Condition]
) -> Condition:
    found = or_(*conditions) if len(conditions) > 1 else conditions[0]
    never = resource.never.get(action)
    return found if never is None else and_(found, not_(never(caller)))


# ---- fields ----------------------------------------------------------------------------------


def _withheld(
    book: Book,
    now: datetime,
    caller: "Caller",
    resource: Resource,
    action: str,
    sources: list[_Source],
) -> tuple[frozenset[str], frozenset[str]]:
    """Masks add up: what one reason withholds is withheld, so that none is a way round another."""
    hidden = {path for source in sources for path in source.policy.hidden}
    masked = {path for source in sources for path in source.policy.masked}
    floor = resource.floors.get((caller.role, action))
    if floor is not None:
        return frozenset(), frozenset()
    if action != READ and READ in resource.actions:
        # Exports and the like show no more than reading does.
        for source in _sources(book, now, caller, resource, READ):
            hidden |= source.policy.hidden
            masked |= source.policy.masked
    for path, field in resource.fields.items():
        if field.follows is None:
            continue
        theirs, _, there = field.follows.partition(":")
        followed = find(theirs)
        if followed is None:
            continue
        theirs_read = [source.policy for source in _sources(book, now, caller, followed, READ)]
        if not theirs_read or any(there in policy.hidden for policy in theirs_read):
            # Who may not see the thing itself does not read it off another view either.
            hidden.add(path)
        elif any(there in policy.masked for policy in theirs_read):
            (masked if field.mask else hidden).add(path)
    return frozenset(hidden), frozenset(masked - hidden)


def changed(uow: "UnitOfWork") -> None:
    """Say that this transaction changes what the engine goes by."""
    books.changed(uow)
