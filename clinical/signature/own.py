"""The own signature as its owner sees it, and the signers of a hospital as their keepers do."""

from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import func, select

from clinical.signature import access, confirming, enrolment, rules
from clinical.signature.formats.x509 import read_certificate
from clinical.signature.models import (
    CaRequest,
    DocumentSignature,
    SignatureImage,
    Signer,
    SigningKey,
    SigningTask,
)
from clinical.signature.schemas import (
    CertificateView,
    ImageView,
    OwnSignature,
    SessionView,
    SignerView,
    UsageLine,
    UsageView,
)
from clinical.signature.settings import (
    CERTIFICATES_INCLUDED,
    PIN_LENGTH,
    SESSION_ALLOWED,
    SESSION_MINUTES,
    SIGNATURES_PER_YEAR,
)
from clinical.signature.states import (
    NEXT_STEP,
    STANDING_TEXT,
    KeyState,
    RequestState,
    TaskState,
)
from core import settings
from core.identity.caller import Caller
from core.identity.models import Hospital, User
from core.uow import UnitOfWork

CAPTURE_PATH = "/m/#/clinician/signature/capture"


async def own_signature(uow: UnitOfWork, caller: Caller) -> OwnSignature:
    """Where the caller stands with signing, and what to do next."""
    signer = await access.own_signer(uow.session, caller)
    key = await access.key_of(uow.session, signer)
    standing = (await enrolment.ability_of(uow, signer)).standing(uow.now)
    images = await access.images_of(uow.session, signer) if signer else []
    session = await confirming.open_session(uow, caller)
    here = {"hospital_id": caller.hospital_id}
    allowed = await settings.get(uow, SESSION_ALLOWED, **here, user_id=caller.user_id)
    return OwnSignature(
        standing=standing,
        standing_text=STANDING_TEXT[standing],
        next_step=NEXT_STEP[standing],
        image=_image(images[0]) if images else None,
        images=[_image(image) for image in images],
        certificate=certificate_view(key),
        pin_length=await settings.get(uow, PIN_LENGTH, **here),
        pin_set=key is not None and key.state in (KeyState.ACTIVE, KeyState.REQUESTED),
        real_name_needed=await uow.session.scalar(
            select(User.real_name_verified_at).where(User.id == caller.user_id)
        )
        is None,
        pin_locked_until=_locked_until(signer, uow.now),
        session=SessionView(expires_at=session.expires_at, signatures=session.signatures)
        if session
        else None,
        session_minutes=await settings.get(uow, SESSION_MINUTES, **here) if allowed else None,
        waiting=len(await access.open_tasks(uow.session, caller)),
        capture_url=uow.runtime.config.base_url + CAPTURE_PATH,
    )


def _image(row: SignatureImage) -> ImageView:
    return ImageView(
        version=row.version,
        file_id=row.file_id,
        created_at=row.created_at,
        replaced_at=row.replaced_at,
    )


def _locked_until(signer: Signer | None, now: datetime) -> datetime | None:
    until = signer.pin_locked_until if signer else None
    return until if until is not None and until > now else None


def certificate_view(key: SigningKey | None) -> CertificateView | None:
    """The certificate of a key; without one yet only its state is known."""
    if key is None:
        return None
    read = read_certificate(key.certificate) if key.certificate else None
    return CertificateView(
        state=key.state,
        serial=key.serial,
        issuer=read.issuer_text if read else None,
        subject=read.subject_text if read else None,
        not_before=key.not_before,
        not_after=key.not_after,
        revoke_reason=key.revoke_reason,
    )


async def signers(uow: UnitOfWork, caller: Caller) -> list[SignerView]:
    """Everybody who signs at the caller's hospital."""
    found = await access.signers_of_hospital(uow.session, caller)
    signed = await _count_signed(uow, caller)
    waiting = await _count_waiting(uow, caller)
    views = []
    for signer, user, key in found:
        ability = rules.Ability(
            has_image=signer.image_id is not None,
            suspended=signer.suspended_at is not None,
            key=key.state if key else None,
            not_after=key.not_after if key else None,
        )
        standing = ability.standing(uow.now)
        views.append(
            SignerView(
                id=signer.id,
                user_id=user.id,
                name=user.name,
                standing=standing,
                standing_text=STANDING_TEXT[standing],
                certificate=certificate_view(key),
                suspended_reason=signer.suspended_reason,
                signatures=signed.get(user.id, 0),
                waiting=waiting.get(user.id, 0),
            )
        )
    return views


async def _count_signed(uow: UnitOfWork, caller: Caller) -> dict[UUID, int]:
    rows = await uow.session.execute(
        select(DocumentSignature.user_id, func.count())
        .where(
            DocumentSignature.hospital_id == caller.hospital_id,
            DocumentSignature.user_id.is_not(None),
        )
        .group_by(DocumentSignature.user_id)
    )
    return {user_id: count for user_id, count in rows if user_id is not None}


async def _count_waiting(uow: UnitOfWork, caller: Caller) -> dict[UUID, int]:
    rows = await uow.session.execute(
        select(SigningTask.user_id, func.count())
        .where(
            SigningTask.hospital_id == caller.hospital_id,
            SigningTask.user_id.is_not(None),
            SigningTask.state == TaskState.OPEN,
        )
        .group_by(SigningTask.user_id)
    )
    return {user_id: count for user_id, count in rows if user_id is not None}


# --- counting ------------------------------------------------------------------------------------


async def usage(uow: UnitOfWork, hospital_id: UUID) -> UsageView:
    """Certificates in force and signatures of the calendar year at the hospital (S0-N-020).

    What is counted against the limits are the people's; the hospital's seals stand in `by_type`.
    """
    hospital = await uow.session.get_one(Hospital, hospital_id)
    zone = ZoneInfo(hospital.time_zone)
    year = uow.now.astimezone(zone).year
    here = {"hospital_id": hospital_id}
    certificates = await uow.session.scalar(
        select(func.count())
        .select_from(SigningKey)
        .join(Signer, Signer.id == SigningKey.signer_id)
        .where(
            SigningKey.hospital_id == hospital_id,
            SigningKey.state == KeyState.ACTIVE,
            SigningKey.not_after > uow.now,
            Signer.user_id.is_not(None),
        )
    )
    people = DocumentSignature.user_id.is_not(None)
    rows = await uow.session.execute(
        select(DocumentSignature.document_type, people, func.count())
        .where(
            DocumentSignature.hospital_id == hospital_id,
            DocumentSignature.signed_at >= datetime(year, 1, 1, tzinfo=zone),
        )
        .group_by(DocumentSignature.document_type, people)
    )
    by_type: dict[str, int] = {}
    signed = 0
    for kind, by_person, count in rows:
        by_type[kind] = by_type.get(kind, 0) + count
        signed += count if by_person else 0
    waiting = await uow.session.scalar(
        select(func.count())
        .select_from(CaRequest)
        .where(CaRequest.hospital_id == hospital_id, CaRequest.state == RequestState.OPEN)
    )
    seal = await access.key_of(uow.session, await access.seal_of(uow.session, hospital_id))
    return UsageView(
        year=year,
        certificates=_line(
            certificates or 0, await settings.get(uow, CERTIFICATES_INCLUDED, **here)
        ),
        signatures=_line(signed, await settings.get(uow, SIGNATURES_PER_YEAR, **here)),
        by_type=by_type,
        seal=certificate_view(seal),
        unfinished_requests=waiting or 0,
    )


def _line(used: int, limit: int) -> UsageLine:
    measured = rules.Usage(used, limit)
    return UsageLine(used=used, limit=limit, percent=measured.percent, level=measured.level())
