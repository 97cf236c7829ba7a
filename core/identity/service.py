"""The verbs of accounts: making users, giving and taking roles, passwords, standing."""

from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError

from core import audit
from core.errors import FieldProblem, NotFound
from core.identity import access, passwords, rules, sessions
from core.identity.errors import (
    LoginTaken,
    PhoneInvalid,
    PhoneTaken,
)
from core.identity.events import UserRegistered
from core.identity.models import Department, Hospital, RoleAssignment, User
from core.identity.roles import Role
from core.ids import new_id

if TYPE_CHECKING:
    from core.identity.caller import Caller
    from core.uow import UnitOfWork


async def create_hospital(
    uow: "UnitOfWork", *, code: str, name: str, city: str = "", intro: str = "", position: int = 0
) -> Hospital:
    """Add a hospital to the installation."""
    hospital = Hospital(
        id=new_id(),
        code=code,
        name=name,
        city=city,
        intro=intro,
        time_zone="Asia/Shanghai",
        position=position,
        enabled=True,
        created_at=uow.now,
    )
    uow.session.add(hospital)
    await uow.session.flush()
    return hospital


async def create_department(
    uow: "UnitOfWork",
    hospital_id: UUID,
    *,
    code: str,
    name: str,
    intro: str = "",
    parent_id: UUID | None = None,
    position: int = 0,
) -> Department:
    """Add a department to a hospital."""
    department = Department(
        id=new_id(),
        hospital_id=hospital_id,
        parent_id=parent_id,
        code=code,
        name=name,
        intro=intro,
        position=position,
        enabled=True,
        created_at=uow.now,
    )
    uow.session.add(department)
    await uow.session.flush()
    return department


async def register(
    uow: "UnitOfWork",
    hospital_id: UUID,
    role: Role,
    *,
    phone: str | None = None,
    login: str | None = None,
    name: str = "",
    password: str | None = None,
    department_id: UUID | None = None,
    title: str = "",
) -> User:
    """Make an account with its first role. Raises PhoneInvalid, PhoneTaken, LoginTaken.

    `password` is taken as it is: seeds and administrators' tools check it with `rules` first.
    """
    number = _normal(phone)
    if number and await access.user_by_phone(uow, number):
        raise PhoneTaken()
    login = login.strip().lower() if login else None
    if login and await access.user_by_login(uow, login):
        raise LoginTaken()
    user = User(
        id=new_id(),
        login=login,
        name=name or (f"用户{number[-4:]}" if number else login or ""),
        phone=number,
        phone_index=access.phone_key(uow.runtime.keyring, number) if number else None,
        password_hash=await passwords.hash_password(password) if password else None,
        password_changed_at=uow.now if password else None,
        enabled=True,
        created_at=uow.now,
    )
    uow.session.add(user)
    try:
        await uow.session.flush()
    except IntegrityError as error:
        # Somebody else was quicker with the same number or name.
        raise (PhoneTaken if number else LoginTaken)() from error
    await assign_role(uow, user.id, hospital_id, role, department_id=department_id, title=title)
    uow.record(
        UserRegistered(
            hospital_id=hospital_id, aggregate_id=user.id, occurred_at=uow.now, role=role
        )
    )
    await audit.record(
        uow,
        None,
        "user.register",
        "user",
        user.id,
        detail={"role": role.value},
        hospital_id=hospital_id,
        user_id=user.id,
    )
    return user


def _normal(phone: str | None) -> str | None:
    if phone is None:
        return None
    number = rules.normal_phone(phone)
    if number is None:
        raise PhoneInvalid(fields=[FieldProblem("phone", "请填写11位手机号码")])
    return number


async def assign_role(
    uow: "UnitOfWork",
    user_id: UUID,
    hospital_id: UUID,
    role: Role,
    *,
    department_id: UUID | None = None,
    title: str = "",
    caller: "Caller | None" = None,
) -> RoleAssignment:
    """Give a role at a hospital, within a department where there is one; twice is once."""
    if department_id is not None:
        department = await uow.session.get(Department, department_id)
        if department is None or department.hospital_id != hospital_id:
            raise NotFound()
    # Two logins at once may both give the patient's role.
    inserted = await uow.session.scalar(
        insert(RoleAssignment)
        .values(
            id=new_id(),
            user_id=user_id,
            hospital_id=hospital_id,
            role=role,
            department_id=department_id,
            title=title,
            created_at=uow.now,
        )
        .on_conflict_do_nothing()
        .returning(RoleAssignment.id)
    )
    assignment = await uow.session.scalar(
        select(RoleAssignment).where(
            RoleAssignment.user_id == user_id,
            RoleAssignment.hospital_id == hospital_id,
            RoleAssignment.role == role,
            RoleAssignment.department_id.is_not_distinct_from(department_id),
        )
    )
    assert assignment is not None
    if inserted is not None:
        await _audit_role(uow, caller, "role.assign", assignment)
        sessions.announce_user_change(uow, user_id)
    return assignment


async def remove_role(
    uow: "UnitOfWork",
    caller: "Caller",
    user_id: UUID,
    role: Role,
    department_id: UUID | None = None,
    *,
    hospital_id: UUID | None = None,
) -> None:
    """Take a role away, at the caller's hospital unless another is given by an operator's tool.

    Tokens that carry it are refused at once.
    """
    assignment = await uow.session.scalar(
        select(RoleAssignment).where(
            RoleAssignment.user_id == user_id,
            RoleAssignment.hospital_id == (hospital_id or caller.hospital_id),
            RoleAssignment.role == role,
            RoleAssignment.department_id.is_not_distinct_from(department_id),
        )
    )
    if assignment is None:
        raise NotFound()
    await uow.session.delete(assignment)
    await uow.session.flush()
    await _audit_role(uow, caller, "role.remove", assignment)
    sessions.announce_user_change(uow, user_id)


async def _audit_role(
    uow: "UnitOfWork", caller: "Caller | None", action: str, assignment: RoleAssignment
) -> None:
    await audit.record(
        uow,
        caller,
        action,
        "user",
        assignment.user_id,
        detail={"role": assignment.role.value, "department_id": assignment.department_id},
        hospital_id=assignment.hospital_id,
    )


async def update_profile(
    uow: "UnitOfWork", caller: "Caller", *, name: str | None, avatar_file_id: UUID | None
) -> User:
    """Change what the caller is called and looks like; None leaves a field as it is.

    The api has attached the avatar to the account before.
    """
    user = await access.own_account(uow, caller, lock=True)
    if name is not None:
        user.name = name
        sessions.announce_user_change(uow, user.id)
    if avatar_file_id is not None:
        user.avatar_file_id = avatar_file_id
    return user
