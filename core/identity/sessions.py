"""Device sessions: whether one still lives, listing them, ending them."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import and_, select, update

from core import audit
from core.errors import NotFound, Unauthenticated
from core.identity import tokens
from core.identity.caller import Caller
from core.identity.errors import AccountDisabled, SessionIsRevoked
from core.identity.events import SessionRevoked
from core.identity.models import DeviceSession, Hospital, RoleAssignment, User
from core.identity.roles import Role
from core.identity.session_cache import REVOKED_CHANNEL, USER_CHANNEL, LiveSession, SessionCache

if TYPE_CHECKING:
    from core.runtime import Runtime
    from core.uow import UnitOfWork

#: `last_seen_at` is not written more often than this.
SEEN_STEP = timedelta(seconds=60)


async def authenticate(runtime: "Runtime", token: str) -> Caller:
    """The caller behind an access token whose session still lives.

    Raises `TokenExpired`, `Unauthenticated`, `SessionIsRevoked` or `AccountDisabled`. The name and
    the departments come from the database, so a change of duties counts within seconds.
    """
    return await live_caller(
        runtime, tokens.authenticate(token, runtime.clock.now(), runtime.keyring)
    )


async def live_caller(runtime: "Runtime", claimed: Caller) -> Caller:
    """The caller behind a genuine claim (access token, ticket) whose session still lives.

    Raises `Unauthenticated`, `SessionIsRevoked` or `AccountDisabled`.
    """
    cache = SessionCache.of(runtime)
    key = (claimed.session_id, claimed.hospital_id, claimed.role)
    live = cache.get(key)
    if live is None:
        generation = cache.generation
        async with runtime.unit_of_work() as uow:
            live = await _load(uow, claimed)
        cache.put(key, live, generation)
    if live.user_id != claimed.user_id or live.device_id != claimed.device_id:
        raise Unauthenticated()
    if live.revoked:
        raise SessionIsRevoked()
    if not live.enabled:
        raise AccountDisabled()
    if not live.assigned:
        # The role was taken away: the session may go on in another one.
        raise Unauthenticated("您的身份已变更，请重新登录")
    return Caller(
        user_id=claimed.user_id,
        hospital_id=claimed.hospital_id,
        role=claimed.role,
        session_id=claimed.session_id,
        device_id=claimed.device_id,
        department_ids=live.department_ids,
        name=live.name,
    )


async def _load(uow: "UnitOfWork", claimed: Caller) -> LiveSession:
    rows = (
        await uow.session.execute(
            select(
                User.id,
                User.name,
                User.enabled,
                DeviceSession.device_id,
                DeviceSession.revoked_at,
                DeviceSession.last_seen_at,
                RoleAssignment.id,
                RoleAssignment.department_id,
                Hospital.enabled,
            )
            .join(User, User.id == DeviceSession.user_id)
            .outerjoin(
                RoleAssignment,
                and_(
                    RoleAssignment.user_id == User.id,
                    RoleAssignment.hospital_id == claimed.hospital_id,
                    RoleAssignment.role == claimed.role,
                ),
            )
            .outerjoin(Hospital, Hospital.id == RoleAssignment.hospital_id)
            .where(DeviceSession.id == claimed.session_id)
        )
    ).all()
    if not rows:
        return LiveSession(None, "", "", False, False, False, frozenset())
    first = rows[0]
    if first[4] is None and uow.now - first[5] > SEEN_STEP:
        await uow.session.execute(
            update(DeviceSession)
            .where(DeviceSession.id == claimed.session_id)
            .values(last_seen_at=uow.now)
        )
    return LiveSession(
        user_id=first[0],
        name=first[1],
        device_id=first[3],
        revoked=first[4] is not None,
        enabled=first[2],
        assigned=first[6] is not None and bool(first[8]),
        department_ids=frozenset(row[7] for row in rows if row[7] is not None),
    )


async def list_sessions(uow: "UnitOfWork", caller: Caller) -> Sequence[DeviceSession]:
    """The caller's own live sessions, the most recently used first."""
    rows = await uow.session.scalars(
        select(DeviceSession)
        .where(DeviceSession.user_id == caller.user_id, DeviceSession.revoked_at.is_(None))
        .order_by(DeviceSession.last_seen_at.desc())
    )
    return rows.all()


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
