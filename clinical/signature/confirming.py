"""Confirming with the PIN: attempts that are counted first, and what a right PIN gives.

An attempt is counted in a transaction of its own before the PIN is looked at and forgiven when it
was right, so that many guesses at once are not more guesses and a crash in between costs one.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select, update

from clinical.signature import access, enrolment, pin, rules
from clinical.signature.errors import (
    ConfirmationInvalid,
    SigningPinLocked,
    SigningPinRequired,
    SigningPinWrong,
    SigningSessionOff,
)
from clinical.signature.models import Signer, SigningConfirmation, SigningKey
from clinical.signature.settings import SESSION_ALLOWED, SESSION_MINUTES
from clinical.signature.states import KeyState
from core import audit, settings
from core.crypto.sm import DecryptionError
from core.errors import NotFound
from core.identity.caller import Caller
from core.identity.rules import remaining_seconds
from core.ids import new_id
from core.runtime import Runtime
from core.uow import UnitOfWork

#: How long the confirmation of one shown document lasts: the request that uses it follows at once.
SINGLE_LIFE = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Shown:
    """The document that a person has before the eyes, with the digest that the screen shows."""

    kind: str
    document_id: UUID
    digest: str


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A confirmation as its client gets it; `token` exists nowhere else."""

    id: UUID
    token: str
    expires_at: datetime
    single: bool


async def confirm(runtime: Runtime, caller: Caller, text: str, shown: Shown | None) -> Confirmed:
    """Try the PIN; a right one confirms the shown document, or (None) opens a signing session.

    Raises what `enrolment.require_ready` says is missing, SigningSessionOff, SigningPinLocked
    (retry_after) or SigningPinWrong (details: left).
    """
    async with runtime.unit_of_work() as uow:
        signer = await access.own_signer(uow.session, caller)
        await enrolment.require_ready(uow, signer)
        minutes = None if shown else await session_minutes(uow, caller)
    private_key, key_id = await open_key(runtime, caller, text)
    token, confirmation_id = pin.new_token(), new_id()
    async with runtime.unit_of_work() as uow:
        signer = await access.own_signer(uow.session, caller, lock=True)
        # It may have been suspended or revoked while the PIN was tried.
        await enrolment.require_ready(uow, signer)
        assert signer is not None
        if shown is None:
            await _end_sessions(uow, caller)
        life = SINGLE_LIFE if minutes is None else timedelta(minutes=minutes)
        row = SigningConfirmation(
            id=confirmation_id,
            hospital_id=caller.hospital_id,
            signer_id=signer.id,
            key_id=key_id,
            device_session_id=caller.session_id,
            sealed=pin.lock_with_token(private_key, token, confirmation_id),
            document_type=shown.kind if shown else None,
            document_id=shown.document_id if shown else None,
            digest=shown.digest if shown else None,
            signatures=0,
            created_at=uow.now,
            expires_at=uow.now + life,
            ended_at=None,
        )
        uow.session.add(row)
        if shown is None:
            await audit.record(
                uow,
                caller,
                "signature.session_begin",
                "signer",
                signer.id,
                detail={"minutes": minutes},
            )
    return Confirmed(row.id, token, row.expires_at, row.single)


async def session_minutes(uow: UnitOfWork, caller: Caller) -> int:
    """How long a signing session lasts; raises SigningSessionOff where there are none."""
    here = {"hospital_id": caller.hospital_id, "user_id": caller.user_id}
    if not await settings.get(uow, SESSION_ALLOWED, **here):
        raise SigningSessionOff()
    return await settings.get(uow, SESSION_MINUTES, hospital_id=caller.hospital_id)


async def open_key(runtime: Runtime, caller: Caller, text: str) -> tuple[bytes, UUID]:
    """The caller's private key and its id, when the PIN is right. Commits by itself.

    Raises SigningPinRequired (no key), SigningPinLocked or SigningPinWrong.
    """
    async with runtime.unit_of_work() as uow:
        signer, key = await _claim_attempt(uow, caller)
        box, salt, attempts = key.sealed, key.salt, signer.pin_failures
    if box is None or salt is None:
        raise SigningPinRequired()
    try:
        private_key = await pin.open_with_pin(box, text, salt, signer.id)
    except DecryptionError as error:
        await _note_failure(runtime, caller, signer, attempts)
        left = rules.Attempts(attempts, None, None).left
        raise SigningPinWrong(
            f"还可以尝试 {left} 次" if left else "签名已暂时锁定", details={"left": left}
        ) from error
    async with runtime.unit_of_work() as uow:
        await uow.session.execute(
            update(Signer)
            .where(Signer.id == signer.id)
            .values(pin_failures=0, pin_locked_until=None)
        )
    return private_key, key.id


async def _claim_attempt(uow: UnitOfWork, caller: Caller) -> tuple[Signer, SigningKey]:
    signer = await access.own_signer(uow.session, caller, lock=True)
    key = await access.key_of(uow.session, signer)
    if signer is None or key is None or key.state not in (KeyState.ACTIVE, KeyState.REQUESTED):
        raise SigningPinRequired()
    before = rules.Attempts(signer.pin_failures, signer.pin_failed_at, signer.pin_locked_until)
    if before.locked(uow.now):
        wait = remaining_seconds(before.locked_until, uow.now)
        raise SigningPinLocked(f"请 {_minutes(wait)} 后再试，或重置签名密码", retry_after=wait)
    after = before.counted(uow.now)
    signer.pin_failures, signer.pin_failed_at = after.failures, after.failed_at
    signer.pin_locked_until = after.locked_until
    return signer, key


def _minutes(seconds: int) -> str:
    return f"{seconds} 秒" if seconds < 60 else f"{-(-seconds // 60)} 分钟"


async def _note_failure(runtime: Runtime, caller: Caller, signer: Signer, attempts: int) -> None:
    async with runtime.unit_of_work() as uow:
        await audit.record(
            uow, caller, "signature.pin_wrong", "signer", signer.id, detail={"failures": attempts}
        )
        if attempts == rules.PIN_LOCKOUT.free_failures:
            await enrolment.tell(
                uow,
                signer,
                "signing_pin_locked",
                "签名密码已锁定",
                "签名密码连续输错，签名已暂停。如非本人操作，请立即挂失证书。",
            )


# --- using and ending ----------------------------------------------------------------------------


async def use(
    uow: UnitOfWork, caller: Caller, confirmation_id: UUID, token: str, shown: Shown
) -> tuple[bytes, SigningKey, SigningConfirmation]:
    """The private key that a confirmation holds, for signing the shown document now.

    A single one is used up in this transaction. Raises ConfirmationInvalid when it is another
    person's or login's, over, for another document, or the token does not fit.
    """
    row = await uow.session.scalar(
        select(SigningConfirmation)
        .where(
            SigningConfirmation.id == confirmation_id,
            SigningConfirmation.hospital_id == caller.hospital_id,
            SigningConfirmation.device_session_id == caller.session_id,
        )
        .with_for_update()
    )
    if row is None or row.ended_at is not None or row.expires_at <= uow.now or row.sealed is None:
        raise ConfirmationInvalid()
    if row.single and (row.document_type, row.document_id, row.digest) != (
        shown.kind,
        shown.document_id,
        shown.digest,
    ):
        raise ConfirmationInvalid()
    signer = await access.own_signer(uow.session, caller)
    key = await uow.session.get_one(SigningKey, row.key_id)
    if signer is None or signer.id != row.signer_id or key.state is not KeyState.ACTIVE:
        raise ConfirmationInvalid()
    try:
        private_key = pin.open_with_token(row.sealed, token, row.id)
    except DecryptionError as error:
        raise ConfirmationInvalid() from error
    row.signatures += 1
    if row.single:
        row.ended_at, row.sealed = uow.now, None
    return private_key, key, row


async def open_session(uow: UnitOfWork, caller: Caller) -> SigningConfirmation | None:
    """The signing session of this login, if one is under way."""
    return await uow.session.scalar(
        select(SigningConfirmation)
        .where(
            SigningConfirmation.device_session_id == caller.session_id,
            SigningConfirmation.document_id.is_(None),
            SigningConfirmation.ended_at.is_(None),
            SigningConfirmation.expires_at > uow.now,
        )
        .order_by(SigningConfirmation.created_at.desc())
        .limit(1)
    )


async def end_session(uow: UnitOfWork, caller: Caller) -> None:
    """End the signing session of this login. Raises NotFound when there is none."""
    if not await _end_sessions(uow, caller):
        raise NotFound()
    signer = await access.own_signer(uow.session, caller)
    if signer is not None:
        await audit.record(uow, caller, "signature.session_end", "signer", signer.id)


async def _end_sessions(uow: UnitOfWork, caller: Caller) -> int:
    return await end_of_login(uow, caller.session_id)


async def end_of_login(uow: UnitOfWork, device_session_id: UUID) -> int:
    """End what a login has confirmed; returns how many confirmations ended."""
    ended = await uow.session.execute(
        update(SigningConfirmation)
        .where(
            SigningConfirmation.device_session_id == device_session_id,
            SigningConfirmation.ended_at.is_(None),
        )
        .values(ended_at=uow.now, sealed=None)
        .returning(SigningConfirmation.id)
    )
    return len(ended.all())


async def forget_expired(uow: UnitOfWork) -> None:
    """End confirmations whose time is over, so that no key lies in them longer than it may."""
    await uow.session.execute(
        update(SigningConfirmation)
        .where(SigningConfirmation.ended_at.is_(None), SigningConfirmation.expires_at <= uow.now)
        .values(ended_at=uow.now, sealed=None)
    )
