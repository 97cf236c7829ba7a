"""What identity cleans up by itself."""

from datetime import timedelta

from sqlalchemy import delete, or_

from core.identity import sessions
from core.identity.certification.models import Certification
from core.identity.external.models import LoginAttempt
from core.identity.models import LoginThrottle, RefreshToken, SmsCode
from core.jobs import Job
from core.runtime import Runtime

#: Spent rows are kept this long for questions.
KEPT = timedelta(days=7)


async def end_idle_sessions(runtime: Runtime) -> None:
    """Revoke console sessions in which nobody has done anything for too long, or that are too old.

    Every request checks the same limits; this closes the sockets of whoever makes none.
    """
    async with runtime.unit_of_work() as uow:
        await sessions.end_by_themselves(uow)


async def remove_spent_tokens(runtime: Runtime) -> None:
    """Delete refresh tokens, codes, attempts and counters that can no longer matter."""
    async with runtime.unit_of_work() as uow:
        before = uow.now - KEPT
        await uow.session.execute(delete(RefreshToken).where(RefreshToken.expires_at < before))
        await uow.session.execute(delete(SmsCode).where(SmsCode.created_at < before))
        await uow.session.execute(delete(LoginAttempt).where(LoginAttempt.expires_at < before))
        await uow.session.execute(
            delete(Certification).where(
                Certification.outcome == "", Certification.created_at < before
            )
        )
        await uow.session.execute(
            delete(LoginThrottle).where(
                LoginThrottle.last_failed_at < before,
                or_(LoginThrottle.locked_until.is_(None), LoginThrottle.locked_until < before),
            )
        )


JOBS = [
    Job("identity.remove_spent_tokens", timedelta(hours=6), remove_spent_tokens),
    Job("identity.end_idle_sessions", timedelta(minutes=1), end_idle_sessions),
]
