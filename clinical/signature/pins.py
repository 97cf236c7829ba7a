"""Setting, changing and resetting the PIN: the slow work between two transactions.

A PIN is not stored, not even as a hash: it opens the box of the private key (`pin`). So a forgotten
PIN means a new key pair and a new certificate, and the old certificate is taken back.
"""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import select

from clinical.signature import access, confirming, enrolment, pin, rules
from clinical.signature.errors import (
    RealNameRequired,
    SignatureImageRequired,
    SigningPinInvalid,
    SigningPinRequired,
    SigningPinsDiffer,
    SigningPinSet,
    SigningSuspended,
)
from clinical.signature.formats.requests import certificate_request
from clinical.signature.models import Signer, SigningKey
from clinical.signature.settings import PIN_LENGTH
from clinical.signature.states import KeyState, RevokeReason
from core import audit, settings
from core.crypto.signing import Algorithm, dump, generate
from core.errors import FieldProblem
from core.identity import second_factor, sms_codes
from core.identity.caller import Caller
from core.identity.errors import PhoneInvalid
from core.identity.models import Hospital, User
from core.identity.sms_codes import Purposes
from core.ids import new_id
from core.masking import mask_phone
from core.runtime import Runtime
from core.uow import UnitOfWork

_LIVING = (KeyState.ACTIVE, KeyState.REQUESTED)


async def set_first(runtime: Runtime, caller: Caller, text: str, repeated: str) -> UUID:
    """Set the PIN where there is none: a key pair is made and its certificate asked for.

    Returns the request to the CA. Raises SignatureImageRequired, SigningPinSet, SigningSuspended,
    SigningPinsDiffer, SigningPinInvalid, SecondFactorRequired.
    """
    async with runtime.unit_of_work() as uow:
        await second_factor.require(uow, caller)
        await _check(uow, caller, text, repeated)
        signer = await access.own_signer(uow.session, caller)
        await _may_enrol(uow, caller, signer)
        key = await access.key_of(uow.session, signer)
        if key is not None and key.state in _LIVING and not _expired(key, uow.now):
            raise SigningPinSet()
    return await _make_key(runtime, caller, text, "signature.pin_set")


async def change(runtime: Runtime, caller: Caller, old: str, text: str, repeated: str) -> None:
    """Put the same private key into the box of a new PIN; signing sessions end.

    Raises like `set_first`, and SigningPinWrong or SigningPinLocked for the old one.
    """
    async with runtime.unit_of_work() as uow:
        await second_factor.require(uow, caller)
        await _check(uow, caller, text, repeated)
    private_key, key_id = await confirming.open_key(runtime, caller, old)
    async with runtime.unit_of_work() as uow:
        signer = await enrolment.signer_for(uow, caller.hospital_id, caller.user_id)
    salt = pin.new_salt()
    box = await pin.lock_with_pin(private_key, text, salt, signer.id)
    async with runtime.unit_of_work() as uow:
        signer = await enrolment.signer_for(uow, caller.hospital_id, caller.user_id)
        key = await uow.session.get_one(SigningKey, key_id, with_for_update=True)
        if key.state not in _LIVING:
            raise SigningPinRequired()
        key.sealed, key.salt = box, salt
        await enrolment.end_confirmations(uow, signer)
        await audit.record(uow, caller, "signature.pin_change", "signer", signer.id)


async def send_code(runtime: Runtime, caller: Caller, address: str) -> tuple[str, int]:
    """Send the code for a reset to the account's own telephone: the masked number, the pause."""
    phone = await _phone(runtime, caller)
    pause = await sms_codes.send_code(runtime, phone, address, Purposes.SIGNING_PIN)
    return mask_phone(phone), pause


async def reset(runtime: Runtime, caller: Caller, code: str, text: str, repeated: str) -> UUID:
    """Set a new PIN when the old one is forgotten: new key pair, new certificate, the old revoked.

    The text message and a second factor prove who asks. Raises like `set_first`, and SmsCodeWrong,
    SmsCodeExpired, TooManyAttempts.
    """
    async with runtime.unit_of_work() as uow:
        await second_factor.require(uow, caller)
        await _check(uow, caller, text, repeated)
        signer = await access.own_signer(uow.session, caller)
        await _may_enrol(uow, caller, signer)
    phone = await _phone(runtime, caller)
    await sms_codes.use_code(runtime, phone, code.strip(), Purposes.SIGNING_PIN)
    return await _make_key(runtime, caller, text, "signature.pin_reset")


async def _may_enrol(uow: UnitOfWork, caller: Caller, signer: Signer | None) -> None:
    """The order of S0-C-005 and S0-C-026: handwriting first; the CA asks for a proven name."""
    if signer is None or signer.image_id is None:
        raise SignatureImageRequired()
    if signer.suspended_at is not None:
        raise SigningSuspended()
    user = await uow.session.get_one(User, caller.user_id)
    number = await uow.session.scalar(select(User.id_number).where(User.id == user.id))
    if user.real_name_verified_at is None or not number:
        raise RealNameRequired()


def _expired(key: SigningKey, now: datetime) -> bool:
    return key.not_after is not None and key.not_after <= now


async def _phone(runtime: Runtime, caller: Caller) -> str:
    async with runtime.unit_of_work() as uow:
        user = await uow.session.get_one(User, caller.user_id)
        if not user.phone:
            raise PhoneInvalid("账号未登记手机号码，请联系管理员")
        return user.phone


async def _check(uow: UnitOfWork, caller: Caller, text: str, repeated: str) -> None:
    if text != repeated:
        raise SigningPinsDiffer(fields=[FieldProblem("repeated", "两次输入的签名密码不一致")])
    length = await settings.get(uow, PIN_LENGTH, hospital_id=caller.hospital_id)
    user = await uow.session.get_one(User, caller.user_id)
    number = await uow.session.scalar(select(User.id_number).where(User.id == caller.user_id))
    problem = rules.pin_problem(text, length=length, birthday=_birthday(number), phone=user.phone)
    if problem is not None:
        raise SigningPinInvalid(problem, fields=[FieldProblem("pin", problem)])


def _birthday(id_number: str | None) -> date | None:
    if not id_number or len(id_number) != 18:
        return None
    try:
        return datetime.strptime(id_number[6:14], "%Y%m%d").date()  # noqa: DTZ007 - a day alone
    except ValueError:
        return None


async def _make_key(runtime: Runtime, caller: Caller, text: str, action: str) -> UUID:
    async with runtime.unit_of_work() as uow:
        signer = await enrolment.signer_for(uow, caller.hospital_id, caller.user_id)
        hospital = await uow.session.get_one(Hospital, caller.hospital_id)
        organisation = hospital.name
    private_key, salt = generate(Algorithm.SM2), pin.new_salt()
    box = await pin.lock_with_pin(dump(private_key), text, salt, signer.id)
    async with runtime.unit_of_work() as uow:
        signer = await enrolment.signer_for(uow, caller.hospital_id, caller.user_id)
        await enrolment.take_back(uow, signer, RevokeReason.SUPERSEDED)
        request = await enrolment.new_key(
            uow,
            signer,
            key_id=new_id(),
            public_key=private_key.public_der,
            csr=certificate_request(private_key, caller.name, organisation=organisation),
            sealed=box,
            salt=salt,
        )
        await audit.record(uow, caller, action, "signer", signer.id)
    return request.id
