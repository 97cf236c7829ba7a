"""Login codes by text message: asked for, sent, tried."""

import secrets
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, delete, func, select

from core import settings
from core.crypto.keyring import Keyring, Purpose
from core.crypto.sm import equal, hmac_sm3
from core.errors import FieldProblem
from core.identity import access, rules
from core.identity.errors import (
    PhoneInvalid,
    SmsCodeExpired,
    SmsCodeWrong,
    SmsUnavailable,
    TooManyAttempts,
)
from core.identity.gateway import SmsError, SmsGateway
from core.identity.models import SmsCode
from core.identity.settings import (
    SMS_CODE_ATTEMPTS,
    SMS_CODE_MINUTES,
    SMS_PER_ADDRESS_PER_HOUR,
    SMS_PER_PHONE_PER_DAY,
    SMS_PER_PHONE_PER_HOUR,
    SMS_RESEND_SECONDS,
)
from core.ids import new_id

if TYPE_CHECKING:
    from core.runtime import Runtime
    from core.uow import UnitOfWork

log = structlog.get_logger(__name__)


class Purposes(StrEnum):
    """Which door a code opens; it opens no other."""

    LOGIN = "login"
    SECOND_FACTOR = "second_factor"
    SIGNING_PIN = "signing_pin"


TEMPLATES = {
    Purposes.LOGIN: "login_code",
    Purposes.SECOND_FACTOR: "second_factor_code",
    Purposes.SIGNING_PIN: "signing_pin_code",
}
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def required_phone(text: str, field: str = "phone") -> str:
    """The normalised number; raises `PhoneInvalid`."""
    number = rules.normal_phone(text)
    if number is None:
        raise PhoneInvalid(fields=[FieldProblem(field, "请填写11位手机号码")])
    return number


async def send_code(
    runtime: "Runtime", phone: str, address: str, purpose: Purposes = Purposes.LOGIN
) -> int:
    """Send a fresh code; returns after how many seconds another may be asked for.

    The answer is the same whether or not the number has an account. Raises `PhoneInvalid`,
    `TooManyAttempts` (retry_after) or `SmsUnavailable`, after which the number may ask again.
    """
    number = required_phone(phone)
    code = f"{secrets.randbelow(1_000_000):06d}"
    async with runtime.unit_of_work() as uow:
        row_id, minutes, resend = await _store(uow, number, code, address, purpose)
    try:
        parameters = {"code": code, "minutes": str(minutes)}
        await runtime.port(SmsGateway).send(number, TEMPLATES[purpose], parameters)
    except SmsError as error:
        log.warning("sms_not_sent", error=str(error))
        async with runtime.unit_of_work() as uow:
            await uow.session.execute(delete(SmsCode).where(SmsCode.id == row_id))
        raise SmsUnavailable() from error
    return resend


async def _store(
    uow: "UnitOfWork", phone: str, code: str, address: str, purpose: Purposes
) -> tuple[UUID, int, int]:
    index = access.phone_key(uow.runtime.keyring, phone)
    # One request per number at a time, or two at once would both pass the limits.
    await uow.session.execute(
        select(func.pg_advisory_xact_lock(int.from_bytes(index[:8], "big", signed=True)))
    )
    resend = await settings.get(uow, SMS_RESEND_SECONDS)
    by_phone, by_address = SmsCode.phone_index == index, SmsCode.address == address
    # Somebody who has just logged in by a code may need another one for the next door at once.
    await _limit(uow, by_phone & (SmsCode.purpose == purpose), 1, timedelta(seconds=resend))
    await _limit(uow, by_phone, await settings.get(uow, SMS_PER_PHONE_PER_HOUR), HOUR)
    await _limit(uow, by_phone, await settings.get(uow, SMS_PER_PHONE_PER_DAY), DAY)
    await _limit(uow, by_address, await settings.get(uow, SMS_PER_ADDRESS_PER_HOUR), HOUR)
    minutes = await settings.get(uow, SMS_CODE_MINUTES)
    row = SmsCode(
        id=new_id(),
        phone_index=index,
        purpose=purpose,
        code_digest=_digest(uow.runtime.keyring, index, code),
        address=address[:64],
        created_at=uow.now,
        expires_at=uow.now + timedelta(minutes=minutes),
        attempts=0,
    )
    uow.session.add(row)
    return row.id, minutes, resend


async def _limit(
    uow: "UnitOfWork", whose: ColumnElement[bool], allowed: int, window: timedelta
) -> None:
    """Refuse while `allowed` codes lie inside the window; says when the oldest leaves it."""
    recent: list[datetime] = list(
        await uow.session.scalars(
            select(SmsCode.created_at)
            .where(whose, SmsCode.created_at > uow.now - window)
            .order_by(SmsCode.created_at.desc())
            .limit(allowed)
        )
    )
    if len(recent) >= allowed:
        raise TooManyAttempts(retry_after=rules.remaining_seconds(recent[-1] + window, uow.now))


async def use_code(
    runtime: "Runtime", phone: str, code: str, purpose: Purposes = Purposes.LOGIN
) -> None:
    """Try a code: it is used up when right, counted when wrong. Commits by itself.

    Only the newest code of a number for this purpose counts. Raises `SmsCodeWrong`,
    `SmsCodeExpired` (none, old, used) or `TooManyAttempts` after the last allowed try.
    """
    problem: SmsCodeWrong | SmsCodeExpired | TooManyAttempts | None
    async with runtime.unit_of_work() as uow:
        problem = await _try_code(uow, phone, code, purpose)
    if problem is not None:
        raise problem


async def _try_code(
    uow: "UnitOfWork", phone: str, code: str, purpose: Purposes
) -> SmsCodeWrong | SmsCodeExpired | TooManyAttempts | None:
    keyring = uow.runtime.keyring
    index = access.phone_key(keyring, phone)
    row = await uow.session.scalar(
        select(SmsCode)
        .where(SmsCode.phone_index == index, SmsCode.purpose == purpose)
        .order_by(SmsCode.created_at.desc(), SmsCode.id.desc())
        .limit(1)
        .with_for_update()
    )
    if row is None or row.used_at is not None or row.expires_at <= uow.now:
        return SmsCodeExpired()
    if row.attempts >= await settings.get(uow, SMS_CODE_ATTEMPTS):
        return TooManyAttempts("该验证码错误次数过多，请重新获取", retry_after=0)
    row.attempts += 1
    if not equal(row.code_digest, _digest(keyring, index, code)):
        return SmsCodeWrong()
    row.used_at = uow.now
    return None


def _digest(keyring: Keyring, phone_index: bytes, code: str) -> bytes:
    # Keyed: a million codes are tried in a second where the digest alone is enough.
    key = keyring.derive(Purpose.TOKEN, "sms-code")
    return hmac_sm3(key, phone_index + code.encode())
