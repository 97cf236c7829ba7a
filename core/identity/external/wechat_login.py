"""Logging in by WeChat: recognised people enter, others bind a telephone number first."""

from dataclasses import asdict
from typing import TYPE_CHECKING
from uuid import UUID

from core.errors import ProblemError, ServiceUnavailable
from core.identity import access, rules, service, sms_codes
from core.identity.caller import Caller
from core.identity.external import attempts, identities
from core.identity.external.attempts import Kind
from core.identity.external.identities import WECHAT
from core.identity.external.wechat import (
    WechatAccounts,
    WechatPerson,
    WechatRefused,
    WechatUnavailable,
)
from core.identity.login import Device, Issued, open_session
from core.identity.models import User
from core.identity.roles import Role

if TYPE_CHECKING:
    from core.runtime import Runtime
    from core.uow import UnitOfWork

METHOD = "wechat"


class WechatLoginFailed(ProblemError):
    code, status, title = "wechat_login_failed", 422, "微信授权已失效，请重新授权"


def port(runtime: "Runtime") -> WechatAccounts:
    """The adapter; raises ServiceUnavailable where WeChat is not set up."""
    found: WechatAccounts | None = runtime.ports.get(WechatAccounts)
    if found is None:
        raise ServiceUnavailable("医院未开通微信登录")
    return found


def _callback(runtime: "Runtime", purpose: str) -> str:
    return f"{runtime.config.base_url}/api/v1/auth/wechat/callback/{purpose}"


async def start(runtime: "Runtime", device_id: str, address: str) -> str:
    """Where a browser asks for consent to a login."""
    accounts = port(runtime)
    async with runtime.unit_of_work() as uow:
        state = await attempts.begin(uow, Kind.WECHAT, device_id, address, {})
    return accounts.authorize_url(_callback(runtime, "login"), state)


async def start_binding(uow: "UnitOfWork", caller: Caller, address: str) -> str:
    """Where a browser asks for consent to bind the caller's account."""
    accounts = port(uow.runtime)
    payload = {"user_id": str(caller.user_id)}
    state = await attempts.begin(uow, Kind.WECHAT_BIND, caller.device_id, address, payload)
    return accounts.authorize_url(_callback(uow.runtime, "bind"), state)


async def by_consent(
    runtime: "Runtime", code: str, state: str, device: Device, address: str
) -> Issued | str:
    """Log in with a consent given in the browser; a string is the ticket for a number.

    Raises LoginAttemptInvalid, WechatLoginFailed, ServiceUnavailable, AccountDisabled.
    """
    await attempts.finish(runtime, Kind.WECHAT, state, device.id)
    person = await _asked(runtime, code, mini=False)
    return await _enter(runtime, person, None, device, address)


async def by_mini_program(
    runtime: "Runtime", code: str, phone_code: str | None, device: Device, address: str
) -> Issued | str:
    """Log in inside the mini-program, at once when the person shares the number with it."""
    person = await _asked(runtime, code, mini=True)
    phone = await _shared_phone(runtime, phone_code) if phone_code else None
    return await _enter(runtime, person, phone, device, address)


async def with_phone(
    runtime: "Runtime", ticket: str, phone: str, code: str, device: Device, address: str
) -> Issued:
    """Bind somebody just recognised to a proved number and log in."""
    number = sms_codes.required_phone(phone)
    await sms_codes.use_code(runtime, number, code)
    payload, _ = await attempts.finish(runtime, Kind.WECHAT_PHONE, ticket, device.id)
    entered = await _enter(runtime, WechatPerson(**payload), number, device, address)
    assert isinstance(entered, Issued)
    return entered


async def bind(runtime: "Runtime", caller: Caller, code: str, state: str) -> None:
    """Bind the caller's account with a consent given in the browser."""
    payload, _ = await attempts.finish(runtime, Kind.WECHAT_BIND, state, caller.device_id)
    if payload["user_id"] != str(caller.user_id):
        raise attempts.LoginAttemptInvalid()
    await _bind_caller(runtime, caller, await _asked(runtime, code, mini=False))


async def bind_mini_program(runtime: "Runtime", caller: Caller, code: str) -> None:
    """Bind the caller's account inside the mini-program."""
    await _bind_caller(runtime, caller, await _asked(runtime, code, mini=True))


async def _bind_caller(runtime: "Runtime", caller: Caller, person: WechatPerson) -> None:
    async with runtime.unit_of_work() as uow:
        await _bind(uow, caller.user_id, person)


async def _asked(runtime: "Runtime", code: str, *, mini: bool) -> WechatPerson:
    accounts = port(runtime)
    try:
        return await (accounts.mini_person(code) if mini else accounts.web_person(code))
    except WechatRefused as error:
        raise WechatLoginFailed() from error
    except WechatUnavailable as error:
        raise ServiceUnavailable("微信暂时没有应答，请稍后再试或改用验证码登录") from error


async def _shared_phone(runtime: "Runtime", code: str) -> str | None:
    try:
        return rules.normal_phone(await port(runtime).mini_phone(code))
    except WechatRefused as error:
        raise WechatLoginFailed() from error
    except WechatUnavailable as error:
        raise ServiceUnavailable("微信暂时没有应答，请稍后再试或改用验证码登录") from error


async def _enter(
    runtime: "Runtime", person: WechatPerson, phone: str | None, device: Device, address: str
) -> Issued | str:
    async with runtime.unit_of_work() as uow:
        user = await _known(uow, person)
        if user is None and phone is not None:
            user = await access.user_by_phone(uow, phone)
            if user is None:
                hospital = await access.public_hospital(uow, None, None)
                user = await service.register(uow, hospital.id, Role.PATIENT, phone=phone)
        if user is None:
            payload = {**asdict(person)}
            return await attempts.begin(uow, Kind.WECHAT_PHONE, device.id, address, payload)
        await _bind(uow, user.id, person)
        return await open_session(uow, user, device, None, None, address, METHOD)


async def _known(uow: "UnitOfWork", person: WechatPerson) -> User | None:
    found = await identities.find(uow, WECHAT, person.tenant, person.openid)
    user_id: UUID | None = found.user_id if found else None
    if user_id is None:
        user_id = await identities.account_of_union(uow, WECHAT, person.unionid)
    return await uow.session.get(User, user_id) if user_id else None


async def _bind(uow: "UnitOfWork", user_id: UUID, person: WechatPerson) -> None:
    await identities.bind(
        uow,
        user_id,
        WECHAT,
        person.tenant,
        person.openid,
        union=person.unionid,
        session_key=person.session_key,
    )
