"""Rows of access as they are shown, many at a time with few queries."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from admin.access.schemas import (
    ActionView,
    CellView,
    ChangeItemView,
    ChangeView,
    Choice,
    DelegationView,
    EmergencyView,
    FieldChoice,
    Matrix,
    PermitView,
    PersonView,
    PolicyView,
    ResourceView,
    RoleRef,
)
from core.access import Resource, Scope, declared, find, find_grant
from core.access import access as rows
from core.access.book import Book, BookCache
from core.access.changes import PENDING, read, state_of
from core.access.emergencies import CATEGORIES, is_open
from core.access.engine import cell
from core.access.models import (
    EVERYWHERE,
    AccessChange,
    AccessDelegation,
    AccessPermit,
    AccessRole,
    EmergencyAccess,
)
from core.access.own import ACCESS, place_of
from core.access.permits import state_of as permit_state
from core.identity.caller import Caller
from core.identity.roles import Role
from core.uow import UnitOfWork

_AREAS = ("诊疗", "费用", "签名", "隐私", "监管", "安全", "管理")
CellPlace = tuple[str, str | None, str, str]


def permission_title(permission: str) -> str:
    """`order.refund` in words."""
    key, _, action = permission.partition(".")
    resource = find(key)
    if resource is None or action not in resource.actions:
        return permission
    return f"{resource.title} · {resource.actions[action].title}"


async def matrix(uow: UnitOfWork, caller: Caller) -> Matrix:
    """The matrix of the caller's place: every role, every resource, what holds and why."""
    book = await BookCache.of(uow.runtime).read(uow)
    own = [row for row in await rows.roles(uow, caller) if row.hospital_id == place_of(caller)]
    waiting = await rows.changes(uow, caller, [PENDING], None, 100)
    pending = {
        (item["role"], item["role_id"], item["resource"], item["action"])
        for change in waiting
        if state_of(change, uow.now) == PENDING
        for item in change.items
    }
    return Matrix(
        scopes=[Choice(value=scope.value, label=scope.label) for scope in Scope],
        roles=_roles(own),
        resources=[_resource(each) for each in sorted(declared(), key=_area)],
        cells=list(_cells(book, place_of(caller), own, pending)),
        may_propose=bool(await find_grant(uow, caller, ACCESS, "propose")),
        may_confirm=bool(await find_grant(uow, caller, ACCESS, "confirm")),
    )


def _area(resource: Resource) -> tuple[int, str]:
    """Care first, administration last; an area that is not named here comes at the end."""
    known = resource.area in _AREAS
    return (_AREAS.index(resource.area) if known else len(_AREAS), resource.key)


def _roles(own: Sequence[AccessRole]) -> list[RoleRef]:
    found = []
    for role in Role:
        found.append(RoleRef(role=role, id=None, name=role.label))
        found += [RoleRef(role=role, id=row.id, name=row.name) for row in own if row.base is role]
    return found


def _resource(resource: Resource) -> ResourceView:
    return ResourceView(
        key=resource.key,
        title=resource.title,
        area=resource.area,
        actions=[
            ActionView(
                key=key,
                title=action.title,
                roles=list(action.roles),
                delegable=action.delegable,
                on_request=action.on_request is not None,
            )
            for key, action in resource.actions.items()
        ],
        fields=[
            FieldChoice(path=each.path, title=each.title, maskable=each.mask is not None)
            for each in resource.fields.values()
        ],
        filters=[Choice(value=key, label=each.title) for key, each in resource.filters.items()],
    )


def _cells(
    book: Book, place: UUID, own: Sequence[AccessRole], pending: set[CellPlace]
) -> Iterable[CellView]:
    for resource in declared():
        for action, known in resource.actions.items():
            for role in known.roles:
                held_as = [None, *(row.id for row in own if row.base is role)]
                for role_id in held_as:
                    yield _cell(book, place, role, role_id, resource, action, pending)


def _cell(
    book: Book,
    place: UUID,
    role: Role,
    role_id: UUID | None,
    resource: Resource,
    action: str,
    pending: set[CellPlace],
) -> CellView:
    policy, source = cell(book, place, role, role_id or EVERYWHERE, resource, action)
    here = (place, role, role_id or EVERYWHERE, resource.key, action)
    standard = policy
    if here in book.cells:
        without = Book(cells={key: each for key, each in book.cells.items() if key != here})
        standard, _ = cell(without, place, role, role_id or EVERYWHERE, resource, action)
    floor = resource.floors.get((role, action))
    return CellView(
        role=role,
        role_id=role_id,
        resource=resource.key,
        action=action,
        policy=PolicyView.of(policy),
        standard=PolicyView.of(standard),
        source=source,
        scopes=resource.scopes_for(role, action),
        fixed=floor is not None,
        changed=policy != standard,
        pending=(role.value, str(role_id) if role_id else None, resource.key, action) in pending,
    )


async def changes(
    uow: UnitOfWork, caller: Caller, found: Sequence[AccessChange]
) -> list[ChangeView]:
    """Changes with their diffs in words."""
    people = await _people(
        uow, [each for row in found for each in (row.requested_by, row.decided_by)]
    )
    ids = {UUID(item["role_id"]) for row in found for item in row.items if item["role_id"]}
    names = await rows.role_names(uow, ids)
    return [
        ChangeView(
            id=row.id,
            state=state_of(row, uow.now),
            reason=row.reason,
            requested_by=people[row.requested_by],
            requested_at=row.requested_at,
            expires_at=row.expires_at,
            decided_by=people.get(row.decided_by) if row.decided_by else None,
            decided_at=row.decided_at,
            note=row.note,
            items=[_item(item, names) for item in row.items],
            mine=row.requested_by == caller.user_id,
        )
        for row in found
    ]


def _item(item: dict[str, object], names: dict[UUID, str]) -> ChangeItemView:
    role = Role(str(item["role"]))
    role_id = UUID(str(item["role_id"])) if item["role_id"] else None
    resource = find(str(item["resource"]))
    action = str(item["action"])
    known = resource.actions.get(action) if resource else None
    before, after = read(item["before"]), read(item["after"])  # type: ignore[arg-type]
    name = role.label if role_id is None else names.get(role_id, "已删除的岗位角色")
    return ChangeItemView(
        role=RoleRef(role=role, id=role_id, name=name),
        resource=str(item["resource"]),
        resource_title=resource.title if resource else str(item["resource"]),
        action=action,
        action_title=known.title if known else action,
        before=PolicyView.of(before) if before else None,
        after=PolicyView.of(after) if after else None,
    )


async def permits(uow: UnitOfWork, found: Sequence[AccessPermit]) -> list[PermitView]:
    people = await _people(uow, [each for row in found for each in (row.user_id, row.decided_by)])
    return [
        PermitView(
            id=row.id,
            user=people[row.user_id],
            role=row.role,
            permission=row.permission,
            title=permission_title(row.permission),
            reason=row.reason,
            days=row.days,
            asked_at=row.asked_at,
            state=permit_state(row, uow.now),
            decided_by=people.get(row.decided_by) if row.decided_by else None,
            decided_at=row.decided_at,
            note=row.note,
            starts_at=row.starts_at,
            ends_at=row.ends_at,
        )
        for row in found
    ]


async def delegations(uow: UnitOfWork, found: Sequence[AccessDelegation]) -> list[DelegationView]:
    people = await _people(
        uow, [each for row in found for each in (row.giver_id, row.receiver_id, row.revoked_by)]
    )
    departments = await rows.department_names(uow, {row.department_id for row in found})

    def state(row: AccessDelegation) -> str:
        if row.revoked_at is not None:
            return "ended"
        if row.ends_at <= uow.now:
            return "over"
        return "coming" if row.starts_at > uow.now else "running"

    return [
        DelegationView(
            id=row.id,
            giver=people[row.giver_id],
            receiver=people[row.receiver_id],
            department=departments.get(row.department_id, ""),
            role=row.role,
            actions=[Choice(value=each, label=permission_title(each)) for each in row.actions],
            reason=row.reason,
            starts_at=row.starts_at,
            ends_at=row.ends_at,
            state=state(row),
            ended_by=people.get(row.revoked_by) if row.revoked_by else None,
        )
        for row in found
    ]


async def emergencies(uow: UnitOfWork, found: Sequence[EmergencyAccess]) -> list[EmergencyView]:
    people = await _people(uow, [each for row in found for each in (row.user_id, row.reviewed_by)])
    return [
        EmergencyView(
            id=row.id,
            user=people[row.user_id],
            role=row.role,
            patient_id=row.patient_id,
            patient=row.patient_label,
            category=row.category,
            category_title=CATEGORIES.get(row.category, row.category),
            reason=row.reason,
            opened_at=row.opened_at,
            ends_at=row.ends_at,
            closed_at=row.closed_at,
            open=is_open(row, uow.now),
            looks=row.looks,
            verdict=row.verdict,
            reviewed_by=people.get(row.reviewed_by) if row.reviewed_by else None,
            reviewed_at=row.reviewed_at,
            note=row.note,
        )
        for row in found
    ]


async def _people(uow: UnitOfWork, ids: Iterable[UUID | None]) -> dict[UUID, PersonView]:
    names = await rows.names(uow, list(ids))
    return {user_id: PersonView(id=user_id, name=name) for user_id, name in names.items()}
