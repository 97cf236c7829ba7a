"""Single sign-on: logging in with the hospital's own provider, and out when it says so.

Only accounts of staff that exist already are entered: the provider's claim names the employee's
login, and the first time that binds the two.
"""

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import structlog
from sqlalchemy import select

from core import audit, settings
from core.crypto.sm import sm3
from core.errors import Forbidden, NotFound, ProblemError, ServiceUnavailable
from core.identity import access, rules, sessions
from core.identity.external import attempts, identities
from core.identity.external.attempts import Kind
from core.identity.external.identities import OIDC
from core.identity.external.oidc import OidcProvider, OidcProviders, OidcRefused, OidcUnavailable
from core.identity.login import Device, Issued, open_session
from core.identity.models import DeviceSession, User
from core.identity.roles import STAFF_ROLES, Role
from core.identity.settings import (
    OIDC_CLAIM,
    OIDC_CLIENT_ID,
    OIDC_ISSUER,
    OIDC_TITLE,
    OIDC_TRUST_FACTOR,
)

if TYPE_CHECKING:
    from core.runtime import Runtime
    from core.uow import UnitOfWork

log = structlog.get_logger(__name__)

METHOD = "sso"
#: What `amr` says when the provider has asked for a second factor (RFC 8176).
_FACTORS = {"mfa", "otp", "hwk", "sc", "sms"}


class SsoFailed(ProblemError):
    code, status, title = "sso_failed", 422, "单点登录没有成功，请重新登录"


class SsoUnknown(Forbidden):
    """Said alike for nobody, a locked account, a patient and staff of another hospital."""

    code, status, title = "sso_unknown", 403, "没有与此账号对应的工作人员，请联系管理员"


@dataclass(frozen=True, slots=True)
class Client:
    """Our registration at a hospital's provider."""

    hospital_id: UUID
    provider: OidcProvider
    client_id: str
    secret: str | None
    claim: str
    trust_factor: bool


async def title(uow: "UnitOfWork", hospital_id: UUID) -> str | None:
    """What the login page calls the hospital's single sign-on; None when there is none."""
    if not await settings.get(uow, OIDC_ISSUER, hospital_id=hospital_id):
        return None
    return await settings.get(uow, OIDC_TITLE, hospital_id=hospital_id)


async def client_of(uow: "UnitOfWork", hospital_id: UUID) -> Client:
    """Raises NotFound where no single sign-on is set up, SsoFailed when it is set up wrongly."""
    runtime = uow.runtime
    issuer = await settings.get(uow, OIDC_ISSUER, hospital_id=hospital_id)
    if not issuer:
        raise NotFound()
    providers = runtime.ports.get(OidcProviders)
    if providers is None:
        insecure = runtime.config.demo
        providers = OidcProviders(runtime.clock.now, insecure=insecure)
        runtime.provide(OidcProviders, providers)
    try:
        provider = providers.of(issuer)
    except OidcUnavailable as error:
        log.error("sso_misconfigured", error=str(error))
        raise SsoFailed() from error
    hospital = await access.hospital_code(uow, hospital_id)
    secret = runtime.config.oidc_client_secrets.get(hospital)
    return Client(
        hospital_id=hospital_id,
        provider=provider,
        client_id=await settings.get(uow, OIDC_CLIENT_ID, hospital_id=hospital_id),
        secret=secret.get_secret_value() if secret else None,
        claim=await settings.get(uow, OIDC_CLAIM, hospital_id=hospital_id),
        trust_factor=await settings.get(uow, OIDC_TRUST_FACTOR, hospital_id=hospital_id),
    )


def _callback(runtime: "Runtime") -> str:
    return f"{runtime.config.base_url}/api/v1/auth/sso/callback"


async def start(runtime: "Runtime", hospital_id: UUID | None, device_id: str, address: str) -> str:
    """Where the browser is sent. Raises NotFound, SsoFailed, ServiceUnavailable."""
    nonce, verifier = secrets.token_urlsafe(24), secrets.token_urlsafe(48)
    async with runtime.unit_of_work() as uow:
        hospital = await access.public_hospital(uow, None, hospital_id)
        client = await client_of(uow, hospital.id)
        state = await attempts.begin(
            uow,
            Kind.SSO,
            device_id,
            address,
            {"nonce": nonce, "verifier": verifier, "issuer": client.provider.issuer},
            hospital_id=hospital.id,
        )
    try:
        return await client.provider.authorize_url(
            client.client_id, _callback(runtime), state, nonce, verifier
        )
    except OidcUnavailable as error:
        log.warning("sso_unavailable", error=str(error))
        raise ServiceUnavailable("统一登录暂时没有应答，请稍后再试或使用密码登录") from error


async def finish(runtime: "Runtime", code: str, state: str, device: Device, address: str) -> Issued:
    """Log in with what the provider says.

    Raises LoginAttemptInvalid, SsoFailed, SsoUnknown, ServiceUnavailable.
    """
    payload, hospital_id = await attempts.finish(runtime, Kind.SSO, state, device.id)
    assert hospital_id is not None
    async with runtime.unit_of_work() as uow:
        client = await client_of(uow, hospital_id)
    if payload["issuer"] != client.provider.issuer:
        raise SsoFailed()
    try:
        claims = await client.provider.claims_for(
            code,
            _callback(runtime),
            client.client_id,
            client.secret,
            payload["verifier"],
            payload["nonce"],
        )
    except OidcRefused as error:
        await _note_refusal(runtime, hospital_id, str(error))
        raise SsoFailed() from error
    except OidcUnavailable as error:
        log.warning("sso_unavailable", error=str(error))
        raise ServiceUnavailable("统一登录暂时没有应答，请稍后再试或使用密码登录") from error
    async with runtime.unit_of_work() as uow:
        issued = await _enter(uow, client, claims, device, address)
    if issued is None:
        await _note_refusal(runtime, hospital_id, "no such member of staff")
        raise SsoUnknown()
    return issued


async def _enter(
    uow: "UnitOfWork", client: Client, claims: dict[str, Any], device: Device, address: str
) -> Issued | None:
    subject = claims.get("sub")
    if not isinstance(subject, str) or not subject:
        return None
    user = await _member_of_staff(uow, client, subject, claims.get(client.claim))
    if user is None or not user.enabled:
        return None
    role = await _staff_role(uow, user.id, client.hospital_id)
    if role is None:
        return None
    await identities.bind(uow, user.id, OIDC, client.provider.issuer, subject)
    amr = claims.get("amr")
    factor = client.trust_factor and isinstance(amr, list) and bool(_FACTORS & {*map(str, amr)})
    sid = claims.get("sid")
    return await open_session(
        uow,
        user,
        device,
        role,
        client.hospital_id,
        address,
        METHOD,
        external_session=_session_key(client, sid) if isinstance(sid, str) else None,
        second_factor=METHOD if factor else None,
    )


async def _member_of_staff(
    uow: "UnitOfWork", client: Client, subject: str, login: object
) -> User | None:
    bound = await identities.find(uow, OIDC, client.provider.issuer, subject)
    if bound is not None:
        return await uow.session.get(User, bound.user_id)
    return await access.user_by_login(uow, login) if isinstance(login, str) and login else None


async def _staff_role(uow: "UnitOfWork", user_id: UUID, hospital_id: UUID) -> Role | None:
    held = [
        duty
        for duty in await access.duties(uow, user_id)
        if duty.hospital_id == hospital_id and duty.role in STAFF_ROLES
    ]
    duty = rules.choose_duty(held, None, hospital_id, "pc")
    return duty.role if duty else None


async def _note_refusal(runtime: "Runtime", hospital_id: UUID, reason: str) -> None:
    async with runtime.unit_of_work() as uow:
        detail = {"reason": reason[:200]}
        await audit.record(
            uow, None, "login.refuse_sso", "hospital", hospital_id, detail=detail,
            hospital_id=hospital_id,
        )  # fmt: skip


async def logout(runtime: "Runtime", hospital_id: UUID, token: str) -> int:
    """End what a back-channel logout token names; returns how many sessions ended.

    Raises NotFound (no single sign-on here), SsoFailed (not a good token), ServiceUnavailable.
    """
    async with runtime.unit_of_work() as uow:
        client = await client_of(uow, hospital_id)
    try:
        claims = await client.provider.logout_claims(token, client.client_id)
    except OidcRefused as error:
        log.warning("sso_logout_refused", error=str(error))
        raise SsoFailed() from error
    except OidcUnavailable as error:
        raise ServiceUnavailable() from error
    async with runtime.unit_of_work() as uow:
        return await _end(uow, client, claims)


async def _end(uow: "UnitOfWork", client: Client, claims: dict[str, Any]) -> int:
    query = select(DeviceSession).where(DeviceSession.revoked_at.is_(None))
    if isinstance(claims.get("sid"), str):
        query = query.where(DeviceSession.external_session == _session_key(client, claims["sid"]))
    else:
        bound = await identities.find(uow, OIDC, client.provider.issuer, str(claims["sub"]))
        if bound is None:
            return 0
        query = query.where(
            DeviceSession.user_id == bound.user_id, DeviceSession.login_method == METHOD
        )
    ended = 0
    for session in await uow.session.scalars(query.order_by(DeviceSession.id).with_for_update()):
        await sessions.revoke(uow, session, "single_sign_off")
        ended += 1
    return ended


def _session_key(client: Client, sid: str) -> str:
    """The provider's session as we store it: two providers may use the same numbers."""
    return sm3(f"{client.provider.issuer}\n{sid}".encode()).hex()
