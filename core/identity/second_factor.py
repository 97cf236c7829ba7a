"""Proving a second factor, and asking for a fresh one before actions that weigh.

A factor is second only when it differs from what the login itself has shown: who came by a text
message cannot show the same telephone again. TOTP is the rule; a text message stands in until an
authenticator is enrolled, so that nobody is locked out.
Source: GB/T 22239 (MLPS level 3, identity authentication).
"""

import secrets
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import delete, func, select

from core import audit, settings
from core.crypto.blind_index import blind_index
from core.crypto.keyring import Keyring
from core.identity import access, passwords, sessions, sms_codes, throttle
from core.identity.caller import Caller
from core.identity.errors import (
    SecondFactorRequired,
    SecondFactorUnavailable,
    SecondFactorWrong,
)
from core.identity.factors import totp
from core.identity.factors.models import RecoveryCode, TotpFactor
from core.identity.models import DeviceSession, User
from core.identity.settings import (
    SECOND_FACTOR_CRITICAL_MINUTES,
    SECOND_FACTOR_SIGNING_MINUTES,
)
from core.identity.sms_codes import Purposes
from core.ids import new_id
from core.masking import mask_phone

if TYPE_CHECKING:
    from core.runtime import Runtime
    from core.uow import UnitOfWork

RECOVERY_CODES = 10
#: Letters and digits that nobody mistakes for each other.
_ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
#: The first authenticator may be enrolled without a factor this long after the login.
FRESH_LOGIN = timedelta(minutes=15)


class Method(StrEnum):
    """A way to prove a second factor."""

    TOTP = "totp"
    SMS = "sms"
    PASSWORD = "password"  # noqa: S105 - a method, no secret
    RECOVERY = "recovery"
    ENROL_TOTP = "enrol_totp"


class Action(StrEnum):
    """What a fresh factor is asked for; each kind has its own setting for how fresh."""

    SIGNING = "signing"
    CRITICAL = "critical"


_FRESHNESS = {
    Action.SIGNING: SECOND_FACTOR_SIGNING_MINUTES,
    Action.CRITICAL: SECOND_FACTOR_CRITICAL_MINUTES,
}


async def require(
    uow: "UnitOfWork",
    caller: Caller,
    within: timedelta | None = None,
    *,
    action: Action = Action.SIGNING,
) -> None:
    """Raise `SecondFactorRequired` unless the caller's session has proved a factor recently.

    `within` overrides the hospital's setting for `action` (12 hours before signing, 15 minutes
    before keys and policies). The error's `details` hold `methods` and `phone_masked`; clients ask
    for the factor and send the same request again.
    """
    if within is None:
        minutes = await settings.get(uow, _FRESHNESS[action], hospital_id=caller.hospital_id)
        within = timedelta(minutes=minutes)
    if caller.second_factor_at is not None and uow.now - caller.second_factor_at <= within:
        return
    # The caller may be a few seconds older than a proof that another process has taken.
    session = await uow.session.get(DeviceSession, caller.session_id)
    proved = session.second_factor_at if session else None
    if proved is not None and uow.now - proved <= within:
        return
    user = await access.own_account(uow, caller)
    raise SecondFactorRequired(
        details={
            "methods": [method.value for method in await methods(uow, caller)],
            "phone_masked": mask_phone(user.phone) if user.phone else None,
        }
    )


async def methods(uow: "UnitOfWork", caller: Caller) -> list[Method]:
    """The ways in which this session can prove a second factor, the best first."""
    session = await uow.session.get(DeviceSession, caller.session_id)
    came_by = session.login_method if session is not None else ""
    user = await access.own_account(uow, caller)
    found: list[Method] = []
    if await confirmed_totp(uow, caller.user_id) is not None:
        found.append(Method.TOTP)
    elif user.phone and came_by != "sms":
        found.append(Method.SMS)
    if came_by in ("sms", "wechat") and await access.password_hash(uow, caller.user_id):
        found.append(Method.PASSWORD)
    if await recovery_codes_left(uow, caller.user_id):
        found.append(Method.RECOVERY)
    return found or [Method.ENROL_TOTP]


async def confirmed_totp(
    uow: "UnitOfWork", user_id: UUID, *, lock: bool = False
) -> TotpFactor | None:
    """The authenticator in use."""
    factor = await uow.session.get(TotpFactor, user_id, with_for_update=lock or None)
    return factor if factor is not None and factor.confirmed_at is not None else None


async def recovery_codes_left(uow: "UnitOfWork", user_id: UUID) -> int:
    """How many recovery codes have not been used."""
    query = select(func.count()).where(
        RecoveryCode.user_id == user_id, RecoveryCode.used_at.is_(None)
    )
    return await uow.session.scalar(query) or 0


async def send_code(runtime: "Runtime", caller: Caller, address: str) -> int:
    """Send a code to the account's own phone; returns the seconds until the next may be asked for.

    Raises `SecondFactorUnavailable` where a text message is no second factor, and the errors of
    `sms_codes.send_code`.
    """
    phone = await _own_phone(runtime, caller)
    return await sms_codes.send_code(runtime, phone, address, Purposes.SECOND_FACTOR)


async def _own_phone(runtime: "Runtime", caller: Caller) -> str:
    async with runtime.unit_of_work() as uow:
        user = await access.own_account(uow, caller)
        if Method.SMS not in await methods(uow, caller) or user.phone is None:
            raise SecondFactorUnavailable()
        return user.phone


async def prove(runtime: "Runtime", caller: Caller, method: Method, code: str) -> None:
    """Check a code and note on the session that a second factor was shown. Commits by itself.

    Guesses are counted and slowed down like logins. Raises `SecondFactorWrong`,
    `SecondFactorUnavailable`, `TooManyAttempts`, or `SmsCodeWrong` and `SmsCodeExpired`.
    """
    account = f"second-factor:{caller.user_id}"
    async with runtime.unit_of_work() as uow:
        if method is Method.ENROL_TOTP or method not in await methods(uow, caller):
            raise SecondFactorUnavailable()
    await throttle.claim_attempt(runtime, account, user_id=caller.user_id)
    match method:
        case Method.SMS:
            phone = await _own_phone(runtime, caller)
            await sms_codes.use_code(runtime, phone, code, Purposes.SECOND_FACTOR)
        case Method.PASSWORD:
            await _check_password(runtime, caller, code)
    async with runtime.unit_of_work() as uow:
        if method is Method.TOTP and not await use_totp(uow, caller.user_id, code):
            raise SecondFactorWrong()
        if method is Method.RECOVERY and not await _use_recovery_code(uow, caller, code):
            raise SecondFactorWrong()
        await throttle.forgive(uow, account)
        await accept(uow, caller, method)


async def _check_password(runtime: "Runtime", caller: Caller, password: str) -> None:
    async with runtime.unit_of_work() as uow:
        encoded = await access.password_hash(uow, caller.user_id)
    if not await passwords.password_matches(encoded, password):
        raise SecondFactorWrong()


async def use_totp(uow: "UnitOfWork", user_id: UUID, code: str) -> bool:
    """Whether this is a code of now that was not used before; a right one is used up."""
    factor = await confirmed_totp(uow, user_id, lock=True)
    if factor is None or factor.secret is None:
        return False
    step = totp.matching_step(factor.secret, code, uow.now, factor.last_step)
    if step is None:
        return False
    factor.last_step = step
    return True


async def _use_recovery_code(uow: "UnitOfWork", caller: Caller, code: str) -> bool:
    digest = _digest(uow.runtime.keyring, caller.user_id, code)
    row = await uow.session.scalar(
        select(RecoveryCode)
        .where(
            RecoveryCode.user_id == caller.user_id,
            RecoveryCode.code_digest == digest,
            RecoveryCode.used_at.is_(None),
        )
        .with_for_update()
    )
    if row is None:
        return False
    row.used_at = uow.now
    return True


async def accept(uow: "UnitOfWork", caller: Caller, method: Method | str) -> None:
    """Note a proved factor on the caller's session and let every process know."""
    session = await uow.session.get(DeviceSession, caller.session_id, with_for_update=True)
    if session is None:
        return
    session.second_factor_at, session.second_factor_method = uow.now, str(method)
    session.active_at = uow.now
    detail = {"method": str(method)}
    await audit.record(uow, caller, "second_factor.prove", "session", session.id, detail=detail)
    sessions.announce_user_change(uow, caller.user_id)


async def renew_recovery_codes(uow: "UnitOfWork", caller: Caller) -> list[str]:
    """A fresh set of codes, in the only moment in which they can be read; the old ones end."""
    await drop_recovery_codes(uow, caller.user_id)
    codes = [
        "-".join("".join(secrets.choice(_ALPHABET) for _ in range(5)) for _ in range(2))
        for _ in range(RECOVERY_CODES)
    ]
    for code in codes:
        uow.session.add(
            RecoveryCode(
                id=new_id(),
                user_id=caller.user_id,
                code_digest=_digest(uow.runtime.keyring, caller.user_id, code),
                created_at=uow.now,
            )
        )
    await audit.record(uow, caller, "second_factor.renew_recovery", "user", caller.user_id)
    return codes


async def drop_recovery_codes(uow: "UnitOfWork", user_id: UUID) -> None:
    """End every recovery code of an account."""
    await uow.session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))


def _digest(keyring: Keyring, user_id: UUID, code: str) -> bytes:
    # An index key, which outlives the rotation of the others: these codes may wait for years.
    return blind_index(keyring, "recovery_codes.code", f"{user_id.hex}{code}")


async def reset(uow: "UnitOfWork", caller: Caller, user: User) -> None:
    """An officer takes somebody's factors away, who then starts anew by text message."""
    factor = await uow.session.get(TotpFactor, user.id, with_for_update=True)
    if factor is not None:
        await uow.session.delete(factor)
    await drop_recovery_codes(uow, user.id)
    await audit.record(uow, caller, "second_factor.reset", "user", user.id)
    await sessions.revoke_all(uow, user.id, "second_factor_reset")
