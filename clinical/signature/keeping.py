"""Taking certificates back and suspending signers: by the owner, by administrators, by itself."""

from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, select

from clinical.signature import access, enrolment
from clinical.signature.enrolment import BY_ACCOUNT, BY_KEEPER
from clinical.signature.errors import CertificateUnusable
from clinical.signature.models import Signer
from clinical.signature.states import REVOKE_TEXT, RevokeReason
from core import audit
from core.identity import second_factor
from core.identity.caller import Caller
from core.identity.models import RoleAssignment, User
from core.identity.roles import CLINICAL_ROLES
from core.uow import UnitOfWork

BATCH = 500


async def revoke_own(uow: UnitOfWork, caller: Caller, reason: RevokeReason) -> None:
    """The owner reports a lost phone or a known PIN: nothing is signed from now on.

    Needs no second factor, because somebody who has lost the phone must not be kept waiting.
    Raises CertificateUnusable when there is nothing to take back.
    """
    signer = await enrolment.signer_for(uow, caller.hospital_id, caller.user_id)
    await _revoke(uow, caller, signer, reason, REVOKE_TEXT[reason])


async def revoke(
    uow: UnitOfWork, caller: Caller, signer_id: UUID, reason: RevokeReason, words: str
) -> None:
    """An administrator takes a certificate back. Raises NotFound, CertificateUnusable."""
    await second_factor.require(uow, caller, action=second_factor.Action.CRITICAL)
    signer = await access.signer_of_hospital(uow.session, caller, signer_id, lock=True)
    await _revoke(uow, caller, signer, reason, words)
    await enrolment.tell(
        uow,
        signer,
        "signing_revoked",
        "数字证书已注销",
        f"管理员已注销您的数字证书（{REVOKE_TEXT[reason]}）。",
    )


async def _revoke(
    uow: UnitOfWork, caller: Caller, signer: Signer, reason: RevokeReason, words: str
) -> None:
    if not await enrolment.take_back(uow, signer, reason):
        raise CertificateUnusable("没有可注销的证书")
    await audit.record(
        uow,
        caller,
        "signature.revoke",
        "signer",
        signer.id,
        detail={"reason": reason.value, "words": words, "user": signer.user_id},
    )


async def suspend(uow: UnitOfWork, caller: Caller, signer_id: UUID, words: str) -> None:
    """An administrator lets somebody sign no more for now. Raises NotFound."""
    signer = await access.signer_of_hospital(uow.session, caller, signer_id, lock=True)
    # By hand counts more than by itself: it is not lifted when the account comes back.
    signer.suspended_reason = BY_KEEPER
    await enrolment.suspend(uow, signer, BY_KEEPER)
    await audit.record(
        uow, caller, "signature.suspend", "signer", signer.id, detail={"words": words}
    )


async def resume(uow: UnitOfWork, caller: Caller, signer_id: UUID) -> None:
    """An administrator lets somebody sign again. Raises NotFound."""
    signer = await access.signer_of_hospital(uow.session, caller, signer_id, lock=True)
    enrolment.resume(uow, signer)
    await audit.record(uow, caller, "signature.resume", "signer", signer.id)


# --- following the account -----------------------------------------------------------------------


def _works_here() -> ColumnElement[bool]:
    """The signer's person still has a clinical role at the hospital."""
    return exists().where(
        RoleAssignment.user_id == Signer.user_id,
        RoleAssignment.hospital_id == Signer.hospital_id,
        RoleAssignment.role.in_(CLINICAL_ROLES),
    )


async def follow_accounts(uow: UnitOfWork, user_id: UUID | None = None) -> int:
    """Suspend whoever is disabled, revoke whoever left, and let those sign who came back.

    Of one user, or of everybody; returns how many signers changed.
    """
    query = (
        select(Signer, User.enabled, _works_here())
        .join(User, User.id == Signer.user_id)
        .with_for_update(of=Signer, skip_locked=user_id is None)
        .limit(BATCH)
    )
    by_account = Signer.suspended_reason == BY_ACCOUNT
    usable = and_(User.enabled, _works_here())
    query = query.where(and_(Signer.suspended_at.is_(None), ~usable) | and_(by_account, usable))
    if user_id is not None:
        query = query.where(Signer.user_id == user_id)
    changed = 0
    for signer, enabled, works in (await uow.session.execute(query)).all():
        changed += 1
        if enabled and works:
            enrolment.resume(uow, signer)
            continue
        await enrolment.suspend(uow, signer, BY_ACCOUNT)
        if not works:
            await enrolment.take_back(uow, signer, RevokeReason.LEFT)
        await audit.record(
            uow,
            None,
            "signature.suspend",
            "signer",
            signer.id,
            detail={"reason": "account disabled" if works else "left"},
            hospital_id=signer.hospital_id,
            user_id=signer.user_id,
        )
    return changed
