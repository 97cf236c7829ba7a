"""Enrolling an authenticator: a secret is shown, a code confirms it, recovery codes follow."""

import io
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import segno

from core import audit
from core.identity import access, second_factor
from core.identity.caller import Caller
from core.identity.errors import SecondFactorUnavailable, SecondFactorWrong
from core.identity.factors import totp
from core.identity.factors.models import TotpFactor
from core.identity.models import DeviceSession, Hospital
from core.identity.second_factor import FRESH_LOGIN, Action, Method

if TYPE_CHECKING:
    from core.uow import UnitOfWork

#: A secret that was shown waits this long for its first code.
CANDIDATE_LIFE = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What the owner needs once: the key to type, the address and its QR code as SVG."""

    manual_key: str
    uri: str
    qr_svg: str


async def begin(uow: "UnitOfWork", caller: Caller) -> Enrolment:
    """Show a secret; asking again within a quarter of an hour shows the same one.

    Raises `SecondFactorRequired` unless a factor was proved a moment ago. Who has none at all may
    enrol right after the login.
    """
    await _may_enrol(uow, caller)
    user = await access.own_account(uow, caller)
    # The account's row is locked first: two requests at once shall show one secret.
    await uow.session.refresh(user, with_for_update=True)
    factor = await uow.session.get(TotpFactor, caller.user_id, with_for_update=True)
    if factor is None:
        factor = TotpFactor(user_id=caller.user_id, last_step=0)
        uow.session.add(factor)
    fresh = factor.candidate_at is not None and uow.now - factor.candidate_at <= CANDIDATE_LIFE
    if factor.candidate is None or not fresh:
        factor.candidate, factor.candidate_at = totp.new_secret(), uow.now
    hospital = await uow.session.get(Hospital, caller.hospital_id)
    issuer = hospital.name if hospital else "诊间"
    uri = totp.key_uri(factor.candidate, issuer, user.login or user.name)
    return Enrolment(totp.manual_key(factor.candidate), uri, qr_svg(uri))


async def confirm(uow: "UnitOfWork", caller: Caller, code: str) -> list[str]:
    """Take the shown secret into use with its first code; returns fresh recovery codes.

    The session counts as having proved a factor. Raises `SecondFactorUnavailable` when no secret
    waits and `SecondFactorWrong` for another code.
    """
    await _may_enrol(uow, caller)
    factor = await uow.session.get(TotpFactor, caller.user_id, with_for_update=True)
    if factor is None or factor.candidate is None or factor.candidate_at is None:
        raise SecondFactorUnavailable("请先扫描二维码")
    if uow.now - factor.candidate_at > CANDIDATE_LIFE:
        raise SecondFactorUnavailable("二维码已失效，请重新获取")
    step = totp.matching_step(factor.candidate, code, uow.now, 0)
    if step is None:
        raise SecondFactorWrong()
    factor.secret, factor.confirmed_at, factor.last_step = factor.candidate, uow.now, step
    factor.candidate = factor.candidate_at = None
    await audit.record(uow, caller, "second_factor.enrol", "user", caller.user_id)
    await second_factor.accept(uow, caller, Method.TOTP)
    return await second_factor.renew_recovery_codes(uow, caller)


async def remove(uow: "UnitOfWork", caller: Caller) -> None:
    """Give the authenticator up; a text message stands in again. Needs a fresh factor."""
    await second_factor.require(uow, caller, action=Action.CRITICAL)
    factor = await second_factor.confirmed_totp(uow, caller.user_id, lock=True)
    if factor is None:
        return
    await uow.session.delete(factor)
    await second_factor.drop_recovery_codes(uow, caller.user_id)
    await audit.record(uow, caller, "second_factor.remove", "user", caller.user_id)


async def _may_enrol(uow: "UnitOfWork", caller: Caller) -> None:
    if await second_factor.methods(uow, caller) == [Method.ENROL_TOTP]:
        session = await uow.session.get(DeviceSession, caller.session_id)
        if session is not None and uow.now - session.created_at <= FRESH_LOGIN:
            return
        raise SecondFactorUnavailable("请重新登录后再绑定动态口令")
    await second_factor.require(uow, caller, action=Action.CRITICAL)


def qr_svg(text: str) -> str:
    """A QR code as an SVG drawing with its quiet border, dark on white."""
    out = io.BytesIO()
    segno.make(text, error="m", micro=False).save(
        out, kind="svg", border=4, dark="#000", light="#fff", xmldecl=False, svgns=True
    )
    return out.getvalue().decode()
