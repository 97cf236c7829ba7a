"""How long a login lasts and what it owes first, by role, place and settings."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from core import settings
from core.identity.roles import STAFF_ROLES, Role
from core.identity.settings import (
    PATIENT_LONGEST_DAYS,
    PATIENT_SESSION_DAYS,
    SECOND_FACTOR_AT_LOGIN,
    STAFF_CONSOLE_IDLE_MINUTES,
    STAFF_LONGEST_HOURS,
    STAFF_PASSWORD_DAYS,
    STAFF_SESSION_HOURS,
)

if TYPE_CHECKING:
    from core.uow import UnitOfWork

CONSOLE = "pc"


async def session_limits(
    uow: "UnitOfWork", role: Role, hospital_id: UUID, platform: str
) -> tuple[timedelta, timedelta]:
    """How long a session may lie idle, and how long it may last at all."""
    if role is Role.PATIENT:
        idle = timedelta(
            days=await settings.get(uow, PATIENT_SESSION_DAYS, hospital_id=hospital_id)
        )
        days = await settings.get(uow, PATIENT_LONGEST_DAYS, hospital_id=hospital_id)
        return idle, timedelta(days=days)
    longest = timedelta(hours=await settings.get(uow, STAFF_LONGEST_HOURS, hospital_id=hospital_id))
    if platform == CONSOLE:
        minutes = await settings.get(uow, STAFF_CONSOLE_IDLE_MINUTES, hospital_id=hospital_id)
        return timedelta(minutes=minutes), longest
    hours = await settings.get(uow, STAFF_SESSION_HOURS, hospital_id=hospital_id)
    return timedelta(hours=hours), longest


async def needs_second_factor(uow: "UnitOfWork", role: Role, hospital_id: UUID) -> bool:
    """Whether a login in this role has to prove a second factor before anything else."""
    setting = SECOND_FACTOR_AT_LOGIN.get(role)
    return setting is not None and await settings.get(uow, setting, hospital_id=hospital_id)


async def needs_new_password(
    uow: "UnitOfWork",
    role: Role,
    hospital_id: UUID,
    changed_at: datetime | None,
    reset: bool,
    login_method: str,
) -> bool:
    """Whether a password was reset by somebody else or, for staff who use it, is too old."""
    if reset:
        return True
    if role not in STAFF_ROLES or login_method != "password" or changed_at is None:
        return False
    days = await settings.get(uow, STAFF_PASSWORD_DAYS, hospital_id=hospital_id)
    return bool(days) and uow.now - changed_at > timedelta(days=days)
