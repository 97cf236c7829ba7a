"""Lock-outs as officers see them: who cannot log in now, and letting somebody in again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import ColumnElement, delete, exists, func, select

from core import audit
from core.access import require
from core.errors import NotFound
from core.identity.access import LOGIN_LOCK
from core.identity.caller import Caller
from core.identity.models import LoginThrottle, RoleAssignment, User

if TYPE_CHECKING:
    from core.uow import UnitOfWork


@dataclass(frozen=True, slots=True)
class Lock:
    """Somebody whose attempts are not heard until `until`, after this many failures in a row."""

    user_id: UUID
    name: str
    failures: int
    until: datetime


def _belongs_here(caller: Caller) -> ColumnElement[bool]:
    return exists().where(
        RoleAssignment.user_id == LoginThrottle.user_id,
        RoleAssignment.hospital_id == caller.hospital_id,
    )


async def locked(uow: "UnitOfWork", caller: Caller) -> Sequence[Lock]:
    """The locks of people of the caller's hospital, the longest first. Raises NotPermitted."""
    await require(uow, caller, LOGIN_LOCK)
    rows = await uow.session.execute(
        select(
            User.id,
            User.name,
            func.max(LoginThrottle.failures),
            func.max(LoginThrottle.locked_until),
        )
        .join(User, User.id == LoginThrottle.user_id)
        .where(LoginThrottle.locked_until > uow.now, _belongs_here(caller))
        .group_by(User.id, User.name)
        .order_by(func.max(LoginThrottle.locked_until).desc(), User.id)
    )
    return [
        Lock(user_id, name, failures, until)
        for user_id, name, failures, until in rows
        if until is not None
    ]


async def lift(uow: "UnitOfWork", caller: Caller, user_id: UUID) -> None:
    """Let somebody of the caller's hospital try again at once.

    Raises NotPermitted, and NotFound when there is no lock, or none of this hospital.
    """
    await require(uow, caller, LOGIN_LOCK, "lift")
    ended = await uow.session.execute(
        delete(LoginThrottle)
        .where(LoginThrottle.user_id == user_id, _belongs_here(caller))
        .returning(LoginThrottle.locked_until)
    )
    if not any(until is not None and until > uow.now for (until,) in ended):
        raise NotFound()
    await audit.record(uow, caller, "login.unlock", "user", user_id)
