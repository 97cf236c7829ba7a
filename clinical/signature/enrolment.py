"""The verbs of a signer: handwriting, keys, certificates, suspension. None of them commits."""

from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert

from clinical.signature import access, rules
from clinical.signature.errors import (
    CertificatePending,
    CertificateUnusable,
    SignatureImageRequired,
    SigningPinRequired,
    SigningSuspended,
)
from clinical.signature.events import CaRequestMade, CertificateChanged
from clinical.signature.models import (
    CaRequest,
    SignatureImage,
    Signer,
    SigningConfirmation,
    SigningKey,
)
from clinical.signature.states import (
    KeyState,
    RequestKind,
    RequestState,
    RevokeReason,
    SignerKind,
    Standing,
)
from core import audit
from core.files.models import File, Purpose
from core.files.schemas import FileKind
from core.files.service import attach
from core.identity.caller import Caller
from core.ids import new_id
from core.uow import UnitOfWork
from realtime import inbox
from realtime.notices import WECHAT, Category, declare

for _code, _title in {
    "signing_waiting": "文书待签名",
    "signing_revoked": "签名停用",
    "signing_pin_locked": "签名密码锁定",
    "certificate_renewed": "证书更新",
    "certificate_refused": "证书申请未通过",
}.items():
    declare(
        _code,
        Category.SIGNING,
        _title,
        staff=True,
        outside="您的电子签名有事项待处理，请登录查看",
        channels=WECHAT,
    )

IMAGE_SCOPE = "signature_image"
#: Why a signer is suspended; only the first is lifted by itself.
BY_ACCOUNT, BY_KEEPER = "account", "keeper"


async def signer_for(uow: UnitOfWork, hospital_id: UUID, user_id: UUID | None) -> Signer:
    """The signer under its row lock, made when there is none. `user_id` None is the hospital."""
    where = {"hospital_id": hospital_id, "user_id": user_id}
    statement = insert(Signer).values(id=new_id(), **where, pin_failures=0, created_at=uow.now)
    await uow.session.execute(statement.on_conflict_do_nothing())
    query = select(Signer).where(
        Signer.hospital_id == hospital_id,
        Signer.user_id.is_(None) if user_id is None else Signer.user_id == user_id,
    )
    found = await uow.session.scalar(
        query.with_for_update().execution_options(populate_existing=True)
    )
    assert found is not None
    return found


async def ability_of(uow: UnitOfWork, signer: Signer | None) -> rules.Ability:
    """What decides whether the signer can sign now."""
    key = await access.key_of(uow.session, signer)
    return rules.Ability(
        has_image=signer is not None and signer.image_id is not None,
        suspended=signer is not None and signer.suspended_at is not None,
        key=key.state if key else None,
        not_after=key.not_after if key else None,
    )


async def require_ready(uow: UnitOfWork, signer: Signer | None) -> None:
    """Raises the named refusal that says what is missing before this person can sign."""
    ability = await ability_of(uow, signer)
    refusals = {
        Standing.SUSPENDED: SigningSuspended,
        Standing.NO_IMAGE: SignatureImageRequired,
        Standing.NO_PIN: SigningPinRequired,
        Standing.REQUESTED: CertificatePending,
        Standing.REVOKED: CertificateUnusable,
        Standing.EXPIRED: CertificateUnusable,
    }
    refusal = refusals.get(ability.standing(uow.now))
    if refusal is not None:
        raise refusal()


# --- handwriting ---------------------------------------------------------------------------------


async def keep_image(uow: UnitOfWork, caller: Caller, file_id: UUID) -> SignatureImage:
    """Take the caller's uploaded handwriting as the one that signatures show from now on.

    Earlier ones are kept, because signatures show them. Raises FileNotAttachable,
    FileTypeNotAllowed.
    """
    signer = await signer_for(uow, caller.hospital_id, caller.user_id)
    await attach(
        uow,
        [file_id],
        IMAGE_SCOPE,
        signer.id,
        caller,
        purposes=[Purpose.SIGNATURE],
        kinds=[FileKind.IMAGE],
    )
    file = await uow.session.get_one(File, file_id)
    last = await uow.session.scalar(
        select(func.max(SignatureImage.version)).where(SignatureImage.signer_id == signer.id)
    )
    await uow.session.execute(
        update(SignatureImage)
        .where(SignatureImage.signer_id == signer.id, SignatureImage.replaced_at.is_(None))
        .values(replaced_at=uow.now)
    )
    row = SignatureImage(
        id=new_id(),
        hospital_id=signer.hospital_id,
        signer_id=signer.id,
        version=(last or 0) + 1,
        file_id=file_id,
        sha256=file.sha256,
        created_at=uow.now,
        replaced_at=None,
    )
    uow.session.add(row)
    signer.image_id = row.id
    await audit.record(
        uow, caller, "signature.image", "signer", signer.id, detail={"version": row.version}
    )
    tell_own_devices(uow, signer)
    return row


# --- keys and certificates -----------------------------------------------------------------------


async def new_key(
    uow: UnitOfWork,
    signer: Signer,
    *,
    key_id: UUID,
    public_key: bytes,
    csr: bytes,
    sealed: bytes,
    salt: bytes | None,
) -> CaRequest:
    """Store a fresh key pair and ask the CA for its certificate.

    A key that waits for its certificate is given up for the new one.
    """
    await _give_up_requested(uow, signer)
    uow.session.add(
        SigningKey(
            id=key_id,
            hospital_id=signer.hospital_id,
            signer_id=signer.id,
            state=KeyState.REQUESTED,
            public_key=public_key,
            csr=csr,
            sealed=sealed,
            salt=salt,
            created_at=uow.now,
        )
    )
    signer.pin_failures, signer.pin_locked_until = 0, None
    await uow.session.flush()
    return await _ask(uow, signer.hospital_id, key_id, RequestKind.ISSUE)


async def renew(uow: UnitOfWork, key: SigningKey) -> CaRequest:
    """Ask for a new certificate on the same key pair; the old one signs until it comes."""
    fresh = SigningKey(
        id=new_id(),
        hospital_id=key.hospital_id,
        signer_id=key.signer_id,
        state=KeyState.REQUESTED,
        public_key=key.public_key,
        csr=key.csr,
        sealed=key.sealed,
        salt=key.salt,
        created_at=uow.now,
    )
    uow.session.add(fresh)
    await uow.session.flush()
    return await _ask(uow, key.hospital_id, fresh.id, RequestKind.RENEW)


async def _give_up_requested(uow: UnitOfWork, signer: Signer) -> None:
    waiting = await uow.session.scalars(
        select(SigningKey)
        .where(SigningKey.signer_id == signer.id, SigningKey.state == KeyState.REQUESTED)
        .with_for_update()
    )
    for key in waiting.all():
        key.state, key.sealed, key.ended_at = KeyState.SUPERSEDED, None, uow.now
        await _close_requests(uow, key.id)
        # The CA may have issued it already; then the certificate that nobody uses is taken back.
        await _ask(
            uow, signer.hospital_id, key.id, RequestKind.REVOKE, reason=RevokeReason.SUPERSEDED
        )


async def _close_requests(uow: UnitOfWork, key_id: UUID) -> None:
    await uow.session.execute(
        update(CaRequest)
        .where(CaRequest.key_id == key_id, CaRequest.state == RequestState.OPEN)
        .values(state=RequestState.REFUSED, done_at=uow.now, last_error="given up")
    )


async def _ask(
    uow: UnitOfWork,
    hospital_id: UUID,
    key_id: UUID,
    kind: RequestKind,
    *,
    reason: RevokeReason | None = None,
) -> CaRequest:
    row = CaRequest(
        id=new_id(),
        hospital_id=hospital_id,
        key_id=key_id,
        kind=kind,
        state=RequestState.OPEN,
        reason=reason,
        attempts=0,
        not_before=uow.now,
        created_at=uow.now,
    )
    uow.session.add(row)
    await uow.session.flush()
    uow.record(CaRequestMade(hospital_id=hospital_id, aggregate_id=row.id, occurred_at=uow.now))
    return row


async def take_back(uow: UnitOfWork, signer: Signer, reason: RevokeReason) -> bool:
    """Revoke the certificate in force and forget its private key; False when there is none."""
    key = await access.active_key(uow.session, signer)
    if key is None:
        return False
    key.state, key.sealed, key.ended_at, key.revoke_reason = (
        KeyState.REVOKED,
        None,
        uow.now,
        reason,
    )
    await end_confirmations(uow, signer)
    await uow.session.flush()
    await _ask(uow, signer.hospital_id, key.id, RequestKind.REVOKE, reason=reason)
    announce(uow, signer, key)
    return True


async def end_confirmations(uow: UnitOfWork, signer: Signer) -> None:
    """End every signing session of a signer; the keys that lie in them are forgotten."""
    await uow.session.execute(
        update(SigningConfirmation)
        .where(SigningConfirmation.signer_id == signer.id, SigningConfirmation.ended_at.is_(None))
        .values(ended_at=uow.now, sealed=None)
    )


async def suspend(uow: UnitOfWork, signer: Signer, reason: str) -> None:
    """Let the signer sign no more until `resume`; suspending twice keeps the first reason."""
    if signer.suspended_at is None:
        signer.suspended_at, signer.suspended_reason = uow.now, reason
        await end_confirmations(uow, signer)
        tell_own_devices(uow, signer)


def resume(uow: UnitOfWork, signer: Signer) -> None:
    """Let the signer sign again."""
    signer.suspended_at, signer.suspended_reason = None, None
    tell_own_devices(uow, signer)


# --- who hears of it -----------------------------------------------------------------------------


def announce(uow: UnitOfWork, signer: Signer, key: SigningKey) -> None:
    """Say that a certificate came, went or was refused, to modules and to the own devices."""
    uow.record(
        CertificateChanged(
            hospital_id=signer.hospital_id,
            aggregate_id=signer.id,
            occurred_at=uow.now,
            user_id=signer.user_id,
            state=key.state.value,
        )
    )
    tell_own_devices(uow, signer)


def tell_own_devices(uow: UnitOfWork, signer: Signer) -> None:
    """After the commit, hint to every window of the signer that something of signing changed."""
    if signer.kind is SignerKind.SEAL or signer.user_id is None:
        return
    hint_changed(uow, signer.user_id, signer.hospital_id)


def hint_changed(uow: UnitOfWork, user_id: UUID, hospital_id: UUID) -> None:
    """After the commit, hint to every window of a user that pages about signing are stale."""
    payload = {"code": "signing_changed", "text": "", "ref": {"type": "signing", "id": ""}}

    async def hint() -> None:
        await uow.runtime.realtime.to_user(user_id, "notice", payload, hospital_id=hospital_id)

    uow.after_commit(hint)


async def tell(uow: UnitOfWork, signer: Signer, kind: str, title: str, text: str) -> None:
    """Put an item about signing into the signer's inbox."""
    if signer.user_id is not None:
        await inbox.notify(
            uow,
            [signer.user_id],
            hospital_id=signer.hospital_id,
            type=kind,
            title=title,
            text=text,
            ref=("signing", signer.id),
        )
