"""Slowing down guesses: failures counted per account name and per address, with a growing delay.

An attempt is counted as a failure before the secret is checked and forgiven when it was right, so
that many guesses at once are not more guesses. Names that no account has are counted alike.
"""

from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from core import settings
from core.crypto.blind_index import blind_index
from core.identity.errors import TooManyAttempts
from core.identity.models import LoginThrottle
from core.identity.rules import Lockout, remaining_seconds
from core.identity.settings import (
    ADDRESS_FREE_FAILURES,
    LOGIN_FIRST_DELAY_SECONDS,
    LOGIN_FREE_FAILURES,
    LOGIN_LONGEST_DELAY_SECONDS,
)

if TYPE_CHECKING:
    from core.runtime import Runtime
    from core.uow import UnitOfWork

_ACCOUNT, _ADDRESS = "login_throttles.account", "login_throttles.address"


async def claim_attempt(runtime: "Runtime", account: str, address: str) -> None:
    """Count one attempt, or raise `TooManyAttempts` with `retry_after` while the delay runs."""
    async with runtime.unit_of_work() as uow:
        lockout = await _lockout(uow)
        by_address = Lockout(
            await settings.get(uow, ADDRESS_FREE_FAILURES),
            lockout.first_delay,
            lockout.longest_delay,
            timedelta(hours=1),
        )
        await _claim(uow, blind_index(runtime.keyring, _ACCOUNT, account), lockout)
        if address:
            await _claim(uow, blind_index(runtime.keyring, _ADDRESS, address), by_address)


async def forgive(uow: "UnitOfWork", account: str, address: str) -> None:
    """The attempt was right: the account starts anew, the address gets this one back."""
    keyring = uow.runtime.keyring
    await uow.session.execute(
        delete(LoginThrottle).where(LoginThrottle.key == blind_index(keyring, _ACCOUNT, account))
    )
    if not address:
        return
    row = await uow.session.get(
        LoginThrottle, blind_index(keyring, _ADDRESS, address), with_for_update=True
    )
    if row is not None:
        # One good login does not wipe what was guessed at other accounts from the same place.
        row.failures = max(0, row.failures - 1)


async def forgive_now(runtime: "Runtime", account: str) -> None:
    """Take back an attempt that failed for another reason than a wrong secret."""
    async with runtime.unit_of_work() as uow:
        await forgive(uow, account, "")


async def _lockout(uow: "UnitOfWork") -> Lockout:
    return Lockout(
        await settings.get(uow, LOGIN_FREE_FAILURES),
        timedelta(seconds=await settings.get(uow, LOGIN_FIRST_DELAY_SECONDS)),
        timedelta(seconds=await settings.get(uow, LOGIN_LONGEST_DELAY_SECONDS)),
    )


async def _claim(uow: "UnitOfWork", key: bytes, lockout: Lockout) -> None:
    await uow.session.execute(
        insert(LoginThrottle)
        .values(key=key, failures=0, last_failed_at=uow.now)
        .on_conflict_do_nothing()
    )
    row = await uow.session.scalar(
        select(LoginThrottle).where(LoginThrottle.key == key).with_for_update()
    )
    assert row is not None
    wait = remaining_seconds(row.locked_until, uow.now)
    if wait:
        raise TooManyAttempts(retry_after=wait)
    if uow.now - row.last_failed_at > lockout.forget_after:
        row.failures = 0
    row.failures += 1
    row.last_failed_at = uow.now
    delay = lockout.delay(row.failures)
    row.locked_until = uow.now + delay if delay else None
