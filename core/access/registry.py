"""What can be protected: resources, declared at import by the module that owns them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from core.access.vocabulary import (
    NOTHING,
    READ,
    Action,
    Column,
    Condition,
    Emergency,
    Field,
    Policy,
    RowFilter,
    Rows,
    Scope,
)
from core.identity.roles import Role

#: What policies may give a role at most, whatever somebody enters: a patient never sees more than
#: what is his or hers.
CEILINGS: Mapping[Role, frozenset[Scope]] = {
    Role.PATIENT: frozenset({Scope.NONE, Scope.OWN, Scope.ROOMS})
}
Cell = tuple[Role, str]


@dataclass(frozen=True)
class Default:
    """What holds where a hospital says nothing."""

    role: Role
    policy: Policy
    actions: tuple[str, ...]


def allow(
    role: Role,
    scope: Scope,
    *actions: str,
    hidden: Sequence[str] = (),
    masked: Sequence[str] = (),
    filters: Sequence[str] = (),
) -> Default:
    """A default: this role may do these actions in this scope."""
    policy = Policy(scope, frozenset(filters), frozenset(hidden), frozenset(masked))
    return Default(role, policy, actions)


@dataclass(frozen=True, eq=False)
class Resource:
    """One kind of thing, and everything that policies may say about it.

    `here` is the column with the hospital: the engine always adds it, so no policy ever reaches
    another hospital; None for things without rows. `only` says for which roles a scope means
    anything, where it is not for all. `floors` are scopes that nobody can take away,
    whole and unmasked; `never` are rows that an action never reaches, whatever a policy says
    (nobody reviews what is his own).
    """

    key: str
    title: str
    area: str
    actions: Mapping[str, Action]
    here: Column | None
    scopes: Mapping[Scope, Rows | None]
    fields: Mapping[str, Field]
    filters: Mapping[str, RowFilter]
    floors: Mapping[Cell, Scope]
    only: Mapping[Scope, tuple[Role, ...]]
    never: Mapping[str, Rows]
    emergency: Emergency | None
    defaults: Mapping[Cell, Policy] = field(default_factory=dict)

    def default(self, role: Role, action: str) -> Policy:
        """The policy where nothing is stored."""
        return self.defaults.get((role, action), NOTHING)

    def scopes_for(self, role: Role, action: str) -> list[Scope]:
        """The scopes that a cell may hold, narrowest first."""
        floor = self.floors.get((role, action))
        allowed = CEILINGS.get(role, frozenset(Scope))
        return [
            scope
            for scope in Scope
            if scope in allowed
            and role in self.only.get(scope, (role,))
            and (scope is Scope.NONE or scope in self.scopes)
            and (floor is None or scope.width >= floor.width)
        ]

    def problems(self, role: Role, action: str, policy: Policy) -> list[str]:
        """What is wrong with a policy for a cell, in Chinese; empty when it may be stored."""
        found = []
        known = self.actions.get(action)
        if known is None or role not in known.roles:
            return ["该角色没有这项操作"]
        if (role, action) in self.floors and (policy.hidden or policy.masked or policy.filters):
            found.append("法定权利不能遮盖或限制")
        if policy.scope not in self.scopes_for(role, action):
            floor = self.floors.get((role, action))
            found.append(
                f"范围不能小于“{floor.label}”"
                if floor is not None and policy.scope.width < floor.width
                else f"不能使用范围“{policy.scope.label}”"
            )
        if policy.filters - self.filters.keys():
            found.append("含有未知的筛选条件")
        if (policy.hidden | policy.masked) - self.fields.keys():
            found.append("含有未知的字段")
        if any(self.fields[path].mask is None for path in policy.masked & self.fields.keys()):
            found.append("有的字段只能隐藏，不能遮盖")
        return found

    def sound(self, role: Role, action: str, policy: Policy) -> Policy:
        """A stored policy as far as it still fits its declaration: closed where it does not."""
        if policy.scope not in self.scopes or policy.filters - self.filters.keys():
            return NOTHING
        if policy.scope not in CEILINGS.get(role, frozenset(Scope)):
            return NOTHING
        hidden = policy.hidden & self.fields.keys()
        masked = (policy.masked & self.fields.keys()) - hidden
        unmaskable = {path for path in masked if self.fields[path].mask is None}
        return Policy(policy.scope, policy.filters, hidden | unmaskable, masked - unmaskable)

    def rows(self, scope: Scope) -> Rows | None:
        return self.scopes[scope]

    def in_hospital(self, hospital_id: object) -> Condition | None:
        """The condition that no policy can widen."""
        return None if self.here is None else self.here == hospital_id


_declared: dict[str, Resource] = {}


def declare(
    key: str,
    title: str,
    *,
    area: str,
    actions: Mapping[str, Action],
    scopes: Mapping[Scope, Rows | None],
    defaults: Sequence[Default],
    here: Column | None = None,
    fields: Sequence[Field] = (),
    filters: Mapping[str, RowFilter] | None = None,
    floors: Sequence[Default] = (),
    only: Mapping[Scope, tuple[Role, ...]] | None = None,
    never: Mapping[str, Rows] | None = None,
    emergency: Emergency | None = None,
) -> Resource:
    """Declare a resource at import of the module that owns it; `area` groups it on the screen.

    A scope without rows of its own (`None`) means all rows of the hospital, or of the group. A
    declaration that contradicts itself is a programming error and raises at import.
    """
    resource = Resource(
        key=key,
        title=title,
        area=area,
        actions=dict(actions),
        here=here,
        scopes=dict(scopes),
        fields={each.path: each for each in fields},
        filters=dict(filters or {}),
        floors={(each.role, name): each.policy.scope for each in floors for name in each.actions},
        only=dict(only or {}),
        never=dict(never or {}),
        emergency=emergency,
        defaults={(each.role, name): each.policy for each in defaults for name in each.actions},
    )
    _check(resource)
    if key in _declared:
        raise ValueError(f"The resource '{key}' is declared twice.")
    _declared[key] = resource
    return resource


def _check(resource: Resource) -> None:
    for (role, action), policy in resource.defaults.items():
        wrong = resource.problems(role, action, policy)
        if wrong:
            raise ValueError(f"{resource.key}.{action} for {role}: {'; '.join(wrong)}.")
    for role, action in resource.floors:
        if (role, action) not in resource.defaults:
            raise ValueError(f"{resource.key}.{action} has a floor but no default for {role}.")
    if resource.emergency is not None and READ not in resource.actions:
        raise ValueError(f"{resource.key} is opened in emergencies but cannot be read.")


def declared() -> list[Resource]:
    """All resources of the loaded modules, by key."""
    return [_declared[key] for key in sorted(_declared)]


def find(key: str) -> Resource | None:
    """The resource with this key, or None."""
    return _declared.get(key)
