"""What identity cleans up by itself."""

from datetime import timedelta

from sqlalchemy import delete, or_

from core.identity.models import LoginThrottle, RefreshToken, SmsCode
from core.jobs import Job
from core.runtime import Runtime

#: Spent rows are kept this long for questions.
KEPT = timedelta(days=7)


async def remove_spent_tokens(runtime: Runtime) -> None:
    """Delete refresh tokens, codes and counters that can no longer matter."""
    async with runtime.unit_of_work() as uow:
        before = uow.now - KEPT
        await uow.session.execute(delete(RefreshToken).where(RefreshToken.expires_at < before))
        await uow.session.execute(delete(SmsCode).where(SmsCode.created_at < before))
        await uow.session.execute(
            delete(LoginThrottle).where(
                LoginThrottle.last_failed_at < before,
                or_(LoginThrottle.locked_until.is_(None), LoginThrottle.locked_until < before),
            )
        )


JOBS = [Job("identity.remove_spent_tokens", timedelta(hours=6), remove_spent_tokens)]
