"""Slowing down guesses: failures counted per account name and per address.

Source: GB/T 22239 (MLPS level 3): failed logins end the attempt and are limited in number.

An attempt on an account is counted as a failure before the secret is checked and forgiven when it
was right, so that many guesses at once are not more guesses; the delay grows. Names that no account
has are counted alike. An address, behind which a whole hospital may sit, is only counted when a
guess was wrong, and pauses when too many fall into one window.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from core import settings
from core.alarms import raise_alarm
from core.crypto.blind_index import blind_index
from core.identity.errors import TooManyAttempts
from core.identity.models import LoginThrottle, User
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
ADDRESS_WINDOW = timedelta(minutes=15)
#: So many locks in a row are worth an officer's look.
ALARMING_LOCKOUTS = 3


async def claim_attempt(
    runtime: "Runtime", account: str, address: str = "", user_id: UUID | None = None
) -> None:
    """Count one attempt, or raise `TooManyAttempts` with `retry_after` while a delay runs.

    `user_id` is the account behind it, so that its officers can see and lift the lock.
    """
    async with runtime.unit_of_work() as uow:
        lockout = Lockout(
            await settings.get(uow, LOGIN_FREE_FAILURES),
            timedelta(seconds=await settings.get(uow, LOGIN_FIRST_DELAY_SECONDS)),
            timedelta(seconds=await settings.get(uow, LOGIN_LONGEST_DELAY_SECONDS)),
        )
        if address:
            paused = await uow.session.get(LoginThrottle, _key(uow, _ADDRESS, address))
            _refuse_while_locked(uow, paused)
        row = await _locked_row(uow, _key(uow, _ACCOUNT, account))
        _refuse_while_locked(uow, row)
        if uow.now - row.last_failed_at > lockout.forget_after:
            row.failures = row.lockouts = 0
        row.failures += 1
        row.last_failed_at, row.user_id = uow.now, user_id
        delay = lockout.delay(row.failures)
        row.locked_until = uow.now + delay if delay else None
        row.lockouts += 1 if delay else 0


async def tell_of_lockouts(
    uow: "UnitOfWork", account: str, user: User, places: Iterable[UUID]
) -> None:
    """Raise an alarm at the account's hospitals when it was locked again and again."""
    row = await uow.session.get(LoginThrottle, _key(uow, _ACCOUNT, account))
    if row is None or row.lockouts < ALARMING_LOCKOUTS:
        return
    for hospital_id in places:
        await raise_alarm(
            uow,
            hospital_id,
            "login_lockout",
            "账号被反复锁定",
            f"{user.name}的账号连续 {row.failures} 次登录失败，已被锁定 {row.lockouts} 次，请核实",
            ("user", user.id),
        )


async def count_wrong_guess(uow: "UnitOfWork", address: str) -> None:
    """Count a wrong guess from an address; at the limit it pauses until its window ends."""
    if not address:
        return
    row = await _locked_row(uow, _key(uow, _ADDRESS, address))
    if uow.now - row.counted_since > ADDRESS_WINDOW:
        row.failures, row.counted_since = 0, uow.now
    row.failures += 1
    row.last_failed_at = uow.now
    if row.failures >= await settings.get(uow, ADDRESS_FREE_FAILURES):
        row.locked_until = row.counted_since + ADDRESS_WINDOW
        row.lockouts += 1
        await raise_alarm(
            uow,
            None,
            "login_address",
            "同一网络地址大量登录失败",
            f"{address} 在 15 分钟内登录失败 {row.failures} 次，已暂停该地址登录",
            ("address", address),
        )


async def forgive(uow: "UnitOfWork", account: str) -> None:
    """The secret was right, or was not what failed: the account starts anew."""
    await uow.session.execute(
        delete(LoginThrottle).where(LoginThrottle.key == _key(uow, _ACCOUNT, account))
    )


async def forgive_now(runtime: "Runtime", account: str) -> None:
    """`forgive` in a transaction of its own."""
    async with runtime.unit_of_work() as uow:
        await forgive(uow, account)


def _key(uow: "UnitOfWork", kind: str, text: str) -> bytes:
    return blind_index(uow.runtime.keyring, kind, text)


def _refuse_while_locked(uow: "UnitOfWork", row: LoginThrottle | None) -> None:
    wait = remaining_seconds(row.locked_until, uow.now) if row else 0
    if wait:
        raise TooManyAttempts(retry_after=wait)


async def _locked_row(uow: "UnitOfWork", key: bytes) -> LoginThrottle:
    await uow.session.execute(
        insert(LoginThrottle)
        .values(key=key, failures=0, counted_since=uow.now, last_failed_at=uow.now)
        .on_conflict_do_nothing()
    )
    row = await uow.session.scalar(
        select(LoginThrottle)
        .where(LoginThrottle.key == key)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    assert row is not None
    return row
