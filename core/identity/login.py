"""Logging in: by code or password to a new device session and its first tokens; changing role."""

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import select

from core import audit, settings
from core.identity import (
    access,
    passwords,
    places,
    rules,
    service,
    sessions,
    sms_codes,
    throttle,
)
from core.identity.caller import Caller
from core.identity.errors import AccountDisabled, PasswordWrong, RoleNotAssigned
from core.identity.events import LoggedIn
from core.identity.models import DeviceSession, Hospital, RefreshToken, User
from core.identity.roles import Role
from core.identity.rules import Duty
from core.identity.settings import PATIENT_SESSION_DAYS, STAFF_SESSION_HOURS
from core.identity.tokens import ACCESS_TOKEN_LIFE, issue_access_token, refresh_token_text
from core.ids import new_id

if TYPE_CHECKING:
    from core.runtime import Runtime
    from core.uow import UnitOfWork


#: Devices and places are remembered this long.
FAMILIAR = timedelta(days=180)


@dataclass(frozen=True, slots=True)
class Device:
    """What a client says of itself at login; `id` is its own lasting random identifier."""

    id: str
    name: str
    platform: str


@dataclass(frozen=True, slots=True)
class Issued:
    """Fresh tokens and whom they speak for."""

    access_token: str
    expires_in: int
    refresh_token: str
    caller: Caller
    user: User


async def login_by_sms(
    runtime: "Runtime",
    phone: str,
    code: str,
    device: Device,
    role: Role | None,
    hospital_id: UUID | None,
    address: str,
) -> Issued:
    """Log in with a code. A number without an account becomes a patient; staff never do so.

    Raises SmsCodeWrong, SmsCodeExpired, TooManyAttempts, AccountDisabled, RoleNotAssigned.
    """
    number = sms_codes.required_phone(phone)
    await sms_codes.use_code(runtime, number, code)
    async with runtime.unit_of_work() as uow:
        user = await access.user_by_phone(uow, number)
        if user is None:
            if role not in (None, Role.PATIENT):
                raise RoleNotAssigned()
            hospital = await access.public_hospital(uow, None, hospital_id)
            user = await service.register(uow, hospital.id, Role.PATIENT, phone=number)
        return await open_session(uow, user, device, role, hospital_id, address, "sms")


async def login_by_password(
    runtime: "Runtime",
    login: str,
    password: str,
    device: Device,
    role: Role | None,
    hospital_id: UUID | None,
    address: str,
) -> Issued:
    """Log in with account name or phone number and password.

    Unknown accounts answer as slowly and with the same error as wrong passwords. Raises
    PasswordWrong, TooManyAttempts, AccountDisabled, RoleNotAssigned.
    """
    name = rules.normal_phone(login) or login.strip().lower()
    async with runtime.unit_of_work() as uow:
        user = await _find(uow, name)
        encoded = await access.password_hash(uow, user.id) if user else None
    # One counter for an account, whether it is called by its name or its number.
    account = f"user:{user.id}" if user else name
    await throttle.claim_attempt(runtime, account, address, user.id if user else None)
    # The hash is checked outside a transaction: it takes long, and guesses must not hold the pool.
    if not await passwords.password_matches(encoded, password) or user is None or not encoded:
        await _keep_failure(runtime, account, user, address)
        raise PasswordWrong()
    async with runtime.unit_of_work() as uow:
        await throttle.forgive(uow, account)
        found = await uow.session.get(User, user.id, with_for_update=True)
        if found is None:
            raise PasswordWrong()
        if passwords.needs_rehash(encoded):
            found.password_hash = await passwords.hash_password(password)
        return await open_session(uow, found, device, role, hospital_id, address, "password")


async def _find(uow: "UnitOfWork", name: str) -> User | None:
    number = rules.normal_phone(name)
    if number is not None:
        found = await access.user_by_phone(uow, number)
        if found is not None:
            return found
    return await access.user_by_login(uow, name)


async def _keep_failure(runtime: "Runtime", account: str, user: User | None, address: str) -> None:
    async with runtime.unit_of_work() as uow:
        await throttle.count_wrong_guess(uow, address)
        if user is None:
            return
        held = await access.duties(uow, user.id)
        hospitals = sorted({duty.hospital_id for duty in held})
        await throttle.tell_of_lockouts(uow, account, user, hospitals)
        await audit.record(
            uow,
            None,
            "login.refuse",
            "user",
            user.id,
            detail={"reason": "password_wrong"},
            hospital_id=held[0].hospital_id if held else None,
            user_id=user.id,
        )


async def open_session(
    uow: "UnitOfWork",
    user: User,
    device: Device,
    role: Role | None,
    hospital_id: UUID | None,
    address: str,
    method: str,
    *,
    external_session: str | None = None,
    second_factor: str | None = None,
) -> Issued:
    """Start a device session for somebody who has proved who they are.

    An earlier session of the same user on the same device ends. `method` (sms, password,
    wechat, sso) goes to the audit; `external_session` names the provider's session that may end
    this one, `second_factor` a factor that somebody we trust has seen. Raises AccountDisabled,
    RoleNotAssigned.
    """
    if not user.enabled:
        raise AccountDisabled()
    duty = await _duty(uow, user, role, hospital_id, device.platform)
    origin = await _origin(uow, user.id, device.id, address)
    session = DeviceSession(
        id=new_id(),
        user_id=user.id,
        hospital_id=duty.hospital_id,
        device_id=device.id,
        device_name=device.name,
        platform=device.platform,
        address=address[:64],
        login_method=method,
        external_session=external_session,
        second_factor_at=uow.now if second_factor else None,
        second_factor_method=second_factor,
        created_at=uow.now,
        last_seen_at=uow.now,
    )
    uow.session.add(session)
    await uow.session.flush()
    caller = caller_for(user, session, duty)
    detail = {"method": method, "platform": device.platform, "device": device.name}
    await audit.record(uow, caller, "login.accept", "session", session.id, detail=detail)
    uow.record(
        LoggedIn(
            hospital_id=duty.hospital_id,
            aggregate_id=user.id,
            occurred_at=uow.now,
            session_id=session.id,
            role=duty.role,
            device_name=device.name,
            platform=device.platform,
            new_device=origin.new_device,
            new_place=origin.new_place,
        )
    )
    return await issue(uow, user, caller, family_id=new_id())


async def _duty(
    uow: "UnitOfWork", user: User, role: Role | None, hospital_id: UUID | None, platform: str
) -> Duty:
    held = await access.duties(uow, user.id)
    duty = rules.choose_duty(held, role, hospital_id, platform)
    if duty is None and role in (None, Role.PATIENT):
        # Anybody may be a patient of any hospital of the installation, staff too.
        hospital = await access.public_hospital(uow, None, hospital_id)
        await service.assign_role(uow, user.id, hospital.id, Role.PATIENT)
        duty = Duty(hospital.id, Role.PATIENT, frozenset())
    if duty is None:
        raise RoleNotAssigned()
    return duty


@dataclass(frozen=True, slots=True)
class _Origin:
    new_device: bool
    new_place: bool


async def _origin(uow: "UnitOfWork", user_id: UUID, device_id: str, address: str) -> _Origin:
    """End sessions that this login replaces, and compare it with the account's earlier ones.

    The very first login of an account is not news.
    """
    rows = await uow.session.scalars(
        select(DeviceSession)
        .where(
            DeviceSession.user_id == user_id,
            (DeviceSession.device_id == device_id)
            | (DeviceSession.created_at > uow.now - FAMILIAR),
        )
        .order_by(DeviceSession.id)
        .with_for_update()
    )
    earlier = rows.all()
    same_device = [session for session in earlier if session.device_id == device_id]
    for session in same_device:
        if session.revoked_at is None:
            await sessions.revoke(uow, session, "replaced")
    networks = {places.network_of(session.address) for session in earlier}
    return _Origin(
        new_device=bool(earlier) and not same_device,
        new_place=bool(earlier) and places.network_of(address) not in networks,
    )


async def switch_role(
    uow: "UnitOfWork", caller: Caller, role: Role, hospital_id: UUID | None
) -> Issued:
    """Tokens of the same session in another role or at another hospital.

    They start a chain of refresh tokens of their own; the chain of the role left behind stays good
    for other windows of the same browser. Raises RoleNotAssigned.
    """
    user = await access.own_account(uow, caller)
    session = await uow.session.get(DeviceSession, caller.session_id)
    assert session is not None
    duty = await _duty(uow, user, role, hospital_id, session.platform)
    changed = caller_for(user, session, duty)
    detail = {"from": caller.role.value, "to": duty.role.value}
    await audit.record(uow, changed, "session.switch_role", "session", session.id, detail=detail)
    return await issue(uow, user, changed, family_id=new_id())


def caller_for(user: User, session: DeviceSession, duty: Duty) -> Caller:
    """The caller that a user's session is in one duty."""
    return Caller(
        user_id=user.id,
        hospital_id=duty.hospital_id,
        role=duty.role,
        session_id=session.id,
        device_id=session.device_id,
        department_ids=duty.department_ids,
        name=user.name,
        second_factor_at=session.second_factor_at,
    )


async def issue(uow: "UnitOfWork", user: User, caller: Caller, *, family_id: UUID) -> Issued:
    """An access token and a fresh refresh token of the family, both for the caller's role."""
    token = RefreshToken(
        id=new_id(),
        session_id=caller.session_id,
        family_id=family_id,
        hospital_id=caller.hospital_id,
        role=caller.role,
        issued_at=uow.now,
        expires_at=uow.now + await _session_life(uow, caller),
    )
    uow.session.add(token)
    await uow.session.flush()
    return issued(uow, user, caller, token.id)


def issued(uow: "UnitOfWork", user: User, caller: Caller, token_id: UUID) -> Issued:
    """The pair for an existing refresh token row."""
    keyring = uow.runtime.keyring
    return Issued(
        access_token=issue_access_token(caller, uow.now, keyring),
        expires_in=int(ACCESS_TOKEN_LIFE.total_seconds()),
        refresh_token=refresh_token_text(token_id, keyring),
        caller=caller,
        user=user,
    )


async def _session_life(uow: "UnitOfWork", caller: Caller) -> timedelta:
    place = {"hospital_id": caller.hospital_id}
    if caller.is_staff:
        return timedelta(hours=await settings.get(uow, STAFF_SESSION_HOURS, **place))
    return timedelta(days=await settings.get(uow, PATIENT_SESSION_DAYS, **place))


async def hospital_of(uow: "UnitOfWork", hospital_id: UUID) -> Hospital:
    """The hospital row behind a token."""
    found = await uow.session.get(Hospital, hospital_id)
    assert found is not None
    return found
