"""Server keys: made here, certified by the CA, renewed in time, taken back.

The row with the request is written before the CA is called and again after it answered, so a crash
between the two leaves a key that the job asks about again under the same number.
"""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import structlog
from sqlalchemy import or_, select

from clinical.signature.applications import access, registry
from clinical.signature.applications.errors import CreditCodeMissing, ServerKeyInUse
from clinical.signature.applications.models import Application, ServerKey
from clinical.signature.applications.providers import provider
from clinical.signature.applications.states import KeyState, Provider
from clinical.signature.certificates import store
from clinical.signature.certificates.states import Origin
from clinical.signature.formats.errors import FormatError
from clinical.signature.formats.requests import certificate_request
from clinical.signature.formats.x509 import Certificate, read_certificate
from clinical.signature.gateway import (
    CertificateAnswer,
    CertificateAuthority,
    CertificateRequest,
    Issue,
    Profile,
)
from clinical.signature.settings import CREDIT_CODE
from clinical.signature.states import RevokeReason
from core import audit, settings
from core.crypto.signing import Algorithm
from core.errors import NotFound
from core.identity.caller import Caller
from core.identity.models import Hospital
from core.ids import new_id
from core.outside import OutsideError, OutsideRefused
from core.runtime import PortMissing
from core.uow import UnitOfWork

if TYPE_CHECKING:
    from core.runtime import Runtime

log = structlog.get_logger(__name__)

RENEW_BEFORE = timedelta(days=30)
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=10), timedelta(hours=1)
BATCH = 50


async def request_key(
    uow: UnitOfWork,
    hospital_id: UUID,
    label: str,
    algorithm: Algorithm,
    caller: Caller | None = None,
) -> ServerKey:
    """Make a key and the request for its certificate; `ask` carries it to the CA.

    Raises CreditCodeMissing, because no CA certifies an organisation without it.
    """
    if not await settings.get(uow, CREDIT_CODE, hospital_id=hospital_id):
        raise CreditCodeMissing()
    hospital = await uow.session.get_one(Hospital, hospital_id)
    made = provider(Provider.SOFTWARE).make(algorithm)
    row = ServerKey(
        id=new_id(),
        hospital_id=hospital_id,
        label=label,
        algorithm=algorithm,
        provider=Provider.SOFTWARE,
        state=KeyState.REQUESTED,
        sealed=made.sealed,
        csr=certificate_request(made.key, hospital.name, organisation=hospital.name),
        attempts=0,
        next_attempt_at=uow.now,
        created_at=uow.now,
        created_by=caller.user_id if caller else None,
    )
    uow.session.add(row)
    await audit.record(
        uow,
        caller,
        "server_key.create",
        "server_key",
        row.id,
        detail={"label": label, "algorithm": algorithm.value},
        hospital_id=hospital_id,
    )
    await uow.session.flush()
    return row


async def ask(runtime: "Runtime", key_id: UUID) -> KeyState | None:
    """Carry a key's request to the CA, or its renewal; returns how the key stands then."""
    async with runtime.unit_of_work() as uow:
        row = await _claim(uow, key_id)
        if row is None:
            return None
        request = await _request(uow, row)
        reference = _reference(row)
        serial, csr, renewing = row.serial, row.csr, row.state is KeyState.ACTIVE
    try:
        authority = runtime.port(CertificateAuthority)
        if renewing:
            assert serial is not None
            answer = await authority.renew(reference, serial, csr)
        else:
            answer = await authority.request(request)
        certificates = _checked(answer, csr)
    except (OutsideError, PortMissing, FormatError) as error:
        log.warning("server_key_not_certified", key=str(key_id), error=str(error))
        final = isinstance(error, OutsideRefused) and not renewing
        return await _note_failure(runtime, key_id, str(error), final=final)
    return await _take_answer(runtime, key_id, answer, certificates)


async def ask_waiting(runtime: "Runtime") -> None:
    """Every key that waits for a certificate, and those that end soon."""
    async with runtime.unit_of_work() as uow:
        due = or_(ServerKey.next_attempt_at.is_(None), ServerKey.next_attempt_at <= uow.now)
        soon = (ServerKey.state == KeyState.ACTIVE) & (
            ServerKey.not_after <= uow.now + RENEW_BEFORE
        )
        query = select(ServerKey.id).where(or_(ServerKey.state == KeyState.REQUESTED, soon), due)
        waiting = list(await uow.session.scalars(query.order_by(ServerKey.id).limit(BATCH)))
    for key_id in waiting:
        await ask(runtime, key_id)


async def retire(runtime: "Runtime", caller: Caller, key_id: UUID) -> None:
    """Let a key never sign again and have its certificate taken back.

    Raises NotFound, ServerKeyInUse.
    """
    async with runtime.unit_of_work() as uow:
        row = await access.server_key_for(uow.session, caller, key_id, lock=True)
        used = select(Application.id).where(Application.server_key_id == row.id).limit(1)
        if await uow.session.scalar(used) is not None:
            raise ServerKeyInUse()
        serial, reference = row.serial, f"{row.id.hex}-retire"
        if row.state is not KeyState.RETIRED:
            row.state, row.sealed, row.ended_at = KeyState.RETIRED, None, uow.now
            await audit.record(uow, caller, "server_key.retire", "server_key", row.id)
    await registry.announce(runtime)
    if serial is not None:
        await runtime.port(CertificateAuthority).revoke(reference, serial, RevokeReason.SUPERSEDED)


async def _claim(uow: UnitOfWork, key_id: UUID) -> ServerKey | None:
    row = await uow.session.scalar(
        select(ServerKey)
        .where(
            ServerKey.id == key_id,
            ServerKey.state.in_([KeyState.REQUESTED, KeyState.ACTIVE]),
            or_(ServerKey.next_attempt_at.is_(None), ServerKey.next_attempt_at <= uow.now),
        )
        .with_for_update(skip_locked=True)
    )
    if row is None:
        return None
    row.attempts += 1
    # The lease of whoever asks now; a crash lets the next one ask when it is over.
    row.next_attempt_at = uow.now + timedelta(seconds=60)
    return row


async def _request(uow: UnitOfWork, row: ServerKey) -> CertificateRequest:
    hospital = await uow.session.get_one(Hospital, row.hospital_id)
    return CertificateRequest(
        reference=row.id.hex,
        profile=Profile.ORGANISATION,
        csr=row.csr,
        name=hospital.name,
        id_number=await settings.get(uow, CREDIT_CODE, hospital_id=hospital.id),
        organisation=hospital.name,
    )


def _reference(row: ServerKey) -> str:
    """The number of the next renewal: it follows from the certificate that is renewed."""
    return f"{row.id.hex}-{row.serial}"


def _checked(answer: CertificateAnswer, csr: bytes) -> list[Certificate]:
    """The issued certificate with its chain; empty while there is none. Raises FormatError."""
    if answer.state is not Issue.ISSUED or answer.certificate is None:
        return []
    certificate = read_certificate(answer.certificate)
    if certificate.public_der not in csr:
        raise FormatError("the CA has certified another key")
    return [certificate, *(read_certificate(each) for each in answer.chain)]


async def _take_answer(
    runtime: "Runtime", key_id: UUID, answer: CertificateAnswer, certificates: list[Certificate]
) -> KeyState:
    async with runtime.unit_of_work() as uow:
        row = await uow.session.get(ServerKey, key_id, with_for_update=True)
        if row is None:
            raise NotFound()
        if certificates and row.state is not KeyState.RETIRED:
            _fill(row, certificates)
            await store.keep(uow, row.hospital_id, certificates, origin=Origin.ISSUED)
            await audit.record(
                uow,
                None,
                "server_key.certified",
                "server_key",
                row.id,
                detail={"serial": row.serial},
                hospital_id=row.hospital_id,
            )
        elif answer.state is Issue.REFUSED:
            row.state, row.sealed, row.last_error = KeyState.REFUSED, None, answer.message
        else:
            row.next_attempt_at = _later(uow.now, row.attempts)
        state = row.state
    await registry.announce(runtime)
    return state


def _fill(row: ServerKey, certificates: list[Certificate]) -> None:
    certificate, *chain = certificates
    row.state, row.last_error, row.attempts, row.next_attempt_at = KeyState.ACTIVE, None, 0, None
    row.certificate, row.serial = certificate.der, certificate.serial_hex
    row.chain = b"".join(each.der for each in chain)
    row.not_before, row.not_after = certificate.not_before, certificate.not_after


async def _note_failure(runtime: "Runtime", key_id: UUID, error: str, *, final: bool) -> KeyState:
    async with runtime.unit_of_work() as uow:
        row = await uow.session.get_one(ServerKey, key_id, with_for_update=True)
        row.last_error, row.next_attempt_at = error[:500], _later(uow.now, row.attempts)
        if final:
            row.state, row.sealed = KeyState.REFUSED, None
        return row.state


def _later(now: datetime, attempts: int) -> datetime:
    doubled: timedelta = FIRST_PAUSE * 2 ** min(attempts, 16)
    return now + min(doubled, LONGEST_PAUSE)
