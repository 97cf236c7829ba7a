"""From rows to answers."""

from typing import TYPE_CHECKING

from sqlalchemy import select

from core.identity import access, limits, places
from core.identity.login import Issued
from core.identity.models import DeviceSession, Hospital, User
from core.identity.schemas import (
    DepartmentRef,
    HospitalRef,
    Me,
    Owed,
    RoleView,
    SessionView,
    StaffView,
    Tokens,
    UserView,
)
from core.masking import mask_name, mask_phone

if TYPE_CHECKING:
    from core.identity.caller import Caller
    from core.uow import UnitOfWork


def user_view(user: User) -> UserView:
    """The account as its owner sees it."""
    return UserView(
        id=user.id,
        name=user.name,
        phone_masked=mask_phone(user.phone) if user.phone else None,
        real_name_verified=user.real_name_verified_at is not None,
        real_name_masked=mask_name(user.real_name) if user.real_name else None,
        avatar=user.avatar_file_id,
    )


async def me(uow: "UnitOfWork", caller: "Caller", user: User) -> Me:
    """Account, role and hospital of this session, and every role that could be taken."""
    held = await access.duties(uow, user.id)
    rows = await uow.session.execute(
        select(Hospital.id, Hospital.name).where(
            Hospital.id.in_({caller.hospital_id, *(duty.hospital_id for duty in held)})
        )
    )
    names = {hospital_id: name for hospital_id, name in rows}
    return Me(
        user=user_view(user),
        role=caller.role,
        hospital=HospitalRef(id=caller.hospital_id, name=names.get(caller.hospital_id, "")),
        roles=[
            RoleView(
                role=duty.role,
                hospital_id=duty.hospital_id,
                hospital_name=names[duty.hospital_id],
                department_ids=sorted(duty.department_ids),
            )
            for duty in held
        ],
        owes=await _owed(uow, caller, user),
        idle_seconds=await _idle_seconds(uow, caller),
    )


async def _idle_seconds(uow: "UnitOfWork", caller: "Caller") -> int:
    session = await uow.session.get(DeviceSession, caller.session_id)
    platform = session.platform if session else ""
    idle, _ = await limits.session_limits(uow, caller.role, caller.hospital_id, platform)
    return int(idle.total_seconds())


async def _owed(uow: "UnitOfWork", caller: "Caller", user: User) -> list[Owed]:
    session = await uow.session.get(DeviceSession, caller.session_id)
    assert session is not None
    place = caller.role, caller.hospital_id
    owed = []
    if session.second_factor_at is None and await limits.needs_second_factor(uow, *place):
        owed.append(Owed.SECOND_FACTOR)
    changed_at, reset = user.password_changed_at, user.password_reset_required
    if await limits.needs_new_password(uow, *place, changed_at, reset, session.login_method):
        owed.append(Owed.PASSWORD)
    return owed


async def tokens(uow: "UnitOfWork", issued: Issued) -> Tokens:
    """The answer to a login, a refresh or a change of role."""
    about = await me(uow, issued.caller, issued.user)
    return Tokens(
        **dict(about),
        access_token=issued.access_token,
        expires_in=issued.expires_in,
        refresh_token=issued.refresh_token,
        session_id=issued.caller.session_id,
    )


def session_view(session: DeviceSession, caller: "Caller") -> SessionView:
    """One line of the own device list."""
    return SessionView(
        id=session.id,
        device_name=session.device_name,
        label=session.label,
        platform=session.platform,
        place=places.place_of(session.address),
        address=session.address,
        login_method=session.login_method,
        second_factor=session.second_factor_at is not None,
        created_at=session.created_at,
        last_seen_at=session.last_seen_at,
        current=session.id == caller.session_id,
    )


def staff_view(member: access.StaffMember) -> StaffView:
    """One line of the staff list."""
    departments = {
        department.id: DepartmentRef(id=department.id, name=department.name)
        for _, department in member.assignments
        if department is not None
    }
    titles = [assignment.title for assignment, _ in member.assignments if assignment.title]
    return StaffView(
        user_id=member.user.id,
        name=member.user.name,
        phone_masked=mask_phone(member.user.phone) if member.user.phone else None,
        roles=list(dict.fromkeys(assignment.role for assignment, _ in member.assignments)),
        department=next(iter(departments.values()), None),
        departments=list(departments.values()),
        title=titles[0] if titles else "",
        enabled=member.user.enabled,
    )
