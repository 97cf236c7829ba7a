"""Reading live sessions, for many at once.

After a restart thousands of tokens are looked at within seconds. What is asked is gathered: while
one reading is under way the next askers wait for the next one, which takes one statement however
many they are. Nobody is answered from a reading that began before the question.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID

from sqlalchemy import select, update

from core.identity import limits
from core.identity.caller import Caller
from core.identity.models import DeviceSession, Hospital, RoleAssignment, User
from core.identity.session_cache import LiveSession, SessionCache

if TYPE_CHECKING:
    from core.runtime import Runtime
    from core.uow import UnitOfWork

#: `last_seen_at` is not written more often than this.
SEEN_STEP = timedelta(seconds=60)
#: Sessions read by one statement.
MAX_AT_ONCE = 200
_NOBODY = LiveSession(None, "", "", False, False, False, frozenset())


@dataclass(eq=False, slots=True)
class _Asked:
    claimed: Caller
    answer: asyncio.Future[LiveSession]


class SessionReader:
    """The one of a process."""

    def __init__(self, runtime: "Runtime") -> None:
        self._runtime = runtime
        self._waiting: deque[_Asked] = deque()
        self._reading: asyncio.Task[None] | None = None

    @classmethod
    def of(cls, runtime: "Runtime") -> Self:
        """Made on first use."""
        found = runtime.ports.get(cls)
        if found is None:
            found = runtime.ports[cls] = cls(runtime)
        return found

    async def read(self, claimed: Caller) -> LiveSession:
        """The session behind a claim, as the database has it now."""
        asked = _Asked(claimed, asyncio.get_running_loop().create_future())
        self._waiting.append(asked)
        if self._reading is None:
            self._reading = asyncio.create_task(self._read_all())
        return await asked.answer

    async def _read_all(self) -> None:
        try:
            while self._waiting:
                count = min(len(self._waiting), MAX_AT_ONCE)
                await self._read_some([self._waiting.popleft() for _ in range(count)])
        finally:
            self._reading = None

    async def _read_some(self, asked: Sequence[_Asked]) -> None:
        cache = SessionCache.of(self._runtime)
        generation = cache.generation
        try:
            async with self._runtime.unit_of_work() as uow:
                found = await read_sessions(uow, [each.claimed for each in asked])
        # Whatever went wrong, those who asked are told so; nobody waits for ever.
        except BaseException as error:
            for each in asked:
                if not each.answer.done():
                    each.answer.set_exception(error)
            if not isinstance(error, Exception):
                raise
            return
        for each, live in zip(asked, found, strict=True):
            key = (each.claimed.session_id, each.claimed.hospital_id, each.claimed.role)
            cache.put(key, live, generation)
            if not each.answer.done():
                each.answer.set_result(live)


async def read_sessions(uow: "UnitOfWork", claims: Sequence[Caller]) -> list[LiveSession]:
    """What stands behind each claim; `last_seen_at` moves on where it is old."""
    ids = {claim.session_id for claim in claims}
    rows = await uow.session.execute(
        # Not the whole account: its encrypted columns cost time that no request needs.
        select(
            DeviceSession,
            User.name,
            User.enabled,
            User.password_changed_at,
            User.password_reset_required,
            RoleAssignment.hospital_id,
            RoleAssignment.role,
            RoleAssignment.department_id,
            Hospital.enabled,
        )
        .join(User, User.id == DeviceSession.user_id)
        .outerjoin(RoleAssignment, RoleAssignment.user_id == User.id)
        .outerjoin(Hospital, Hospital.id == RoleAssignment.hospital_id)
        .where(DeviceSession.id.in_(ids))
    )
    of_session: dict[UUID, list[Any]] = {}
    for row in rows:
        of_session.setdefault(row[0].id, []).append(row)
    await _note_seen(uow, (rows[0][0] for rows in of_session.values()))
    return [await _live(uow, claim, of_session) for claim in claims]


async def _note_seen(uow: "UnitOfWork", sessions: Iterable[DeviceSession]) -> None:
    stale = [
        session.id
        for session in sessions
        if session.revoked_at is None and uow.now - session.last_seen_at > SEEN_STEP
    ]
    if not stale:
        return
    # In order and past what another process is writing: it notes the same.
    free = (
        select(DeviceSession.id)
        .where(DeviceSession.id.in_(stale))
        .order_by(DeviceSession.id)
        .with_for_update(skip_locked=True)
    )
    await uow.session.execute(
        update(DeviceSession)
        .where(DeviceSession.id.in_(free))
        .values(last_seen_at=uow.now)
        .execution_options(synchronize_session=False)
    )


async def _live(
    uow: "UnitOfWork", claim: Caller, of_session: Mapping[UUID, Sequence[Any]]
) -> LiveSession:
    rows = of_session.get(claim.session_id)
    if rows is None:
        return _NOBODY
    session, name, enabled, password_changed_at, reset, *_ = rows[0]
    own = [row for row in rows if (row[5], row[6]) == (claim.hospital_id, claim.role)]
    idle, longest = await limits.session_limits(
        uow, claim.role, claim.hospital_id, session.platform
    )
    return LiveSession(
        user_id=session.user_id,
        name=name,
        device_id=session.device_id,
        revoked=session.revoked_at is not None,
        enabled=enabled,
        assigned=any(row[8] for row in own),
        department_ids=frozenset(row[7] for row in own if row[7] is not None),
        active_at=session.active_at,
        idle_after=session.active_at + idle,
        over_after=session.created_at + longest,
        second_factor_at=session.second_factor_at,
        second_factor_pending=session.second_factor_at is None
        and await limits.needs_second_factor(uow, claim.role, claim.hospital_id),
        password_change_pending=await limits.needs_new_password(
            uow,
            claim.role,
            claim.hospital_id,
            password_changed_at,
            reset,
            session.login_method,
        ),
    )
