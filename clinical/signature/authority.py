"""Asking the CA: an open request is claimed, carried out, and its answer stored.

The claim is a lease, so that two workers do not ask at once and a dead one is followed by another.
Every call carries the key's id as its number at the CA, so repeating it is harmless.
"""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy import or_, select
from sqlalchemy.exc import SQLAlchemyError

from clinical.signature import access, enrolment, rules
from clinical.signature.certificates import store
from clinical.signature.certificates.states import Origin
from clinical.signature.formats.errors import FormatError
from clinical.signature.formats.x509 import read_certificate
from clinical.signature.gateway import (
    CertificateAnswer,
    CertificateAuthority,
    CertificateRequest,
    Issue,
    Profile,
    UnknownCertificate,
)
from clinical.signature.models import CaRequest, Signer, SigningKey
from clinical.signature.settings import CREDIT_CODE, RENEW_DAYS
from clinical.signature.states import (
    KeyState,
    RequestKind,
    RequestState,
    RevokeReason,
    SignerKind,
)
from core import audit, settings
from core.identity.models import Hospital, User
from core.outside import OutsideError, OutsideRefused
from core.runtime import PortMissing, Runtime
from core.uow import UnitOfWork

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=60)
BATCH = 100


@dataclass(frozen=True)
class _Errand:
    """What the call needs of a claimed request."""

    request_id: UUID
    kind: RequestKind
    reference: str
    asked: CertificateRequest
    serial: str | None
    reason: RevokeReason


async def process(runtime: Runtime, request_id: UUID) -> bool:
    """Carry one request out; False when it has to be tried again later or somebody else does it."""
    async with runtime.unit_of_work() as uow:
        errand = await _claim(uow, request_id)
    if errand is None:
        return False
    try:
        answer = await _call(runtime.port(CertificateAuthority), errand)
    except (OutsideError, PortMissing) as error:
        refused = isinstance(error, OutsideRefused)
        async with runtime.unit_of_work() as uow:
            await _failed(uow, errand, str(error), final=refused)
        return False
    try:
        async with runtime.unit_of_work() as uow:
            return await _answered(uow, errand, answer)
    except FormatError as error:
        async with runtime.unit_of_work() as uow:
            await _failed(uow, errand, str(error), final=False)
        return False


async def process_waiting(runtime: Runtime) -> None:
    """Carry out every request whose time has come."""
    async with runtime.unit_of_work() as uow:
        waiting = list(
            await uow.session.scalars(
                select(CaRequest.id)
                .where(CaRequest.state == RequestState.OPEN, CaRequest.not_before <= uow.now)
                .order_by(CaRequest.not_before)
                .limit(BATCH)
            )
        )
    for request_id in waiting:
        try:
            await process(runtime, request_id)
        except SQLAlchemyError as error:
            log.error("ca_request_failed", request=str(request_id), error=repr(error))


async def _claim(uow: UnitOfWork, request_id: UUID) -> _Errand | None:
    row = await uow.session.scalar(
        select(CaRequest)
        .where(
            CaRequest.id == request_id,
            CaRequest.state == RequestState.OPEN,
            CaRequest.not_before <= uow.now,
            or_(CaRequest.claimed_until.is_(None), CaRequest.claimed_until <= uow.now),
        )
        .with_for_update(skip_locked=True)
    )
    if row is None:
        return None
    row.claimed_until = uow.now + LEASE
    row.attempts += 1
    key = await uow.session.get_one(SigningKey, row.key_id)
    serial = key.serial
    if row.kind is RequestKind.RENEW:
        old = await uow.session.scalar(
            select(SigningKey.serial).where(
                SigningKey.signer_id == key.signer_id, SigningKey.state == KeyState.ACTIVE
            )
        )
        serial = old
    return _Errand(
        request_id=row.id,
        kind=row.kind,
        reference=key.id.hex,
        asked=await _subject(uow, key),
        serial=serial,
        reason=row.reason or RevokeReason.SUPERSEDED,
    )


async def _subject(uow: UnitOfWork, key: SigningKey) -> CertificateRequest:
    signer = await uow.session.get_one(Signer, key.signer_id)
    hospital = await uow.session.get_one(Hospital, signer.hospital_id)
    if signer.user_id is None:
        return CertificateRequest(
            reference=key.id.hex,
            profile=Profile.ORGANISATION,
            csr=key.csr,
            name=hospital.name,
            id_number=await settings.get(uow, CREDIT_CODE, hospital_id=hospital.id),
            organisation=hospital.name,
        )
    user = await uow.session.get_one(User, signer.user_id)
    number = await uow.session.scalar(select(User.id_number).where(User.id == user.id))
    return CertificateRequest(
        reference=key.id.hex,
        profile=Profile.PERSON,
        csr=key.csr,
        name=user.real_name or user.name,
        id_number=number or "",
        organisation=hospital.name,
        phone=user.phone,
    )


async def _call(ca: CertificateAuthority, errand: _Errand) -> CertificateAnswer:
    match errand.kind:
        case RequestKind.ISSUE:
            return await ca.request(errand.asked)
        case RequestKind.RENEW if errand.serial is not None:
            return await ca.renew(errand.reference, errand.serial, errand.asked.csr)
        case RequestKind.RENEW:
            # The old certificate was taken back meanwhile: then this is a fresh one.
            return await ca.request(errand.asked)
        case RequestKind.REVOKE:
            return await _revoke(ca, errand)


async def _revoke(ca: CertificateAuthority, errand: _Errand) -> CertificateAnswer:
    serial = errand.serial
    if serial is None:
        # Given up before its certificate came; the CA may have made one all the same.
        try:
            found = await ca.query(errand.reference)
        except UnknownCertificate:
            return CertificateAnswer(reference=errand.reference, state=Issue.REVOKED)
        if found.serial is None:
            return found
        serial = found.serial
    return await ca.revoke(errand.reference, serial, errand.reason)


async def _failed(uow: UnitOfWork, errand: _Errand, error: str, *, final: bool) -> None:
    row = await uow.session.get_one(CaRequest, errand.request_id, with_for_update=True)
    if row.state is not RequestState.OPEN:
        return
    row.last_error, row.claimed_until = error[:2000], None
    row.not_before = uow.now + rules.retry_after(row.attempts)
    if final and errand.kind is not RequestKind.REVOKE:
        await _refused(uow, row, error)


async def _answered(uow: UnitOfWork, errand: _Errand, answer: CertificateAnswer) -> bool:
    row = await uow.session.get_one(CaRequest, errand.request_id, with_for_update=True)
    if row.state is not RequestState.OPEN:
        return True
    row.claimed_until, row.last_error = None, answer.message or None
    if answer.state is Issue.PENDING:
        row.not_before = uow.now + rules.retry_after(row.attempts)
        return False
    if errand.kind is RequestKind.REVOKE:
        row.state, row.done_at = RequestState.DONE, uow.now
        return True
    if answer.state is not Issue.ISSUED or answer.certificate is None:
        await _refused(uow, row, answer.message)
        return True
    await _issued(uow, row, answer, answer.certificate)
    return True


async def _issued(
    uow: UnitOfWork, row: CaRequest, answer: CertificateAnswer, certificate: bytes
) -> None:
    read = read_certificate(certificate)
    key = await uow.session.get_one(SigningKey, row.key_id)
    signer = await uow.session.get_one(Signer, key.signer_id, with_for_update=True)
    await uow.session.refresh(key, with_for_update=True)
    if read.public_der != key.public_key:
        raise FormatError("The certificate is for another key.")
    row.state, row.done_at = RequestState.DONE, uow.now
    if key.state is not KeyState.REQUESTED:
        return
    old = await access.active_key(uow.session, signer)
    if old is not None:
        old.state, old.sealed, old.ended_at = KeyState.SUPERSEDED, None, uow.now
        await enrolment.end_confirmations(uow, signer)
        await uow.session.flush()
    key.state, key.certificate, key.chain = KeyState.ACTIVE, certificate, list(answer.chain)
    key.serial, key.not_before, key.not_after = read.serial_hex, read.not_before, read.not_after
    await store.keep(
        uow,
        signer.hospital_id,
        [read, *(read_certificate(each) for each in answer.chain)],
        origin=Origin.ISSUED,
    )
    await audit.record(
        uow,
        None,
        "signature.certificate",
        "signer",
        signer.id,
        detail={"kind": row.kind.value, "serial": key.serial, "until": key.not_after},
        hospital_id=signer.hospital_id,
        user_id=signer.user_id,
    )
    enrolment.announce(uow, signer, key)
    if row.kind is RequestKind.RENEW:
        await enrolment.tell(
            uow,
            signer,
            "certificate_renewed",
            "数字证书已续期",
            "您的数字证书已自动续期，签名不受影响。",
        )


async def _refused(uow: UnitOfWork, row: CaRequest, message: str) -> None:
    row.state, row.done_at, row.last_error = RequestState.REFUSED, uow.now, message[:2000]
    key = await uow.session.get_one(SigningKey, row.key_id, with_for_update=True)
    if key.state is not KeyState.REQUESTED:
        return
    key.state, key.sealed, key.ended_at = KeyState.REFUSED, None, uow.now
    signer = await uow.session.get_one(Signer, key.signer_id)
    enrolment.announce(uow, signer, key)
    if signer.kind is SignerKind.PERSON:
        await enrolment.tell(
            uow,
            signer,
            "certificate_refused",
            "数字证书申请未通过",
            "CA机构未通过您的证书申请，请核对个人资料后重新设置签名密码。",
        )


async def ask_for_renewals(uow: UnitOfWork) -> int:
    """Ask for new certificates in place of those that end soon; returns how many were asked for."""
    renewing = select(SigningKey.signer_id).where(SigningKey.state == KeyState.REQUESTED)
    rows = await uow.session.scalars(
        select(SigningKey)
        .join(Signer, Signer.id == SigningKey.signer_id)
        .where(
            SigningKey.state == KeyState.ACTIVE,
            # The setting allows no more; each hospital's own number is asked below.
            SigningKey.not_after <= uow.now + timedelta(days=RENEW_DAYS.maximum or 180),
            SigningKey.not_after > uow.now,
            SigningKey.signer_id.not_in(renewing),
            Signer.suspended_at.is_(None),
        )
        .limit(BATCH)
        .with_for_update(of=SigningKey, skip_locked=True)
    )
    asked = 0
    for key in rows.all():
        days = await settings.get(uow, RENEW_DAYS, hospital_id=key.hospital_id)
        if key.not_after and rules.due_for_renewal(key.not_after, uow.now, days):
            await enrolment.renew(uow, key)
            asked += 1
    return asked
