"""Refreshing tokens: each refresh token works once; a second use ends the session.

A lost answer is not a theft: for `GRACE` after its use the same token, from the same browser
(User-Agent), returns the same successor again as long as nobody has used that one. Anything else
that shows a used token means that two parties hold it, and the session is revoked for both.
"""

from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import select

from core.crypto.sm import sm3
from core.errors import ProblemError, Unauthenticated
from core.identity import access, login, sessions
from core.identity.errors import AccountDisabled, SessionIsRevoked
from core.identity.login import Issued
from core.identity.models import DeviceSession, RefreshToken, User
from core.identity.rules import Duty
from core.identity.tokens import read_refresh_token

if TYPE_CHECKING:
    from core.runtime import Runtime
    from core.uow import UnitOfWork

GRACE = timedelta(seconds=30)


async def refresh(runtime: "Runtime", text: str, agent: str) -> Issued:
    """Exchange a refresh token for the next pair. Commits by itself.

    Raises SessionIsRevoked (reuse, revoked, idle for too long), AccountDisabled or
    Unauthenticated (no such token, role taken away).
    """
    claim = read_refresh_token(text, runtime.keyring)
    async with runtime.unit_of_work() as uow:
        token = await uow.session.get(RefreshToken, claim.token_id, with_for_update=True)
        if token is None:
            raise Unauthenticated()
        outcome = await _exchange(uow, token, sm3(agent.encode()))
    # A refusal may have revoked the session, so it is told only after the commit.
    if isinstance(outcome, ProblemError):
        raise outcome
    return outcome


async def _exchange(uow: "UnitOfWork", token: RefreshToken, agent: bytes) -> Issued | ProblemError:
    session = await uow.session.get(DeviceSession, token.session_id, with_for_update=True)
    user = await uow.session.get(User, session.user_id) if session else None
    if session is None or user is None or session.revoked_at is not None:
        return SessionIsRevoked()
    if token.used_at is not None and not await _may_repeat(uow, token, agent):
        await sessions.revoke(uow, session, "token_reuse")
        return SessionIsRevoked()
    if token.expires_at <= uow.now:
        return SessionIsRevoked()
    if not user.enabled:
        return AccountDisabled()
    duty = await _duty_of(uow, token, user)
    if duty is None:
        return Unauthenticated("您的身份已变更，请重新登录")
    session.last_seen_at = uow.now
    caller = login.caller_for(user, session, duty)
    if token.successor_id is not None:
        return login.issued(uow, user, caller, token.successor_id)
    pair = await login.issue(uow, user, caller, family_id=token.family_id)
    token.used_at, token.used_agent = uow.now, agent
    token.successor_id = read_refresh_token(pair.refresh_token, uow.runtime.keyring).token_id
    return pair


async def _may_repeat(uow: "UnitOfWork", token: RefreshToken, agent: bytes) -> bool:
    if token.used_at is None or uow.now - token.used_at > GRACE or token.used_agent != agent:
        return False
    used = await uow.session.scalar(
        select(RefreshToken.used_at).where(RefreshToken.id == token.successor_id)
    )
    return used is None


async def _duty_of(uow: "UnitOfWork", token: RefreshToken, user: User) -> Duty | None:
    for duty in await access.duties(uow, user.id):
        if (duty.hospital_id, duty.role) == (token.hospital_id, token.role):
            return duty
    return None
