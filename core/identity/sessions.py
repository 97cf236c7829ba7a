"""Device sessions: whether one still lives, listing them, ending them."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import distinct_on

from core import audit
from core.errors import NotFound, Unauthenticated
from core.identity import limits, tokens
from core.identity.caller import Caller
from core.identity.errors import (
    AccountDisabled,
    PasswordChangeRequired,
    SecondFactorRequired,
    SessionIdle,
    SessionIsRevoked,
    SessionTooOld,
)
from core.identity.events import SessionRevoked
from core.identity.models import DeviceSession, RefreshToken, RoleAssignment
from core.identity.roles import Role
from core.identity.session_cache import REVOKED_CHANNEL, USER_CHANNEL, LiveSession, SessionCache
from core.identity.session_reading import SEEN_STEP, SessionReader

if TYPE_CHECKING:
    from core.runtime import Runtime
    from core.uow import UnitOfWork

#: The smallest idle limit that can be set; younger sessions need no look.
SHORTEST_IDLE = timedelta(minutes=5)


async def authenticate(
    runtime: "Runtime", token: str, *, active: bool = False, pending: bool = False
) -> Caller:
    """The caller behind an access token whose session still lives.

    Raises `TokenExpired` and whatever `live_caller` raises. The name and the departments come from
    the database, so a change of duties counts within seconds.
    """
    claimed = tokens.authenticate(token, runtime.clock.now(), runtime.keyring)
    return await live_caller(runtime, claimed, active=active, pending=pending)


async def live_caller(
    runtime: "Runtime", claimed: Caller, *, active: bool = False, pending: bool = False
) -> Caller:
    """The caller behind a genuine claim (access token, ticket) whose session still lives.

    `active` says that a person is behind this, which the idle limit counts from; `pending` lets
    somebody through who still owes a second factor or a new password. Raises `Unauthenticated`,
    `SessionIsRevoked` (`SessionIdle`, `SessionTooOld`), `AccountDisabled`, `SecondFactorRequired`
    or `PasswordChangeRequired`.
    """
    key = (claimed.session_id, claimed.hospital_id, claimed.role)
    now = runtime.clock.now()
    live = SessionCache.of(runtime).get(key)
    if live is None or _ended(live, now):
        # Another process may have seen somebody act since this one last asked.
        live = await SessionReader.of(runtime).read(claimed)
    if live.user_id != claimed.user_id or live.device_id != claimed.device_id:
        raise Unauthenticated()
    if live.revoked:
        raise SessionIsRevoked()
    if not live.enabled:
        raise AccountDisabled()
    if not live.assigned:
        # The role was taken away: the session may go on in another one.
        raise Unauthenticated("您的身份已变更，请重新登录")
    if (ended := _ended(live, now)) is not None:
        raise ended
    if live.second_factor_pending and not pending:
        raise SecondFactorRequired()
    if live.password_change_pending and not pending:
        raise PasswordChangeRequired()
    if active and live.active_at is not None and now - live.active_at > SEEN_STEP:
        await touch(runtime, claimed.session_id)
    return Caller(
        user_id=claimed.user_id,
        hospital_id=claimed.hospital_id,
        role=claimed.role,
        session_id=claimed.session_id,
        device_id=claimed.device_id,
        department_ids=live.department_ids,
        name=live.name,
        second_factor_at=live.second_factor_at,
    )


def _ended(live: LiveSession, now: datetime) -> SessionIsRevoked | None:
    """Why a session has ended by itself, if it has."""
    if live.over_after is not None and now >= live.over_after:
        return SessionTooOld()
    # What a person did is noted once a step, so it may be a step younger than it looks.
    if live.idle_after is not None and now >= live.idle_after + SEEN_STEP:
        return SessionIdle()
    return None


async def touch(runtime: "Runtime", session_id: UUID) -> None:
    """Note that a person is there now."""
    async with runtime.unit_of_work() as uow:
        await uow.session.execute(
            update(DeviceSession)
            .where(DeviceSession.id == session_id, DeviceSession.revoked_at.is_(None))
            .values(active_at=uow.now, last_seen_at=uow.now)
        )
        now = uow.now
    SessionCache.of(runtime).note_active(session_id, now)


async def list_sessions(uow: "UnitOfWork", caller: Caller) -> Sequence[DeviceSession]:
    """The caller's own live sessions, the most recently used first."""
    rows = await uow.session.scalars(
        select(DeviceSession)
        .where(DeviceSession.user_id == caller.user_id, DeviceSession.revoked_at.is_(None))
        .order_by(DeviceSession.last_seen_at.desc())
    )
    return rows.all()


async def end_by_themselves(uow: "UnitOfWork") -> int:
    """End staff sessions that have reached their idle or absolute limit; returns how many.

    A session's role is that of its newest refresh token; patients' sessions end with their tokens.
    """
    newest = (
        select(RefreshToken.session_id, RefreshToken.role, RefreshToken.hospital_id)
        .ext(distinct_on(RefreshToken.session_id))
        .order_by(RefreshToken.session_id, RefreshToken.issued_at.desc())
        .subquery()
    )
    rows = await uow.session.execute(
        select(
            DeviceSession.id,
            DeviceSession.platform,
            DeviceSession.created_at,
            DeviceSession.active_at,
            newest.c.role,
            newest.c.hospital_id,
        )
        .join(newest, newest.c.session_id == DeviceSession.id)
        .where(
            DeviceSession.revoked_at.is_(None),
            newest.c.role != Role.PATIENT,
            DeviceSession.active_at < uow.now - SHORTEST_IDLE,
        )
        .order_by(DeviceSession.id)
    )
    ending: dict[UUID, str] = {}
    for session_id, platform, created_at, active_at, role, hospital_id in rows:
        idle, longest = await limits.session_limits(uow, role, hospital_id, platform)
        if uow.now >= created_at + longest:
            ending[session_id] = "over"
        elif uow.now >= active_at + idle + SEEN_STEP:
            ending[session_id] = "idle"
    locked = await uow.session.scalars(
        select(DeviceSession)
        .where(DeviceSession.id.in_(ending), DeviceSession.revoked_at.is_(None))
        .order_by(DeviceSession.id)
        .with_for_update(skip_locked=True)
    )
    ended = 0
    for session in locked:
        await revoke(uow, session, ending[session.id])
        ended += 1
    return ended


async def revoke_own(uow: "UnitOfWork", caller: Caller, session_id: UUID) -> None:
    """End one of the caller's own sessions; raises `NotFound` for anybody else's."""
    session = await uow.session.scalar(
        select(DeviceSession)
        .where(DeviceSession.id == session_id, DeviceSession.user_id == caller.user_id)
        .with_for_update()
    )
    if session is None or session.revoked_at is not None:
        raise NotFound()
    await revoke(uow, session, "revoked_by_user", caller)


async def rename_own(
    uow: "UnitOfWork", caller: Caller, session_id: UUID, label: str
) -> DeviceSession:
    """Give one of the caller's own devices a name; raises `NotFound` for anybody else's."""
    session = await uow.session.scalar(
        select(DeviceSession).where(
            DeviceSession.id == session_id,
            DeviceSession.user_id == caller.user_id,
            DeviceSession.revoked_at.is_(None),
        )
    )
    if session is None:
        raise NotFound()
    session.label = label
    return session


async def revoke_others(uow: "UnitOfWork", caller: Caller) -> int:
    """End every session of the caller but this one; returns how many ended."""
    return await revoke_all(uow, caller.user_id, "revoked_by_user", spare=caller.session_id)


async def logout(uow: "UnitOfWork", caller: Caller) -> None:
    """End the session that asks."""
    session = await uow.session.get(DeviceSession, caller.session_id, with_for_update=True)
    if session is not None and session.revoked_at is None:
        await revoke(uow, session, "logout", caller)


async def revoke_all(
    uow: "UnitOfWork", user_id: UUID, reason: str, *, spare: UUID | None = None
) -> int:
    """End every session of a user but `spare`; returns how many ended."""
    query = select(DeviceSession).where(
        DeviceSession.user_id == user_id, DeviceSession.revoked_at.is_(None)
    )
    ended = 0
    for session in await uow.session.scalars(query.order_by(DeviceSession.id).with_for_update()):
        if session.id != spare:
            await revoke(uow, session, reason)
            ended += 1
    return ended


async def revoke(
    uow: "UnitOfWork", session: DeviceSession, reason: str, caller: Caller | None = None
) -> None:
    """End one session: its tokens are refused and its sockets drop, right after the commit.

    The event repeats the hint from the outbox, so that a process that dies between commit and hint
    leaves no socket open for long.
    """
    session.revoked_at, session.revoke_reason = uow.now, reason
    await audit.record(
        uow,
        caller,
        "session.revoke",
        "session",
        session.id,
        detail={"reason": reason, "device": session.device_name},
        hospital_id=session.hospital_id,
        user_id=session.user_id,
    )
    uow.record(
        SessionRevoked(
            hospital_id=session.hospital_id,
            aggregate_id=session.id,
            occurred_at=uow.now,
            user_id=session.user_id,
            reason=reason,
        )
    )
    runtime = uow.runtime
    session_id, user_id = session.id, session.user_id

    async def tell() -> None:
        await announce_revocation(runtime, session_id, user_id, reason)

    uow.after_commit(tell)


async def announce_revocation(
    runtime: "Runtime", session_id: UUID, user_id: UUID, reason: str
) -> None:
    """Tell every process that a session has ended; repeating it does no harm."""
    # The own cache is dropped even when nobody subscribed it yet.
    SessionCache.of(runtime)
    await runtime.bus.publish(
        REVOKED_CHANNEL,
        {"session_id": str(session_id), "user_id": str(user_id), "reason": reason},
    )


def announce_user_change(uow: "UnitOfWork", user_id: UUID) -> None:
    """After the commit, make every process read the user's roles, name and standing again."""
    runtime = uow.runtime

    async def tell() -> None:
        SessionCache.of(runtime)
        await runtime.bus.publish(USER_CHANNEL, {"user_id": str(user_id)})

    uow.after_commit(tell)


async def has_role(uow: "UnitOfWork", user_id: UUID, hospital_id: UUID, role: Role) -> bool:
    """Whether the user holds a role at a hospital."""
    found = await uow.session.scalar(
        select(RoleAssignment.id)
        .where(
            RoleAssignment.user_id == user_id,
            RoleAssignment.hospital_id == hospital_id,
            RoleAssignment.role == role,
        )
        .limit(1)
    )
    return found is not None
