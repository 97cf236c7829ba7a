"""Queries of identity made for a person, and the keys under which accounts are found."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import Select, func, select

from core.access import READ, Action, Field, Grant, NotPermitted, Scope, allow, declare, grant
from core.crypto.blind_index import blind_index
from core.crypto.keyring import Keyring
from core.errors import NotFound
from core.identity.models import Department, Hospital, RoleAssignment, User
from core.identity.roles import CLINICAL_ROLES, STAFF_ROLES, Role
from core.identity.rules import Duty

if TYPE_CHECKING:
    from core.identity.caller import Caller
    from core.uow import UnitOfWork


def phone_key(keyring: Keyring, phone: str) -> bytes:
    """The blind index of a normalised phone number, as in `users.phone_index`."""
    return blind_index(keyring, "users.phone", phone)


def id_number_key(keyring: Keyring, number: str) -> bytes:
    """The blind index of an identity number, as in `users.id_number_index`."""
    return blind_index(keyring, "users.id_number", number)


async def user_by_phone(uow: "UnitOfWork", phone: str) -> User | None:
    """The account of a normalised phone number."""
    index = phone_key(uow.runtime.keyring, phone)
    return await uow.session.scalar(select(User).where(User.phone_index == index))


async def user_by_login(uow: "UnitOfWork", login: str) -> User | None:
    """The account of a login name, as typed."""
    return await uow.session.scalar(select(User).where(User.login == login.strip().lower()))


async def password_hash(uow: "UnitOfWork", user_id: UUID) -> str | None:
    """The stored hash, which is never loaded with the account."""
    return await uow.session.scalar(select(User.password_hash).where(User.id == user_id))


async def own_account(uow: "UnitOfWork", caller: "Caller", *, lock: bool = False) -> User:
    """The caller's account."""
    user = await uow.session.get(User, caller.user_id, with_for_update=lock or None)
    if user is None:
        raise NotFound()
    return user


async def reminders(uow: "UnitOfWork", caller: "Caller") -> dict[str, bool] | None:
    """How the caller chose to be reminded; None where nothing was chosen."""
    return await uow.session.scalar(select(User.reminders).where(User.id == caller.user_id))


async def duties(uow: "UnitOfWork", user_id: UUID) -> list[Duty]:
    """Every role that a user holds at every enabled hospital, in the hospitals' order."""
    rows = await uow.session.execute(
        select(RoleAssignment.hospital_id, RoleAssignment.role, RoleAssignment.department_id)
        .join(Hospital, Hospital.id == RoleAssignment.hospital_id)
        .where(RoleAssignment.user_id == user_id, Hospital.enabled)
        .order_by(Hospital.position, Hospital.id, RoleAssignment.id)
    )
    found: dict[tuple[UUID, Role], set[UUID]] = {}
    for hospital_id, role, department_id in rows:
        departments = found.setdefault((hospital_id, role), set())
        if department_id is not None:
            departments.add(department_id)
    return [
        Duty(hospital_id, role, frozenset(departments))
        for (hospital_id, role), departments in found.items()
    ]


async def hospitals(uow: "UnitOfWork") -> Sequence[Hospital]:
    """The enabled hospitals, the default one first. Public."""
    query = select(Hospital).where(Hospital.enabled)
    return (await uow.session.scalars(query.order_by(Hospital.position, Hospital.id))).all()


async def hospital_code(uow: "UnitOfWork", hospital_id: UUID) -> str:
    """The short name under which a hospital's secrets are configured."""
    return await uow.session.scalar(select(Hospital.code).where(Hospital.id == hospital_id)) or ""


async def public_hospital(
    uow: "UnitOfWork", caller: "Caller | None", wanted: UUID | None = None
) -> Hospital:
    """The hospital of a catalogue page: the token's, else the named one, else the first.

    A token wins over a parameter, so that no client reads another hospital through it. Raises
    `NotFound` for an unknown or disabled one.
    """
    found = await hospitals(uow)
    chosen = caller.hospital_id if caller else wanted
    for hospital in found:
        if chosen is None or hospital.id == chosen:
            return hospital
    raise NotFound()


async def departments(uow: "UnitOfWork", hospital_id: UUID) -> list[tuple[Department, int]]:
    """The enabled departments of a hospital with the number of clinicians in each. Public."""
    counts = (
        select(
            RoleAssignment.department_id,
            func.count(func.distinct(RoleAssignment.user_id)).label("clinicians"),
        )
        .join(User, User.id == RoleAssignment.user_id)
        .where(
            RoleAssignment.hospital_id == hospital_id,
            RoleAssignment.role.in_(CLINICAL_ROLES),
            User.enabled,
        )
        .group_by(RoleAssignment.department_id)
        .subquery()
    )
    rows = await uow.session.execute(
        select(Department, func.coalesce(counts.c.clinicians, 0))
        .outerjoin(counts, counts.c.department_id == Department.id)
        .where(Department.hospital_id == hospital_id, Department.enabled)
        .order_by(Department.position, Department.id)
    )
    return [(department, count) for department, count in rows]


#: Who may look after the staff of a hospital at most.
STAFF_KEEPERS = (Role.ADMINISTRATOR, Role.OPERATOR)

STAFF = declare(
    "staff",
    "人员账号",
    area="管理",
    actions={
        READ: Action("查看", STAFF_KEEPERS, delegable=True),
        "manage": Action("开通、修改与停用", STAFF_KEEPERS),
    },
    scopes={
        Scope.DEPARTMENT: lambda caller: User.id.in_(
            select(RoleAssignment.user_id).where(
                RoleAssignment.hospital_id == caller.hospital_id,
                RoleAssignment.department_id.in_(caller.department_ids),
            )
        ),
        Scope.HOSPITAL: None,
        Scope.GROUP: None,
    },
    only={Scope.GROUP: (Role.OPERATOR,)},
    fields=[Field("phone_masked", "手机号")],
    defaults=[
        allow(Role.ADMINISTRATOR, Scope.HOSPITAL, READ, "manage"),
        allow(Role.OPERATOR, Scope.GROUP, READ, "manage"),
    ],
)

#: Who cannot log in for now: shown to officers, let in again by administrators.
LOGIN_LOCK = declare(
    "login_lock",
    "登录锁定",
    area="安全",
    actions={
        READ: Action("查看被锁定的账号", (Role.ADMINISTRATOR, Role.SUPERVISOR)),
        "lift": Action("解除锁定", (Role.ADMINISTRATOR,)),
    },
    scopes={Scope.HOSPITAL: None},
    defaults=[
        allow(Role.ADMINISTRATOR, Scope.HOSPITAL, READ, "lift"),
        allow(Role.SUPERVISOR, Scope.HOSPITAL, READ),
    ],
)


@dataclass(frozen=True, slots=True)
class StaffMember:
    """One person who works at a hospital."""

    user: User
    assignments: list[tuple[RoleAssignment, Department | None]]


@dataclass(frozen=True, slots=True)
class StaffPlace:
    """A hospital, and what the caller was given of its staff."""

    hospital_id: UUID
    allowed: Grant

    def require_departments(self, departments: Collection[UUID | None], caller: "Caller") -> None:
        """Whoever keeps a department gives and takes duties in it alone. Raises NotPermitted."""
        whole = not self.allowed.scopes.isdisjoint({Scope.HOSPITAL, Scope.GROUP})
        if not whole and not caller.department_ids.issuperset(departments):
            raise NotPermitted()


async def staff_place(
    uow: "UnitOfWork",
    caller: "Caller",
    wanted: UUID | None,
    action: str = READ,
    *,
    user_id: UUID | None = None,
) -> StaffPlace:
    """The hospital whose staff the caller looks after: the token's, or where the policy says
    the whole group, another that is named.

    With `user_id` that person must be within reach; whoever keeps a department changes nobody who
    works beyond it as well (an administrator, say). Raises NotPermitted, NotFound.
    """
    allowed = await grant(uow, caller, STAFF, action)
    here = wanted or caller.hospital_id
    if here != caller.hospital_id and (
        Scope.GROUP not in allowed.scopes or await uow.session.get(Hospital, here) is None
    ):
        raise NotFound()
    if user_id is not None:
        query = _staff_users(here, None, None).where(User.id == user_id, allowed.condition)
        if await uow.session.scalar(query.with_only_columns(User.id)) is None:
            raise NotFound()
    place = StaffPlace(here, allowed)
    if user_id is not None and action != READ:
        rows = await uow.session.scalars(
            select(RoleAssignment.department_id).where(
                RoleAssignment.user_id == user_id,
                RoleAssignment.hospital_id == here,
                RoleAssignment.role.in_(STAFF_ROLES),
            )
        )
        place.require_departments(rows.all(), caller)
    return place


async def hospitals_of_group(uow: "UnitOfWork", caller: "Caller") -> Sequence[Hospital]:
    """Every hospital whose staff the caller looks after. Raises NotPermitted."""
    allowed = await grant(uow, caller, STAFF)
    query = select(Hospital).order_by(Hospital.position, Hospital.id)
    if Scope.GROUP not in allowed.scopes:
        query = query.where(Hospital.id == caller.hospital_id)
    return (await uow.session.scalars(query)).all()


async def staff(
    uow: "UnitOfWork",
    place: StaffPlace,
    *,
    text: str | None,
    role: Role | None,
    department_id: UUID | None,
    after: tuple[str, UUID] | None,
    limit: int,
) -> list[StaffMember]:
    """People who work at a hospital, by name; patients are not among them.

    `text` is looked for in name and login, or is a whole phone number.
    """
    query = _staff_users(place.hospital_id, role, department_id).where(place.allowed.condition)
    if text:
        called = User.name.icontains(text, autoescape=True) | User.login.icontains(
            text, autoescape=True
        )
        if not place.allowed.withholds("phone_masked"):
            called |= User.phone_index == phone_key(uow.runtime.keyring, text)
        query = query.where(called)
    if after is not None:
        name, user_id = after
        query = query.where((User.name > name) | ((User.name == name) & (User.id > user_id)))
    users = (await uow.session.scalars(query.order_by(User.name, User.id).limit(limit))).all()
    rows = await uow.session.execute(
        select(RoleAssignment, Department)
        .outerjoin(Department, Department.id == RoleAssignment.department_id)
        .where(
            RoleAssignment.user_id.in_([user.id for user in users]),
            RoleAssignment.hospital_id == place.hospital_id,
            RoleAssignment.role.in_(STAFF_ROLES),
        )
        .order_by(RoleAssignment.id)
    )
    by_user: dict[UUID, list[tuple[RoleAssignment, Department | None]]] = {}
    for assignment, department in rows:
        by_user.setdefault(assignment.user_id, []).append((assignment, department))
    return [StaffMember(user, by_user.get(user.id, [])) for user in users]


def _staff_users(hospital_id: UUID, role: Role | None, department_id: UUID | None) -> Select[User]:
    works_here = select(RoleAssignment.user_id).where(
        RoleAssignment.hospital_id == hospital_id,
        RoleAssignment.role.in_(STAFF_ROLES if role is None else STAFF_ROLES & {role}),
    )
    if department_id is not None:
        works_here = works_here.where(RoleAssignment.department_id == department_id)
    return select(User).where(User.id.in_(works_here))
