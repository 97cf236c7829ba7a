"""The accounts of those who work for a hospital, as administrators keep them.

Everything here acts at one hospital: an account that also works elsewhere keeps its duties there.
No administrator ever knows a password: a new or reset account is entered with a code to the
person's own telephone, who then chooses one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError

from core import audit
from core.errors import Conflict, FieldProblem, NotFound
from core.identity import access, service, sessions
from core.identity.errors import LoginTaken, PhoneTaken
from core.identity.models import Department, DeviceSession, RoleAssignment, User
from core.identity.roles import STAFF_ROLES, Role
from core.identity.sms_codes import required_phone

if TYPE_CHECKING:
    from core.identity.caller import Caller
    from core.uow import UnitOfWork


class OwnAccount(Conflict):
    """Nobody locks himself out or takes the own rights away."""

    code = "own_account"
    title = "不能对自己的账号做这项操作"


class LastAdministrator(Conflict):
    """A hospital without an administrator could not be administered again."""

    code = "last_administrator"
    title = "医院至少要保留一名可用的管理员"


class RoleNotGrantable(Conflict):
    """The caller's role may not give this role."""

    code = "role_not_grantable"
    title = "您不能授予这一身份"


class AccountShared(Conflict):
    """The telephone number opens more than this hospital's work: only the person changes it."""

    code = "account_shared"
    title = "该账号还用于就医或其他医院，手机号须由本人更换"


class DutyMissing(Conflict):
    """An account of staff without a duty would be nobody's."""

    code = "duty_missing"
    title = "请至少保留一个身份"


@dataclass(frozen=True, slots=True)
class Duty:
    """One role at the hospital, within a department where the role has one."""

    role: Role
    department_id: UUID | None = None
    title: str = ""


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody's account as the hospital sees it."""

    user: User
    assignments: Sequence[tuple[RoleAssignment, Department | None]]
    last_login_at: datetime | None
    devices: int


async def account(uow: UnitOfWork, hospital_id: UUID, user_id: UUID) -> Account:
    """One account of staff of the hospital. Raises NotFound for everybody else."""
    rows = await uow.session.execute(
        select(RoleAssignment, Department)
        .outerjoin(Department, Department.id == RoleAssignment.department_id)
        .where(
            RoleAssignment.user_id == user_id,
            RoleAssignment.hospital_id == hospital_id,
            RoleAssignment.role.in_(STAFF_ROLES),
        )
        .order_by(RoleAssignment.id)
    )
    assignments = [(assignment, department) for assignment, department in rows]
    user = await uow.session.get(User, user_id)
    if user is None or not assignments:
        raise NotFound()
    last, devices = (
        await uow.session.execute(
            select(
                func.max(DeviceSession.created_at),
                func.count().filter(DeviceSession.revoked_at.is_(None)),
            ).where(DeviceSession.user_id == user_id)
        )
    ).one()
    return Account(user, assignments, last, devices)


async def hire(
    uow: UnitOfWork,
    caller: Caller,
    hospital_id: UUID,
    *,
    name: str,
    phone: str,
    login: str | None,
    duties: Sequence[Duty],
) -> User:
    """Give somebody an account with duties.

    Whoever has an account under this phone already (a patient, staff of a sister hospital) keeps
    it with its name and password, and gets the duties. Raises PhoneInvalid, LoginTaken,
    RoleNotGrantable, DutyMissing.
    """
    if not duties:
        raise DutyMissing(fields=[FieldProblem("duties", "请至少选择一个身份")])
    _grantable(caller, duties)
    number = required_phone(phone)
    user = await access.user_by_phone(uow, number)
    known = user is not None
    if user is None:
        first = duties[0]
        user = await service.register(
            uow,
            hospital_id,
            first.role,
            phone=number,
            login=login,
            name=name,
            department_id=first.department_id,
            title=first.title,
        )
    await _assign(uow, caller, hospital_id, user.id, duties)
    await audit.record(
        uow,
        caller,
        "staff.hire",
        "user",
        user.id,
        detail={"roles": [duty.role.value for duty in duties], "existing": known},
        changes=None if known else audit.changes_of(user),
        hospital_id=hospital_id,
    )
    return user


async def edit(
    uow: UnitOfWork,
    caller: Caller,
    hospital_id: UUID,
    user_id: UUID,
    *,
    name: str | None,
    phone: str | None,
    login: str | None,
) -> User:
    """Change what an account is called and found by.

    Raises PhoneInvalid, PhoneTaken, LoginTaken, AccountShared.
    """
    user = (await account(uow, hospital_id, user_id)).user
    changed = []
    if name is not None and name != user.name:
        user.name = name
        changed.append("name")
    if phone is not None:
        number = required_phone(phone)
        if number != user.phone:
            await _only_ours(uow, hospital_id, user_id)
            if await access.user_by_phone(uow, number):
                raise PhoneTaken()
            user.phone, user.phone_index = number, access.phone_key(uow.runtime.keyring, number)
            changed.append("phone")
    if login is not None and login.strip().lower() != user.login:
        other = await access.user_by_login(uow, login)
        if other is not None:
            raise LoginTaken()
        user.login = login.strip().lower()
        changed.append("login")
    try:
        await uow.session.flush()
    except IntegrityError as error:
        raise (PhoneTaken if "phone" in changed else LoginTaken)() from error
    if changed:
        await audit.record(
            uow, caller, "staff.edit", "user", user_id, detail={"changed": changed},
            changes=audit.changes_of(user), hospital_id=hospital_id,
        )  # fmt: skip
        sessions.announce_user_change(uow, user_id)
    return user


async def change_duties(
    uow: UnitOfWork, caller: Caller, hospital_id: UUID, user_id: UUID, duties: Sequence[Duty]
) -> None:
    """Set exactly these duties. Raises DutyMissing, OwnAccount, LastAdministrator, NotFound."""
    if not duties:
        raise DutyMissing(fields=[FieldProblem("duties", "请至少保留一个身份")])
    await _one_at_a_time(uow, hospital_id)
    found = await account(uow, hospital_id, user_id)
    held = {(each.role, each.department_id): each for each, _ in found.assignments}
    wanted = {(duty.role, duty.department_id): duty for duty in duties}
    gone = [row for key, row in held.items() if key not in wanted]
    _grantable(caller, [*(duty for key, duty in wanted.items() if key not in held)])
    _grantable(caller, [Duty(row.role) for row in gone])
    if user_id == caller.user_id and not {role for role, _ in wanted} >= {caller.role}:
        raise OwnAccount()
    for row in gone:
        await service.remove_role(
            uow, caller, user_id, row.role, row.department_id, hospital_id=hospital_id
        )
    for key, duty in wanted.items():
        if key in held and held[key].title != duty.title:
            held[key].title = duty.title
            sessions.announce_user_change(uow, user_id)
    await _assign(
        uow, caller, hospital_id, user_id, [d for k, d in wanted.items() if k not in held]
    )
    await _keep_one_administrator(uow, hospital_id)


async def dismiss(
    uow: UnitOfWork, caller: Caller, hospital_id: UUID, user_id: UUID, reason: str
) -> None:
    """Take every duty at the hospital; the account itself stays, for what it has signed.

    Raises OwnAccount, LastAdministrator, NotFound.
    """
    if user_id == caller.user_id:
        raise OwnAccount()
    await _one_at_a_time(uow, hospital_id)
    found = await account(uow, hospital_id, user_id)
    _grantable(caller, [Duty(row.role) for row, _ in found.assignments])
    for row, _ in found.assignments:
        await service.remove_role(
            uow, caller, user_id, row.role, row.department_id, hospital_id=hospital_id
        )
    await _keep_one_administrator(uow, hospital_id)
    await audit.record(
        uow, caller, "staff.dismiss", "user", user_id, reason=reason, hospital_id=hospital_id
    )  # fmt: skip


async def set_enabled(
    uow: UnitOfWork, caller: Caller, hospital_id: UUID, user_id: UUID, *, enabled: bool, reason: str
) -> None:
    """Lock or unlock the account; locking ends every session. Raises OwnAccount and others."""
    if user_id == caller.user_id:
        raise OwnAccount()
    await _one_at_a_time(uow, hospital_id)
    user = (await account(uow, hospital_id, user_id)).user
    if user.enabled == enabled:
        return
    user.enabled = enabled
    await uow.session.flush()
    await _keep_one_administrator(uow, hospital_id)
    await audit.record(
        uow, caller, "user.enable" if enabled else "user.disable", "user", user_id,
        reason=reason, changes=audit.changes_of(user), hospital_id=hospital_id,
    )  # fmt: skip
    if not enabled:
        await sessions.revoke_all(uow, user_id, "account_disabled")
    sessions.announce_user_change(uow, user_id)


async def reset_password(uow: UnitOfWork, caller: Caller, hospital_id: UUID, user_id: UUID) -> None:
    """Forget the password and end every session: the next login takes a code by SMS and a new one.

    The own password is changed with the old one instead: raises OwnAccount.
    """
    if user_id == caller.user_id:
        raise OwnAccount()
    found = await account(uow, hospital_id, user_id)
    _grantable(caller, [Duty(row.role) for row, _ in found.assignments])
    found.user.password_hash = None
    found.user.password_changed_at = None
    found.user.password_reset_required = True
    await sessions.revoke_all(uow, user_id, "password_reset")
    await audit.record(uow, caller, "user.reset_password", "user", user_id, hospital_id=hospital_id)
    sessions.announce_user_change(uow, user_id)


async def _only_ours(uow: UnitOfWork, hospital_id: UUID, user_id: UUID) -> None:
    """Whoever changes the number can log in with it, so it must open nothing beyond our own."""
    elsewhere = select(RoleAssignment.id).where(
        RoleAssignment.user_id == user_id,
        (RoleAssignment.hospital_id != hospital_id) | (RoleAssignment.role == Role.PATIENT),
    )
    if await uow.session.scalar(elsewhere.limit(1)) is not None:
        raise AccountShared()


async def _assign(
    uow: UnitOfWork, caller: Caller, hospital_id: UUID, user_id: UUID, duties: Sequence[Duty]
) -> None:
    for duty in duties:
        await service.assign_role(
            uow,
            user_id,
            hospital_id,
            duty.role,
            department_id=duty.department_id,
            title=duty.title,
            caller=caller,
        )


def _grantable(caller: Caller, duties: Sequence[Duty]) -> None:
    """Operators belong to the group, so only they make operators; nobody makes patients here."""
    for duty in duties:
        if duty.role not in STAFF_ROLES or (
            duty.role is Role.OPERATOR and caller.role is not Role.OPERATOR
        ):
            raise RoleNotGrantable(fields=[FieldProblem("duties", f"不能授予{duty.role.label}")])


async def _one_at_a_time(uow: UnitOfWork, hospital_id: UUID) -> None:
    """Two administrators must not remove each other at the same moment."""
    await uow.session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"),
        {"key": f"administrators:{hospital_id}"},
    )


async def _keep_one_administrator(uow: UnitOfWork, hospital_id: UUID) -> None:
    await uow.session.flush()
    left = await uow.session.scalar(
        select(func.count(func.distinct(RoleAssignment.user_id)))
        .join(User, User.id == RoleAssignment.user_id)
        .where(
            RoleAssignment.hospital_id == hospital_id,
            RoleAssignment.role == Role.ADMINISTRATOR,
            User.enabled,
        )
    )
    if not left:
        raise LastAdministrator()
