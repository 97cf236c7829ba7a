"""The own password: its rules, its history, and what changing it ends."""

from typing import TYPE_CHECKING

from sqlalchemy import delete, select

from core import audit
from core.errors import FieldProblem
from core.identity import access, passwords, rules, sessions
from core.identity.caller import Caller
from core.identity.errors import PasswordTooWeak, PasswordWrong
from core.identity.models import PasswordHistory, User
from core.identity.roles import STAFF_ROLES
from core.ids import new_id

if TYPE_CHECKING:
    from core.uow import UnitOfWork

#: A new password must differ from the present one and from this many before it.
REMEMBERED = 5


async def change(
    uow: "UnitOfWork",
    caller: Caller,
    old: str | None,
    new: str,
    *,
    end_others: bool = True,
    field: str = "new",
) -> None:
    """Set the caller's password; the old one is asked for when there is one.

    With `end_others` every other session of the account ends; a password that somebody had to
    reset ends them always. Raises PasswordWrong, PasswordTooWeak.
    """
    user = await access.own_account(uow, caller, lock=True)
    encoded = await access.password_hash(uow, user.id)
    if encoded and not await passwords.password_matches(encoded, old or ""):
        raise PasswordWrong("原密码不正确")
    held = await access.duties(uow, user.id)
    staff = any(duty.role in STAFF_ROLES for duty in held)
    personal = [each for each in (user.login, user.phone, user.name) if each]
    problem = rules.password_problem(new, staff=staff, personal=personal)
    if problem is None and await _was_used(uow, user, encoded, new):
        problem = f"不能与最近 {REMEMBERED} 次用过的密码相同"
    if problem:
        raise PasswordTooWeak(fields=[FieldProblem(field, problem)])
    forced = user.password_reset_required
    await keep(uow, user, encoded)
    user.password_hash = await passwords.hash_password(new)
    user.password_changed_at, user.password_reset_required = uow.now, False
    await audit.record(uow, caller, "user.change_password", "user", user.id)
    if end_others or forced:
        await sessions.revoke_all(uow, user.id, "password_changed", spare=caller.session_id)
    sessions.announce_user_change(uow, user.id)


async def keep(uow: "UnitOfWork", user: User, encoded: str | None) -> None:
    """Put the hash that is about to go into the history, and forget the oldest."""
    if not encoded:
        return
    uow.session.add(
        PasswordHistory(id=new_id(), user_id=user.id, password_hash=encoded, replaced_at=uow.now)
    )
    await uow.session.flush()
    newest = (
        select(PasswordHistory.id)
        .where(PasswordHistory.user_id == user.id)
        .order_by(PasswordHistory.replaced_at.desc(), PasswordHistory.id.desc())
        .limit(REMEMBERED)
    )
    await uow.session.execute(
        delete(PasswordHistory).where(
            PasswordHistory.user_id == user.id, PasswordHistory.id.not_in(newest)
        )
    )


async def _was_used(uow: "UnitOfWork", user: User, encoded: str | None, new: str) -> bool:
    rows = await uow.session.scalars(
        select(PasswordHistory.password_hash)
        .where(PasswordHistory.user_id == user.id)
        .order_by(PasswordHistory.replaced_at.desc())
        .limit(REMEMBERED - 1)
    )
    for each in [*([encoded] if encoded else []), *rows]:
        if await passwords.password_matches(each, new):
            return True
    return False
